"""An embedder over the router, against a scripted provider on a real socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ondol.core.errors import RequestError, UpstreamError
from ondol.core.ids import new_id
from ondol.infrastructure.serving.embedding import BATCH_TEXTS_MAX, DIMENSIONS_MAX, TEXT_CHARACTERS_MAX, EndpointEmbedder, Vectors
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import ModelRow, ProviderRow, Secret, TargetRow
from ondol.wiring.platform import opened_router
from tests.application.knowledge.meanings import embeds, whole

pytestmark = pytest.mark.anyio


def row_of(model: ScriptedModel, *names: str) -> ModelRow:
    provider = ProviderRow(new_id(), new_id(), "scripted", "openai", model.base_url, Secret("sk-key"), private_network=True)
    return ModelRow(provider.tenant_id, new_id(), "embed", tuple(TargetRow(new_id(), provider, name) for name in names), retries_max=0)


async def embed(model: ScriptedModel, texts: list[str], deadline_s: float = 10.0) -> Vectors:
    async with opened_router() as router:
        return await EndpointEmbedder(router, row_of(model, "small")).embed(texts, deadline_s=deadline_s)


async def test_vectors_come_in_the_order_of_the_texts_over_several_requests() -> None:
    texts = [f"text {number}" for number in range(BATCH_TEXTS_MAX + 3)]
    async with ScriptedModel(embeds(lambda text: [float(text.split()[1]), 1.0])) as model:
        vectors = await embed(model, texts)
        assert vectors.tolist() == [[float(number), 1.0] for number in range(len(texts))]
        assert [len(request.body["input"]) for request in model.requests] == [BATCH_TEXTS_MAX, 3]
        first = model.requests[0]
        assert (first.path, first.body["model"], first.body["encoding_format"]) == ("/v1/embeddings", "small", "float")
        assert first.headers["authorization"] == "Bearer sk-key"


async def test_long_texts_are_cut_and_empty_ones_are_no_error_of_the_provider() -> None:
    async with ScriptedModel(embeds(lambda text: [float(len(text))])) as model:
        assert (await embed(model, ["x" * (TEXT_CHARACTERS_MAX + 1), ""])).tolist() == [[TEXT_CHARACTERS_MAX], [1.0]]


def _data(*vectors: object, indices: list[int] | None = None) -> Reply:
    places = indices or list(range(len(vectors)))
    return whole(200, {"data": [{"index": place, "embedding": vector} for place, vector in zip(places, vectors, strict=True)]})


@pytest.mark.parametrize(
    "answer",
    [
        _data([1.0]),
        _data([1.0], [1.0], [1.0]),
        _data([1.0], [1.0], indices=[0, 0]),
        _data([1.0], [1.0], indices=[0, 7]),
        _data([1.0], [1.0, 2.0]),
        _data([], []),
        _data([1.0] * (DIMENSIONS_MAX + 1), [1.0] * (DIMENSIONS_MAX + 1)),
        _data([1e39], [1.0]),
        _data(["1"], [1.0]),
        _data([None], [1.0]),
        whole(200, {"data": "no"}),
        whole(200, {"error": "no"}),
        Reply(raw=[b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 38\r\n\r\n{"data":[{"index":0,"embedding":[NaN]}']),
    ],
)
async def test_what_are_no_vectors_of_the_texts_is_garbage(answer: Reply) -> None:
    async with ScriptedModel(answer) as model:
        with pytest.raises(UpstreamError) as told:
            await embed(model, ["one", "two"])
        assert told.value.code == "upstream_garbage"


async def test_the_deadline_is_for_all_requests_together() -> None:
    def slow(body: Mapping[str, Any]) -> Reply:
        return Reply(trouble="hang_before_headers", raw=(), then="hold")

    async with ScriptedModel(slow) as model:
        with pytest.raises(UpstreamError) as told:
            await embed(model, ["one"], deadline_s=0.05)
        assert told.value.code == "upstream_timeout"


async def test_targets_of_several_models_are_no_embedder() -> None:
    async with ScriptedModel() as model, opened_router() as router:
        assert EndpointEmbedder(router, row_of(model, "small", "small")).identity == "model:small"
        for names in ((), ("small", "large")):
            with pytest.raises(RequestError) as told:
                EndpointEmbedder(router, row_of(model, *names))
            assert told.value.code == "bad_embedder"

"""The best passages scored anew by a reranker: only confirmed ones leave for it, and without it the order stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from ondol.application.knowledge.search import Found
from ondol.application.knowledge.tuning import tune
from ondol.application.knowledge.types import Retrieval
from ondol.core.errors import NotFound
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from tests.application.conftest import House
from tests.application.knowledge.index_versions.test_build import base_of
from tests.application.knowledge.meanings import register, whole
from tests.infrastructure.serving.local.onnx_file import UNKNOWN, write_model

pytestmark = pytest.mark.anyio


def by_length(body: Mapping[str, Any]) -> Reply:
    """The shortest passage is the best; results come best first, as rerankers give them."""
    scored = sorted((len(text), place) for place, text in enumerate(body["documents"]))
    return whole(200, {"results": [{"index": place, "relevance_score": -float(length)} for length, place in scored]})


@pytest.fixture
async def model(house: House) -> AsyncIterator[ScriptedModel]:
    """Five documents, the longer the better by full text, and a reranker called `meanings` that prefers the shorter."""
    async with ScriptedModel(by_length) as server:
        await register(house, server)
        for number in range(1, 6):
            house.write(f"{number}.md", f"# Page {number}\n\n{'beacon ' * (2**number)}.")
        await house.ingest()
        yield server
    await house.platform.models.close()


async def rerank(house: House, name: str = "meanings", **settings: Any) -> None:
    await tune(house.platform.knowledge, house.tenant_id, (await base_of(house)).id, Retrieval(reranker=name, **settings))


def titles(found: Found) -> list[str]:
    return [item.version.details.title for item in found.evidence]


async def test_the_best_are_ordered_anew_and_only_so_many_of_them(house: House, model: ScriptedModel) -> None:
    before = await house.titles("beacon")
    assert before == [f"Page {number}" for number in (5, 4, 3, 2, 1)]
    await rerank(house)
    found = await house.search("beacon", limit=2)
    assert titles(found) == ["Page 1", "Page 2"]
    assert [(stage.name, stage.degraded, len(stage.ranked)) for stage in found.stages] == [("full_text", "", 5), ("rerank", "", 5)]
    request = model.requests[0]
    assert (request.path, request.body["query"], request.body["model"]) == ("/v1/rerank", "beacon", "meanings-1")
    assert request.body["documents"][0].startswith("Page 5\nPage 5\n\nbeacon beacon")
    await rerank(house, rerank_depth=3)
    assert titles(await house.search("beacon", limit=2)) == ["Page 3", "Page 4"]
    await rerank(house, "")
    assert await house.titles("beacon") == before


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (whole(500, {"error": {"message": "broken"}}), "upstream_failed"),
        (whole(200, {"results": []}), "upstream_garbage"),
        (whole(200, {"results": [{"index": place, "relevance_score": 1e999 if place else "NaN"} for place in range(5)]}), "upstream_garbage"),
        (whole(200, {"results": [{"index": 0, "relevance_score": 1.0}] * 5}), "upstream_garbage"),
    ],
)
async def test_without_an_answer_the_order_stays_and_the_stage_says_why(house: House, model: ScriptedModel, answer: Reply, code: str) -> None:
    before = await house.titles("beacon")
    await rerank(house)
    model.say(answer)
    found = await house.search("beacon", limit=3)
    assert titles(found) == before[:3]
    assert [(stage.name, stage.degraded) for stage in found.stages] == [("full_text", ""), ("rerank", code)]


async def test_what_postgres_does_not_confirm_never_leaves_for_the_reranker(house: House, model: ScriptedModel) -> None:
    await rerank(house)
    assert len((await house.search("beacon")).evidence) == 5
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await connection.execute("update document_versions set state = 'removed' where id = (select max(id::text)::uuid from document_versions)")
    model.requests.clear()
    assert len((await house.search("beacon")).evidence) == 4
    sent = [text for request in model.requests for text in request.body["documents"]]
    assert len(sent) == 4
    assert not any(text.startswith("Page 5") for text in sent)


async def test_a_reranker_that_is_not_there_is_refused(house: House, model: ScriptedModel) -> None:
    with pytest.raises(NotFound):
        await rerank(house, "absent")
    with pytest.raises(NotFound):
        await rerank(house, "local/absent")


async def test_a_cross_encoder_in_a_folder_does_as_well(house: House, model: ScriptedModel) -> None:
    pytest.importorskip("onnxruntime")
    words = {UNKNOWN: (0.0,), "2": (50.0,), "beacon": (0.1,)}
    write_model(house.platform.folder.models / "cross", words, pools=True)
    await rerank(house, "local/cross")
    assert titles(await house.search("beacon", limit=1)) == ["Page 2"]
    write_model(house.platform.folder.models / "cross", dict.fromkeys(words, (1.0, 2.0)), pools=True)
    assert [stage.degraded for stage in (await house.search("beacon")).stages] == ["", "bad_local_model"]

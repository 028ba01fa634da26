"""What a search asks of embedders and rerankers is priced, counted in budgets and recorded: for whoever asked, or for the tenant alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.core.errors import UpstreamError
from ondol.core.money import Money
from ondol.infrastructure.access.limits.types import BudgetExceeded, PriceUnknown
from ondol.infrastructure.gateway.purchases import NOBODY
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.storage.folder import open_folder
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.platform import build_platform
from tests.application.knowledge.meanings import vector_of, whole
from tests.infrastructure.gateway.ground import Ground, Tenancy, open_ground

pytestmark = pytest.mark.anyio
HELP: Any = {"model": "assistant/help", "ondol": {"cache": False}}


def says(body: Mapping[str, Any]) -> Reply:
    """Vectors for texts, and scores for documents; 40 tokens were read."""
    if "documents" in body:
        results = [{"index": place, "relevance_score": -float(place)} for place in range(len(body["documents"]))]
        return whole(200, {"results": results, "usage": {"total_tokens": 40}})
    data = [{"index": place, "embedding": vector_of(text)} for place, text in enumerate(body["input"])]
    return whole(200, {"data": data, "usage": {"prompt_tokens": 40, "total_tokens": 40}})


@pytest.fixture
async def up(anyio_backend: str) -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel(says) as model:
        yield model


@pytest.fixture
async def ground(addresses: DatabaseAddresses, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Ground]:
    async with open_ground(addresses, tmp_path / "ground") as opened:
        yield opened


@pytest.fixture
async def tenancy(ground: Ground, up: ScriptedModel, tmp_path: Path) -> Tenancy:
    """A tenant whose model `ranks` takes a dollar for a million tokens, and an assistant that has it rank."""
    made = await ground.tenancy()
    await made.provider(up.base_url)
    await made.model("up/small", alias="ranks", retries_max=0)
    await made.price("up", "small", input=10**9)
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "refund.md").write_text("# Refund policy\n\nA refund is paid within 5 business days. It goes back to the card.\n", "utf-8")
    await ingest_folder(ground.platform.knowledge, made.id, "docs", folder, IngestOptions(), lambda done, total: None)
    await made.declare(assistants=[{"name": "help", "base": "docs", "settings": {"retrieval": {"reranker": "ranks"}}}])
    return made


async def asked(tenancy: Tenancy, question: str = "How long does a refund take?") -> str:
    answer = await tenancy.ask({**HELP, "messages": [{"role": "user", "content": question}]})
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


async def test_a_reranking_is_charged_to_whoever_asks(tenancy: Tenancy) -> None:
    assert "5 business days" in await asked(tenancy)
    [ranked, answered] = tenancy.records
    assert (ranked.model, ranked.route, ranked.person_id, ranked.api_key_id) == ("ranks", "rerank", tenancy.person.id, tenancy.api_key.id)
    assert (ranked.provider, ranked.upstream_model, ranked.status, ranked.outcome) == ("up", "small", 200, "answered")
    assert (ranked.input_tokens, ranked.usage_estimated, ranked.cost_nano, ranked.currency) == (40, False, 40_000, "USD")
    assert (answered.model, answered.cost_nano) == ("assistant/help", None)


@pytest.mark.parametrize("scope", ["tenant", "person", "key", "model"])
async def test_what_a_budget_does_not_cover_is_not_asked_for_and_the_answer_comes_without(tenancy: Tenancy, up: ScriptedModel, scope: Any) -> None:
    subject = {"tenant": "", "person": str(tenancy.person.id), "key": str(tenancy.api_key.id), "model": "ranks"}[scope]
    # 40,000 nano-dollars are spent by each; what may be spent at most is a byte a token.
    await tenancy.budget(Money(300_000, "USD"), scope=scope, subject=subject)
    for _ in range(12):
        assert "5 business days" in await asked(tenancy)
    spent = sum(record.cost_nano or 0 for record in tenancy.records)
    assert (0 < spent <= 300_000, len(up.requests)) == (True, spent // 40_000)


async def test_without_a_price_nothing_is_asked_on_a_budget(tenancy: Tenancy, up: ScriptedModel) -> None:
    await tenancy.model("up/unpriced", alias="ranks", retries_max=0)
    await tenancy.budget(Money(10**9, "USD"))
    assert "5 business days" in await asked(tenancy)
    assert list(up.requests) == []
    with pytest.raises(PriceUnknown):
        await tenancy.ground.platform.knowledge.embeddings.describe(tenancy.id, "ranks")


async def test_what_fails_is_recorded_and_costs_nothing(tenancy: Tenancy, up: ScriptedModel) -> None:
    up.say(whole(500, {"error": {"message": "broken"}}))
    await tenancy.budget(Money(10**6, "USD"))
    with pytest.raises(UpstreamError):
        await tenancy.ground.platform.knowledge.embeddings.describe(tenancy.id, "ranks")
    [record] = tenancy.records
    assert (record.route, record.outcome, record.cost_nano, record.person_id) == ("embeddings", "upstream_failed", None, NOBODY)
    charges = record.settlement.charges if record.settlement is not None else ()
    assert [charge.amount for charge in charges if charge.amount] == []


async def test_a_process_that_is_no_gateway_counts_and_records_too(
    tenancy: Tenancy, up: ScriptedModel, addresses: DatabaseAddresses, tmp_path: Path
) -> None:
    """As the job worker does that makes an index's vectors: at the expense of the tenant, and of nobody in it."""
    await tenancy.budget(Money(60_000, "USD"))
    platform = tenancy.ground.platform
    other = build_platform(platform.live, open_folder(tmp_path / "ground" / "data"), addresses, platform.clock)
    try:
        await other.knowledge.embeddings.describe(tenancy.id, "ranks")
        with pytest.raises(BudgetExceeded):
            await other.knowledge.embeddings.describe(tenancy.id, "ranks", passage_prefix="x" * 60)
    finally:
        await other.models.close()
        await other.database.close()
    rows = await tenancy.rows("select route, model, person_id, input_tokens, cost_nano from requests")
    assert rows == [{"route": "embeddings", "model": "ranks", "person_id": NOBODY, "input_tokens": 40, "cost_nano": 40_000}]
    assert len(up.requests) == 1

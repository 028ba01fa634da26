"""What judges said is kept beyond a run: nobody pays twice, nobody reads another's, and it goes with whom it is of."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ondol.application.evaluation.judges.asking import NOBODY
from ondol.application.evaluation.judges.kept import KEPT_DAYS, StoredReplies, judgement_eraser
from ondol.application.evaluation.judges.rubric import load
from ondol.application.evaluation.scorers.base import Owner
from ondol.application.evaluation.types import Answer, Score
from ondol.core.errors import NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.ledger.erasure import Erasure, ErasureKind
from ondol.infrastructure.serving.scripted import Reply
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing
from ondol.infrastructure.storage.postgres import Database, rows
from tests.application.evaluation.judges.court import Court, case, court, rated

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 4, tzinfo=UTC)
KIM, LEE, DOCUMENT = (uuid.UUID(int=number) for number in (1, 2, 3))
SECRET = "두 사람의 비밀"


@dataclass
class Room:
    """A judge that gives 4 points, and what it said before; each `score` is a run of its own."""

    database: Database
    keyring: KeyRing
    tenant: Tenant
    court: Court
    now: datetime = NOW
    model: str = "one"
    known: list[str] = field(default_factory=list)

    async def score(self, *, text: str = "사흘", owner: Owner = NOBODY, repeat: int = 0, tenant_id: uuid.UUID | None = None, **told: Any) -> Score:
        async def model_digest(alias: str) -> str:
            if alias == "nowhere":
                raise NotFound("nowhere")
            return self.model

        replies = StoredReplies(
            database=self.database, keyring=self.keyring, clock=lambda: self.now, tenant_id=tenant_id or self.tenant.id, model_digest=model_digest,
            count=lambda: self.known.append(text),
        )  # fmt: skip
        scorer = load("good", {"model": "small", **told}, replace(self.court.tools, replies=replies))
        return await scorer.score(case(), Answer(text=text, details={"repeat": repeat, "owner": owner}))

    @property
    def asked(self) -> int:
        return len(self.court.model.requests)

    async def count(self) -> int:
        async with self.database.tenant_tx(self.tenant.id) as connection:
            return len(await rows(connection, "select 1 from judgements", {}))

    async def erase(self, kind: ErasureKind, target: uuid.UUID) -> tuple[int, int]:
        """What was found before, and what a probe finds after."""
        erasure = Erasure(
            tenant_id=self.tenant.id, id=new_id(), kind=kind, target_id=target, base_id=None, with_documents=False, state="running", asked_by=None,
            reason="request", replayed=False, failure="", receipt=None, receipt_digest=None, signature=None, signer="", hidden_at=NOW,
            proved_at=None,
        )  # fmt: skip
        eraser = judgement_eraser(self.database)
        found = await eraser.probe(erasure)
        await eraser.erase(erasure)
        return found, await eraser.probe(erasure)


@pytest.fixture
async def other_tenant(database: Database, keyring: KeyRing) -> Tenant:
    return await create_tenant(database, keyring, slug="other", name="Other", now=NOW)


@pytest.fixture
async def room(database: Database, keyring: KeyRing, tenant: Tenant) -> AsyncIterator[Room]:
    async with court(lambda _: Reply(rated(4, SECRET))) as model:
        yield Room(database, keyring, tenant, model)


async def test_the_same_question_is_paid_once_and_counted_as_known(room: Room) -> None:
    first, again = await room.score(), await room.score()
    assert (room.asked, room.known) == (1, ["사흘"])
    assert (first.value, first.reason, first.details) == (4.0, SECRET, {"asks": 1, "repaired": False, "cost_nano": 7, "currency": "USD"})
    assert (again.value, again.reason) == (first.value, first.reason)
    assert again.details == {"asks": 0, "repaired": False, "cost_nano": 0, "currency": "USD", "kept": 1}


@pytest.mark.parametrize(
    "otherwise",
    [{"text": "나흘"}, {"repeat": 1}, {"owner": Owner(KIM)}, {"criterion": "tone"}, {"seed": 7}, {"model": "large"}],
    ids=["answer", "repeat", "asker", "criterion", "seed", "judge"],
)
async def test_another_question_is_asked(room: Room, otherwise: dict[str, Any]) -> None:
    await room.score()
    await room.score(**otherwise)
    assert (room.asked, room.known) == (2, [])


async def test_a_name_that_leads_to_another_model_is_asked_and_one_that_leads_nowhere_keeps_nothing(room: Room) -> None:
    await room.score()
    room.model = "two"
    await room.score()
    assert room.asked == 2
    for _ in range(2):
        await room.score(model="nowhere")
    assert (room.asked, await room.count()) == (4, 2)


async def test_nothing_is_known_of_another_tenant_and_nothing_for_ever(room: Room, other_tenant: Tenant) -> None:
    await room.score()
    await room.score(tenant_id=other_tenant.id)
    assert room.asked == 2
    room.now += timedelta(days=KEPT_DAYS)
    await room.score(text="나흘")
    assert (room.asked, await room.count()) == (3, 1), "what is too old goes when something new comes"
    await room.score()
    assert room.asked == 4


async def test_what_was_said_is_sealed_and_goes_with_its_person_and_its_document(room: Room) -> None:
    await room.score(owner=Owner(KIM))
    await room.score(owner=Owner(LEE, frozenset({DOCUMENT})))
    await room.score()
    async with room.database.tenant_tx(room.tenant.id) as connection:
        stored = await rows(connection, "select reply_sealed, address from judgements", {})
    assert all(SECRET.encode() not in bytes(row["reply_sealed"]) for row in stored)
    assert await room.erase("subject", KIM) == (1, 0)
    assert await room.erase("document", DOCUMENT) == (1, 0)
    assert await room.count() == 1


async def test_nobody_is_kept_whose_key_is_gone(room: Room) -> None:
    await room.score(owner=Owner(KIM))
    room.keyring.destroy(KeyOwner(room.tenant.id, "subject", KIM))
    room.keyring.bury(KeyOwner(room.tenant.id, "subject", KIM), NOW)
    again = await room.score(owner=Owner(KIM))
    assert (again.value, room.asked, room.known) == (4.0, 2, [])
    assert await room.score(text="나흘", owner=Owner(KIM)) is not None
    assert await room.count() == 1, "only what was sealed before, which nobody can open"


async def test_a_failure_is_not_kept(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    async with court(lambda _: Reply("I would rather not say.")) as model:
        room = Room(database, keyring, tenant, model)
        assert [(await room.score()).status for _ in range(2)] == ["parse_error", "parse_error"]
        assert (room.asked, await room.count()) == (4, 0)


async def test_many_runs_at_once_do_not_hinder_each_other(room: Room) -> None:
    scores = await asyncio.gather(*(room.score() for _ in range(8)))
    assert {score.value for score in scores} == {4.0}
    assert await room.count() == 1

"""People judge the answers that they got."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from ondol.core.errors import NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.gateway.records.erasure import erase_person
from ondol.infrastructure.gateway.records.feedback import Feedback, Opinion, give_feedback, list_feedback
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing
from ondol.infrastructure.storage.postgres import Database, rows
from tests.infrastructure.gateway.records.conftest import Ground
from tests.infrastructure.gateway.records.making import make_record

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)
WHOLE = Opinion("down", 20, ("too-long", "not_true"), "서울입니다.", "It is not Busan.")


async def give(
    database: Database, keyring: KeyRing, tenant: Tenant, request_id: uuid.UUID, person_id: uuid.UUID, opinion: Opinion, now: datetime = NOW
) -> uuid.UUID:
    async with database.tenant_tx(tenant.id) as connection:
        return await give_feedback(connection, keyring, tenant.id, request_id, opinion, person_id=person_id, api_key_id=None, now=now)


async def read(database: Database, keyring: KeyRing, tenant: Tenant, **options: object) -> list[Feedback]:
    async with database.tenant_tx(tenant.id) as connection:
        return await list_feedback(connection, keyring, tenant.id, **options)  # type: ignore[arg-type]


async def test_feedback_is_kept_sealed_and_told_to_the_ledger(ground: Ground, database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    record = make_record(tenant.id)
    ground.recorder.record(record)
    assert await ground.flush()
    long_ago = NOW + timedelta(days=2)
    first = await give(database, keyring, tenant, record.id, record.person_id, WHOLE, long_ago)
    assert await read(database, keyring, tenant) == [Feedback(first, record.id, record.person_id, None, WHOLE, long_ago)]
    second = await give(database, keyring, tenant, record.id, record.person_id, Opinion("up"), long_ago)
    assert await read(database, keyring, tenant, request_id=record.id) == [
        Feedback(second, record.id, record.person_id, None, Opinion("up"), long_ago)
    ]
    async with database.tenant_tx(tenant.id) as connection:
        events = await rows(connection, "select actor_id, body from ledger_events where kind = 'feedback.given' order by id limit 10", {})
    assert [event["actor_id"] for event in events] == [record.person_id] * 2
    told = {"request": str(record.id), "thumb": "down", "score": 20, "reasons": ["too-long", "not_true"], "corrected": True, "comment": True}
    assert events[0]["body"] == {**told, "feedback": str(first)}


async def test_an_answer_whose_record_is_on_its_way_can_be_judged(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    assert await give(database, keyring, tenant, new_id(), new_id(), Opinion("up"))


async def test_nobody_judges_what_they_did_not_get(ground: Ground, database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    record = make_record(tenant.id)
    ground.recorder.record(record)
    assert await ground.flush()
    for request_id in (record.id, new_id(unix_ms=1_600_000_000_000), uuid.uuid4()):
        with pytest.raises(NotFound, match="no such answer"):
            await give(database, keyring, tenant, request_id, new_id(), Opinion("up"))


@pytest.mark.parametrize(
    ("opinion", "code"),
    [
        (Opinion(), "feedback_empty"),
        (Opinion(score=101), "bad_score"),
        (Opinion(score=-1), "bad_score"),
        (Opinion(reasons=("Call 010-1234-5678",)), "bad_reasons"),
        (Opinion(reasons=("a",) * 11), "bad_reasons"),
        (Opinion(corrected="x" * 100_001), "text_too_long"),
    ],
)
async def test_an_opinion_has_bounds(opinion: Opinion, code: str, database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    with pytest.raises(RequestError) as caught:
        await give(database, keyring, tenant, new_id(), new_id(), opinion)
    assert caught.value.code == code
    assert await read(database, keyring, tenant) == []


async def test_pages_and_erasure(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    mine, theirs = new_id(), new_id()
    given = [await give(database, keyring, tenant, new_id(), person_id, WHOLE) for person_id in (mine, mine, theirs)]
    newest_first = sorted(given, reverse=True)
    assert [item.id for item in await read(database, keyring, tenant, limit=2)] == newest_first[:2]
    assert [item.id for item in await read(database, keyring, tenant, before=newest_first[1])] == newest_first[2:]
    with pytest.raises(RequestError, match="page"):
        await read(database, keyring, tenant, limit=201)
    keyring.destroy(KeyOwner(tenant.id, "subject", mine))
    assert sorted(item.opinion.corrected for item in await read(database, keyring, tenant)) == ["", "", WHOLE.corrected]
    async with database.tenant_tx(tenant.id) as connection:
        assert await erase_person(connection, mine) == {"contents": 0, "feedback": 2}
    assert [item.person_id for item in await read(database, keyring, tenant)] == [theirs]

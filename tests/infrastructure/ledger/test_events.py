from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ondol.core.ids import new_id
from ondol.infrastructure.ledger import EVENT_BODY_BYTES_MAX, event_digest, record
from ondol.infrastructure.ledger.events import EVENT_BODY_DEPTH_MAX, digest_of, sound_event
from ondol.infrastructure.storage.postgres import Database, load_queries, one

pytestmark = pytest.mark.anyio

SQL = load_queries("ondol.infrastructure.ledger")
words = st.text("abcXYZ0189._:/+=-", max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | words
    | st.uuids()
    | st.binary(max_size=32)
    | st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - Hypothesis wants naive bounds
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(words, values, max_size=4)
moments = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-3, minutes=-30))]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, moment=moments, actor_id=st.none() | st.uuids())
async def test_what_comes_back_gives_the_same_digest(
    database: Database, tenant_ids: tuple[uuid.UUID, uuid.UUID], body: dict[str, Any], moment: datetime, actor_id: uuid.UUID | None
) -> None:
    tenant_id = tenant_ids[0]
    async with database.tenant_tx(tenant_id) as connection:
        event_id = await record(connection, tenant_id, kind="document.added", actor_id=actor_id, body=body, now=moment)
        row = await one(connection, SQL["event_by_id"], {"tenant_id": tenant_id, "id": event_id})
    assert row is not None
    event = sound_event(row)
    assert event is not None
    assert event.created_at == moment
    expected = event_digest(tenant_id=tenant_id, event_id=event_id, kind="document.added", actor_id=actor_id, body=body, created_at=moment)
    assert digest_of(event) == row["digest"] == expected
    assert (row["batch"], row["place"]) == (None, None)


def test_the_digest_is_the_documented_one() -> None:
    tenant_id, event_id = uuid.UUID(int=1), uuid.UUID(int=2)
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    given_digest = event_digest(tenant_id=tenant_id, event_id=event_id, kind="a.b", actor_id=None, body={"b": 1, "a": b"\xff"}, created_at=moment)
    text = (
        '{"actor":null,"body":{"a":"ff","b":1},"created_at":"2026-01-02T03:04:05.000006Z",'
        '"id":"00000000-0000-0000-0000-000000000002","kind":"a.b","tenant":"00000000-0000-0000-0000-000000000001"}'
    )
    assert given_digest == hashlib.sha256(text.encode()).digest()


def nested(depth: int) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for _ in range(depth):
        body = {"a": body}
    return body


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"score": 0.5}, TypeError),
        ({"scores": [1, {"x": 1.0}]}, TypeError),
        ({"set": {1}}, TypeError),
        ({1: "key"}, TypeError),
        (["list"], TypeError),
        ({"question": "what did people write"}, ValueError),
        ({"name": "홍길동"}, ValueError),
        ({"mail": "kim@example.com"}, ValueError),
        ({"nul": "\x00"}, ValueError),
        ({"line": "a\n"}, ValueError),
        ({"half": "\ud800"}, ValueError),
        ({"long": "a" * 201}, ValueError),
        ({"a key": 1}, ValueError),
        ({"big": 2**63}, ValueError),
        ({"low": -(2**63) - 1}, ValueError),
        ({f"k{number}": "a" * 200 for number in range(EVENT_BODY_BYTES_MAX // 200)}, ValueError),
        (nested(EVENT_BODY_DEPTH_MAX), ValueError),
        (nested(5000), ValueError),
    ],
)
async def test_bodies_that_are_refused(
    database: Database, tenant_ids: tuple[uuid.UUID, uuid.UUID], now: datetime, body: Any, error: type[Exception]
) -> None:
    async with database.tenant_tx(tenant_ids[0]) as connection:
        with pytest.raises(error):
            await record(connection, tenant_ids[0], kind="a", actor_id=None, body=body, now=now)
        found = await one(connection, "select count(*) as n from ledger_events", {})
    assert found == {"n": 0}


async def test_a_refusal_does_not_show_what_was_written(database: Database, tenant_ids: tuple[uuid.UUID, uuid.UUID], now: datetime) -> None:
    async with database.tenant_tx(tenant_ids[0]) as connection:
        with pytest.raises(ValueError, match="string of 15 characters") as caught:
            await record(connection, tenant_ids[0], kind="a", actor_id=None, body={"mail": "kim@example.com"}, now=now)
    assert "kim" not in str(caught.value)


@pytest.mark.parametrize("kind", ["", "A", "1a", "a b", "a\n", "문서", "a" * 101])
async def test_kinds_that_are_refused(database: Database, tenant_ids: tuple[uuid.UUID, uuid.UUID], now: datetime, kind: str) -> None:
    async with database.tenant_tx(tenant_ids[0]) as connection:
        with pytest.raises(ValueError, match="no kind of event"):
            await record(connection, tenant_ids[0], kind=kind, actor_id=None, body={}, now=now)


async def test_a_naive_time_and_a_foreign_id_are_refused(database: Database, tenant_ids: tuple[uuid.UUID, uuid.UUID], now: datetime) -> None:
    async with database.tenant_tx(tenant_ids[0]) as connection:
        with pytest.raises(TypeError, match="naive"):
            await record(connection, tenant_ids[0], kind="a", actor_id=None, body={}, now=now.replace(tzinfo=None))
        with pytest.raises(ValueError, match="UUIDv7"):
            await record(connection, tenant_ids[0], kind="a", actor_id=None, body={}, now=now, event_id=uuid.uuid4())


async def test_an_event_goes_with_its_transaction_and_its_tenant(database: Database, tenant_ids: tuple[uuid.UUID, uuid.UUID], now: datetime) -> None:
    first, second = tenant_ids
    chosen = new_id()
    with pytest.raises(RuntimeError):
        async with database.tenant_tx(first) as connection:
            await record(connection, first, kind="a", actor_id=None, body={}, now=now)
            raise RuntimeError
    async with database.tenant_tx(first) as connection:
        assert await record(connection, first, kind="a", actor_id=None, body={}, now=now, event_id=chosen) == chosen
    async with database.tenant_tx(second) as connection:
        assert await one(connection, SQL["event_by_id"], {"tenant_id": first, "id": chosen}) is None
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with database.tenant_tx(second) as connection:
            await record(connection, first, kind="a", actor_id=None, body={}, now=now)
    async with database.tenant_tx(first) as connection:
        found = await one(connection, "select array_agg(id) as ids from ledger_events", {})
    assert found == {"ids": [chosen]}


@pytest.mark.parametrize(
    ("body", "created_us"),
    [
        ("1" + "0" * 5000, "0"),
        ("[" * 5000 + "]" * 5000, "0"),
        ('{"a": 1.0}', "0"),
        ("{}", "Infinity"),
        ("{}", "-62135596800000001"),
        ("{}", str(10**18)),
    ],
)
def test_a_row_that_holds_the_impossible_is_not_sound(body: str, created_us: str) -> None:
    assert (
        sound_event(
            {"tenant_id": new_id(), "id": new_id(), "kind": "a", "actor_id": None, "body": body, "digest": bytes(32), "created_us": created_us}
        )
        is None
    )


def test_key_order_and_spaces_of_stored_json_do_not_matter() -> None:
    tenant_id, event_id = new_id(), new_id()
    moment = datetime(1970, 1, 1, tzinfo=UTC)
    digest = event_digest(tenant_id=tenant_id, event_id=event_id, kind="a", actor_id=None, body={"b": [1, True], "a": None}, created_at=moment)
    row = {"tenant_id": tenant_id, "id": event_id, "kind": "a", "actor_id": None, "digest": digest, "created_us": "0"}
    assert sound_event({**row, "body": json.dumps({"a": None, "b": [1, True]}, indent=1)}) is not None
    assert sound_event({**row, "body": json.dumps({"a": None, "b": [1, 1]})}) is None

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import DictRow

from ondol.core.errors import LedgerBroken
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import (
    LedgerSigner,
    PublicKeys,
    Unsealed,
    Verification,
    public_keys_path,
    read_public_keys,
    record,
    seal_once,
    verify,
)
from ondol.infrastructure.ledger.chain import batch_digest, sign_batch
from ondol.infrastructure.ledger.events import digest_of, event_of
from ondol.infrastructure.storage.postgres import Database, load_queries

pytestmark = pytest.mark.anyio

Owner = psycopg.AsyncConnection[DictRow]
Tenants = tuple[uuid.UUID, uuid.UUID]
Tampering = Callable[..., Awaitable[None]]

SQL = load_queries("ondol.infrastructure.ledger")
EVENTS_OF_BATCH = (1, 4, 7, 3, 5)
BATCHES = len(EVENTS_OF_BATCH)

# What the owner of the tables may write into a column of one sealed event; each really changes it.
EVENT_CHANGES: dict[str, tuple[str, ...]] = {
    "tenant_id": ("(select id from tenants where id <> tenant_id limit 1)",),
    "id": ("%(fresh)s::uuid",),
    "kind": ("kind || 'x'", "null"),
    "actor_id": ("case when actor_id is null then %(fresh)s::uuid end", "%(fresh)s::uuid"),
    "body": (
        "'{}'",
        "'null'",
        "null",
        "'[1]'",
        """body || '{"more": null}'""",
        "jsonb_set(body, '{n}', to_jsonb((body ->> 'n')::numeric + 1))",
        "jsonb_set(body, '{n}', to_jsonb((body ->> 'n')::numeric + 0.0))",
        "jsonb_set(body, '{n}', to_jsonb(body ->> 'n'))",
        "jsonb_set(body, '{n}', to_jsonb(repeat('9', 6000)::numeric))",
    ),
    "digest": ("sha256(digest)", "'\\x00'", "null"),
    "created_at": ("created_at + interval '1 microsecond'", "'infinity'", "'-infinity'", "'4000-01-01 BC'", "null"),
    "batch": ("batch + 1", "batch - 1", "-batch", "1000000", "0"),
    "place": ("place + 1", "place - 1", "null", "2147483647"),
    "batch, place": ("null, null",),
}
BATCH_CHANGES: dict[str, tuple[str, ...]] = {
    "number": ("number + 100", "-number"),
    "event_count": ("event_count + 1", "event_count - 1", "0", "2147483647", "null"),
    "root": ("sha256(root)", "null"),
    "previous_digest": ("sha256(previous_digest)", "null"),
    "digest": ("sha256(digest)", "null"),
    "signature": ("set_bit(signature, 0, 1 - get_bit(signature, 0))", "set_bit(signature, 500, 1 - get_bit(signature, 500))", "''", "null"),
    "signer": ("'0123456789abcdef'", "%(other_signer)s", "null"),
    "sealed_at": ("sealed_at - interval '1 microsecond'", "'infinity'", "null"),
}
EVENT_PAIRS = [(column, value) for column, values in EVENT_CHANGES.items() for value in values]
BATCH_PAIRS = [(column, value) for column, values in BATCH_CHANGES.items() for value in values]


def sql(text: str) -> Any:
    return text


async def seal_some(database: Database, tenants: Tenants, signer: LedgerSigner, now: datetime) -> Verification:
    """Five batches of both tenants' events, one microsecond apart, and one event that waits."""
    moment = now
    for count in EVENTS_OF_BATCH:
        for number in range(count):
            await write(database, tenants[number % 2], moment, {"n": number, "ok": True, "parts": [number, "a"]})
            moment += timedelta(microseconds=1)
        await seal_once(database, signer, now)
    await write(database, tenants[0], moment, {})
    return await verify(database, {signer.key_id: signer.public_key})


async def write(database: Database, tenant_id: uuid.UUID, now: datetime, body: dict[str, object]) -> None:
    async with database.tenant_tx(tenant_id) as connection:
        await record(connection, tenant_id, kind="a.b", actor_id=new_id() if body else None, body=body, now=now)  # type: ignore[arg-type]


async def loosen(owner: Owner) -> None:
    """Drop what the schema itself would refuse, as an owner can, and remember the untouched rows."""
    found = await owner.execute(
        "select conrelid::regclass::text as on_table, quote_ident(conname) as name from pg_constraint"
        " where contype = 'c' and conrelid in ('ledger_events'::regclass, 'ledger_batches'::regclass)"
    )
    for row in await found.fetchall():
        await owner.execute(sql(f"alter table {row['on_table']} drop constraint {row['name']}"))
    for table, columns in (("ledger_events", ("kind", "body", "digest", "created_at")), ("ledger_batches", tuple(BATCH_CHANGES)[1:])):
        for column in columns:
            await owner.execute(sql(f"alter table {table} alter {column} drop not null"))
        await owner.execute(sql(f"create temp table saved_{table} as select * from {table}"))


async def restore(owner: Owner) -> None:
    async with owner.transaction():
        for table in ("ledger_events", "ledger_batches"):
            await owner.execute(sql(f"delete from {table}"))
            await owner.execute(sql(f"insert into {table} select * from saved_{table}"))


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages so small that their borders fall everywhere."""
    module = sys.modules[verify.__module__]  # the package's attribute of that name is the function
    monkeypatch.setattr(module, "EVENTS_PAGE", 3)
    monkeypatch.setattr(module, "BATCHES_PAGE", 2)


async def test_figures(database: Database, tenant_ids: Tenants, signer: LedgerSigner, public_keys: PublicKeys, now: datetime) -> None:
    whole = await seal_some(database, tenant_ids, signer, now)
    last = sum(EVENTS_OF_BATCH)
    assert whole.head is not None
    assert whole == Verification(
        batches=5,
        events=last,
        first_at=now,
        last_at=now + timedelta(microseconds=last - 1),
        head=(5, whole.head[1]),
        unsealed=Unsealed(count=1, oldest_at=now + timedelta(microseconds=last)),
    )
    of_second = await verify(database, public_keys, tenant_id=tenant_ids[1], expected_head=whole.head)
    assert of_second == Verification(
        batches=5,
        events=sum(count // 2 for count in EVENTS_OF_BATCH),
        first_at=now + timedelta(microseconds=2),
        last_at=now + timedelta(microseconds=last - 2),
        head=whole.head,
        unsealed=Unsealed(count=0, oldest_at=None),
    )
    of_nobody = await verify(database, public_keys, tenant_id=new_id())
    assert (of_nobody.batches, of_nobody.events, of_nobody.first_at, of_nobody.last_at) == (5, 0, None, None)


async def test_an_empty_ledger_holds(database: Database, public_keys: PublicKeys) -> None:
    nothing = Unsealed(count=0, oldest_at=None)
    assert await verify(database, public_keys) == Verification(batches=0, events=0, first_at=None, last_at=None, head=None, unsealed=nothing)


def test_every_column_is_tried() -> None:
    event_columns = {"tenant_id", "id", "kind", "actor_id", "body", "digest", "created_at", "batch", "place"}
    assert {column for name in EVENT_CHANGES for column in name.split(", ")} == event_columns
    statement = re.sub(r"\s+", " ", SQL["insert_batch"])
    assert set(BATCH_CHANGES) == set(re.split(r", ", statement.partition("(")[2].partition(")")[0]))


async def test_the_list_of_columns_is_that_of_the_tables(owner: Owner) -> None:
    for table, changes in (("ledger_events", EVENT_CHANGES), ("ledger_batches", BATCH_CHANGES)):
        found = await owner.execute("select attname from pg_attribute where attrelid = %s::regclass and attnum > 0", (table,))
        assert {row["attname"] for row in await found.fetchall()} == {column for name in changes for column in name.split(", ")}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed ledger whose tables the owner has loosened, and all keys that may sign it."""

    whole: Verification
    keys: PublicKeys
    signer: LedgerSigner
    other: LedgerSigner


@pytest.fixture
async def sealed(database: Database, owner: Owner, tenant_ids: Tenants, signer: LedgerSigner, now: datetime, tmp_path: Path) -> Sealed:
    other = LedgerSigner.open_or_create(tmp_path / "other.key")
    whole = await seal_some(database, tenant_ids, signer, now)
    await loosen(owner)
    return Sealed(whole, {signer.key_id: signer.public_key, other.key_id: other.public_key}, signer, other)


async def change_row(owner: Owner, table: str, column: str, value: str, *, row_number: int, other_signer: str) -> DictRow:
    """Change one column of the sealed row of that number, counted from 0 in the order of the chain, or of the last row; return its key."""
    order = "batch, place" if table == "ledger_events" else "number"
    sealed_rows = "where batch is not null" if table == "ledger_events" else ""
    count = sum(EVENTS_OF_BATCH) if table == "ledger_events" else BATCHES
    target = f"select ctid, tableoid from {table} {sealed_rows} order by {order} limit 1 offset {min(row_number, count - 1)}"
    # Only keys come back: other columns may hold now what no Python type can.
    key = "tenant_id, id" if table == "ledger_events" else "number"
    columns, row = (f"({column})", f"row({value})") if "," in column else (column, value)
    changed = await owner.execute(
        sql(f"update {table} set {columns} = {row} where (ctid, tableoid) in ({target}) returning {key}"),
        {"fresh": new_id(), "other_signer": other_signer},
    )
    found = await changed.fetchone()
    assert found is not None
    return found


async def change_event(owner: Owner, sealed: Sealed, change: tuple[str, str], row_number: int, mend: bool) -> None:
    """Change one column of an event, and perhaps make its digest fit."""
    column, value = change
    row = await change_row(owner, "ledger_events", column, value, row_number=row_number, other_signer="")
    if mend and column != "digest":
        found = await (await owner.execute(SQL["event_by_id"], {"tenant_id": row["tenant_id"], "id": row["id"]})).fetchone()
        assert found is not None
        try:
            digest = digest_of(event_of(found))
        except (TypeError, ValueError, OverflowError):
            return
        await owner.execute("update ledger_events set digest = %s where id = %s", (digest, row["id"]))


async def change_batch(owner: Owner, sealed: Sealed, change: tuple[str, str], row_number: int, mend: bool) -> None:
    """Change one column of a batch, and perhaps make its digest fit."""
    column, value = change
    key = await change_row(owner, "ledger_batches", column, value, row_number=row_number, other_signer=sealed.other.key_id)
    if mend and value not in ("null", "'infinity'") and column not in ("digest", "signature"):
        row = await (await owner.execute("select * from ledger_batches where number = %(number)s", key)).fetchone()
        assert row is not None
        covered = {name: row[name] for name in ("number", "event_count", "root", "previous_digest", "sealed_at", "signer")}
        await owner.execute("update ledger_batches set digest = %s where number = %s", (batch_digest(**covered), row["number"]))


async def resign_batch(owner: Owner, sealed: Sealed, number: int, secret: bytes) -> None:
    """Sign a batch anew with a key that is no key of this ledger, under a name that is."""
    foreign = Ed25519PrivateKey.from_private_bytes(secret)
    row = await (await owner.execute("select digest from ledger_batches where number = %s", (number,))).fetchone()
    assert row is not None
    signature = foreign.sign(b"ondol ledger batch\x00" + row["digest"])
    await owner.execute("update ledger_batches set signature = %s where number = %s", (signature, number))


async def delete_events(owner: Owner, sealed: Sealed, row_number: int, count: int, mend: bool) -> None:
    """Delete some events in a row, and perhaps let the places of those behind close the gap."""
    found = await owner.execute(
        "delete from ledger_events where id in (select id from ledger_events where batch is not null order by batch, place limit %s offset %s)"
        " returning batch, place",
        (count, row_number),
    )
    for gone in sorted(((row["batch"], row["place"]) for row in await found.fetchall()), reverse=True) if mend else ():
        await owner.execute("update ledger_events set place = place - 1 where batch = %s and place > %s", gone)


async def swap_events(owner: Owner, sealed: Sealed, row_numbers: list[int]) -> None:
    """Let two events change places, within a batch or between batches."""
    changed = await owner.execute(
        """with chosen as (select id, batch, place, row_number() over (order by batch, place) - 1 as nth from ledger_events where batch > 0),
        pair as (select * from chosen where nth = any(%s))
        update ledger_events as event set batch = other.batch, place = other.place
        from pair as one, pair as other where event.id = one.id and one.id <> other.id""",
        (row_numbers,),
    )
    assert changed.rowcount == 2


async def add_event(owner: Owner, sealed: Sealed, batch: int, place: int) -> None:
    """Put a copy of an event, under a fresh id, at some place of some batch."""
    await owner.execute(
        """insert into ledger_events
        select tenant_id, %s, kind, actor_id, body, digest, created_at, %s, %s from ledger_events
        where batch is not null order by id limit 1""",
        (new_id(), batch, place),
    )


async def delete_batches(owner: Owner, sealed: Sealed, first: int, count: int, with_events: bool, mend: bool) -> None:
    """Delete some batches, with their events unless they are the end of the chain, and perhaps close the gap of numbers."""
    last = min(first + count - 1, BATCHES)
    await owner.execute("delete from ledger_batches where number between %s and %s", (first, last))
    if last < BATCHES and with_events:
        await owner.execute("delete from ledger_events where batch between %s and %s", (first, last))
    if last < BATCHES and mend:
        for table, column in (("ledger_batches", "number"), ("ledger_events", "batch")):
            for number in range(last + 1, BATCHES + 1):
                await owner.execute(sql(f"update {table} set {column} = %s where {column} = %s"), (number - (last - first + 1), number))


async def reorder_batches(owner: Owner, sealed: Sealed, numbers: list[int], with_events: bool) -> None:
    """Give two batches each other's number, and perhaps their events too."""
    first, second = numbers
    for table, column in (("ledger_batches", "number"), ("ledger_events", "batch"))[: 2 if with_events else 1]:
        for old, new in ((first, 1000), (second, first), (1000, second)):
            await owner.execute(sql(f"update {table} set {column} = %s where {column} = %s"), (new, old))


some_event = st.integers(0, sum(EVENTS_OF_BATCH) - 1)
some_batch = st.integers(1, BATCHES)
# What to do and with which arguments is drawn before it is done: Hypothesis cannot be asked from inside of the event loop.
tamperings = st.one_of(
    [
        st.tuples(st.just(how), st.fixed_dictionaries(arguments))
        for how, arguments in (
            (change_event, {"change": st.sampled_from(EVENT_PAIRS), "row_number": some_event, "mend": st.booleans()}),
            (change_batch, {"change": st.sampled_from(BATCH_PAIRS), "row_number": some_batch.map(lambda n: n - 1), "mend": st.booleans()}),
            (resign_batch, {"number": some_batch, "secret": st.binary(min_size=32, max_size=32)}),
            (delete_events, {"row_number": some_event, "count": st.integers(1, 8), "mend": st.booleans()}),
            (swap_events, {"row_numbers": st.lists(some_event, min_size=2, max_size=2, unique=True)}),
            (add_event, {"batch": st.integers(-1, BATCHES + 2), "place": st.integers(-1, max(EVENTS_OF_BATCH) + 1)}),
            (delete_batches, {"first": some_batch, "count": some_batch, "with_events": st.booleans(), "mend": st.booleans()}),
            (reorder_batches, {"numbers": st.lists(some_batch, min_size=2, max_size=2, unique=True), "with_events": st.booleans()}),
        )
    ]
)


@pytest.mark.usefixtures("small_pages")
async def test_every_change_of_every_column_is_found(database: Database, owner: Owner, sealed: Sealed) -> None:
    """Each change once, at the first, a middle or the last row."""
    changes = [("ledger_events", *pair) for pair in EVENT_PAIRS] + [("ledger_batches", *pair) for pair in BATCH_PAIRS]
    for index, (table, column, value) in enumerate(changes):
        await change_row(owner, table, column, value, row_number=(0, 9, 10**6)[index % 3], other_signer=sealed.other.key_id)
        with pytest.raises(LedgerBroken, match=r"[Bb]atch -?\d+|[Ee]vent "):
            await verify(database, sealed.keys)
        await restore(owner)
    assert await verify(database, sealed.keys, expected_head=sealed.whole.head) == sealed.whole


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(tampering=tamperings)
@pytest.mark.usefixtures("small_pages")
async def test_tampering_is_found(database: Database, owner: Owner, sealed: Sealed, tampering: tuple[Tampering, dict[str, Any]]) -> None:
    how, arguments = tampering
    try:
        await how(owner, sealed, **arguments)
        with pytest.raises(LedgerBroken, match=r"[Bb]atch -?\d+|[Ee]vent "):
            await verify(database, sealed.keys)
    finally:
        await restore(owner)
    assert await verify(database, sealed.keys) == sealed.whole


@pytest.mark.parametrize("kept", range(BATCHES))
async def test_a_cut_off_end_shows_against_a_remembered_head_only(database: Database, owner: Owner, sealed: Sealed, kept: int) -> None:
    await owner.execute("delete from ledger_batches where number > %s", (kept,))
    await owner.execute("delete from ledger_events where batch > %s", (kept,))
    assert (await verify(database, sealed.keys)).batches == kept
    with pytest.raises(LedgerBroken, match="cut off"):
        await verify(database, sealed.keys, expected_head=sealed.whole.head)


async def test_an_end_that_was_sealed_anew_shows_against_a_remembered_head_only(
    database: Database, owner: Owner, sealed: Sealed, now: datetime
) -> None:
    await owner.execute("delete from ledger_batches where number = %s", (BATCHES,))
    await owner.execute("update ledger_events set batch = null, place = null where batch = %s", (BATCHES,))
    await owner.execute("delete from ledger_events where id = (select id from ledger_events where batch is null order by id limit 1)")
    await seal_once(database, sealed.signer, now)
    assert (await verify(database, sealed.keys)).batches == BATCHES
    with pytest.raises(LedgerBroken, match="written anew"):
        await verify(database, sealed.keys, expected_head=sealed.whole.head)


@pytest.mark.parametrize("number", range(1, BATCHES))
async def test_a_batch_that_the_key_itself_signed_anew_does_not_fit_the_next(
    database: Database, owner: Owner, sealed: Sealed, now: datetime, number: int
) -> None:
    """Whoever holds the private key can sign another batch, but then has to sign every later one anew too."""
    row = await (await owner.execute("select * from ledger_batches where number = %s", (number,))).fetchone()
    assert row is not None
    covered = {name: row[name] for name in ("number", "event_count", "root", "previous_digest")}
    forged = sign_batch(sealed.signer, **covered, sealed_at=now - timedelta(days=1))
    await owner.execute(
        "update ledger_batches set sealed_at = %s, digest = %s, signature = %s where number = %s",
        (forged.sealed_at, forged.digest, forged.signature, number),
    )
    with pytest.raises(LedgerBroken, match=f"Batch {number + 1} does not continue the batch before it"):
        await verify(database, sealed.keys)


async def test_a_gap_in_the_numbers_is_found_even_if_the_key_itself_signed_it(database: Database, owner: Owner, sealed: Sealed) -> None:
    row = await (await owner.execute("select * from ledger_batches where number = %s", (BATCHES,))).fetchone()
    assert row is not None
    covered = {name: row[name] for name in ("event_count", "root", "previous_digest", "sealed_at")}
    forged = sign_batch(sealed.signer, number=BATCHES + 1, **covered)
    await owner.execute("update ledger_events set batch = batch + 1 where batch = %s", (BATCHES,))
    await owner.execute(
        "update ledger_batches set number = number + 1, digest = %s, signature = %s where number = %s", (forged.digest, forged.signature, BATCHES)
    )
    with pytest.raises(LedgerBroken, match=f"Batch {BATCHES} is missing"):
        await verify(database, sealed.keys)


async def test_an_older_head_is_still_there_after_the_chain_grew(database: Database, sealed: Sealed, tenant_ids: Tenants, now: datetime) -> None:
    await write(database, tenant_ids[0], now, {})
    await seal_once(database, sealed.signer, now)
    assert (await verify(database, sealed.keys, expected_head=sealed.whole.head)).batches == BATCHES + 1


async def test_a_chain_verifies_across_a_rotation_and_not_without_the_old_key(
    database: Database, tenant_ids: Tenants, now: datetime, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.key"
    old = LedgerSigner.open_or_create(path)
    await write(database, tenant_ids[0], now, {})
    await seal_once(database, old, now)
    new = LedgerSigner.rotate(path)
    await write(database, tenant_ids[0], now, {})
    await seal_once(database, new, now)
    assert (await verify(database, read_public_keys(public_keys_path(path)))).batches == 2
    with pytest.raises(LedgerBroken, match=old.key_id):
        await verify(database, {new.key_id: new.public_key})


async def test_a_fault_is_named(database: Database, owner: Owner, sealed: Sealed) -> None:
    row = await change_row(owner, "ledger_events", "kind", "'x'", row_number=6, other_signer="")
    with pytest.raises(LedgerBroken, match=f"The digest of event {row['id']} at place 1 of batch 3 does not hold"):
        await verify(database, sealed.keys)

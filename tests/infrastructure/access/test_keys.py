from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import pytest

from ondol.core.errors import NotFound, RequestError, Unauthenticated
from ondol.core.ids import new_id
from ondol.infrastructure.access.keys import STALE_SECONDS_MAX, KeyDirectory, create_key, find_key, list_keys, revoke_key
from ondol.infrastructure.access.people import NewPerson, add_person, logins_of
from ondol.infrastructure.access.secrets import MintedKey
from ondol.infrastructure.access.types import ApiKey, Person, Principal, Tenant
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses, following
from tests.infrastructure.access.conftest import Hands

pytestmark = pytest.mark.anyio


@dataclass
class Stopwatch:
    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
async def kim(database: Database, keyring: KeyRing, tenant: Tenant, clock: Hands) -> Person:
    async with database.tenant_tx(tenant.id) as connection:
        return await add_person(connection, keyring, tenant.id, NewPerson("kim", "Kim"), clock.now)


@pytest.fixture
def directory(database: Database, clock: Hands, stopwatch: Stopwatch) -> KeyDirectory:
    return KeyDirectory(database, clock, stopwatch)


async def make(database: Database, person: Person, clock: Hands, **options: timedelta) -> tuple[ApiKey, MintedKey]:
    expires_at = clock.now + options["lives"] if "lives" in options else None
    async with database.tenant_tx(person.tenant_id) as connection:
        return await create_key(connection, person.tenant_id, person.id, "laptop", clock.now, expires_at=expires_at)


async def revoke(database: Database, key: ApiKey, clock: Hands) -> None:
    async with database.tenant_tx(key.tenant_id) as connection:
        await revoke_key(connection, key.tenant_id, key.public_id, clock.now)


def refusal(directory: KeyDirectory, text: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        directory.check(text)
    return caught.value.code


async def test_keys_are_listed_page_by_page_and_found_by_their_public_id(database: Database, keyring: KeyRing, kim: Person, clock: Hands) -> None:
    made = [(await make(database, kim, clock))[0] for _ in range(5)]
    async with database.tenant_tx(kim.tenant_id) as connection:
        paged: list[ApiKey] = []
        sizes = []
        while page := await list_keys(connection, kim.tenant_id, after=paged[-1].id if paged else None, limit=2):
            sizes.append(len(page))
            paged += page
        assert sizes == [2, 2, 1]
        assert [key.id for key in paged] == sorted(key.id for key in made)
        assert await list_keys(connection, kim.tenant_id) == paged
        assert await find_key(connection, kim.tenant_id, made[3].public_id) in paged
        assert await logins_of(connection, keyring, kim.tenant_id, {kim.id, new_id()}) == {kim.id: kim.login}
        with pytest.raises(NotFound):
            await find_key(connection, kim.tenant_id, "x" * 16)
    async with database.tenant_tx(new_id()) as connection:
        assert await list_keys(connection, kim.tenant_id) == []
        with pytest.raises(NotFound):
            await find_key(connection, kim.tenant_id, made[0].public_id)


async def test_keys_are_made_listed_and_revoked(database: Database, kim: Person, clock: Hands) -> None:
    first, second = [(await make(database, kim, clock))[0] for _ in range(2)]
    clock.pass_by(hours=1)
    await revoke(database, first, clock)
    async with database.tenant_tx(kim.tenant_id) as connection:
        listed = await list_keys(connection, kim.tenant_id)
        assert sorted((key.public_id, key.revoked_at) for key in listed) == sorted([(first.public_id, clock.now), (second.public_id, None)])
        stored = str(
            await (await connection.execute("select k::text as row from api_keys k union all select body::text from ledger_events")).fetchall()
        )
        assert "sk-ondol" not in stored
    for unknown in (first.public_id, "x" * 16):
        with pytest.raises(NotFound):
            await revoke(database, ApiKey(first.id, kim.tenant_id, kim.id, unknown, "", clock.now), clock)
    for name in ("", "x" * 201):
        with pytest.raises(RequestError):
            async with database.tenant_tx(kim.tenant_id) as connection:
                await create_key(connection, kim.tenant_id, kim.id, name, clock.now)


async def test_a_key_stands_for_its_person_until_it_expires(database: Database, kim: Person, clock: Hands, directory: KeyDirectory) -> None:
    key, minted = await make(database, kim, clock, lives=timedelta(hours=1))
    assert refusal(directory, minted.text) == "keys_unavailable", "nothing was read yet"
    await directory.refresh()
    assert directory.check(minted.text) == Principal(kim.tenant_id, kim.id, api_key_id=key.id)
    wrong = minted.text[:-1] + ("A" if minted.text[-1] != "A" else "B")
    assert {refusal(directory, text) for text in (wrong, "nonsense", "sk-ondol-" + "z" * 16 + "-" + "z" * 43)} == {"invalid_api_key"}
    clock.pass_by(hours=1)
    assert refusal(directory, minted.text) == "expired_api_key"


async def test_checking_asks_nobody_and_stops_when_it_is_too_old_to_tell(
    database: Database, kim: Person, clock: Hands, directory: KeyDirectory, stopwatch: Stopwatch
) -> None:
    _, minted = await make(database, kim, clock)
    await directory.refresh()
    await database.close()
    database.addresses = DatabaseAddresses("", "", "")
    stopwatch.seconds += STALE_SECONDS_MAX
    directory.check(minted.text)
    stopwatch.seconds += 0.001
    assert refusal(directory, minted.text) == "keys_unavailable"


async def test_what_was_read_is_as_old_as_the_beginning_of_reading(database: Database, kim: Person, clock: Hands, stopwatch: Stopwatch) -> None:
    _, minted = await make(database, kim, clock)
    moments = iter([0.0, STALE_SECONDS_MAX + 1.0])
    directory = KeyDirectory(database, clock, lambda: next(moments))
    await directory.refresh()
    assert refusal(directory, minted.text) == "keys_unavailable"


async def test_who_is_shut_out_has_no_keys(database: Database, kim: Person, clock: Hands, directory: KeyDirectory) -> None:
    _, minted = await make(database, kim, clock)
    await directory.refresh()
    async with database.tenant_tx(kim.tenant_id) as connection:
        await connection.execute("update people set disabled_at = now()")
    await directory.refresh()
    assert refusal(directory, minted.text) == "invalid_api_key"
    async with database.tenant_tx(kim.tenant_id) as connection:
        await connection.execute("update people set disabled_at = null")
    await directory.refresh()
    directory.check(minted.text)


@contextlib.asynccontextmanager
async def running(directory: KeyDirectory) -> AsyncIterator[None]:
    task = asyncio.create_task(directory.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what changes is in Postgres
            await asyncio.sleep(0.005)


def knows(directory: KeyDirectory, text: str) -> bool:
    try:
        directory.check(text)
    except Unauthenticated:
        return False
    return True


async def test_a_change_is_told_at_once(
    database: Database, kim: Person, clock: Hands, directory: KeyDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_SECONDS", 600.0)
    _, known = await make(database, kim, clock)
    async with running(directory):
        await until(lambda: knows(directory, known.text), 5)
        key, minted = await make(database, kim, clock)
        await until(lambda: knows(directory, minted.text), 5)
        await revoke(database, key, clock)
        await until(lambda: not knows(directory, minted.text), 5)


async def test_a_lost_notice_is_found_by_the_counter(
    database: Database, kim: Person, clock: Hands, directory: KeyDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_SECONDS", 0.05)
    key, minted = await make(database, kim, clock)
    with psycopg.connect(database.addresses.owner) as owner:
        owner.execute(
            "create or replace function ondol.tell_keys_changed() returns trigger language plpgsql security definer as"
            " 'begin update ondol.key_revision set revision = revision + 1; return null; end'"
        )
    async with running(directory):
        await until(lambda: knows(directory, minted.text), 5)
        await revoke(database, key, clock)
        await until(lambda: not knows(directory, minted.text), 5)


async def test_an_outage_is_lived_through(
    database: Database, kim: Person, clock: Hands, directory: KeyDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_SECONDS", 0.05)
    key, minted = await make(database, kim, clock)
    async with running(directory):
        await until(lambda: knows(directory, minted.text), 5)
        async with await psycopg.AsyncConnection.connect(database.addresses.system, autocommit=True) as connection:
            await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = current_user and pid <> pg_backend_pid()"
                                     " and datname = current_database()")  # fmt: skip
        await revoke(database, key, clock)
        await until(lambda: not knows(directory, minted.text), 10)

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace

import pytest

from ondol.core.errors import RequestError, TooManyRequests, Unauthenticated
from ondol.infrastructure.access import secrets
from ondol.infrastructure.access import sign_in as signing
from ondol.infrastructure.access.people import NewPerson, add_person
from ondol.infrastructure.access.sign_in import ATTEMPTS_PER_CLIENT_FACTOR, SignIn, open_session, principal_of, redeem_one_time, sign_in, sign_out
from ondol.infrastructure.access.types import Person, Principal, Tenant
from ondol.infrastructure.storage.postgres import one
from tests.infrastructure.access.conftest import Hands

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse battery"
CLIENT = "192.0.2.1"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return secrets.hash_password(PASSWORD)


@pytest.fixture
async def kim(room: SignIn, tenant: Tenant, password_hash: str) -> Person:
    """Somebody with a password."""
    async with room.database.tenant_tx(tenant.id) as connection:
        added = await add_person(connection, room.keyring, tenant.id, NewPerson("kim@example.com", "Kim", roles=frozenset({"admin"})), room.clock())
        await connection.execute("update people set password_hash = %s", (password_hash,))
    return added


async def code_for(room: SignIn, person: Person) -> str:
    async with room.database.tenant_tx(person.tenant_id) as connection:
        return await signing.issue_one_time(connection, room.settings, person.tenant_id, person.id, room.clock())


async def failures(room: SignIn) -> int:
    async with room.database.system_tx() as connection:
        found = await one(connection, "select count(*) as counted from sign_in_failures", {})
    assert found is not None
    return int(found["counted"])


async def test_the_right_password_opens_a_session_that_ends(room: SignIn, kim: Person, clock: Hands) -> None:
    token = await sign_in(room, "acme", " KIM@example.com", PASSWORD, CLIENT)
    principal = await principal_of(room, token)
    assert principal == Principal(kim.tenant_id, kim.id, frozenset({"admin"}), session_id=principal.session_id if principal else None)
    assert await principal_of(room, token + "x") is None
    clock.pass_by(hours=room.settings.session_hours, microseconds=-1)
    assert await principal_of(room, token) is not None
    clock.pass_by(microseconds=1)
    assert await principal_of(room, token) is None
    await signing.forget_old_sessions(room.database, clock.now)
    other = await sign_in(room, "acme", kim.login, PASSWORD, CLIENT)
    await sign_out(room, other)
    await sign_out(room, other)
    await sign_out(room, "no token")
    assert await principal_of(room, other) is None


async def test_whoever_is_shut_out_is_out_at_once(room: SignIn, kim: Person) -> None:
    token = await sign_in(room, "acme", kim.login, PASSWORD, CLIENT)
    async with room.database.tenant_tx(kim.tenant_id) as connection:
        await connection.execute("update people set disabled_at = now()")
    assert await principal_of(room, token) is None
    with pytest.raises(Unauthenticated):
        await sign_in(room, "acme", kim.login, PASSWORD, CLIENT)


async def test_what_was_wrong_is_not_told_by_words_nor_by_work(room: SignIn, kim: Person) -> None:
    wanted, work = [], []
    for organisation, login, password in (
        ("acme", kim.login, "wrong password"),
        ("acme", "nobody@example.com", PASSWORD),
        ("nowhere", kim.login, PASSWORD),
        ("no\x00where", kim.login, PASSWORD),
    ):
        before = time.process_time()
        with pytest.raises(Unauthenticated) as caught:
            await sign_in(room, organisation, login, password, CLIENT)
        work.append(time.process_time() - before)
        wanted.append((caught.value.message, caught.value.hint, caught.value.code, caught.value.status))
    assert len(set(wanted)) == 1
    assert min(work) > max(work) / 4, f"seconds of processor time: {work}"


async def test_a_service_cannot_sign_in(room: SignIn, kim: Person) -> None:
    async with room.database.tenant_tx(kim.tenant_id) as connection:
        await connection.execute("update people set kind = 'service'")
    with pytest.raises(Unauthenticated):
        await sign_in(room, "acme", kim.login, PASSWORD, CLIENT)


async def test_fifty_guesses_at_once_never_pass_the_limit(room: SignIn, kim: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def look(password_hash: str | None, password: str) -> bool:
        looked_at.append(password)
        return False

    monkeypatch.setattr(secrets, "password_matches", look)
    spellings = [kim.login, kim.login.upper(), f" {kim.login}", "ｋim@example.com"]
    tries = (sign_in(room, "acme", spellings[number % 4], f"guess {number}", f"192.0.2.{number}") for number in range(50))
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {Unauthenticated, TooManyRequests}
    assert len(looked_at) == sum(isinstance(answer, Unauthenticated) for answer in answers) <= room.settings.attempts_max
    assert await failures(room) <= room.settings.attempts_max, "a refused attempt counts for nothing"


async def test_the_wait_ends_though_somebody_keeps_trying_and_success_clears(room: SignIn, kim: Person, clock: Hands) -> None:
    async def wrong() -> type[Exception]:
        with pytest.raises((Unauthenticated, TooManyRequests)) as caught:
            await sign_in(room, "acme", kim.login, "wrong password", CLIENT)
        return caught.type

    limit = room.settings.attempts_max
    assert [await wrong() for _ in range(limit + 1)] == [Unauthenticated] * limit + [TooManyRequests]
    clock.pass_by(seconds=room.settings.attempts_window_s - 1)
    with pytest.raises(TooManyRequests) as caught:
        await sign_in(room, "acme", kim.login, PASSWORD, "198.51.100.7")
    assert caught.value.retry_after_s == room.settings.attempts_window_s
    clock.pass_by(seconds=1)
    assert [await wrong() for _ in range(limit - 1)] == [Unauthenticated] * (limit - 1)
    await sign_in(room, "acme", kim.login, PASSWORD, CLIENT)
    assert await failures(room) == 0
    assert [await wrong() for _ in range(limit)] == [Unauthenticated] * limit


async def test_one_address_may_not_try_every_account(room: SignIn, kim: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "password_matches", lambda known, password: False)
    for number in range(room.settings.attempts_max * ATTEMPTS_PER_CLIENT_FACTOR):
        with pytest.raises(Unauthenticated):
            await sign_in(room, "acme", f"person {number}", PASSWORD, CLIENT)
    with pytest.raises(TooManyRequests):
        await sign_in(room, "acme", kim.login, PASSWORD, CLIENT)
    with pytest.raises(Unauthenticated):
        await sign_in(room, "acme", kim.login, PASSWORD, "198.51.100.7")


async def test_a_one_time_code_sets_a_password_once(room: SignIn, kim: Person, clock: Hands) -> None:
    async with room.database.tenant_tx(kim.tenant_id) as connection:
        old_session = await open_session(connection, room.settings, kim.tenant_id, kim.id, clock.now)
    first, second = await code_for(room, kim), await code_for(room, kim)
    assert [await signing.one_time_valid(room, code) for code in (first, first, second, "none")] == [True, True, True, False]
    with pytest.raises(RequestError) as caught:
        await redeem_one_time(room, first, "too short")
    assert (caught.value.code, await signing.one_time_valid(room, first)) == ("password_length", True)

    answers = await asyncio.gather(*(redeem_one_time(room, first, f"password number {n}") for n in range(2)), return_exceptions=True)
    [token] = [answer for answer in answers if isinstance(answer, str)]
    [loser] = [answer for answer in answers if isinstance(answer, Unauthenticated)]
    assert loser.code == "one_time_code_spent"
    principal = await principal_of(room, token)
    assert principal is not None
    assert (principal.tenant_id, principal.person_id) == (kim.tenant_id, kim.id)
    assert await principal_of(room, old_session) is None, "other sessions end"
    assert not await signing.one_time_valid(room, second), "an older invitation is good for nothing any more"
    winner = answers.index(token)
    await sign_in(room, "acme", kim.login, f"password number {winner}", CLIENT)
    with pytest.raises(Unauthenticated):
        await redeem_one_time(room, first, "password number 3")


async def test_a_one_time_code_runs_out_and_ends_nobody_elses(room: SignIn, kim: Person, clock: Hands) -> None:
    async with room.database.tenant_tx(kim.tenant_id) as connection:
        lee = await add_person(connection, room.keyring, kim.tenant_id, NewPerson("lee@example.com", "Lee"), clock.now)
    code, other = await code_for(room, kim), await code_for(room, replace(lee))
    await redeem_one_time(room, code, "password number 1")
    assert await signing.one_time_valid(room, other)
    clock.pass_by(hours=room.settings.one_time_hours)
    assert not await signing.one_time_valid(room, other)
    with pytest.raises(Unauthenticated):
        await redeem_one_time(room, other, "password number 2")


async def test_nothing_secret_is_stored(room: SignIn, kim: Person) -> None:
    token, code = await sign_in(room, "acme", kim.login, PASSWORD, CLIENT), await code_for(room, kim)
    with pytest.raises(Unauthenticated):
        await sign_in(room, "acme", kim.login, "wrong password", CLIENT)
    stored = ""
    async with room.database.tenant_tx(kim.tenant_id) as connection:
        for table in ("people", "sessions", "one_time_codes", "ledger_events"):
            stored += str(await (await connection.execute(f"select t::text as row from {table} t")).fetchall())
    async with room.database.system_tx() as connection:
        stored += str(await (await connection.execute("select t::text as row from sign_in_failures t")).fetchall())
    for secret in (token, code, PASSWORD, "wrong password", kim.login, CLIENT):
        assert secret not in stored
        assert secret.encode().hex() not in stored
    assert uuid.UUID(str(kim.id)).hex in stored.replace("-", "")

"""Signing in with a password, sessions, and one-time codes for those who have no password yet."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ondol.core.canonical import keyed_digest
from ondol.core.clock import Clock
from ondol.core.config import SignInSettings
from ondol.core.errors import NotFound, TooManyRequests, Unauthenticated
from ondol.core.ids import new_id
from ondol.infrastructure.access import secrets
from ondol.infrastructure.access.devices import UNKNOWN, Device, device_of
from ondol.infrastructure.access.people import find_tenant, login_hash, plain_login
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one

_QUERIES = load_queries("ondol.infrastructure.access")

INSTALLATION = uuid.UUID(int=0)
HASHES_AT_ONCE_MAX = 2
"""Each argon2id hash takes 64 MiB: more wait their turn."""
USE_NOTED_S = 300
"""How far the time of a session's last use may lag behind."""
ATTEMPTS_PER_CLIENT_FACTOR = 10
"""One address may serve a whole office: it may fail this many times as often as one account."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What signing in needs.

    Attributes:
        settings: limits and life times.
    """

    database: Database
    keyring: KeyRing
    settings: SignInSettings
    clock: Clock
    hashing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HASHES_AT_ONCE_MAX))


async def sign_in(room: SignIn, organisation: str, login: str, password: str, client: str, agent: str = "") -> str:
    """A session's token for the right password.

    The attempt counts before the password is looked at, so that many at once cannot pass the limit; one that is refused for that does not
    count, so that the wait ends though somebody keeps trying. An unknown organisation, an unknown
    login and a wrong password take the same path and give the same answer.

    Args:
        client: the caller's network address.
        agent: what the browser says of itself.

    Raises:
        Unauthenticated: when something of it is wrong.
        TooManyRequests: when the account or the address failed too often.
    """
    now = room.clock()
    account_name = f"{organisation}\x00{plain_login(login)}"
    attempt_id = await count_attempt(room, account_name, f"client\x00{client}", now)
    tenant_id, account = await _find_account(room, organisation, login)
    known_hash = account["password_hash"] if account and account["disabled_at"] is None else None
    async with room.hashing:
        matches = await asyncio.to_thread(secrets.password_matches, known_hash, password)
    if not matches or tenant_id is None or account is None:
        raise Unauthenticated("The organisation, the login or the password is wrong.", code="wrong_password")
    await forgive_attempts(room, attempt_id, account_name, now)
    async with room.database.tenant_tx(tenant_id) as connection:
        return await open_session(connection, room.settings, tenant_id, account["id"], now, device_of(agent, client))


async def open_session(
    connection: Connection, settings: SignInSettings, tenant_id: uuid.UUID, person_id: uuid.UUID, now: datetime, device: Device = UNKNOWN
) -> str:
    """A fresh session's token."""
    token = secrets.new_token()
    session_id = new_id()
    await connection.execute(
        _QUERIES["session_add"],
        {
            "tenant_id": tenant_id,
            "id": session_id,
            "person_id": person_id,
            "token_hash": secrets.token_hash(token),
            "now": now,
            "expires_at": now + timedelta(hours=settings.session_hours),
            **asdict(device),
        },
    )
    await record(connection, tenant_id, kind="session.opened", actor_id=person_id, body={"session": session_id}, now=now)
    return token


async def principal_of(room: SignIn, token: str) -> Principal | None:
    """Who a session's token stands for; None when it is not in force. That it was used is noted once in a while."""
    now = room.clock()
    stale = now - timedelta(seconds=USE_NOTED_S)
    async with room.database.system_tx() as connection:
        found = await one(connection, _QUERIES["session_by_token"], {"token_hash": secrets.token_hash(token), "now": now, "stale": stale})
        if found is not None and found["is_stale"]:
            values = {"tenant_id": found["tenant_id"], "id": found["id"], "now": now, "stale": stale}
            await connection.execute(_QUERIES["session_used"], values)
    if found is None:
        return None
    return Principal(found["tenant_id"], found["person_id"], frozenset(found["roles"]), session_id=found["id"])


async def sign_out(room: SignIn, token: str) -> None:
    """End a session; an unknown token changes nothing."""
    principal = await principal_of(room, token)
    if principal is None:
        return
    async with room.database.tenant_tx(principal.tenant_id) as connection:
        await connection.execute(_QUERIES["session_revoke"], {"id": principal.session_id, "now": room.clock()})


async def issue_one_time(
    connection: Connection,
    settings: SignInSettings,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    now: datetime,
    *,
    actor_id: uuid.UUID | None = None,
) -> str:
    """A code with which a person sets a password, once.

    Args:
        actor_id: who made it; None for the command line.
    """
    code = secrets.new_token()
    await connection.execute(
        _QUERIES["one_time_add"],
        {
            "tenant_id": tenant_id,
            "id": new_id(),
            "person_id": person_id,
            "code_hash": secrets.token_hash(code),
            "now": now,
            "expires_at": now + timedelta(hours=settings.one_time_hours),
        },
    )
    await record(connection, tenant_id, kind="one_time_code.issued", actor_id=actor_id, body={"person": person_id}, now=now)
    return code


async def one_time_valid(room: SignIn, code: str) -> bool:
    """Whether a code is good; looking does not use it up."""
    async with room.database.system_tx() as connection:
        values = {"code_hash": secrets.token_hash(code), "now": room.clock()}
        return await one(connection, _QUERIES["one_time_find"], values) is not None


async def redeem_one_time(room: SignIn, code: str, new_password: str, device: Device = UNKNOWN) -> str:
    """Set a password with a one-time code, end the person's other sessions, and open one.

    Raises:
        RequestError: when the password is too short or too long; the code stays good.
        Unauthenticated: when the code is unknown, used or too old.
    """
    now = room.clock()
    spent = Unauthenticated("This one-time sign-in is used up or too old.", "`ondol user invite` makes a new one.", code="one_time_code_spent")
    if not await one_time_valid(room, code):
        raise spent
    async with room.hashing:
        password_hash = await asyncio.to_thread(secrets.hash_password, new_password)
    async with room.database.system_tx() as connection:
        found = await one(connection, _QUERIES["one_time_use"], {"code_hash": secrets.token_hash(code), "now": now})
    if found is None:
        raise spent
    tenant_id, person_id = found["tenant_id"], found["person_id"]
    async with room.database.tenant_tx(tenant_id) as connection:
        await connection.execute(_QUERIES["person_set_password"], {"id": person_id, "password_hash": password_hash})
        await connection.execute(_QUERIES["sessions_revoke_person"], {"person_id": person_id, "now": now})
        await record(connection, tenant_id, kind="password.set", actor_id=person_id, body={"person": person_id}, now=now)
        return await open_session(connection, room.settings, tenant_id, person_id, now, device)


async def count_attempt(room: SignIn, account: str, client: str, now: datetime) -> uuid.UUID:
    """Count an attempt before it is looked at.

    Args:
        account: whose password is guessed.
        client: who guesses.

    Raises:
        TooManyRequests: when either failed too often; this one does not count then.
    """
    attempt_id = new_id()
    hashes = {"account_hash": _installation_digest(room.keyring, account), "client_hash": _installation_digest(room.keyring, client)}
    values = {"id": attempt_id, **hashes, "now": now}
    since = now - timedelta(seconds=room.settings.attempts_window_s)
    async with room.database.system_tx() as connection:
        await connection.execute(_QUERIES["failure_add"], values)
    async with room.database.system_tx() as connection:
        counted = await one(connection, _QUERIES["failures_count"], {**values, "since": since})
    limit = room.settings.attempts_max
    if counted is not None and (counted["account"] > limit or counted["client"] > limit * ATTEMPTS_PER_CLIENT_FACTOR):
        async with room.database.system_tx() as connection:
            await connection.execute(_QUERIES["failure_remove"], {"id": attempt_id})
        raise TooManyRequests(
            "Too many wrong sign-ins.", "Wait a while, or ask an administrator for a one-time sign-in.", retry_after_s=room.settings.attempts_window_s
        )
    return attempt_id


async def forgive_attempts(room: SignIn, attempt_id: uuid.UUID, account: str, now: datetime) -> None:
    """An attempt was right: neither it nor the account's older failures count any more."""
    async with room.database.system_tx() as connection:
        await connection.execute(_QUERIES["failure_remove"], {"id": attempt_id})
        window = timedelta(seconds=room.settings.attempts_window_s)
        values = {"account_hash": _installation_digest(room.keyring, account), "before": now - window}
        await connection.execute(_QUERIES["failures_forget"], values)


async def _find_account(room: SignIn, organisation: str, login: str) -> tuple[uuid.UUID | None, dict[str, Any] | None]:
    try:
        tenant = await find_tenant(room.database, organisation)
    except NotFound:
        return None, None
    async with room.database.system_tx() as connection:
        values = {"tenant_id": tenant.id, "login_hash": login_hash(room.keyring, tenant.id, login)}
        return tenant.id, await one(connection, _QUERIES["account_by_login"], values)


def _installation_digest(keyring: KeyRing, text: str) -> bytes:
    key = keyring.get_or_create(KeyOwner(INSTALLATION, "tenant", INSTALLATION)).derive("sign-in")
    return keyed_digest(key, "sign-in", text.encode())


async def forget_old_sessions(database: Database, before: datetime) -> None:
    """Remove sessions that ended before a moment."""
    async with database.system_tx() as connection:
        await connection.execute(_QUERIES["sessions_forget"], {"before": before})

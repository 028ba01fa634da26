"""API keys: made, listed and revoked in Postgres, checked in memory.

A change of any key is told by NOTIFY and seen at once; a lost notice is found by a counter that `follow` reads every second. So a revoked key
works at most a second and one reload longer while Postgres answers, and at most `STALE_SECONDS_MAX` while it does not: then all keys
are refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ondol.core.clock import Clock
from ondol.core.errors import NotFound, RequestError, Unauthenticated
from ondol.core.ids import new_id
from ondol.infrastructure.access.secrets import MintedKey, mint_key, same, split_key, token_hash
from ondol.infrastructure.access.types import ApiKey, Principal
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection, Database, follow, load_queries, one, rows

_QUERIES = load_queries("ondol.infrastructure.access")
_LOG = logging.getLogger("ondol.access")

STALE_SECONDS_MAX = 60.0
PAGE_MAX = 1000
NAME_CHARACTERS_MAX = 200
MODELS_MAX = 200
DAYS_MAX = 3_660


@dataclass(frozen=True, slots=True)
class _KeyInForce:
    id: uuid.UUID
    secret_hash: bytes
    expires_at: datetime | None
    principal: Principal


async def create_key(
    connection: Connection,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    name: str,
    now: datetime,
    *,
    expires_at: datetime | None = None,
    models: Sequence[str] | None = None,
    actor_id: uuid.UUID | None = None,
) -> tuple[ApiKey, MintedKey]:
    """A new key that acts as a person. Its text is in the second value and nowhere else.

    Args:
        models: what it may call; all that the tenant may when absent.
        actor_id: who makes it; None on the machine itself.

    Raises:
        RequestError: when the name is empty or too long, there are too many models, or it would have expired already.
    """
    if models is not None and (len(models) > MODELS_MAX or any(not 1 <= len(model) <= NAME_CHARACTERS_MAX for model in models)):
        raise RequestError(f"A key names at most {MODELS_MAX} models.", "Leave them out to allow all.", code="bad_models")
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        raise RequestError(f"A key's name has 1 to {NAME_CHARACTERS_MAX} characters.", "Name what will use it.", code="bad_name")
    if expires_at is not None and not now < expires_at <= now + timedelta(days=DAYS_MAX):
        raise RequestError(f"A key expires in the future, within {DAYS_MAX} days.", "Leave it out for one that does not.", code="bad_expiry")
    minted = mint_key()
    key = ApiKey(new_id(), tenant_id, person_id, minted.public_id, name, now, expires_at, models=None if models is None else tuple(models))
    await connection.execute(
        _QUERIES["key_add"],
        {
            "tenant_id": tenant_id,
            "id": key.id,
            "public_id": key.public_id,
            "secret_hash": minted.secret_hash,
            "person_id": person_id,
            "name": name,
            "now": now,
            "expires_at": expires_at,
            "models": None if models is None else list(models),
        },
    )
    await record(connection, tenant_id, kind="key.created", actor_id=actor_id, body={"key": key.id, "person": person_id}, now=now)
    return key, minted


async def list_keys(connection: Connection, tenant_id: uuid.UUID, *, after: uuid.UUID | None = None, limit: int = PAGE_MAX) -> list[ApiKey]:
    """The tenant's keys, oldest first, from the one after `after`, at most `limit`. Fewer than `limit` are the last ones."""
    found = await rows(connection, _QUERIES["keys_page"], {"after": after or uuid.UUID(int=0), "limit": limit})
    return [_listed(tenant_id, row) for row in found]


async def find_key(connection: Connection, tenant_id: uuid.UUID, public_id: str) -> ApiKey:
    """The tenant's key of a public id, revoked or not.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, _QUERIES["key_by_public_id"], {"public_id": public_id})
    if found is None:
        raise NotFound(f"No key has the id {public_id[:NAME_CHARACTERS_MAX]}.", "`ondol key list` shows all.", code="key_not_found")
    return _listed(tenant_id, found)


async def revoke_key(connection: Connection, tenant_id: uuid.UUID, public_id: str, now: datetime, *, actor_id: uuid.UUID | None = None) -> None:
    """Revoke a key for good.

    Raises:
        NotFound: when no key in force has this public id.
    """
    found = await one(connection, _QUERIES["key_revoke"], {"public_id": public_id, "now": now})
    if found is None:
        raise NotFound(f"No key in force has the id {public_id[:NAME_CHARACTERS_MAX]}.", "`ondol key list` shows all.", code="key_not_found")
    await record(connection, tenant_id, kind="key.revoked", actor_id=actor_id, body={"key": found["id"]}, now=now)


class KeyDirectory:
    """All keys in force, in memory.

    Args:
        clock: for expiry.
        monotonic: seconds, for staleness.
        on_gone: told the id of each key that is in force no longer: what it still runs can be ended.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        on_gone: Callable[[uuid.UUID], object] = lambda _: None,
    ) -> None:
        self.on_gone = on_gone
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._keys: Mapping[str, _KeyInForce] = {}
        self._gone: set[uuid.UUID] = set()
        self._revision = -1
        self._reading = asyncio.Lock()
        self._seen_at = float("-inf")

    def check(self, key_text: str) -> Principal:
        """Who a key stands for. Touches memory only.

        Raises:
            Unauthenticated: when the key is malformed, unknown, revoked or expired, or the directory is too old to tell.
        """
        public_id, secret = split_key(key_text)
        if self.age_seconds > STALE_SECONDS_MAX:
            raise Unauthenticated("Keys cannot be checked now: Postgres is away.", "Try again shortly.", code="keys_unavailable")
        known = self._keys.get(public_id)
        matches = same(token_hash(secret), known.secret_hash if known else bytes(32))
        if known is None or not matches:
            raise Unauthenticated("The API key is not valid.", "It may have been revoked; make one with `ondol key create`.")
        if known.expires_at is not None and known.expires_at <= self._clock():
            raise Unauthenticated("The API key has expired.", "Make a new one with `ondol key create`.", code="expired_api_key")
        return known.principal

    def check_not_gone(self, key_id: uuid.UUID) -> None:
        """That a key which somebody else has just found in force has not been revoked meanwhile. Touches memory only.

        Raises:
            Unauthenticated: it has, or the directory is too old to tell.
        """
        if self.age_seconds > STALE_SECONDS_MAX:
            raise Unauthenticated("Keys cannot be checked now: Postgres is away.", "Try again shortly.", code="keys_unavailable")
        if key_id in self._gone:
            raise Unauthenticated("What this is asked through was revoked.", "It cannot be brought back.", code="revoked_api_key")

    @property
    def age_seconds(self) -> float:
        """How long ago the directory last agreed with Postgres; infinite before the first time."""
        return self._monotonic() - self._seen_at

    async def refresh(self) -> None:
        """Read the counter, and all keys when it moved."""
        async with self._database.system_tx() as connection:
            await self._read(connection)

    async def run(self) -> None:
        """Keep the directory fresh until cancelled, over one connection of its own: woken by notices, and by the clock where one was lost."""
        await follow(self._database, "ondol_keys", self._read, name="keys", log=_LOG)

    async def _read(self, connection: Connection) -> None:
        async with self._reading:  # an older reading that ends later would bring back what is gone
            await self._read_alone(connection)

    async def _read_alone(self, connection: Connection) -> None:
        began_at = self._monotonic()
        found = await one(connection, _QUERIES["key_revision"], {})
        revision = found["revision"] if found else 0
        if revision != self._revision:
            keys = await rows(connection, _QUERIES["keys_in_force"], {})
            before = {key.id for key in self._keys.values()}
            self._keys = {row["public_id"]: _in_force(row) for row in keys}
            self._revision = revision
            now = {key.id for key in self._keys.values()}
            self._gone = (self._gone | (before - now)) - now
            for key_id in before - now:
                self.on_gone(key_id)
        self._seen_at = began_at


def _listed(tenant_id: uuid.UUID, row: dict[str, Any]) -> ApiKey:
    models = row["models"]
    return ApiKey(tenant_id=tenant_id, **{**row, "models": None if models is None else tuple(models)})


def _in_force(row: dict[str, Any]) -> _KeyInForce:
    models = row["models"]
    principal = Principal(
        row["tenant_id"],
        row["person_id"],
        api_key_id=row["id"],
        models=None if models is None else tuple(models),
        group_ids=tuple(row["group_ids"] or ()),
    )
    return _KeyInForce(row["id"], row["secret_hash"], row["expires_at"], principal)

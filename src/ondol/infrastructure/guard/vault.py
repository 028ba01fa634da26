"""The vault: what tokens stand for, so that a caller gets values back in later requests too.

A value is written behind the request that made its token, sealed under the data key of the person who wrote it. Only that person gets it back.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import DictRow

from ondol.core.clock import Clock
from ondol.core.errors import KeyDestroyed
from ondol.core.ids import new_id
from ondol.infrastructure.guard.actions import MARK
from ondol.infrastructure.guard.sealing import open_text, seal_text
from ondol.infrastructure.guard.store import QUERIES
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database, rows
from ondol.infrastructure.storage.spool import ROUND_EVERY_S, WriteBehind

TOKENS_KEPT = timedelta(days=30)
TOKENS_WAITING_MAX = 20_000
CHARACTERS_WAITING_MAX = 4_000_000
LOOKED_UP_MAX = 1_000
SWEEP_MAX = 10_000
"""Rows that one sweep removes; the next one goes on."""


@dataclass(frozen=True, slots=True)
class KeptToken:
    """A token and what it stands for, on the way to the vault."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    token: str
    entity: str
    value: str
    person_id: uuid.UUID | None
    created_at: datetime
    expires_at: datetime


class Vault:
    """Keeps tokens. Use `writing` as an async context manager for as long as tokens are given out.

    Args:
        kept: how long a value is kept after it was last written.

    Attributes:
        writing: the rows on their way to Postgres, with the count of dropped ones.
    """

    def __init__(
        self, database: Database, keyring: KeyRing, clock: Clock, *, kept: timedelta = TOKENS_KEPT, write_every_s: float = ROUND_EVERY_S
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._kept = kept
        self.writing: WriteBehind[KeptToken] = WriteBehind(
            database,
            "tokens",
            self._write,
            lambda item: len(item.value) + len(item.token),
            waiting_max=TOKENS_WAITING_MAX,
            weight_max=CHARACTERS_WAITING_MAX,
            write_every_s=write_every_s,
        )

    def keeper(self, tenant_id: uuid.UUID, person_id: uuid.UUID | None) -> Callable[[str, str, str], None]:
        """What a conversation of this person tells its new tokens to: token, entity, value. It never blocks and never raises."""

        def keep(token: str, entity: str, value: str) -> None:
            now = self._clock()
            self.writing.add(KeptToken(tenant_id, new_id(), token, entity, value, person_id, now, now + self._kept))

        return keep

    async def look_up(self, tenant_id: uuid.UUID, person_id: uuid.UUID | None, texts: Sequence[str]) -> dict[str, str]:
        """The values behind the tokens that stand in texts, as far as this person may have them back, at most `LOOKED_UP_MAX`.

        Texts without tokens ask nobody.
        """
        tokens = sorted({mark[0] for text in texts if "[" in text for mark in MARK.finditer(text) if "_T" in mark[0]})[:LOOKED_UP_MAX]
        if not tokens:
            return {}
        async with self._database.tenant_tx(tenant_id) as connection:
            found = await rows(connection, QUERIES["tokens_of"], {"tokens": tokens, "person_id": person_id, "now": self._clock()})
        return await asyncio.to_thread(self._opened, tenant_id, found)

    def _opened(self, tenant_id: uuid.UUID, found: Sequence[DictRow]) -> dict[str, str]:
        values: dict[str, str] = {}
        for row in found:
            with contextlib.suppress(KeyDestroyed):
                if row["token"] not in values:
                    values[row["token"]] = open_text(self._keyring, tenant_id, row["person_id"], bytes(row["value_sealed"]), _context(row["id"]))
        return values

    async def _write(self, connection: Connection, tenant_id: uuid.UUID, items: Sequence[KeptToken]) -> None:
        values = await asyncio.to_thread(lambda: [self._row(item) for item in items])
        async with connection.cursor() as cursor:
            await cursor.executemany(QUERIES["token_put"], values)

    def _row(self, item: KeptToken) -> dict[str, object]:
        return {
            "tenant_id": item.tenant_id,
            "id": item.id,
            "token": item.token,
            "entity": item.entity,
            "value_sealed": seal_text(self._keyring, item.tenant_id, item.person_id, item.value, _context(item.id)),
            "person_id": item.person_id,
            "created_at": item.created_at,
            "expires_at": item.expires_at,
        }


async def erase_tokens(connection: Connection, person_id: uuid.UUID) -> int:
    """Remove all that one person's tokens stood for; how many rows that were."""
    return (await connection.execute(QUERIES["tokens_erase"], {"person_id": person_id})).rowcount


async def expire_tokens(database: Database, now: datetime) -> int:
    """Remove tokens whose time is over, at most `SWEEP_MAX`; how many that were."""
    async with database.system_tx() as connection:
        return (await connection.execute(QUERIES["tokens_expire"], {"now": now, "limit": SWEEP_MAX})).rowcount


def _context(row_id: uuid.UUID) -> bytes:
    return b"guard-token" + row_id.bytes

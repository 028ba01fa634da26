"""What was asked and answered, for tenants that want it kept: masked or in full, sealed under the person's key, for some days.

Everything here happens behind the request: masking, sealing and writing. What waits is in memory only, so the end of a process loses the contents of
its last second, and never a record.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ondol.core.clock import Clock
from ondol.core.errors import KeyDestroyed
from ondol.infrastructure.guard.sealing import open_text, seal_text
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows
from ondol.infrastructure.storage.spool import ROUND_EVERY_S, WriteBehind

TEXT_CHARACTERS_MAX = 100_000
"""Of a prompt and of an answer; what is longer is cut."""
CONTENTS_WAITING_MAX = 10_000
CHARACTERS_WAITING_MAX = 20_000_000
SWEEP_MAX = 10_000
SWEEPS_MAX = 100
"""One sweep after another removes at most so many times `SWEEP_MAX`; the next job goes on."""
CUT_MARK = " […]"

Mode = Literal["off", "masked", "full"]
Mask = Callable[[uuid.UUID, str], str]
"""A tenant's text with everything private taken out; called in a thread."""

QUERIES = load_queries("ondol.infrastructure.gateway.records")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Content:
    """What was said in one request."""

    id: uuid.UUID
    person_id: uuid.UUID
    mode: Literal["masked", "full"]
    prompt: str
    answer: str
    created_at: datetime
    keep_until: datetime


@dataclass(frozen=True, slots=True)
class _Said:
    """The same on its way to Postgres, not masked yet."""

    tenant_id: uuid.UUID
    id: uuid.UUID
    person_id: uuid.UUID
    mode: Literal["masked", "full"]
    prompt: str
    answer: str
    created_at: datetime
    keep_until: datetime


class ContentLog:
    """Keeps what was said. Use `writing` as an async context manager.

    Args:
        mask: see `Mask`. A text that it fails on is not kept.

    Attributes:
        writing: the rows on their way to Postgres, with the count of dropped ones.
        unmasked: contents left out because they could not be masked.
    """

    def __init__(self, database: Database, keyring: KeyRing, clock: Clock, mask: Mask, *, write_every_s: float = ROUND_EVERY_S) -> None:
        self.unmasked = 0
        self._keyring = keyring
        self._clock = clock
        self._mask = mask
        self.writing: WriteBehind[_Said] = WriteBehind(
            database,
            "contents",
            self._write,
            lambda item: len(item.prompt) + len(item.answer),
            waiting_max=CONTENTS_WAITING_MAX,
            weight_max=CHARACTERS_WAITING_MAX,
            write_every_s=write_every_s,
        )

    def keep(self, tenant_id: uuid.UUID, person_id: uuid.UUID, request_id: uuid.UUID, prompt: str, answer: str, *, mode: Mode, days: int) -> None:
        """Keep what was said in one request. Never blocks, never raises.

        Args:
            mode: what the tenant's settings say.
            days: for how long; none for 0.
        """
        if mode == "off" or days <= 0:
            return
        now = self._clock()
        said = _Said(tenant_id, request_id, person_id, mode, _cut(prompt), _cut(answer), now, now + timedelta(days=days))
        self.writing.add(said)

    async def _write(self, connection: Connection, tenant_id: uuid.UUID, items: Sequence[_Said]) -> None:
        """Write those whose person is still there: a key made for somebody who was erased would keep what they said."""
        people = {item.person_id for item in items}
        living = {row["id"] for row in await rows(connection, QUERIES["living_people"], {"ids": list(people)})}
        values = await asyncio.to_thread(lambda: [row for item in items if item.person_id in living and (row := self._row(item))])
        if values:
            async with connection.cursor() as cursor:
                await cursor.executemany(QUERIES["content_add"], values)

    def _row(self, item: _Said) -> dict[str, object] | None:
        prompt, answer = item.prompt, item.answer
        if item.mode == "masked":
            try:
                prompt, answer = self._mask(item.tenant_id, prompt), self._mask(item.tenant_id, answer)
            except Exception as error:
                # The boundary of a mask: what cannot be masked must not be kept, and must not hold up the others.
                self.unmasked += 1
                _logger.error("content left out: it cannot be masked", extra={"reason": type(error).__name__})
                return None
        return {
            "tenant_id": item.tenant_id,
            "id": item.id,
            "person_id": item.person_id,
            "mode": item.mode,
            "prompt_sealed": seal_text(self._keyring, item.tenant_id, item.person_id, prompt, _context(b"prompt", item.id)),
            "answer_sealed": seal_text(self._keyring, item.tenant_id, item.person_id, answer, _context(b"answer", item.id)),
            "created_at": item.created_at,
            "keep_until": item.keep_until,
        }


async def content_of(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, request_id: uuid.UUID, now: datetime) -> Content | None:
    """What was said in a request of the transaction's tenant; None when it is not kept, not any more, or its person was erased."""
    row = await one(connection, QUERIES["content_by_id"], {"id": request_id, "now": now})
    if row is None:
        return None

    def opened(what: bytes) -> str:
        sealed = bytes(row[f"{what.decode()}_sealed"])
        return open_text(keyring, tenant_id, row["person_id"], sealed, _context(what, row["id"]))

    try:
        prompt, answer = await asyncio.to_thread(lambda: (opened(b"prompt"), opened(b"answer")))
    except KeyDestroyed:
        return None
    return Content(row["id"], row["person_id"], row["mode"], prompt, answer, row["created_at"], row["keep_until"])


async def expire_contents(database: Database, now: datetime) -> int:
    """Remove contents whose time is over; how many that were."""
    removed = 0
    for _ in range(SWEEPS_MAX):
        async with database.system_tx() as connection:
            swept = (await connection.execute(QUERIES["contents_expire"], {"now": now, "limit": SWEEP_MAX})).rowcount
        removed += swept
        if swept < SWEEP_MAX:
            break
    return removed


async def erase_contents(connection: Connection, person_id: uuid.UUID | None, erasure_id: uuid.UUID | None = None) -> int:
    """Remove what one person asked and was answered; how many rows that were."""
    return (await connection.execute(QUERIES["contents_erase"], {"person_id": person_id, "erasure_id": erasure_id})).rowcount


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS_MAX else text[: TEXT_CHARACTERS_MAX - len(CUT_MARK)] + CUT_MARK


def _context(what: bytes, request_id: uuid.UUID) -> bytes:
    return b"request-" + what + request_id.bytes

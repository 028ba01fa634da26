"""What passed the guard, kept masked for dry runs, and the incidents that came of it; written behind the request."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from ondol.core.clock import Clock
from ondol.core.errors import KeyDestroyed
from ondol.core.ids import first_id_at, new_id
from ondol.infrastructure.guard.engine import Decision, Verdict
from ondol.infrastructure.guard.incidents import Case, IncidentKind, kind_of, open_incident, rules_of
from ondol.infrastructure.guard.policy import Action, Policy
from ondol.infrastructure.guard.samples import Sample, finding_of, findings_json, masked_sample, names_masked
from ondol.infrastructure.guard.sealing import open_text, seal_text
from ondol.infrastructure.guard.store import QUERIES
from ondol.infrastructure.guard.types import Finding, Stage
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database, rows
from ondol.infrastructure.storage.spool import ROUND_EVERY_S, WriteBehind

TEXTS_PER_SECOND = 20
"""Texts that one worker keeps for dry runs each second; those that opened an incident are always kept."""
TEXTS_WAITING_MAX = 10_000
CHARACTERS_WAITING_MAX = 20_000_000
PAGE_ROWS = 200
SWEEP_MAX = 10_000
"""Rows that one sweep removes; the next one goes on."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose request it is."""

    tenant_id: uuid.UUID
    person_id: uuid.UUID
    api_key_id: uuid.UUID | None
    request_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Passed:
    """One text that the guard looked at, on the way to Postgres.

    Attributes:
        keep_until: None keeps no text.
        incident: what kind of incident it is; None when it is none.
    """

    asker: Asker
    id: uuid.UUID
    stage: Stage
    policy: bytes
    decision: Decision
    sample: Sample
    rules: tuple[str, ...]
    at: datetime
    keep_until: datetime | None
    incident: IncidentKind | None

    @property
    def tenant_id(self) -> uuid.UUID:
        """The asker's tenant."""
        return self.asker.tenant_id


@dataclass(frozen=True, slots=True)
class KeptText:
    """A masked text as a dry run reads it."""

    id: uuid.UUID
    stage: Stage
    policy: bytes
    decision: Decision
    text: str
    findings: tuple[tuple[Finding, Action], ...]
    at: datetime


class GuardRecorder:
    """Keeps masked texts and opens incidents. Use `writing` as an async context manager.

    Attributes:
        writing: the rows on their way to Postgres, with the count of dropped ones.
    """

    def __init__(self, database: Database, keyring: KeyRing, clock: Clock, *, write_every_s: float = ROUND_EVERY_S) -> None:
        self._keyring = keyring
        self._clock = clock
        self._second = 0
        self._kept_in_second = 0
        self.writing: WriteBehind[Passed] = WriteBehind(
            database,
            "traffic",
            self._write,
            lambda item: len(item.sample.text),
            waiting_max=TEXTS_WAITING_MAX,
            weight_max=CHARACTERS_WAITING_MAX,
            write_every_s=write_every_s,
        )

    def passed(self, asker: Asker, stage: Stage, policies: Sequence[Policy], text: str, verdict: Verdict, key: bytes) -> None:
        """Keep what the guard saw of one text. Never blocks.

        Args:
            policies: the one that was chosen and its floors; kept is as long as the longest says.
            text: as it was looked at; only its masked form is kept.
            key: the tenant's.
        """
        incident = kind_of(stage, verdict) if verdict.decided or verdict.failed or not verdict.passes else None
        if incident is None and not self._takes_more():
            return
        days = max(policy.keep_traffic_days for policy in policies)
        if days <= 0 and incident is None:
            return
        now = self._clock()
        keep_until = now + timedelta(days=days) if days > 0 else None
        sample = masked_sample(text, verdict.decided, key)
        self.writing.add(Passed(asker, new_id(), stage, policies[0].digest, verdict.decision, sample, rules_of(verdict), now, keep_until, incident))

    def _takes_more(self) -> bool:
        """Whether another text is kept in this second: a dry run needs a sample, and all of a flood would cost more than looking at it."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._kept_in_second = second, 0
        self._kept_in_second += 1
        return self._kept_in_second <= TEXTS_PER_SECOND

    def watcher(self, asker: Asker, policies: Sequence[Policy], key: bytes) -> Callable[[Stage, str, Verdict], None]:
        """What a conversation tells of each text that it looked at: the stage, the text, the verdict. It never blocks."""

        def watch(stage: Stage, text: str, verdict: Verdict) -> None:
            self.passed(asker, stage, policies, text, verdict, key)

        return watch

    async def _write(self, connection: Connection, tenant_id: uuid.UUID, items: Sequence[Passed]) -> None:
        items = await asyncio.to_thread(lambda: [replace(item, sample=names_masked(item.sample)) for item in items])
        kept = [item for item in items if item.keep_until is not None]
        if kept:
            values = await asyncio.to_thread(lambda: [self._row(item) for item in kept])
            async with connection.cursor() as cursor:
                await cursor.executemany(QUERIES["traffic_add"], values)
        for item in items:
            if item.incident is not None:
                await open_incident(connection, self._keyring, _case(item, item.incident))

    def _row(self, item: Passed) -> dict[str, object]:
        sealed = seal_text(self._keyring, item.tenant_id, item.asker.person_id, item.sample.text, _context(item.id))
        return {
            "tenant_id": item.tenant_id,
            "id": item.id,
            "request_id": item.asker.request_id,
            "person_id": item.asker.person_id,
            "stage": item.stage,
            "policy": item.policy,
            "decision": item.decision,
            "findings": Jsonb(findings_json(item.sample.decided)),
            "text_sealed": sealed,
            "created_at": item.at,
            "keep_until": item.keep_until,
        }


async def kept_since(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, since: datetime, now: datetime, most: int) -> list[KeptText]:
    """The tenant's masked texts since a moment, the oldest first, at most `most`. Those of erased people are left out."""
    found: list[KeptText] = []
    after = first_id_at(int(since.timestamp() * 1000))
    while len(found) < most:
        page = await rows(connection, QUERIES["traffic_page"], {"after": after, "now": now, "limit": min(PAGE_ROWS, most)})
        found += await asyncio.to_thread(lambda page=page: list(_opened(keyring, tenant_id, page)))  # type: ignore[misc]
        if len(page) < min(PAGE_ROWS, most):
            break
        after = page[-1]["id"]
    return found[:most]


async def expire_traffic(database: Database, now: datetime) -> int:
    """Remove masked texts whose time is over, at most `SWEEP_MAX`; how many that were."""
    async with database.system_tx() as connection:
        return (await connection.execute(QUERIES["traffic_expire"], {"now": now, "limit": SWEEP_MAX})).rowcount


async def erase_traffic(connection: Connection, person_id: uuid.UUID | None, erasure_id: uuid.UUID | None = None) -> int:
    """Remove one person's masked texts; how many that were."""
    return (await connection.execute(QUERIES["traffic_erase"], {"person_id": person_id, "erasure_id": erasure_id})).rowcount


def _opened(keyring: KeyRing, tenant_id: uuid.UUID, page: Sequence[DictRow]) -> Iterator[KeptText]:
    for row in page:
        try:
            text = open_text(keyring, tenant_id, row["person_id"], bytes(row["text_sealed"]), _context(row["id"]))
        except KeyDestroyed:
            continue
        findings = tuple(finding_of(item) for item in row["findings"])
        digest = bytes(row["policy_digest"])
        yield KeptText(row["id"], row["stage"], digest, row["decision"], text, findings, row["created_at"])


def _case(item: Passed, kind: IncidentKind) -> Case:
    asker = item.asker
    return Case(
        asker.tenant_id, kind, item.stage, item.policy, item.rules, item.sample.text, item.at, asker.person_id, asker.api_key_id, asker.request_id
    )


def _context(row_id: uuid.UUID) -> bytes:
    return b"guard-traffic" + row_id.bytes

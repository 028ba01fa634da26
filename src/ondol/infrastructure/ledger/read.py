"""Reading the ledger: a tenant's events, the newest first, and the chain that seals the events of all tenants."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow

from ondol.core.errors import NotFound
from ondol.infrastructure.ledger.chain import batch_of
from ondol.infrastructure.ledger.events import instant, sound_event
from ondol.infrastructure.ledger.types import SealedBatch
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

EVENTS_PAGE_MAX = 10_000
LINKS_PAGE_MAX = 500
LAST_ID = uuid.UUID(int=2**128 - 1)

_SQL = load_queries("ondol.infrastructure.ledger")
_INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent:
    """An event as its row says it.

    Attributes:
        created_at: None where the row holds a time that no event can have.
        batch: of the chain; None while the event waits for the sealer.
        sound: the row's digest holds. Whether the event is the one that was sealed is what a proof says.
    """

    id: uuid.UUID
    kind: str
    actor_id: uuid.UUID | None
    body: Mapping[str, Any]
    created_at: datetime | None
    digest: bytes
    batch: int | None
    place: int | None
    sound: bool


async def list_events(
    connection: Connection,
    tenant_id: uuid.UUID,
    *,
    first_id: uuid.UUID | None = None,
    before: uuid.UUID | None = None,
    kinds: Sequence[str] = (),
    without: Sequence[str] = (),
    actor_id: uuid.UUID | None = None,
    subject: uuid.UUID | None = None,
    limit: int,
) -> list[ListedEvent]:
    """Events of the tenant, the newest first.

    Args:
        first_id: the smallest id of all; ids are in the order of time.
        before: the id that ends the page.
        kinds: those alone; all where there are none.
        without: none of these.
        subject: what an event has to name. All events within the bounds are read for it, so bounds should stand beside it.
    """
    values: dict[str, object] = {
        "tenant_id": tenant_id,
        "first_id": first_id or uuid.UUID(int=0),
        "before": before or LAST_ID,
        "kinds": list(kinds) or None,
        "without": list(without) or None,
        "actor_id": actor_id,
        "subject": None if subject is None else str(subject),
        "limit": min(limit, EVENTS_PAGE_MAX + 1),
    }
    return [_listed(row) for row in await rows(connection, _SQL["events_page"], values)]


async def get_event(connection: Connection, tenant_id: uuid.UUID, event_id: uuid.UUID) -> ListedEvent:
    """One event of the tenant.

    Raises:
        NotFound: when the tenant has no such event.
    """
    row = await one(connection, _SQL["event_by_id"], {"tenant_id": tenant_id, "id": event_id})
    if row is None:
        raise NotFound("There is no such event in the ledger.", param="event_id")
    return _listed(row)


async def head_batch(connection: Connection) -> SealedBatch | None:
    """The last batch of the chain; None while nothing is sealed.

    Raises:
        LedgerBroken: when its row cannot be read as one.
    """
    last = await one(connection, _SQL["last_batch"], {})
    if last is None:
        return None
    row = await one(connection, _SQL["batch_by_number"], {"number": last["number"]})
    return None if row is None else batch_of(row)


async def links_after(connection: Connection, after: int, *, last: int | None = None, limit: int = LINKS_PAGE_MAX) -> list[SealedBatch]:
    """Batches of the chain in order, from the one after a number up to another: each holds the digest of the one before it, so whoever remembers
    a head sees that the chain goes on from it.

    Raises:
        LedgerBroken: when a row cannot be read as a batch.
    """
    values: dict[str, object] = {"after": after, "last": _INT64_MAX if last is None else last, "limit": min(limit, LINKS_PAGE_MAX)}
    return [batch_of(row) for row in await rows(connection, _SQL["batches_after"], values)]


def _listed(row: DictRow) -> ListedEvent:
    event = sound_event(row)
    return ListedEvent(
        id=row["id"],
        kind=row["kind"],
        actor_id=row["actor_id"],
        body=event.body if event else _body(row["body"]),
        created_at=event.created_at if event else _moment(row["created_us"]),
        digest=row["digest"],
        batch=row["batch"],
        place=row["place"],
        sound=event is not None,
    )


def _body(text: str) -> Mapping[str, Any]:
    """What an altered row says, as far as it is an object."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _moment(microseconds: str) -> datetime | None:
    try:
        return instant(microseconds)
    except (ValueError, OverflowError):
        return None

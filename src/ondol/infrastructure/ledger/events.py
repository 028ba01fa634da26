"""Events: one row for each thing that happened, with a digest that anybody can take again from what Postgres gives back.

A body holds ids, keyed addresses, counts and fixed words, never content: a ledger cannot forget, so what people wrote must not get in.
`record` therefore refuses strings that are not made of the few characters of such words.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from psycopg.rows import DictRow

from ondol.core.canonical import Json, canonical_json, digest
from ondol.core.ids import new_id
from ondol.core.money import INT64_MAX
from ondol.infrastructure.ledger.types import Event
from ondol.infrastructure.storage.postgres import Connection, load_queries

EVENT_BODY_BYTES_MAX = 4096
EVENT_BODY_DEPTH_MAX = 8
EVENT_WORD_CHARACTERS_MAX = 200

_SQL = load_queries("ondol.infrastructure.ledger")
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,99}")
_WORD = re.compile(rf"[A-Za-z0-9._:/+=-]{{0,{EVENT_WORD_CHARACTERS_MAX}}}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def record(
    connection: Connection,
    tenant_id: uuid.UUID,
    *,
    kind: str,
    actor_id: uuid.UUID | None,
    body: Mapping[str, Json],
    now: datetime,
    event_id: uuid.UUID | None = None,
) -> uuid.UUID:
    """Write one event in the caller's tenant transaction: it is there if and only if what it tells of is there.

    Args:
        connection: an open transaction of that tenant.
        kind: a fixed word with dots, such as ``document.added``, at most 100 characters.
        actor_id: who did it; None for the platform itself.
        body: ids, keyed addresses, counts and fixed words; see `check_body`.
        now: when it happened, aware.
        event_id: a UUIDv7 that the caller chose; a fresh one when absent.

    Returns:
        The id of the event.

    Raises:
        ValueError: when the kind, the id or the body breaks a rule.
        TypeError: for floats and other values without a canonical form.
    """
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is no kind of event: small letters, digits, dots and underscores, at most 100")
    check_body(body)
    chosen = event_id or new_id()
    if chosen.version != 7:
        raise ValueError("the id of an event is a UUIDv7: its time decides in which partition it lies")
    canonical_body = canonical_json(body)
    if len(canonical_body) > EVENT_BODY_BYTES_MAX:
        raise ValueError(f"the body of an event has {len(canonical_body):,} bytes; at most {EVENT_BODY_BYTES_MAX:,} are kept")
    await connection.execute(
        _SQL["insert_event"],
        {
            "tenant_id": tenant_id,
            "id": chosen,
            "kind": kind,
            "actor_id": actor_id,
            "body": canonical_body.decode(),
            "digest": event_digest(tenant_id=tenant_id, event_id=chosen, kind=kind, actor_id=actor_id, body=body, created_at=now),
            "created_at": now,
        },
    )
    return chosen


def event_digest(
    *, tenant_id: uuid.UUID, event_id: uuid.UUID, kind: str, actor_id: uuid.UUID | None, body: Mapping[str, Json], created_at: datetime
) -> bytes:
    """SHA-256 of the canonical JSON of ``{tenant, id, kind, actor, body, created_at}``, 32 bytes.

    Raises:
        TypeError: when the body holds what has no canonical form, such as a float.
    """
    return digest({"tenant": tenant_id, "id": event_id, "kind": kind, "actor": actor_id, "body": body, "created_at": created_at})


def event_text(event: Event) -> str:
    """The text whose SHA-256, over UTF-8, is the digest of an event: for whoever checks it elsewhere.

    Raises:
        TypeError, ValueError, OverflowError, RecursionError: when the event holds what none can hold.
    """
    told: dict[str, Json] = {"tenant": event.tenant_id, "id": event.id, "kind": event.kind, "actor": event.actor_id, "body": event.body}
    return canonical_json({**told, "created_at": event.created_at}).decode()


def check_body(body: Mapping[str, Json]) -> None:
    """Refuse a body that would not come back from Postgres as it went in, or that could hold what people wrote.

    Allowed are UUIDs, digests, aware times, booleans, nulls, whole numbers of 64 bits, and strings and keys of at most
    `EVENT_WORD_CHARACTERS_MAX` of the characters ``A-Z a-z 0-9 . _ : / + = -``, nested at most `EVENT_BODY_DEPTH_MAX` deep.

    Raises:
        ValueError: for a string, a number or a depth outside of these.
        TypeError: for another type, floats among them, or when the body is not an object.
    """
    if not isinstance(body, Mapping):
        raise TypeError("the body of an event is an object")
    _check_value(body, 1)


def event_of(row: DictRow) -> Event:
    """The event that a row holds, as its digest covers it.

    Raises:
        TypeError, ValueError, OverflowError, RecursionError: when the row holds what no event can hold.
    """
    return Event(
        tenant_id=row["tenant_id"],
        id=row["id"],
        kind=row["kind"],
        actor_id=row["actor_id"],
        body=cast("dict[str, Any]", json.loads(row["body"])),
        created_at=instant(row["created_us"]),
    )


def digest_of(event: Event) -> bytes:
    """The digest of an event; see `event_digest`."""
    return event_digest(
        tenant_id=event.tenant_id,
        event_id=event.id,
        kind=event.kind,
        actor_id=event.actor_id,
        body=event.body,
        created_at=event.created_at,
    )


def sound_event(row: DictRow) -> Event | None:
    """The event that a row holds, or None when its digest does not hold."""
    try:
        event = event_of(row)
        return event if digest_of(event) == row["digest"] else None
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def instant(microseconds: str) -> datetime:
    """The time of a whole number of microseconds since 1970 in UTC.

    Raises:
        ValueError, OverflowError: for an infinite time or one that no datetime can hold.
    """
    return _EPOCH + timedelta(microseconds=int(microseconds))


def _check_value(value: Json, depth: int) -> None:
    match value:
        case None | bool() | bytes() | uuid.UUID() | datetime():
            return
        case int():
            if not -INT64_MAX - 1 <= value <= INT64_MAX:
                raise ValueError("a number in the body of an event fits 64 bits")
        case str():
            _check_word(value)
        case Mapping() | Sequence() if depth > EVENT_BODY_DEPTH_MAX:
            raise ValueError(f"the body of an event nests at most {EVENT_BODY_DEPTH_MAX} deep")
        case Mapping():
            for key, item in value.items():
                _check_word(key)
                _check_value(item, depth + 1)
        case Sequence():
            for item in value:
                _check_value(item, depth + 1)
        case _:
            raise TypeError(f"{type(value).__name__} has no canonical form")


def _check_word(text: object) -> None:
    if not isinstance(text, str):
        raise TypeError("an object key must be a string")
    if not _WORD.fullmatch(text):
        # The text itself is not shown: it may be what must not be kept.
        raise ValueError(
            f"a string of {len(text)} characters in the body of an event is no id, address or fixed word:"
            f" at most {EVENT_WORD_CHARACTERS_MAX} of A-Z a-z 0-9 . _ : / + = -"
        )

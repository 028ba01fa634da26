"""What Postgres keeps of reviews. Words are sealed under the key of who asked, so that they go when that person goes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

import msgspec
import psycopg

from ondol.application.evaluation.review.checked import judged_of, note_of, plain_judged, plain_note
from ondol.application.evaluation.review.types import SCALES, FeedbackRule, Item, Judged, Note, Queue, Rating, State
from ondol.core.canonical import Json
from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.guard.sealing import open_text, seal_text
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

QUEUES_MAX = 500
"""Of one tenant."""
ITEMS_MAX = 50_000
"""Of one queue."""
RATERS_MAX = 200
QUORUM_MAX = 20
LEASE_MINUTES_MAX = 7 * 24 * 60
GUIDELINE_CHARACTERS_MAX = 50_000
PAGE_MAX = 200
NAME = re.compile(r"[a-z0-9](-?[a-z0-9]){0,62}")

QUERIES = load_queries("ondol.application.evaluation.review")


async def add_queue(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    name: str,
    *,
    guideline: str,
    scales: Sequence[str] = SCALES,
    quorum: int = 2,
    lease_minutes: int = 60,
    seed: int = 0,
    feedback: FeedbackRule = "none",
    by: uuid.UUID | None,
    now: datetime,
) -> Queue:
    """Make a queue with the first version of its guideline.

    Raises:
        RequestError: naming the field that is wrong.
        Conflict: when there is one of this name.
    """
    if not NAME.fullmatch(name) or len(name) > 63:
        raise _bad("name", "A name is made of a-z, 0-9 and single hyphens, at most 63.")
    if not scales or not set(scales) <= set(SCALES) or len(set(scales)) != len(scales):
        raise _bad("scales", f"The scales are some of: {', '.join(SCALES)}.")
    if not 1 <= quorum <= QUORUM_MAX:
        raise _bad("quorum", f"1 to {QUORUM_MAX} people judge an item.")
    if not 1 <= lease_minutes <= LEASE_MINUTES_MAX:
        raise _bad("lease_minutes", f"Who takes an item has 1 to {LEASE_MINUTES_MAX:,} minutes for it.")
    if len(await rows(connection, QUERIES["queues_all"], {"person_id": None, "limit": QUEUES_MAX})) >= QUEUES_MAX:
        raise _bad("name", f"A tenant keeps at most {QUEUES_MAX} queues.")
    made = Queue(new_id(), name, True, tuple(scales), quorum, lease_minutes, seed, feedback, now)
    values = {
        "tenant_id": tenant_id, "id": made.id, "name": name, "scales": list(scales), "quorum": quorum, "lease_minutes": lease_minutes,
        "seed": seed, "feedback": feedback, "by": by, "now": now,
    }  # fmt: skip
    try:
        async with connection.transaction():
            await connection.execute(QUERIES["queue_add"], values)
    except psycopg.errors.UniqueViolation:
        raise Conflict(f"There is a review queue called {name}.", "Add to it, or choose another name.", code="queue_exists") from None
    await put_guideline(connection, keyring, tenant_id, made, guideline, by=by, now=now)
    await record(connection, tenant_id, kind="review.created", actor_id=by, body={"queue": made.id, "name": name, "quorum": quorum}, now=now)
    return made


async def find_queue(connection: Connection, name: str) -> Queue:
    """A queue by its name.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["queue_by_name"], {"name": name})
    if found is None:
        raise queue_not_found(name)
    return queue_of(found)


async def list_queues(connection: Connection, person_id: uuid.UUID | None = None) -> list[tuple[Queue, Mapping[str, int], int]]:
    """All queues by name, or those of one rater, with the number of items by state and of ratings (the rater's own)."""
    found = await rows(connection, QUERIES["queues_all"], {"person_id": person_id, "limit": QUEUES_MAX})
    return [(queue_of(row), row["states"], row["ratings"]) for row in found]


async def change_queue(
    connection: Connection,
    tenant_id: uuid.UUID,
    queue: Queue,
    *,
    is_open: bool | None = None,
    feedback: FeedbackRule | None = None,
    add: Sequence[uuid.UUID] = (),
    remove: Sequence[uuid.UUID] = (),
    by: uuid.UUID | None,
    now: datetime,
) -> None:
    """Open or close a queue, say which opinions enter it, and who may judge.

    Raises:
        RequestError: when there are too many raters.
    """
    opened = queue.is_open if is_open is None else is_open
    await connection.execute(QUERIES["queue_change"], {"id": queue.id, "is_open": opened, "feedback": feedback or queue.feedback})
    for query, people in (("rater_add", add), ("rater_remove", remove)):
        for person_id in people:
            await connection.execute(QUERIES[query], {"tenant_id": tenant_id, "queue_id": queue.id, "person_id": person_id, "now": now})
    if len(await raters_of(connection, queue)) > RATERS_MAX:
        raise _bad("add", f"A queue has at most {RATERS_MAX} raters.")
    body: dict[str, Json] = {"queue": queue.id, "open": opened, "added": len(add), "removed": len(remove)}
    await record(connection, tenant_id, kind="review.changed", actor_id=by, body=body, now=now)


async def raters_of(connection: Connection, queue: Queue) -> list[uuid.UUID]:
    """Who may judge."""
    return [row["person_id"] for row in await rows(connection, QUERIES["raters_of_queue"], {"queue_id": queue.id})]


async def put_guideline(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, queue: Queue, text: str, *, by: uuid.UUID | None, now: datetime
) -> int:
    """Tell raters something else from now on; the version that they are told.

    Raises:
        RequestError: when the text is empty or too long.
    """
    if not text.strip() or len(text) > GUIDELINE_CHARACTERS_MAX:
        raise _bad("guideline", f"A guideline has 1 to {GUIDELINE_CHARACTERS_MAX:,} characters.")
    found = await one(connection, QUERIES["guideline_newest"], {"queue_id": queue.id})
    version = 1 if found is None else found["version"] + 1
    sealed = seal_text(keyring, tenant_id, None, text, _context(b"guideline", queue.id))
    values = {"tenant_id": tenant_id, "queue_id": queue.id, "version": version, "text_sealed": sealed, "by": by, "now": now}
    await connection.execute(QUERIES["guideline_add"], values)
    return version


async def guideline_of(connection: Connection, keyring: KeyRing, queue: Queue) -> tuple[int, str]:
    """What raters are told now, and its version."""
    found = await one(connection, QUERIES["guideline_newest"], {"queue_id": queue.id})
    assert found is not None  # noqa: S101 - a queue is made with one
    return found["version"], open_text(keyring, found["tenant_id"], None, bytes(found["text_sealed"]), _context(b"guideline", queue.id))


async def items_page(
    connection: Connection, keyring: KeyRing, queue: Queue, states: Sequence[State], *, after: uuid.UUID | None = None, limit: int = PAGE_MAX
) -> list[Item]:
    """Items in some states with all that was thought of them, behind an id."""
    values: dict[str, object] = {"queue_id": queue.id, "states": list(states), "after": after, "limit": min(limit, PAGE_MAX)}
    return await _with_ratings(connection, keyring, queue, await rows(connection, QUERIES["items_page"], values))


async def find_item(connection: Connection, keyring: KeyRing, queue: Queue, item_id: uuid.UUID) -> Item:
    """One item with all that was thought of it.

    Raises:
        NotFound: when the queue has none of this id.
    """
    found = await _with_ratings(connection, keyring, queue, await rows(connection, QUERIES["item_by_id"], {"queue_id": queue.id, "id": item_id}))
    if not found:
        raise NotFound("The queue has no such item.", code="item_not_found", param="item")
    return found[0]


async def _with_ratings(connection: Connection, keyring: KeyRing, queue: Queue, found: Sequence[Mapping[str, Any]]) -> list[Item]:
    ids: dict[str, object] = {"ids": [row["id"] for row in found]}
    ratings: dict[uuid.UUID, list[Mapping[str, Any]]] = {}
    for rating in await rows(connection, QUERIES["ratings_of_items"], ids):
        ratings.setdefault(rating["item_id"], []).append(rating)
    decisions = {row["item_id"]: row for row in await rows(connection, QUERIES["decisions_of_items"], ids)}
    return [_item(keyring, queue, row, ratings.get(row["id"], []), decisions.get(row["id"])) for row in found]


def _item(keyring: KeyRing, queue: Queue, row: Mapping[str, Any], ratings: Sequence[Mapping[str, Any]], decision: Mapping[str, Any] | None) -> Item:
    given = tuple(
        Rating(rating["person_id"], rating["guideline"], rating["points"], open_note(keyring, row, rating["note_sealed"]), rating["created_at"])
        for rating in ratings
    )
    decided: Mapping[str, float] = {}
    correction = next((rating.note.correction for rating in reversed(given) if rating.note.correction), "")
    if decision is not None:
        decided = {scale: points for scale, points in decision["points"].items() if points is not None}
        correction = open_note(keyring, row, decision["note_sealed"]).correction
    elif row["state"] == "agreed":
        decided = medians(queue.scales, [rating.points for rating in given])
    judged = open_judged(keyring, row)
    return Item(row["id"], row["request_id"], row["person_id"], row["state"], tuple(row["reasons"]), judged, given, decided, correction, row["gold"])


def medians(scales: Sequence[str], points: Sequence[Mapping[str, int | None]]) -> dict[str, float]:
    """The median of each scale, of those who could tell."""
    told = {scale: [given for one in points if (given := one.get(scale)) is not None] for scale in scales}
    return {scale: float(median(given)) for scale, given in told.items() if given}


def queue_of(row: Mapping[str, Any]) -> Queue:
    """A queue of its row."""
    return Queue(
        row["id"],
        row["name"],
        row["is_open"],
        tuple(row["scales"]),
        row["quorum"],
        row["lease_minutes"],
        row["seed"],
        row["feedback"],
        row["created_at"],
    )


def queue_not_found(name: str) -> NotFound:
    """There is no such queue, or whoever asks may not know of it."""
    return NotFound(f"There is no review queue called {name[:100]}.", "`ondol eval review list` shows them.", code="queue_not_found", param="queue")


def seal_judged(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID | None, item_id: uuid.UUID, judged: Judged) -> bytes:
    """What is judged, sealed for its row."""
    return seal_text(keyring, tenant_id, person_id, msgspec.json.encode(plain_judged(judged)).decode(), _context(b"review", item_id))


def open_judged(keyring: KeyRing, row: Mapping[str, Any]) -> Judged:
    """The same of its row."""
    return judged_of(
        msgspec.json.decode(open_text(keyring, row["tenant_id"], row["person_id"], bytes(row["content_sealed"]), _context(b"review", row["id"])))
    )


def seal_note(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID | None, item_id: uuid.UUID, note: Note) -> bytes | None:
    """What was said of an item, sealed under the item's key; None where nothing was."""
    if note == Note():
        return None
    return seal_text(keyring, tenant_id, person_id, msgspec.json.encode(plain_note(note)).decode(), _context(b"note", item_id))


def open_note(keyring: KeyRing, item: Mapping[str, Any], sealed: bytes | None) -> Note:
    """The same of an item's row."""
    if sealed is None:
        return Note()
    return note_of(msgspec.json.decode(open_text(keyring, item["tenant_id"], item["person_id"], bytes(sealed), _context(b"note", item["id"]))))


def _context(what: bytes, identifier: uuid.UUID) -> bytes:
    return b"review-" + what + identifier.bytes


def _bad(param: str, message: str) -> RequestError:
    return RequestError(message, code="bad_queue", param=param)

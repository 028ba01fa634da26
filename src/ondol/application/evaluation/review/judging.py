"""Who judges what: the server gives, for a time, and takes back; and what becomes of an item once enough have judged it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from ondol.application.evaluation.review.checked import checked_note, checked_points
from ondol.application.evaluation.review.store import (
    QUERIES,
    find_item,
    guideline_of,
    open_judged,
    queue_not_found,
    raters_of,
    seal_note,
)
from ondol.application.evaluation.review.types import Given, Item, Note, Points, Queue, State
from ondol.core.canonical import Json
from ondol.core.errors import Conflict, Forbidden
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, one

SPREAD_MAX = 1
"""Raters who are further apart than this on any scale do not agree: somebody else must decide."""


async def next_item(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, queue: Queue, person_id: uuid.UUID, now: datetime
) -> Given | None:
    """What somebody judges next: what they have taken already, or else another item, which is theirs for the queue's minutes. None when all is done.

    Raises:
        NotFound: when they are no rater of this queue.
        Conflict: when it is closed.
    """
    await _refuse_strangers(connection, queue, person_id)
    # One after the other, so that no two people take what only one of them is needed for.
    await one(connection, QUERIES["queue_lock"], {"id": queue.id})
    values: dict[str, object] = {"queue_id": queue.id, "person_id": person_id, "now": now, "quorum": queue.quorum, "seed": str(queue.seed)}
    version, text = await guideline_of(connection, keyring, queue)
    found = await one(connection, QUERIES["item_taken"], values) or await one(connection, QUERIES["item_next"], values)
    if found is None:
        return None
    until = now + timedelta(minutes=queue.lease_minutes)
    lease = {"tenant_id": tenant_id, "item_id": found["id"], "person_id": person_id, "guideline": version, "until": until}
    await connection.execute(QUERIES["lease_put"], lease)
    return Given(found["id"], open_judged(keyring, found), text, version, until)


async def rate(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    queue: Queue,
    item_id: uuid.UUID,
    person_id: uuid.UUID,
    points: Points,
    note: Note,
    now: datetime,
) -> State:
    """Keep what somebody thinks of an item that is theirs at this moment; how far the item is then.

    Raises:
        RequestError: when the points or the note are wrong, or nothing is said.
        NotFound: when they are no rater of this queue, or it has no such item.
        Conflict: when the item is not theirs, or not any more.
    """
    await _refuse_strangers(connection, queue, person_id)
    await one(connection, QUERIES["queue_lock"], {"id": queue.id})
    item = await find_item(connection, keyring, queue, item_id)
    given, said = checked_points(points, queue.scales), checked_note(note, item.judged.answer)
    lease = await one(connection, QUERIES["lease_end"], {"item_id": item_id, "person_id": person_id, "now": now})
    if lease is None:
        raise Conflict("This item is not yours, or not any more.", "Ask for the next one.", code="not_taken", param="item")
    values = {
        "tenant_id": tenant_id,
        "id": new_id(),
        "item_id": item_id,
        "person_id": person_id,
        "guideline": lease["guideline"],
        "points": Jsonb(given),
        "note_sealed": seal_note(keyring, tenant_id, item.person_id, item_id, said),
        "now": now,
    }
    await connection.execute(QUERIES["rating_add"], values)
    state = _state_after(queue, item, [*(rating.points for rating in item.ratings), given])
    if state != item.state:
        await connection.execute(QUERIES["item_state"], {"id": item_id, "state": state})
    body: dict[str, Json] = {"queue": queue.id, "item": item_id, "guideline": lease["guideline"], "state": state}
    await record(connection, tenant_id, kind="review.rated", actor_id=person_id, body=body, now=now)
    return state


async def give_back(connection: Connection, queue: Queue, item_id: uuid.UUID, person_id: uuid.UUID, now: datetime) -> bool:
    """Give an item back without judging it; whether it was theirs."""
    await _refuse_strangers(connection, queue, person_id)
    return await one(connection, QUERIES["lease_end"], {"item_id": item_id, "person_id": person_id, "now": now}) is not None


async def adjudicate(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    queue: Queue,
    item_id: uuid.UUID,
    points: Points,
    note: Note,
    *,
    by: uuid.UUID,
    now: datetime,
) -> Item:
    """Decide an item on which raters do not agree.

    Raises:
        RequestError: when the points or the note are wrong.
        NotFound: when the queue has no such item.
        Conflict: when it is not disputed.
        Forbidden: when whoever decides has judged it, or asked it.
    """
    await one(connection, QUERIES["queue_lock"], {"id": queue.id})
    item = await find_item(connection, keyring, queue, item_id)
    if item.state != "disputed":
        raise Conflict(f"The item is {item.state}: there is nothing to decide.", code="not_disputed", param="item")
    if by == item.person_id or any(rating.person_id == by for rating in item.ratings):
        raise Forbidden("Who judged an item, or asked it, does not decide on it.", "Ask somebody else.", code="second_person_required")
    given, said = checked_points(points, queue.scales), checked_note(note, item.judged.answer)
    sealed = seal_note(keyring, tenant_id, item.person_id, item_id, said)
    values = {"tenant_id": tenant_id, "item_id": item_id, "points": Jsonb(given), "note_sealed": sealed, "by": by, "now": now}
    await connection.execute(QUERIES["decision_add"], values)
    await connection.execute(QUERIES["item_state"], {"id": item_id, "state": "settled"})
    await record(connection, tenant_id, kind="review.decided", actor_id=by, body={"queue": queue.id, "item": item_id}, now=now)
    return await find_item(connection, keyring, queue, item_id)


def spread(scales: Sequence[str], ratings: Sequence[Mapping[str, int | None]]) -> int:
    """How far raters are apart on the scale on which they are furthest apart."""
    apart = [0]
    for scale in scales:
        told = [points for rating in ratings if (points := rating.get(scale)) is not None]
        apart.append(max(told) - min(told) if told else 0)
    return max(apart)


def _state_after(queue: Queue, item: Item, ratings: Sequence[Mapping[str, Any]]) -> State:
    if item.state != "open" or len(ratings) < queue.quorum:
        return item.state
    return "disputed" if spread(queue.scales, ratings) > SPREAD_MAX else "agreed"


async def _refuse_strangers(connection: Connection, queue: Queue, person_id: uuid.UUID) -> None:
    if person_id not in await raters_of(connection, queue):
        raise queue_not_found(queue.name)
    if not queue.is_open:
        raise Conflict(f"The queue {queue.name} is closed.", code="queue_closed")

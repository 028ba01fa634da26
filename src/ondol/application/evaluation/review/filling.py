"""What comes into a queue: answers sampled at random and by risk, those that people had an opinion of, and what somebody hands in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from ondol.application.evaluation.golden.production import SKIPPED_MAX, Mask, Sampled, Way, open_answer, sample_answers
from ondol.application.evaluation.review.checked import ANSWER_CHARACTERS_MAX, Upload
from ondol.application.evaluation.review.store import ITEMS_MAX, QUERIES, seal_judged
from ondol.application.evaluation.review.types import Judged, Points, Queue
from ondol.core.canonical import Json
from ondol.core.errors import RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, one, rows

UPLOADS_AT_ONCE_MAX = 1_000
FEEDBACK_AT_ONCE_MAX = 20
"""So many answers that people had an opinion of come in when somebody asks for the next item."""


@dataclass(frozen=True, slots=True)
class Filled:
    """How many came in, and how many were left out because they asked nothing or could not be masked."""

    items: int
    left_out: int


async def add_uploads(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, queue: Queue, uploads: Sequence[Upload], *, by: uuid.UUID | None, now: datetime
) -> Filled:
    """Put in what somebody hands in, planted gold among it. It is sealed under the tenant's key: nobody knows whom it speaks of.

    Raises:
        RequestError: when it is too much.
    """
    if not 0 < len(uploads) <= UPLOADS_AT_ONCE_MAX:
        raise RequestError(f"1 to {UPLOADS_AT_ONCE_MAX:,} items are handed in at once.", code="bad_review", param="items")
    await _refuse_too_many(connection, queue, len(uploads))
    for upload in uploads:
        await _add(connection, keyring, tenant_id, queue, upload.judged, gold=upload.gold, now=now)
    await _told(connection, tenant_id, queue, "handed_in", len(uploads), by, now)
    return Filled(len(uploads), 0)


async def add_samples(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    queue: Queue,
    mask: Mask,
    *,
    count: int,
    risk_share: float,
    seed: int,
    since: datetime,
    by: uuid.UUID | None,
    now: datetime,
) -> Filled:
    """Put in answers that were given: a share of them by risk, as far as there are such, the rest at random.

    Raises:
        RequestError: when the share is none, or it is too much.
    """
    if not 0 <= risk_share <= 1:
        raise RequestError("The share of risks lies between 0 and 1.", code="bad_review", param="risk_share")
    await _refuse_too_many(connection, queue, count)
    known = await rows(connection, QUERIES["item_requests"], {"queue_id": queue.id, "limit": SKIPPED_MAX})
    skipped = [row["request_id"] for row in known]
    made = left_out = 0
    ways: tuple[Way, ...] = ("risk", "random")
    for way in ways:
        # What risks do not fill up is filled up at random.
        wanted = round(count * risk_share) if way == "risk" else count - made
        if wanted:
            sample = await sample_answers(
                connection, keyring, tenant_id, mask, way=way, count=wanted, seed=seed, since=since, now=now, skipped=skipped
            )
            for sampled in sample.answers:
                await _add_sampled(connection, keyring, tenant_id, queue, sampled, now)
            made, left_out = made + len(sample.answers), left_out + sample.left_out
            skipped += [sampled.request_id for sampled in sample.answers]
    await _told(connection, tenant_id, queue, "sampled", made, by, now)
    return Filled(made, left_out)


async def take_feedback(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, queue: Queue, mask: Mask, now: datetime) -> int:
    """Put in the answers that the queue's rule takes for people's opinions of them, some at a time; how many came in."""
    if queue.feedback == "none" or await _is_full(connection, queue, FEEDBACK_AT_ONCE_MAX):
        return 0
    values: dict[str, object] = {"queue_id": queue.id, "every": queue.feedback == "all", "now": now, "limit": FEEDBACK_AT_ONCE_MAX}
    made = 0
    for row in await rows(connection, QUERIES["feedback_to_review"], values):
        reasons = ("feedback", "disliked") if row["is_disliked"] else ("feedback",)
        sampled = await open_answer(connection, keyring, tenant_id, mask, row["request_id"], reasons, now)
        if sampled is not None:
            await _add_sampled(connection, keyring, tenant_id, queue, sampled, now)
            made += 1
    if made:
        await _told(connection, tenant_id, queue, "feedback", made, None, now)
    return made


async def _add_sampled(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, queue: Queue, sampled: Sampled, now: datetime) -> None:
    judged = Judged(sampled.turns, sampled.answer[:ANSWER_CHARACTERS_MAX])
    await _add(connection, keyring, tenant_id, queue, judged, source=sampled, now=now)


async def _add(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    queue: Queue,
    judged: Judged,
    *,
    source: Sampled | None = None,
    gold: Points | None = None,
    now: datetime,
) -> None:
    item_id, person_id = new_id(), source.person_id if source else None
    values = {
        "tenant_id": tenant_id,
        "id": item_id,
        "queue_id": queue.id,
        "request_id": source.request_id if source else None,
        "person_id": person_id,
        "state": "open" if gold is None else "gold",
        "reasons": list(source.reasons) if source else [],
        "gold": Jsonb(dict(gold)) if gold is not None else None,
        "content_sealed": seal_judged(keyring, tenant_id, person_id, item_id, judged),
        "now": now,
    }
    await connection.execute(QUERIES["item_add"], values)


async def _refuse_too_many(connection: Connection, queue: Queue, more: int) -> None:
    if await _is_full(connection, queue, more):
        raise RequestError(f"A queue has at most {ITEMS_MAX:,} items.", "Make another one.", code="bad_review", param="items")


async def _is_full(connection: Connection, queue: Queue, more: int) -> bool:
    found = await one(connection, QUERIES["items_counted"], {"queue_id": queue.id})
    return found is not None and found["counted"] + more > ITEMS_MAX


async def _told(connection: Connection, tenant_id: uuid.UUID, queue: Queue, way: str, count: int, by: uuid.UUID | None, now: datetime) -> None:
    body: dict[str, Json] = {"queue": queue.id, "way": way, "items": count}
    await record(connection, tenant_id, kind="review.filled", actor_id=by, body=body, now=now)

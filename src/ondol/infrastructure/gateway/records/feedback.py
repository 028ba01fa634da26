"""What people think of answers: a thumb, a score, reasons, the text as it should have been."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ondol.core.canonical import Json
from ondol.core.errors import KeyDestroyed, NotFound, RequestError
from ondol.core.ids import new_id, unix_ms_of
from ondol.infrastructure.guard.sealing import open_text, seal_text
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

REASONS_MAX = 10
REASON_CHARACTERS_MAX = 50
CORRECTED_CHARACTERS_MAX = 100_000
SCORE_MAX = 100
COMMENT_CHARACTERS_MAX = 10_000
PAGE_MAX = 200
RECORD_DELAY_S = 3600
"""An answer so young may be one whose record has not reached Postgres yet."""

Thumb = Literal["up", "down"]

_SQL = load_queries("ondol.infrastructure.gateway.records")
_REASON = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{REASON_CHARACTERS_MAX - 1}}}")
_LAST = uuid.UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody thinks of an answer; at least one field says something.

    Attributes:
        score: 0 to `SCORE_MAX`.
        reasons: words of the tenant's own, such as ``too-long``.
        corrected: the answer as it should have been.
        comment: what else people say.
    """

    thumb: Thumb | None = None
    score: int | None = None
    reasons: tuple[str, ...] = ()
    corrected: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Feedback:
    """An opinion as it is kept.

    Attributes:
        request_id: the answer's.
    """

    id: uuid.UUID
    request_id: uuid.UUID
    person_id: uuid.UUID
    api_key_id: uuid.UUID | None
    opinion: Opinion
    created_at: datetime


async def give_feedback(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    request_id: uuid.UUID,
    opinion: Opinion,
    *,
    person_id: uuid.UUID,
    api_key_id: uuid.UUID | None,
    now: datetime,
) -> uuid.UUID:
    """Keep what a person thinks of an answer that they got, in the caller's tenant transaction, and tell the ledger.

    A later opinion takes the place of the person's earlier one; the ledger keeps that there were both.

    Args:
        request_id: the answer's id.

    Returns:
        The id of the feedback.

    Raises:
        RequestError: when the opinion says nothing, or one of its parts is out of bounds.
        NotFound: when this person got no such answer.
    """
    check_opinion(opinion)
    await _refuse_strangers(connection, request_id, person_id, now)
    feedback_id = new_id()
    sealed = None
    if opinion.corrected or opinion.comment:
        said = json.dumps({"corrected": opinion.corrected, "comment": opinion.comment}, ensure_ascii=False)
        sealed = await asyncio.to_thread(seal_text, keyring, tenant_id, person_id, said, _context(feedback_id))
    await connection.execute(
        _SQL["feedback_put"],
        {
            "tenant_id": tenant_id,
            "id": feedback_id,
            "request_id": request_id,
            "person_id": person_id,
            "api_key_id": api_key_id,
            "thumb": opinion.thumb,
            "score": opinion.score,
            "reasons": list(opinion.reasons),
            "said_sealed": sealed,
            "created_at": now,
        },
    )
    body: dict[str, Json] = {
        "feedback": feedback_id,
        "request": request_id,
        "thumb": opinion.thumb,
        "score": opinion.score,
        "reasons": list(opinion.reasons),
        "corrected": bool(opinion.corrected),
        "comment": bool(opinion.comment),
    }
    await record(connection, tenant_id, kind="feedback.given", actor_id=person_id, body=body, now=now)
    return feedback_id


async def list_feedback(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    *,
    request_id: uuid.UUID | None = None,
    before: uuid.UUID | None = None,
    limit: int = 50,
) -> list[Feedback]:
    """Feedback, the newest first. The next page begins before the last one's id. What an erased person wrote is empty.

    Raises:
        RequestError: when the limit is not between 1 and `PAGE_MAX`.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise RequestError(f"A page has 1 to {PAGE_MAX} opinions.", "Ask for the next page with `before`.", code="bad_limit", param="limit")
    page = await rows(connection, _SQL["feedback_page"], {"before": before or _LAST, "request_id": request_id, "limit": limit})

    def opened() -> list[tuple[str, str]]:
        return [_opened(keyring, tenant_id, row["person_id"], row["id"], row["said_sealed"]) for row in page]

    texts: Sequence[tuple[str, str]] = await asyncio.to_thread(opened)
    return [
        Feedback(
            row["id"],
            row["request_id"],
            row["person_id"],
            row["api_key_id"],
            Opinion(row["thumb"], row["score"], tuple(row["reasons"]), corrected, comment),
            row["created_at"],
        )
        for row, (corrected, comment) in zip(page, texts, strict=True)
    ]


async def empty_feedback(connection: Connection, erasure_id: uuid.UUID) -> int:
    """Take the words out of opinions on the requests that an erasure reaches; how many that were."""
    return (await connection.execute(_SQL["feedback_empty"], {"erasure_id": erasure_id})).rowcount


async def erase_feedback(connection: Connection, person_id: uuid.UUID) -> int:
    """Remove what one person thought of answers; how many rows that were."""
    return (await connection.execute(_SQL["feedback_erase"], {"person_id": person_id})).rowcount


def check_opinion(opinion: Opinion) -> None:
    """Refuse an opinion that says nothing or too much.

    Raises:
        RequestError: naming the field.
    """
    if opinion.thumb is None and opinion.score is None and not opinion.reasons and not opinion.corrected and not opinion.comment:
        raise RequestError("The feedback says nothing.", "Give a thumb, a score, reasons, a comment or a corrected text.", code="feedback_empty")
    if opinion.score is not None and not 0 <= opinion.score <= SCORE_MAX:
        raise RequestError(f"A score is a whole number from 0 to {SCORE_MAX}.", code="bad_score", param="score")
    if len(opinion.reasons) > REASONS_MAX or not all(_REASON.fullmatch(reason) for reason in opinion.reasons):
        hint = f"At most {REASONS_MAX} words of small letters, digits, - and _, of at most {REASON_CHARACTERS_MAX} characters."
        raise RequestError("The reasons are no short words.", hint, code="bad_reasons", param="reasons")
    if len(opinion.corrected) > CORRECTED_CHARACTERS_MAX:
        raise RequestError(f"A corrected text has at most {CORRECTED_CHARACTERS_MAX} characters.", code="text_too_long", param="corrected")
    if len(opinion.comment) > COMMENT_CHARACTERS_MAX:
        raise RequestError(f"A comment has at most {COMMENT_CHARACTERS_MAX} characters.", code="text_too_long", param="comment")


async def _refuse_strangers(connection: Connection, request_id: uuid.UUID, person_id: uuid.UUID, now: datetime) -> None:
    """Only who got the answer may judge it. One that is on its way to Postgres is believed: its id, random in 74 bits, is known to its caller."""
    found = await one(connection, _SQL["request_by_id"], {"id": request_id})
    if found is not None and found["person_id"] == person_id:
        return
    age_s = now.timestamp() - unix_ms_of(request_id) / 1000
    if found is None and request_id.version == 7 and -RECORD_DELAY_S <= age_s <= RECORD_DELAY_S:
        return
    raise NotFound("There is no such answer.", "Give the id of an answer that you got.", code="answer_not_found", param="id")


def _opened(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, feedback_id: uuid.UUID, sealed: bytes | None) -> tuple[str, str]:
    """The corrected text and the comment."""
    if sealed is None:
        return "", ""
    try:
        said = json.loads(open_text(keyring, tenant_id, person_id, bytes(sealed), _context(feedback_id)))
    except KeyDestroyed:
        return "", ""
    return said["corrected"], said["comment"]


def _context(feedback_id: uuid.UUID) -> bytes:
    return b"feedback" + feedback_id.bytes

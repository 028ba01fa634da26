"""What people asked and were answered, sampled at random or by risk, with everything private masked before anybody looks at it."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, cast

from ondol.application.evaluation.golden.store import QUERIES
from ondol.application.evaluation.types import Role, Turn
from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.records.content import content_of
from ondol.infrastructure.gateway.records.feedback import list_feedback
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, rows

SAMPLE_MAX = 500
SKIPPED_MAX = 100_000
VERIFIED_THOUSANDTHS = 800
"""An answer of which fewer sentences are borne out than this share is a risk."""

Way: TypeAlias = Literal["random", "risk"]
Mask: TypeAlias = Callable[[uuid.UUID, str], str]
"""A tenant's text with everything private taken out; called in a thread. Raises `ValueError` where that cannot be told."""

_TURN = re.compile(r"(?:\A|\n\n)\[(system|developer|user|assistant|tool)\] ")


@dataclass(frozen=True, slots=True)
class Sampled:
    """An answer that was given, masked.

    Attributes:
        turns: the conversation; the last turn is the question.
        corrected: the answer as whoever asked would have had it; empty where they did not say.
        reasons: what speaks for looking at it: `refused`, `disliked`, `guard`, `unverified`; none for most.
    """

    request_id: uuid.UUID
    person_id: uuid.UUID
    turns: tuple[Turn, ...]
    answer: str
    corrected: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """What was sampled, and how many were left out because they could not be masked or asked nothing."""

    answers: tuple[Sampled, ...]
    left_out: int


async def sample_answers(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    mask: Mask,
    *,
    way: Way,
    count: int,
    seed: int,
    since: datetime,
    now: datetime,
    skipped: Iterable[uuid.UUID] = (),
) -> Sample:
    """Sample answers of which the content is kept: a tenant that keeps none (`content: off`) has nothing to sample from.

    Args:
        way: `risk` takes those only for which something speaks, the most telling first.
        seed: decides the order; the same seed takes the same answers again.
        skipped: answers that are known already.

    Raises:
        RequestError: when more is asked for than one sample holds.
    """
    if not 0 < count <= SAMPLE_MAX:
        raise RequestError(f"A sample has 1 to {SAMPLE_MAX} answers.", code="bad_count", param="count")
    values = {
        "by_risk": way == "risk",
        "seed": str(seed),
        "since": since,
        "now": now,
        "skipped": list(skipped)[:SKIPPED_MAX],
        "verified_thousandths": VERIFIED_THOUSANDTHS,
        "limit": count,
    }
    answers, left_out = [], 0
    for row in await rows(connection, QUERIES["answers_to_sample"], values):
        sampled = await open_answer(connection, keyring, tenant_id, mask, row["id"], tuple(row["reasons"]), now)
        if sampled is None:
            left_out += 1
        else:
            answers.append(sampled)
    return Sample(tuple(answers), left_out)


async def open_answer(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, mask: Mask, request_id: uuid.UUID, reasons: tuple[str, ...], now: datetime
) -> Sampled | None:
    """One answer, masked again by the rules of today; None when it is gone, asks nothing or cannot be masked."""
    content = await content_of(connection, keyring, tenant_id, request_id, now)
    if content is None or content.person_id is None:
        return None
    opinions = await list_feedback(connection, keyring, tenant_id, request_id=request_id, limit=1)
    corrected = opinions[0].opinion.corrected if opinions else ""

    def clean(text: str) -> str:
        return mask(tenant_id, text.encode("utf-8", "replace").decode())

    def masked() -> Sampled | None:
        turns = tuple(Turn(turn.role, clean(turn.text)) for turn in turns_of(content.prompt))
        if not turns or turns[-1].role != "user" or not turns[-1].text.strip():
            return None
        return Sampled(request_id, content.person_id, turns, clean(content.answer), clean(corrected), reasons)

    try:
        return await asyncio.to_thread(masked)
    except ValueError:
        return None


def turns_of(prompt: str) -> list[Turn]:
    """What the record of a request tells as `[role] text`: the turns of the user and the assistant; instructions and tools are left out.

    Somebody may have written such a mark themselves. It then looks like a turn to whoever reviews it, which does no harm.
    """
    parts = _TURN.split(prompt)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return [Turn(cast(Role, role), text) for role, text in pairs if role in ("user", "assistant")]

"""What comes of reviews: ratings and preference pairs as lines of JSON, and proposals for golden sets."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

from ondol.application.evaluation.golden.production import Sampled
from ondol.application.evaluation.golden.proposals import propose_answers
from ondol.application.evaluation.golden.types import GoldenSet
from ondol.application.evaluation.review.checked import plain_judged
from ondol.application.evaluation.review.types import Item
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection

Kind: TypeAlias = Literal["ratings", "preferences"]
FORM = 1
"""Of the lines; raised when they change."""


def lines_of(items: Iterable[Item], kind: Kind) -> Iterator[dict[str, Any]]:
    """Lines for what is agreed or settled. Raters are numbered within an item: who they are stays here.

    `preferences` has the items that were corrected: `chosen` is the correction, `rejected` the answer, as tools for preference tuning read them.
    """
    for item in items:
        judged = plain_judged(item.judged)
        if kind == "ratings":
            ratings = [{"rater": place, "points": dict(rating.points)} for place, rating in enumerate(item.ratings, start=1)]
            decided = {"state": item.state, "points": dict(item.decided), "ratings": ratings}
            yield {"form": FORM, "id": str(item.id), "prompt": judged["turns"], "answer": judged["answer"], **decided}
        elif item.correction and item.correction != item.judged.answer:
            pair = {"chosen": item.correction, "rejected": judged["answer"]}
            yield {"form": FORM, "id": str(item.id), "prompt": judged["turns"], **pair, "points": dict(item.decided)}


async def propose_for_golden(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, golden: GoldenSet, items: Sequence[Item], *, by: uuid.UUID, now: datetime
) -> int:
    """Put agreed and settled items that come from production up for a golden set, with what they should have been as the right answer.

    Somebody else must let them in. What was put up before is not put up again.
    """
    sampled = [
        Sampled(item.request_id, item.person_id, item.judged.turns, item.judged.answer, item.correction, ("reviewed", *item.reasons))
        for item in items
        if item.request_id is not None and item.person_id is not None and item.state in ("agreed", "settled")
    ]
    return await propose_answers(connection, keyring, tenant_id, golden, sampled, by=by, now=now)

"""How likely people would recommend the assistant: asked sparingly, kept as a number, and told as a score of many only.

The net promoter score is the share of those who say 9 or 10 less the share of those who say 0 to 6 (Reichheld 2003), from -1 to 1.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from ondol.application.evaluation.quality.figures import Figure
from ondol.application.evaluation.statistics.rates import Z_95
from ondol.core.errors import Conflict
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, ErasureKind, row_eraser
from ondol.infrastructure.serving.store import get_tenant_settings
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

ANSWERS_MIN = 5
"""Nobody is asked who has had fewer answers in threads."""
ASKED_AGAIN_AFTER = timedelta(days=90)
ANSWERED_WITHIN = timedelta(days=1)
PEOPLE_MIN = 5
"""Of fewer no score is told: it would say what single people think."""
PROMOTES_MIN, DETRACTS_MAX = 9, 6
QUERIES = load_queries("ondol.application.evaluation.quality")


async def take_question(connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, now: datetime) -> bool:
    """Whether to ask somebody now; if so they count as asked, whether or not they answer."""
    settings, _ = await get_tenant_settings(connection)
    if not settings.ask_recommendation:
        return False
    values = {"tenant_id": tenant_id, "person_id": person_id, "now": now, "asked_before": now - ASKED_AGAIN_AFTER, "answers_min": ANSWERS_MIN}
    return await one(connection, QUERIES["recommendation_ask"], values) is not None


async def put_answer(connection: Connection, person_id: uuid.UUID, score: int, now: datetime) -> None:
    """Keep what somebody said, 0 to 10.

    Raises:
        Conflict: when they were not asked within a day, or have said it already.
    """
    values = {"person_id": person_id, "score": score, "now": now, "asked_after": now - ANSWERED_WITHIN}
    if await one(connection, QUERIES["recommendation_put"], values) is None:
        raise Conflict("Nothing was asked that this could answer.", "It is asked once in a while, in the console.", code="not_asked")


async def promoters(connection: Connection, since: datetime) -> Figure:
    """The net promoter score of those who said something since a moment."""
    return promoters_of({row["score"]: row["people"] for row in await rows(connection, QUERIES["recommendations_count"], {"since": since})})


def promoters_of(people: Mapping[int, int]) -> Figure:
    """The score with its 95 % interval, from how many said each number.

    The interval is that of a difference of two shares of the same sample, after Agresti and Min (2005): half a person is added to promoters and
    to detractors and one to neither, which holds for few people and for scores near -1 and 1 too.
    """
    count = sum(people.values())
    if count < PEOPLE_MIN:
        return Figure(name="promoters", better="higher")
    promoting = sum(number for score, number in people.items() if score >= PROMOTES_MIN)
    detracting = sum(number for score, number in people.items() if score <= DETRACTS_MAX)
    n, p, d = count + 2, (promoting + 0.5) / (count + 2), (detracting + 0.5) / (count + 2)
    spread = Z_95 * math.sqrt((p + d - (p - d) ** 2) / n)
    value = (promoting - detracting) / count
    low, high = max(-1.0, min(value, p - d - spread)), min(1.0, max(value, p - d + spread))
    return Figure(name="promoters", better="higher", value=value, low=low, high=high, count=count)


def recommendation_eraser(database: Database) -> Eraser:
    """Remove what a person was asked and said."""

    async def erase(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["recommendations_erase"], {"person_id": erasure.target_id})

    kinds: frozenset[ErasureKind] = frozenset({"subject"})
    left = QUERIES["recommendations_left"]
    return row_eraser(database, "recommendations", method="deleted", tables=["recommendations"], kinds=kinds, count=left, erase=erase)

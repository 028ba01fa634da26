"""How answers of a period came out: how many were given, refused, and how much of what they say their sources support."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ondol.application.assistant.store import QUERIES
from ondol.core.errors import RequestError
from ondol.core.ids import first_id_at
from ondol.infrastructure.storage.postgres import Connection, one

PERIOD_MAX = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class AnswerLevels:
    """Counts of a period.

    Attributes:
        answers: all of them, whatever came of them.
        refused: those that the documents did not hold; `failed` are those that broke off or that the model never gave.
        sentences: of those that were given, the sentences that say something to be checked.
        supported: of these, the ones that their sources support.
    """

    answers: int
    answered: int
    refused: int
    failed: int
    sentences: int
    supported: int

    @property
    def grounded(self) -> float | None:
        """The share of sentences that their sources support; None without one."""
        return self.supported / self.sentences if self.sentences else None


async def answer_levels(connection: Connection, since: datetime, until: datetime) -> AnswerLevels:
    """The transaction's tenant's answers from `since` until before `until`.

    Raises:
        RequestError: when that is no period, or a longer one than `PERIOD_MAX`.
    """
    if not timedelta(0) < until - since <= PERIOD_MAX:
        raise RequestError(f"A period has up to {PERIOD_MAX.days} days.", "Ask for a shorter one.", code="bad_period", param="until")
    first, end = (first_id_at(max(0, int(moment.timestamp() * 1000))) for moment in (since, until))
    found = await one(connection, QUERIES["answer_levels"], {"first": first, "end": end})
    return AnswerLevels(**(found or {}))

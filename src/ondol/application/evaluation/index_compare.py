"""Two versions of a base's index before the same questions of a golden set, by the scorers of searches: which of them finds what answers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ondol.application.evaluation.types import Case, Measured
from ondol.application.knowledge.search import IndexStates, search

if TYPE_CHECKING:
    from ondol.application.evaluation.gate.types import Compared
    from ondol.application.knowledge.index_versions import IndexVersion
    from ondol.application.knowledge.rooms import Knowledge

ITEMS_MAX: Final = 100
"""So many questions are asked at once; each is two searches."""
PLACES: Final = 10
"""So many places of each search are looked at."""
METRICS: Final = ("retrieval.recall", "retrieval.mrr", "retrieval.ndcg")
ALPHA: Final = 0.025
"""Each limit of a difference is wrong so often: both together are an interval of 95 %."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and at which place (from 1) each version has the first document that answers it; None where not among the first ten."""

    case: Case
    first: int | None
    second: int | None


@dataclass(frozen=True, slots=True)
class IndexComparison:
    """All questions.

    Attributes:
        metrics: of those questions of which it is known what answers them.
        left_out: questions of which it is not.
    """

    asked: Sequence[Asked]
    metrics: Sequence[Compared]
    left_out: int


async def compare_versions(
    room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, versions: tuple[IndexVersion, IndexVersion], cases: Sequence[Case]
) -> IndexComparison:
    """Search two versions for the same questions, as one person: nobody finds what they may not read.

    Raises:
        Conflict: when a version cannot be asked.
    """
    from ondol.application.evaluation.scorers.documents import relevant_documents

    states = IndexStates()
    known = [case for case in cases if relevant_documents(case)]
    found = [[await _documents(room, states, tenant_id, person_id, version, case) for version in versions] for case in known]
    asked = [
        Asked(case, *(_place(documents, relevant_documents(case).keys()) for documents in pair)) for case, pair in zip(known, found, strict=True)
    ]
    metrics = await asyncio.to_thread(measured, known, found) if known else ()
    return IndexComparison(asked, metrics, len(cases) - len(known))


def measured(cases: Sequence[Case], found: Sequence[Sequence[Sequence[str]]]) -> Sequence[Compared]:
    """Each metric of both versions with the limits of its difference.

    Args:
        found: for each case what each of the two versions found, best first.
    """
    from ondol.application.evaluation.gate.compare import compare_all
    from ondol.application.evaluation.scorers.documents import relevant_documents
    from ondol.application.evaluation.scorers.retrieval import METRICS as FORMULAS

    def of(version: int, name: str) -> Measured:
        values = [FORMULAS[name](pair[version], relevant_documents(case), PLACES) for case, pair in zip(cases, found, strict=True)]
        return Measured(
            name=name, unit="share", better="higher", case_ids=[case.id for case in cases], values=values,
            clusters=[case.cluster or case.id for case in cases], total=len(cases), failures={},
        )  # fmt: skip

    before, after = ({name: of(version, name) for name in METRICS} for version in (0, 1))
    return compare_all(before, after, ALPHA, seed=0)


async def _documents(
    room: Knowledge, states: IndexStates, tenant_id: uuid.UUID, person_id: uuid.UUID, version: IndexVersion, case: Case
) -> list[str]:
    found = await search(room, states, tenant_id, person_id, version.base_id, case.question, limit=PLACES, index_id=version.id)
    return [item.version.details.key for item in found.evidence]


def _place(documents: Sequence[str], relevant: Collection[str]) -> int | None:
    return next((place for place, document in enumerate(documents, 1) if document in relevant), None)

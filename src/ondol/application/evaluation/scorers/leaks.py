"""Documents that the asker may not read, among what was ranked or cited: one is a leak, and no share of leaks is small enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ondol.application.evaluation.scorers.base import Tools, skipped
from ondol.application.evaluation.scorers.documents import closed_documents
from ondol.application.evaluation.scorers.retrieval import STAGES
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Better, Case, Score, Unit

CITED = "cited"


@dataclass(frozen=True, slots=True)
class PermissionLeaks:
    """Counts the documents that were shown and are closed to the asker: as the case says, and as the authority says where it can be asked.

    Attributes:
        stages: what is looked at; `cited` are the sources of the answer.
    """

    name: str
    stages: tuple[str, ...]
    tools: Tools
    unit: Unit = "count"
    better: Better = "lower"
    is_hard_zero: bool = True
    version: str = "1"

    async def score(self, case: Case, answer: Answer) -> Score:
        """The number of different documents that leaked; the details say where each was first seen."""
        shown: dict[str, str] = {}
        for stage, documents in self._shown(answer):
            for document in documents:
                shown.setdefault(document, stage)
        closed = set(closed_documents(case))
        if not closed and self.tools.closed_to is None:
            return skipped("The case names no closed document, and nobody can be asked who may read what.")
        if self.tools.closed_to is not None and shown:
            closed |= set(await self.tools.closed_to(case.asker, sorted(shown)))
        leaked = {document: stage for document, stage in shown.items() if document in closed}
        reason = f"{len(leaked)} closed documents were shown." if leaked else ""
        return Score(value=float(len(leaked)), reason=reason, details={"leaked": leaked} if leaked else {})

    def _shown(self, answer: Answer) -> list[tuple[str, tuple[str, ...]]]:
        cited = [(CITED, tuple(source.document for source in answer.sources))] if CITED in self.stages else []
        return cited + [(one.stage, one.documents) for one in answer.ranked if one.stage in self.stages]


def load_permission_leaks(name: str, told: Mapping[str, Any], tools: Tools) -> PermissionLeaks:
    """Settings: `stages`, some of the stages of a search and `cited`; all of them by default."""
    settings = Settings(name, told)
    every = (*STAGES, CITED)
    stages = settings.words("stages", every)
    settings.close()
    if not stages or not set(stages) <= set(every):
        raise settings.wrong("stages", f"holds some of {', '.join(every)}")
    return PermissionLeaks(name, stages, tools)

"""The documents that a case speaks of: those that answer it, and those that its asker may not read.

`facts.documents` is a list of names, or names with grades above 0. A case of the kind `forbidden` (`slices.kind`) names there what must stay
closed; nothing then answers it. `facts.closed_documents` says the same of any case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ondol.application.evaluation.types import Case

FORBIDDEN = "forbidden"


def relevant_documents(case: Case) -> dict[str, float]:
    """By name, how relevant each document is; empty where none answers the case, or the fact is not what it should be."""
    return {} if case.slices.get("kind") == FORBIDDEN else _graded(case.facts.get("documents"))


def closed_documents(case: Case) -> frozenset[str]:
    """Documents that the asker may not read, as the case itself says."""
    closed = set(_graded(case.facts.get("closed_documents")))
    if case.slices.get("kind") == FORBIDDEN:
        closed |= set(_graded(case.facts.get("documents")))
    return frozenset(closed)


def _graded(told: Any) -> dict[str, float]:
    if isinstance(told, str):
        return {told: 1.0}
    if isinstance(told, Mapping):
        return {str(name): float(grade) for name, grade in told.items() if _is_grade(grade)}
    return {str(name): 1.0 for name in told} if isinstance(told, list | tuple) else {}


def _is_grade(grade: Any) -> bool:
    return isinstance(grade, int | float) and math.isfinite(grade) and grade > 0

"""Nights that measured what a test says."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ondol.application.evaluation.gate import Rules
from ondol.application.evaluation.nightly import Baseline, Night, Plan
from ondol.application.evaluation.types import Measured
from ondol.core.ids import new_id
from tests.application.assistant.conftest import desk

__all__ = ["desk"]

RULES = Rules(margins={"correct": 0.05}, hard_zero=("leak",), coverage=0.9)
SUITE = b"s" * 32


def measured(values: Sequence[float | None], name: str = "correct", better: Any = "higher", unit: Any = "share") -> Measured:
    """A metric over cases c0, c1, ...; None is a case without a value."""
    kept = [(f"c{number}", value) for number, value in enumerate(values) if value is not None]
    return Measured(
        name=name,
        unit=unit,
        better=better,
        case_ids=[case_id for case_id, _ in kept],
        values=[value for _, value in kept],
        clusters=[case_id for case_id, _ in kept],
        total=len(values),
        failures={"target_error": len(values) - len(kept)} if len(kept) < len(values) else {},
    )


def night(values: Sequence[float | None], *, leaks: int = 0, release_id: uuid.UUID | None = None, series: str = "a" * 64, **more: Any) -> Night:
    """A night in which the answers scored so."""
    hits = measured([1.0] * leaks + [0.0] * (len(values) - leaks), "leak", "lower", "count")
    return Night(run_id=new_id(), release_id=release_id or new_id(), series=series, suite_digest=SUITE, measured=[measured(values), hits], **more)


def baseline(values: Sequence[float | None]) -> Baseline:
    """A run in which the answers scored so."""
    return Baseline(run_id=new_id(), release_id=new_id(), measured=[measured(values)])


@dataclass
class Measurements:
    """What each night will measure, one after another, and what was measured before."""

    coming: list[Night | Exception] = field(default_factory=list)
    kept: dict[uuid.UUID, Night] = field(default_factory=dict)

    async def evaluate(self, _tenant_id: uuid.UUID, _plan: Plan) -> Night:
        found = self.coming.pop(0)
        if isinstance(found, Exception):
            raise found
        self.kept[found.run_id] = found
        return found

    async def measured_of(self, _tenant_id: uuid.UUID, run_id: uuid.UUID) -> tuple[Sequence[Measured], bytes] | None:
        found = self.kept.get(run_id)
        return None if found is None else (found.measured, found.suite_digest)


def stale(*case_ids: str) -> Mapping[str, str]:
    """Items whose documents have changed."""
    return dict.fromkeys(case_ids, "changed")

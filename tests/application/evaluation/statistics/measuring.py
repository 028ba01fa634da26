"""Metrics made of a few values, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ondol.application.evaluation.types import Better, Measured, Status, Unit


def measured(
    values: Mapping[str, float] | Sequence[float],
    *,
    name: str = "correct",
    unit: Unit = "share",
    better: Better = "higher",
    clusters: Mapping[str, str] | None = None,
    total: int | None = None,
    failures: Mapping[Status, int] | None = None,
) -> Measured:
    """Values by case; cases of a sequence are called by their place."""
    by_case = dict(values) if isinstance(values, Mapping) else {f"case-{number:04}": value for number, value in enumerate(values)}
    missing = sum((failures or {}).values())
    return Measured(
        name=name, unit=unit, better=better, case_ids=tuple(by_case), values=tuple(by_case.values()),
        clusters=tuple((clusters or {}).get(case, case) for case in by_case), total=len(by_case) + missing if total is None else total,
        failures=failures or {},
    )  # fmt: skip

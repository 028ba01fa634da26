"""Two runs of a suite side by side in the admin API: every metric without a verdict, and the cases that went otherwise, answers beside each other."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from ondol.application.evaluation.gate.compare import Changed, changed_cases, compare_all
from ondol.application.evaluation.gate.types import Compared
from ondol.application.evaluation.runs.api import SLICES_MAX, ResultShown, RunShown, SliceNames, result_shown, run_shown
from ondol.application.evaluation.runs.measure import Measuring
from ondol.application.evaluation.runs.store import get_run, results_of
from ondol.application.evaluation.runs.types import Kept, Run
from ondol.application.evaluation.statistics.multiple import benjamini_hochberg
from ondol.application.evaluation.types import Measured
from ondol.core.errors import NotFound, RequestError
from ondol.infrastructure.access.route_roles import READ, RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database

ALPHA = 0.025
"""Of each limit: together they are the 95 % interval."""
SEED = 0
CASES_MAX = 100
SLICE_VALUES_MAX = 50
"""Within which one metric is compared at once."""


@dataclass(frozen=True, slots=True)
class CompareServices(RoleGate):
    """What the routes work with."""

    database: Database
    keyring: KeyRing
    principal: Callable[[Request], Principal]


class ComparedShown(BaseModel):
    """A metric of both runs over the cases that both have: `difference` with its 95 % limits, above 0 where the newer one is better, whatever the
    metric. `p_adjusted` is of there being a difference at all, adjusted for all metrics (Benjamini and Hochberg)."""

    metric: str
    unit: str
    better: str
    baseline: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    pairs: int
    of: int
    won: int
    lost: int
    tied: int
    p_adjusted: float | None
    reason: str


class SidesShown(BaseModel):
    """A case that went otherwise: `difference` above 0 is better. What was said is told as of results: to whoever it was asked as."""

    case: str | None
    difference: float
    baseline: ResultShown
    candidate: ResultShown


class SliceCompared(BaseModel):
    """The metric that was chosen within one value of a slice; `p_adjusted` is adjusted for all values that are looked at."""

    slice: str
    value: str
    compared: ComparedShown


class RunsCompared(BaseModel):
    """Two runs. `cases` are those that differ most by `metric`, the worst first; of several repeats the first is shown. By each of `slice_names` the
    runs can be told apart."""

    baseline: RunShown
    candidate: RunShown
    metrics: list[ComparedShown]
    metric: str | None
    cases: list[SidesShown]
    slices: list[SliceCompared]
    slice_names: list[str]


@dataclass(frozen=True, slots=True)
class _Looked:
    """A run, looked through: its metrics, those of each value of the slices, and the names of all slices."""

    whole: dict[str, Measured]
    parts: dict[tuple[str, str], dict[str, Measured]]
    names: list[str]


def compare_router(services: CompareServices) -> APIRouter:
    """The route below ``/evaluation/runs``."""
    router = APIRouter(prefix="/evaluation/runs", tags=["evaluation"])

    @router.get("/{run_id}/compare", openapi_extra=READ)
    async def compare_runs(
        run_id: uuid.UUID,
        baseline: Annotated[uuid.UUID, Query(description="The run to compare with.")],
        metric: Annotated[str | None, Query(max_length=200, description="Show the cases that differ by this; by the first one else.")] = None,
        limit: Annotated[int, Query(ge=0, le=CASES_MAX)] = 20,
        slices: SliceNames = [],  # noqa: B006 - it is never changed
        who: Principal = services.reads,
    ) -> RunsCompared:
        """Compare a run with another one of the same suite, case by case."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            before, after = await get_run(connection, baseline), await get_run(connection, run_id)
        if before.suite_name != after.suite_name:
            said = "The runs are of two suites: no case stands in both."
            raise RequestError(said, "Compare runs of one suite.", code="other_suite", param="baseline")
        first, second = await _measured(services, who, before, slices), await _measured(services, who, after, slices)
        old, new = first.whole, second.whole
        told = await asyncio.to_thread(compare_all, old, new, ALPHA, SEED)
        chosen = metric or next((each.metric for each in told), None)
        if chosen is not None and (chosen not in old or chosen not in new):
            raise NotFound(f"Not both runs measure {chosen[:60]!r}.", code="metric_not_found")
        changed = changed_cases(old[chosen], new[chosen], limit) if chosen is not None and old[chosen].values and new[chosen].values else []
        names = {each.case_id for each in changed}
        sides = await _kept(services, who, before, names), await _kept(services, who, after, names)
        return RunsCompared(
            baseline=run_shown(before),
            candidate=run_shown(after),
            metrics=[_metric(each) for each in told],
            metric=chosen,
            cases=[_sides(each, sides, who) for each in changed],
            slices=await asyncio.to_thread(_sliced, first, second, chosen) if chosen is not None else [],
            slice_names=second.names,
        )

    return router


async def _measured(services: CompareServices, who: Principal, run: Run, slices: Sequence[str]) -> _Looked:
    measuring, names = Measuring(run.metrics, slices), dict[str, None]()
    async for kept in results_of(services.database, services.keyring, who.tenant_id, run.id):
        measuring.add(kept.result)
        names.update(dict.fromkeys(kept.result.slices))
    parts = {where: {each.name: each for each in part} for where, part in measuring.by_slice().items()}
    return _Looked({each.name: each for each in measuring.measured()}, parts, list(names)[:SLICES_MAX])


def _sliced(old: _Looked, new: _Looked, metric: str) -> list[SliceCompared]:
    """The metric within each value that both runs have, `SLICE_VALUES_MAX` at most."""
    both = [where for where in new.parts if where in old.parts][:SLICE_VALUES_MAX]
    told = [compare_all({metric: old.parts[where][metric]}, {metric: new.parts[where][metric]}, ALPHA, SEED)[0] for where in both]
    adjusted = iter(benjamini_hochberg([each.p for each in told if each.p is not None]))
    right = [each if each.p is None else replace(each, p_adjusted=next(adjusted)) for each in told]
    return [SliceCompared(slice=name, value=value, compared=_metric(each)) for (name, value), each in zip(both, right, strict=True)]


async def _kept(services: CompareServices, who: Principal, run: Run, names: Collection[str]) -> dict[str, Kept]:
    found: dict[str, Kept] = {}
    if names:
        async for kept in results_of(services.database, services.keyring, who.tenant_id, run.id):
            if kept.result.case_id in names:
                found.setdefault(kept.result.case_id, kept)
    return found


def _metric(found: Compared) -> ComparedShown:
    return ComparedShown(**{name: getattr(found, name) for name in ComparedShown.model_fields})


def _sides(changed: Changed, sides: tuple[dict[str, Kept], dict[str, Kept]], who: Principal) -> SidesShown:
    old, new = (result_shown(side[changed.case_id], who) for side in sides)
    return SidesShown(case=new.case or old.case, difference=changed.difference, baseline=old, candidate=new)

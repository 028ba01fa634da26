"""Runs and suites in the admin API.

Figures are told to whoever may read the tenant's settings. What was asked and answered is told to the person in whose name it was asked, and to all
of these where that was nobody: what a person may read, an administrator may not read by way of an evaluation.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from ondol.application.evaluation.runs.measure import Measuring
from ondol.application.evaluation.runs.store import delete_run, get_run, list_runs, list_suites, results_of, results_page
from ondol.application.evaluation.runs.types import Kept, Run
from ondol.application.evaluation.suites import GoldenCases, SuiteError, suite_digest, suite_from, survey
from ondol.application.evaluation.suites.fields import did_you_mean
from ondol.application.evaluation.types import Measured
from ondol.core.clock import Clock
from ondol.core.errors import Conflict
from ondol.infrastructure.access.route_roles import READ, WRITE, Body, RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database

PAGE_MAX = 200
SLICES_MAX = 10
SuiteName = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="Runs of this suite only, by the name on its card.")]
SliceNames = Annotated[list[str], Query(alias="slice", max_length=SLICES_MAX, description="Tell the metrics apart by these, too.")]
Place = Annotated[int, Query(ge=-1, le=2**31 - 2, description="Go on behind this case, counted from 0.")]


@dataclass(frozen=True, slots=True)
class RunServices(RoleGate):
    """What the routes work with.

    Attributes:
        scorer_types: the types of scorers that a suite may name. Scorers and judges are many, so they are imported when somebody first asks.
    """

    database: Database
    keyring: KeyRing
    clock: Clock
    principal: Callable[[Request], Principal]
    scorer_types: Callable[[], Collection[str]]


class SuiteBody(Body):
    """A suite as plain data, as YAML has it. It names no files, and nothing of the machine."""

    suite: dict[str, Any]


class SuiteChecked(BaseModel):
    """A suite that can be run. Of a golden set the cases are not counted here."""

    name: str
    target: str
    cases: int | None
    repeats: int
    scorers: list[str]
    digest: str | None


class SuiteShown(BaseModel):
    """A suite that was run, with its last run."""

    name: str
    digest: str
    last_run: uuid.UUID
    state: str
    outcome: str | None
    cases: int
    run_at: datetime


class SuiteList(BaseModel):
    """Suites by name."""

    suites: list[SuiteShown]


class RunShown(BaseModel):
    """A run. `done` of `total` results are there.

    One that is `queued` was begun over the API or by a schedule: a job worker carries it out, and it can be stopped, and go on. While it is
    `stopping`, what was asked is still answered.
    """

    id: uuid.UUID
    suite: str
    suite_digest: str
    target: str
    state: str
    outcome: str | None
    reasons: list[str]
    cases: int
    repeats: int
    done: int
    total: int
    created_by: uuid.UUID | None
    created_at: datetime
    ended_at: datetime | None
    queued: bool
    stopping: bool


class RunPage(BaseModel):
    """Runs, the newest first. `next` is what to give as `before` for the next page."""

    runs: list[RunShown]
    next: uuid.UUID | None


class MetricShown(BaseModel):
    """A metric: the mean of `n_ok` of `n_total` cases with its 95 % interval, and why the others have no value."""

    metric: str
    type: str
    unit: str
    better: str
    hard_zero: bool
    value: float | None
    low: float | None
    high: float | None
    n_ok: int
    n_total: int
    failures: dict[str, int]


class SliceShown(BaseModel):
    """The metrics of one value of a slice."""

    slice: str
    value: str
    metrics: list[MetricShown]


class RunRead(BaseModel):
    """A run with what it came to, and the digests of all that it depends on. By each of `slice_names` it can be told apart."""

    run: RunShown
    digests: dict[str, Any]
    metrics: list[MetricShown]
    slices: list[SliceShown]
    slice_names: list[str]


class ScoreShown(BaseModel):
    """A score; `reason` may quote the answer, and is withheld with it."""

    value: float | None
    status: str
    reason: str | None


class ResultShown(BaseModel):
    """A result. Where it is `withheld`, or was `erased`, only its figures are told."""

    place: int
    repeat: int
    withheld: bool
    erased: bool
    status: str
    scores: dict[str, ScoreShown]
    latency_ms: float
    cost_nano: int
    currency: str
    case: str | None = None
    slices: dict[str, str] | None = None
    question: str | None = None
    expected: list[str] | None = None
    answer: str | None = None
    error: str | None = None


class ResultPage(BaseModel):
    """Results in the order of the suite. `next` is what to give as `after` for the next page."""

    results: list[ResultShown]
    next: int | None


class RunDeleted(BaseModel):
    """It is done."""

    deleted: bool = True


def runs_router(services: RunServices) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/evaluation", tags=["evaluation"])
    _suite_routes(router, services)
    _run_routes(router, services)
    return router


def _suite_routes(router: APIRouter, services: RunServices) -> None:
    @router.get("/suites", openapi_extra=READ)
    async def list_known_suites(who: Principal = services.reads) -> SuiteList:
        """The suites that were run, by name."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            found = await list_suites(connection)
        return SuiteList(
            suites=[
                SuiteShown(
                    name=row["suite_name"],
                    digest=bytes(row["suite_digest"]).hex(),
                    last_run=row["last_run_id"],
                    state=row["state"],
                    outcome=row["outcome"],
                    cases=row["cases"],
                    run_at=row["created_at"],
                )
                for row in found
            ]
        )

    @router.post("/suites/check", openapi_extra=READ)
    async def check_suite(body: SuiteBody, who: Principal = services.reads) -> SuiteChecked:
        """Read a suite with all its cases, and say what it is, without asking anything. What is wrong is told by the name of its field."""
        del who
        return await asyncio.to_thread(lambda: _checked(body.suite, services.scorer_types()))


def _run_routes(router: APIRouter, services: RunServices) -> None:
    @router.get("/runs", openapi_extra=READ)
    async def list_all_runs(
        suite: SuiteName = None,
        before: uuid.UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        who: Principal = services.reads,
    ) -> RunPage:
        """Runs, the newest first."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            found = await list_runs(connection, suite=suite, before=before, limit=limit + 1)
        return RunPage(runs=[run_shown(each) for each in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.get("/runs/{run_id}", openapi_extra=READ)
    async def read_run(run_id: uuid.UUID, slices: SliceNames = [], who: Principal = services.reads) -> RunRead:  # noqa: B006 - it is never changed
        """A run with what it came to so far."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            found = await get_run(connection, run_id)
        measuring, count, names = Measuring(found.metrics, slices), 0, dict[str, None]()
        async for kept in results_of(services.database, services.keyring, who.tenant_id, run_id):
            measuring.add(kept.result)
            names.update(dict.fromkeys(kept.result.slices))
            count += 1
        return await asyncio.to_thread(_read, found, measuring, found.total - count, list(names)[:SLICES_MAX])

    @router.get("/runs/{run_id}/results", openapi_extra=READ)
    async def list_results(
        run_id: uuid.UUID, after: Place = -1, limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50, who: Principal = services.reads
    ) -> ResultPage:
        """The results of a run, case by case, all repeats of a case on one page."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            await get_run(connection, run_id)
            kept = await results_page(connection, services.keyring, who.tenant_id, run_id, after=after, cases=limit + 1)
        places = sorted({each.place for each in kept})
        shown = set(places[:limit])
        results = [result_shown(each, who) for each in kept if each.place in shown]
        return ResultPage(results=results, next=places[limit - 1] if len(places) > limit else None)

    @router.delete("/runs/{run_id}", openapi_extra=WRITE)
    async def remove_run(run_id: uuid.UUID, who: Principal = services.writes) -> RunDeleted:
        """Delete a run with its results."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            found = await get_run(connection, run_id)
            if found.is_queued and found.state in ("waiting", "running"):
                raise Conflict("The run goes on.", "Stop it first.", code="run_open")
            await delete_run(connection, run_id)
            now = services.clock()
            await record(connection, who.tenant_id, kind="evaluation.run_deleted", actor_id=who.person_id, body={"run": run_id}, now=now)
        return RunDeleted()


def _checked(tree: dict[str, Any], types: Collection[str]) -> SuiteChecked:
    suite = suite_from(tree)
    for number, scorer in enumerate(suite.scorers):
        if scorer.type not in types:
            place = f"scorers[{number}].type"
            raise SuiteError(f"{place} is {scorer.type[:60]!r}, which is no scorer.", did_you_mean(scorer.type, types), param=place)
    found = None if isinstance(suite.cases, GoldenCases) else survey(suite.cases, suite.slices)
    return SuiteChecked(
        name=suite.card.name,
        target=f"{suite.target.kind}/{suite.target.name}",
        cases=found.count if found else None,
        repeats=suite.repeats,
        scorers=[scorer.name for scorer in suite.scorers],
        digest=suite_digest(suite, found).hex() if found else None,
    )


def run_shown(found: Run) -> RunShown:
    """A run as the API tells it."""
    return RunShown(
        id=found.id,
        suite=found.suite_name,
        suite_digest=found.suite_digest.hex(),
        target=found.digests.target_name,
        state=found.state,
        outcome=found.outcome,
        reasons=list(found.reasons),
        cases=found.cases,
        repeats=found.repeats,
        done=found.done,
        total=found.total,
        created_by=found.created_by,
        created_at=found.created_at,
        ended_at=found.ended_at,
        queued=found.is_queued,
        stopping=found.wants_stop and found.state == "running",
    )


def _read(found: Run, measuring: Measuring, not_asked: int, names: list[str]) -> RunRead:
    parts = [SliceShown(slice=name, value=value, metrics=_metrics(found, part)) for (name, value), part in measuring.by_slice().items()]
    metrics = _metrics(found, measuring.measured(-(-not_asked // found.repeats)))
    return RunRead(run=run_shown(found), digests=asdict(found.digests), metrics=metrics, slices=parts, slice_names=names)


def _metrics(found: Run, measured: Sequence[Measured]) -> list[MetricShown]:
    from ondol.application.evaluation.statistics.intervals import BOUNDS, mean_interval

    shown = []
    for metric, each in zip(found.metrics, measured, strict=True):
        interval = mean_interval(each.values, each.clusters, bounds=BOUNDS.get(each.unit)) if len(each.values) else None
        told: dict[str, Any] = interval.as_dict() if interval is not None else {"value": None, "low": None, "high": None}
        shown.append(
            MetricShown(
                metric=metric.name,
                type=metric.type,
                unit=metric.unit,
                better=metric.better,
                hard_zero=metric.is_hard_zero,
                value=told["value"],
                low=told["low"],
                high=told["high"],
                n_ok=len(each.values),
                n_total=each.total,
                failures={str(status): count for status, count in each.failures.items()},
            )
        )
    return shown


def result_shown(kept: Kept, who: Principal) -> ResultShown:
    """A result as somebody may see it."""
    result, answer = kept.result, kept.result.answer
    is_withheld = kept.person_id is not None and kept.person_id != who.person_id
    is_told = not (is_withheld or kept.is_erased)
    scores = {
        name: ScoreShown(value=score.value, status=score.status, reason=score.reason if is_told else None) for name, score in result.scores.items()
    }
    figures: dict[str, Any] = {"status": answer.status, "latency_ms": answer.latency_ms, "cost_nano": answer.cost_nano, "currency": answer.currency}
    content: dict[str, Any] = {}
    if is_told:
        content = {
            "case": result.case_id,
            "slices": dict(result.slices),
            "question": kept.turns[-1].text if kept.turns else None,
            "expected": list(kept.expected),
            "answer": answer.text,
            "error": answer.error,
        }
    return ResultShown(place=kept.place, repeat=result.repeat, withheld=is_withheld, erased=kept.is_erased, scores=scores, **figures, **content)

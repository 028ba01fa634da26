"""The quality dashboard in the admin API."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from ondol.application.assistant.threads.asked_again import asked_again
from ondol.application.evaluation.quality.figures import SOURCES, UNRECORDED, Figure, Source, chosen_runs, corrections_of, figure_of, re_asked_of
from ondol.application.evaluation.quality.recommending import promoters, put_answer, take_question
from ondol.application.evaluation.runs.api import SLICES_MAX, SliceNames
from ondol.application.evaluation.runs.measure import Measuring
from ondol.application.evaluation.runs.store import list_runs, results_of
from ondol.application.evaluation.runs.types import Metric, Run
from ondol.application.evaluation.types import Measured
from ondol.core.clock import Clock
from ondol.infrastructure.access.route_roles import ASK, READ, Body, RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.records.feedback import list_feedback
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database

RUNS_MAX = 200
"""The newest runs that are looked at."""
OPINIONS_MAX = 1_000
PAGE = 100


@dataclass(frozen=True, slots=True)
class _Looked:
    """A run, looked through: its metrics, those of each value of the slices, and the names of all slices."""

    whole: Mapping[str, Measured]
    parts: Mapping[tuple[str, str], Mapping[str, Measured]]
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class QualityServices(RoleGate):
    """What the route works with."""

    database: Database
    keyring: KeyRing
    clock: Clock
    principal: Callable[[Request], Principal]


class FigureSlice(BaseModel):
    """A figure within one value of a slice."""

    slice: str
    value: str
    share: float | None
    low: float | None
    high: float | None
    count: int


class FigureShown(BaseModel):
    """A share with its 95 % interval over `count` cases or opinions, and the run that it was taken from. All are null where nothing was measured:
    that is no nought."""

    name: str
    better: str
    value: float | None
    low: float | None
    high: float | None
    count: int
    run: uuid.UUID | None
    suite: str | None
    metric: str | None
    at: datetime | None
    slices: list[FigureSlice]


class Quality(BaseModel):
    """The figures of the last `days`, each from the newest finished run that measures it; corrections from what people said of answers.

    `promoters` is the net promoter score, from -1 to 1: of the people who said 0 to 10 when they were asked, those who said 9 or 10 less those who
    said 0 to 6. It is null below 5 people. `re_asked` is the share of questions in kept threads that their person, within 30 minutes, edited, had
    answered once more, or asked on behind after a refusal. By each of
    `slice_names` those from runs can be told apart.
    """

    days: int
    figures: list[FigureShown]
    slice_names: list[str]


class Asked(BaseModel):
    """Whether to ask."""

    ask: bool


class ScoreBody(Body):
    """0 is never, 10 is surely."""

    score: int = Field(ge=0, le=10)


class Answered(BaseModel):
    """It is kept."""

    changed: bool = True


def quality_router(services: QualityServices) -> APIRouter:
    """The route ``/evaluation/quality``."""
    router = APIRouter(prefix="/evaluation", tags=["evaluation"])

    @router.get("/quality", openapi_extra=READ)
    async def read_quality(
        days: Annotated[int, Query(ge=1, le=3650)] = 90,
        slices: SliceNames = [],  # noqa: B006 - it is never changed
        who: Principal = services.reads,
    ) -> Quality:
        """How good what is served was when it was last measured."""
        since = services.clock() - timedelta(days=days)
        async with services.database.tenant_tx(who.tenant_id) as connection:
            found = await list_runs(connection, limit=RUNS_MAX)
            again = await asked_again(connection, since, services.clock())
            score = await promoters(connection, since)
        chosen = chosen_runs([run for run in found if run.state == "finished" and run.created_at >= since])
        runs = {run.id: run for run, _ in chosen.values()}
        measured = {run_id: await _measured(services, who, run, slices) for run_id, run in runs.items()}

        def told() -> list[FigureShown]:
            picked = [(source, chosen.get(source.name)) for source in SOURCES]
            return [_figure(source, found, measured[found[0].id] if found else None) for source, found in picked]

        others = [await _corrections(services, who, since), re_asked_of(again.again, again.turns), score, *UNRECORDED]
        figures = [*await asyncio.to_thread(told), *(FigureShown(**asdict(figure), slices=[]) for figure in others)]
        names = dict.fromkeys(name for each in measured.values() for name in each.names)
        return Quality(days=days, figures=figures, slice_names=list(names)[:SLICES_MAX])

    return router


def recommendation_router(services: QualityServices) -> APIRouter:
    """The routes below ``/me/recommendation``."""
    router = APIRouter(prefix="/me/recommendation", tags=["evaluation"])

    @router.post("/ask", openapi_extra=ASK)
    async def take_recommendation_question(who: Principal = services.asks) -> Asked:
        """Whether to ask you now how likely you would recommend the assistant. Who is told yes counts as asked: not again for 90 days."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            return Asked(ask=await take_question(connection, who.tenant_id, who.person_id, services.clock()))

    @router.put("", openapi_extra=ASK)
    async def put_recommendation(body: ScoreBody, who: Principal = services.asks) -> Answered:
        """How likely you would recommend the assistant. It is told as a score of many people only."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            await put_answer(connection, who.person_id, body.score, services.clock())
        return Answered()

    return router


async def _measured(services: QualityServices, who: Principal, run: Run, slices: Sequence[str]) -> _Looked:
    measuring, names = Measuring(run.metrics, slices), dict[str, None]()
    async for kept in results_of(services.database, services.keyring, who.tenant_id, run.id):
        measuring.add(kept.result)
        names.update(dict.fromkeys(kept.result.slices))
    parts = {where: {each.name: each for each in part} for where, part in measuring.by_slice().items()}
    return _Looked({each.name: each for each in measuring.measured()}, parts, list(names))


def _figure(source: Source, picked: tuple[Run, Metric] | None, looked: _Looked | None) -> FigureShown:
    """A figure of all cases, and within each value of the slices."""
    if picked is None or looked is None:
        return FigureShown(**asdict(figure_of(source, None, None)), slices=[])
    metric = picked[1].name
    parts = {where: figure_of(source, picked, part[metric]) for where, part in looked.parts.items()}
    slices = [
        FigureSlice(slice=name, value=value, share=one.value, low=one.low, high=one.high, count=one.count) for (name, value), one in parts.items()
    ]
    return FigureShown(**asdict(figure_of(source, picked, looked.whole[metric])), slices=slices)


async def _corrections(services: QualityServices, who: Principal, since: datetime) -> Figure:
    """Over the newest opinions, `OPINIONS_MAX` at most."""
    corrected = opinions = 0
    before: uuid.UUID | None = None
    while opinions < OPINIONS_MAX:
        async with services.database.tenant_tx(who.tenant_id) as connection:
            page = await list_feedback(connection, services.keyring, who.tenant_id, before=before, limit=PAGE)
        recent = [one for one in page if one.created_at >= since]
        opinions += len(recent)
        corrected += sum(bool(one.opinion.corrected) for one in recent)
        if len(page) < PAGE or len(recent) < len(page):
            break
        before = page[-1].id
    return corrections_of(corrected, opinions)

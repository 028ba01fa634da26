"""Runs of evaluations, joined with the platform: a suite's target and scorers are made, its cases read, and the run begun or taken up again."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ondol.application.evaluation.golden.store import cases_of as cases_of_golden
from ondol.application.evaluation.judges import check_may_decide
from ondol.application.evaluation.judges.kept import StoredReplies
from ondol.application.evaluation.loaders import LOADERS
from ondol.application.evaluation.runs import Metric, Progress, RunDigests, Running, Spend, add_run, end_run, get_run, metric_of
from ondol.application.evaluation.runs.digests import run_digests
from ondol.application.evaluation.runs.estimate import Estimate, TokenPrice, estimate, measure_prompts
from ondol.application.evaluation.scorers.base import Asked, Scorer
from ondol.application.evaluation.suites import GoldenCases, InlineCases, Suite, SuiteError, Surveyed, each_case, survey
from ondol.application.evaluation.suites.fields import did_you_mean
from ondol.application.evaluation.targets import TARGETS, Target
from ondol.application.evaluation.types import Answer, Case, Turn
from ondol.core.errors import Conflict
from ondol.infrastructure.serving.directory import ModelCard
from ondol.wiring.evaluating import EvaluationRoom

NAMED_KINDS = ("assistant", "prompt", "retriever", "route")
"""Targets that are always asked in somebody's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A suite that can be run.

    Attributes:
        suite: its golden set read.
        digests: all that its results will depend on.
    """

    room: EvaluationRoom
    suite: Suite
    target: Target
    scorers: tuple[Scorer, ...]
    metrics: tuple[Metric, ...]
    surveyed: Surveyed
    digests: RunDigests
    spend: Spend


async def prepare(room: EvaluationRoom, suite: Suite, *, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Prepared:
    """Make what a suite names, and read all its cases once.

    Args:
        environment, folder: from the command line only.

    Raises:
        RequestError: when something of the suite cannot be; it names the field.
    """
    name = suite.cases
    read = await _read_golden(room, suite)
    spend, tools = Spend(), await room.tools(folder)
    replies = _replies(room, spend) if read.limits.keep_verdicts else None
    counted = replace(tools, ask=spend.counted(tools.ask), replies=replies) if tools.ask is not None else tools
    scorers = []
    for number, spec in enumerate(read.scorers):
        if spec.type not in LOADERS:
            place = f"scorers[{number}].type"
            raise SuiteError(f"{place} is {spec.type[:60]!r}, which is no scorer.", did_you_mean(spec.type, LOADERS), param=place)
        scorers.append(LOADERS[spec.type](spec.name, spec.settings, counted))
    for scorer in scorers:
        if scorer.name in read.gate.hard_zero and scorer.better != "lower":
            hint = "A hard zero counts hits. Make it a primary metric, or score what must not be."
            raise SuiteError(f"gate.hard_zero names {scorer.name!r}, of which more is better.", hint, param="gate.hard_zero")
    deciding = {primary.metric for primary in read.gate.primary}
    for scorer, spec in zip(scorers, read.scorers, strict=True):
        if scorer.name in deciding:
            await asyncio.to_thread(check_may_decide, scorer, spec.type, spec.settings, folder)
    target = TARGETS[read.target.kind](read.target, room.reach(environment, folder))
    surveyed = await asyncio.to_thread(survey, read.cases, read.slices)
    metrics = tuple(metric_of(scorer, spec.type, spec.threshold) for scorer, spec in zip(scorers, read.scorers, strict=True))
    digests = run_digests(replace(read, cases=name), surveyed, await target.identity(), metrics)
    return Prepared(
        room=room,
        suite=read,
        target=target,
        scorers=tuple(scorers),
        metrics=metrics,
        surveyed=surveyed,
        digests=digests,
        spend=spend,
    )


async def begin(prepared: Prepared, source: Mapping[str, Any], by: uuid.UUID | None, *, is_queued: bool = False) -> uuid.UUID:
    """Begin a run; its id.

    Args:
        source: from which it can go on: `path`, where it lies on this machine, or `text`, the suite as YAML.
        by: who runs it; None for the command line.
        is_queued: a job worker shall carry it out.
    """
    platform, tenant, suite = prepared.room.platform, prepared.room.tenant, prepared.suite
    told = {**source, "card": asdict(suite.card), "slices": list(suite.slices)}
    async with platform.database.tenant_tx(tenant.id) as connection:
        return await add_run(
            connection,
            platform.keyring,
            tenant.id,
            suite_name=suite.card.name,
            suite=told,
            state="waiting" if is_queued else "running",
            cases=prepared.surveyed.count,
            repeats=prepared.suite.repeats,
            digests=prepared.digests,
            metrics=prepared.metrics,
            by=by,
            now=platform.clock(),
            is_queued=is_queued,
        )


async def running_of(
    prepared: Prepared, run_id: uuid.UUID, report: Callable[[Progress], None] = lambda _: None, stop: Callable[[], str] = lambda: ""
) -> Running:
    """What carrying a run out, or on, works with.

    Args:
        report, stop: see `Running`.

    Raises:
        NotFound: when there is no such run.
        Conflict: when the suite, or what it asks, is not what it was when the run began.
    """
    room, suite = prepared.room, prepared.suite
    platform, tenant = room.platform, room.tenant
    async with platform.database.tenant_tx(tenant.id) as connection:
        run = await get_run(connection, run_id)
        _check_same(run.digests, prepared.digests)
        await end_run(connection, run_id, "running")

    async def cases() -> AsyncIterator[Case]:
        for case in each_case(suite.cases, suite.slices):
            yield case

    async def person_of(asker: str | None) -> uuid.UUID | None:
        if asker is None and suite.target.kind not in NAMED_KINDS:
            return None
        own = suite.target.settings.get("as")
        return (await room.caller(asker or (str(own) if own else None))).person_id

    async def ask_user(alias: str, turns: tuple[Turn, ...], seed: int) -> Answer:
        return await room.ask_model(alias, Asked(turns, temperature=0.7, seed=seed, tokens_max=300))

    return Running(
        database=platform.database,
        keyring=platform.keyring,
        clock=platform.clock,
        tenant_id=tenant.id,
        run=run,
        suite=suite,
        target=prepared.target,
        scorers=prepared.scorers,
        cases=cases,
        person_of=person_of,
        ask_user=ask_user,
        spend=prepared.spend,
        report=report,
        stop=stop,
    )


async def estimate_of(prepared: Prepared) -> Estimate:
    """What a run of the suite will cost, by the tenant's price lists."""
    suite = prepared.suite

    async def cases() -> AsyncIterator[Case]:
        for case in each_case(suite.cases, suite.slices):
            yield case

    prices: dict[str, TokenPrice | None] = {}
    asked = prepared.digests.identity.get("route")
    if asked is not None:
        prices["target"] = _price(prepared.room, asked)
    for spec in suite.scorers:
        for alias in _models(spec.settings):
            prices[spec.name] = _price(prepared.room, alias)
    return estimate(suite, await measure_prompts(cases()), prices)


def _replies(room: EvaluationRoom, spend: Spend) -> StoredReplies:
    """What judges said in earlier runs of the tenant."""
    platform = room.platform

    async def model_digest(alias: str) -> str:
        return (await room.identity("route", alias))["model"]

    return StoredReplies(
        database=platform.database,
        keyring=platform.keyring,
        clock=platform.clock,
        tenant_id=room.tenant.id,
        model_digest=model_digest,
        count=spend.count_kept,
    )


def _models(settings: Mapping[str, Any]) -> Iterator[str]:
    model = settings.get("model")
    if isinstance(model, str):
        yield model


def _price(room: EvaluationRoom, alias: str) -> TokenPrice | None:
    gateway = room.inside.room
    try:
        card = gateway.directory.model(gateway.directory.tenant(room.tenant.id), alias)
    except Exception as error:
        raise SuiteError(f"There is no model called {alias[:100]}.", "`ondol model list` shows all.", param="model") from error
    if not isinstance(card, ModelCard) or not card.row.targets:
        return None
    first = min(card.row.targets, key=lambda target: target.priority)
    found = gateway.prices.find(card.owner, first.provider.name, first.model, room.platform.clock())
    return None if found is None else TokenPrice(input=found.input or 0, output=found.output or 0, currency=found.currency)


async def _read_golden(room: EvaluationRoom, suite: Suite) -> Suite:
    """A golden set is read as a whole, in a transaction that ends before anything is asked."""
    if not isinstance(suite.cases, GoldenCases):
        return suite
    name, version = suite.cases.name, suite.cases.version
    if not (version.isascii() and version.isdecimal() and len(version) < 10):
        raise SuiteError(f"cases.golden: {version[:20]!r} is no version.", "For example: support-ko@3", param="cases.golden")
    async with room.platform.database.tenant_tx(room.tenant.id) as connection:
        found = cases_of_golden(connection, room.platform.keyring, name, int(version), now=room.platform.clock())
        return replace(suite, cases=InlineCases(cases=tuple([case async for case in found])))


def _check_same(before: RunDigests, now: RunDigests) -> None:
    for what, field in (("suite", "suite"), ("cases", "data"), ("target", "target")):
        if getattr(before, field) != getattr(now, field):
            said = f"The {what} is not what it was when the run began: its results would be of two things."
            raise Conflict(said, "Begin a new run.", code="run_changed")

"""Carries a run out: asks each case, scores the answer, keeps the result; what is kept is never asked again."""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ondol.application.evaluation.runs.measure import Measuring
from ondol.application.evaluation.runs.outcome import misses, outcome_of
from ondol.application.evaluation.runs.progress import Progress
from ondol.application.evaluation.runs.reasons import said
from ondol.application.evaluation.runs.store import done_of, end_run, folded_digest, put_results, results_of
from ondol.application.evaluation.runs.types import Kept, Metric, Outcome, Run
from ondol.application.evaluation.scorers.base import Asked, AskModel, Owner, Scorer
from ondol.application.evaluation.suites import Suite
from ondol.application.evaluation.targets import Target, hold
from ondol.application.evaluation.targets.conversation import AskUser
from ondol.application.evaluation.types import Answer, Case, CaseResult, Measured, Score
from ondol.core.canonical import digest
from ondol.core.clock import Clock
from ondol.core.errors import OndolError
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database

BATCH_RESULTS = 100
BATCH_WAIT_S = 0.5
"""A result waits no longer for others to be kept with it."""
ERROR_CHARACTERS_MAX = 2_000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Spend:
    """What judges cost.

    Attributes:
        kept: verdicts that were known from earlier runs, and cost nothing.
    """

    nano: int = 0
    currency: str = ""
    kept: int = 0

    def count_kept(self) -> None:
        """A verdict was known."""
        self.kept += 1

    def counted(self, ask: AskModel) -> AskModel:
        """The same way to ask a model, its cost counted."""

        async def asked(alias: str, what: Asked) -> Answer:
            answer = await ask(alias, what)
            self.nano += answer.cost_nano
            self.currency = answer.currency if answer.cost_nano else self.currency
            return answer

        return asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What carrying a run out works with.

    Attributes:
        cases: all cases of the suite in their order, anew for each call.
        person_of: whose key an answer is sealed with, by the asker's login; None for nobody's.
        ask_user: asks the model that plays a user.
        spend: what the scorers' own questions cost.
        report: told after each result.
        stop: why no more shall be asked; empty for as long as it shall go on.
    """

    database: Database
    keyring: KeyRing
    clock: Clock
    tenant_id: uuid.UUID
    run: Run
    suite: Suite
    target: Target
    scorers: Sequence[Scorer]
    cases: Callable[[], AsyncIterator[Case]]
    person_of: Callable[[str | None], Awaitable[uuid.UUID | None]]
    ask_user: AskUser | None = None
    spend: Spend = field(default_factory=Spend)
    report: Callable[[Progress], None] = lambda _: None
    stop: Callable[[], str] = lambda: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a run came to.

    Attributes:
        measured: one for each metric of the run, in its order.
        not_asked: results that there are none of.
        kept: verdicts of judges in this go that were known from earlier runs.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    measured: Sequence[Measured]
    not_asked: int
    stopped: str
    kept: int = 0


async def carry_out(running: Running, *, retry_errors: bool = False) -> Ended:
    """Ask what was not asked yet, then say what came of all of it.

    Args:
        retry_errors: ask again where an answer or a score has no value.

    Raises:
        OndolError: when results cannot be kept.
    """
    done, progress = await _done(running, retry_errors)
    engine = _Engine(running, done, progress)
    try:
        await engine.go()
    except BaseException as error:
        await _told_broken(running)
        raise _first(error) from None
    return await conclude(running, engine.stopped)


async def conclude(running: Running, stopped: str = "") -> Ended:
    """Reckon the outcome of what is stored, and write it down."""
    run, measuring = running.run, Measuring(running.run.metrics)
    missed: dict[str, int] = {}
    kept_count, results = 0, digest([])
    async for kept in results_of(running.database, running.keyring, running.tenant_id, run.id):
        kept_count += 1
        results = folded_digest(results, kept.place, kept.result.repeat, kept.digest)
        measuring.add(kept.result)
        for metric in run.metrics:
            if misses(metric, kept.result):
                missed[metric.name] = missed.get(metric.name, 0) + 1
    not_asked = run.total - kept_count
    measured = measuring.measured(-(-not_asked // run.repeats))
    outcome, reasons = outcome_of(running.suite, run.metrics, measured, missed, not_asked)
    reasons = ((stopped, *reasons) if stopped else reasons)[:100]
    async with running.database.tenant_tx(running.tenant_id) as connection:
        state: Any = "stopped" if not_asked else "finished"
        await end_run(connection, run.id, state, outcome=outcome, reasons=reasons, results_digest=results, now=running.clock())
    return Ended(outcome=outcome, reasons=reasons, measured=measured, not_asked=not_asked, stopped=stopped, kept=running.spend.kept)


def metric_of(scorer: Scorer, kind: str, threshold: float | None) -> Metric:
    """What a loaded scorer measures."""
    return Metric(
        name=scorer.name,
        type=kind,
        unit=scorer.unit,
        better=scorer.better,
        is_hard_zero=scorer.is_hard_zero,
        version=scorer.version,
        threshold=threshold,
    )


async def _done(running: Running, retry_errors: bool) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], Progress]:
    run = running.run
    done = np.zeros((run.cases, run.repeats), dtype=np.bool_)
    async for place, repeat, is_whole, _cost in done_of(running.database, running.tenant_id, run.id):
        if place < run.cases and repeat < run.repeats and (is_whole or not retry_errors):
            done[place, repeat] = True
    progress = Progress(total=run.total, metrics=run.metrics, done=int(done.sum()))
    return done, progress


def _first(error: BaseException) -> BaseException:
    """The error that ended a group of tasks."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _told_broken(running: Running) -> None:
    """A run that breaks off can go on: say so, if there is still anybody to tell."""
    try:
        async with asyncio.timeout(5), running.database.tenant_tx(running.tenant_id) as connection:
            await end_run(connection, running.run.id, "stopped", now=running.clock())
    except (OndolError, TimeoutError, asyncio.CancelledError):
        _log.warning("run not marked as stopped", extra={"run": str(running.run.id)})


class _Engine:
    """Workers that take one case after another, and one writer."""

    def __init__(self, running: Running, done: np.ndarray[Any, np.dtype[np.bool_]], progress: Progress) -> None:
        self.stopped = ""
        self._running = running
        self._limits = running.suite.limits
        self._progress = progress
        self._items = self._open_items(done)
        self._taking = asyncio.Lock()
        self._begin_at = 0.0
        self._results: asyncio.Queue[Kept | None] = asyncio.Queue(4 * BATCH_RESULTS)

    async def go(self) -> None:
        """Ask everything that is open, unless a cap ends it."""
        async with asyncio.TaskGroup() as writing:
            writer = writing.create_task(self._write())
            try:
                async with asyncio.TaskGroup() as workers:
                    for _ in range(self._limits.concurrency):
                        workers.create_task(self._work())
            finally:
                if not writer.done():
                    await self._results.put(None)

    async def _open_items(self, done: np.ndarray[Any, np.dtype[np.bool_]]) -> AsyncIterator[tuple[int, int, Case]]:
        place = 0
        async for case in self._running.cases():
            if place >= len(done):
                return
            for repeat in range(done.shape[1]):
                if not done[place, repeat]:
                    yield place, repeat, case
            place += 1

    async def _work(self) -> None:
        while True:
            async with self._taking:
                item = None if self._is_over() else await anext(self._items, None)
                if item is not None:
                    await self._pace()
            if item is None:
                return
            kept = await self._one(*item)
            self._progress.add(kept.result)
            self._spent(kept.result.answer)
            self._running.report(self._progress)
            await self._results.put(kept)

    def _is_over(self) -> bool:
        cap = self._limits.cost_nano
        if not self.stopped and cap is not None and self._progress.spent_nano >= cap:
            self.stopped = said("cap")
        self.stopped = self.stopped or self._running.stop()
        return bool(self.stopped)

    async def _pace(self) -> None:
        """Wait until another case may begin."""
        if self._limits.per_minute is None:
            return
        now = asyncio.get_running_loop().time()
        self._begin_at = max(now, self._begin_at + 60.0 / self._limits.per_minute)
        await asyncio.sleep(self._begin_at - now)

    def _spent(self, answer: Answer) -> None:
        progress, spend = self._progress, self._running.spend
        progress.spent_nano += answer.cost_nano + spend.nano
        currencies = {answer.currency} if answer.cost_nano else set()
        currencies |= {spend.currency} if spend.nano else set()
        spend.nano = 0
        for currency in currencies:
            progress.currency = currency
            if self._limits.cost_nano is not None and currency != self._limits.currency:
                self.stopped = said("currency", currency=currency, wanted=str(self._limits.currency))

    async def _one(self, place: int, repeat: int, case: Case) -> Kept:
        running = self._running
        person_id = None
        timeout = asyncio.timeout(self._limits.timeout_s)
        answer = Answer(text="", status="timeout", error=f"No answer within {self._limits.timeout_s:g} seconds.")
        scores: dict[str, Score] = {}
        try:
            async with timeout:
                person_id, answer = await self._answered(case, repeat)
                if answer.status == "ok":
                    # A judge remembers its verdicts by the repeat: an answer that is given twice is judged twice. What it says is the asker's.
                    owner = Owner(person_id, _documents_of(answer))
                    told = replace(answer, details={**answer.details, "repeat": repeat, "owner": owner})
                    for scorer in running.scorers:
                        scores[scorer.name] = await _scored(scorer, case, told)
        except TimeoutError:
            if answer.status == "ok":
                late = Score(value=None, status="timeout", reason=f"Not within {self._limits.timeout_s:g} seconds.")
                scores |= {scorer.name: late for scorer in running.scorers if scorer.name not in scores}
        result = CaseResult(case_id=case.id, repeat=repeat, cluster=case.cluster or case.id, slices=case.slices, answer=answer, scores=scores)
        return Kept(place=place, result=result, turns=case.turns, expected=case.expected, person_id=person_id, document_ids=_documents_of(answer))

    async def _answered(self, case: Case, repeat: int) -> tuple[uuid.UUID | None, Answer]:
        """In whose name it was asked, and the answer."""
        running, person_id = self._running, None
        try:
            person_id = await running.person_of(case.asker)
            return person_id, await hold(running.target, case, running.suite.seed + repeat, running.ask_user)
        except OndolError as error:
            return person_id, Answer(text="", status="target_error", error=error.message)
        except TimeoutError:
            raise
        except Exception as error:
            # The boundary of one case: a target that is broken is a result of its own, never the end of the others.
            _log.exception("target failed", extra={"case": case.id[:100]})
            return person_id, Answer(text="", status="target_error", error=f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS_MAX])

    async def _write(self) -> None:
        running, is_last = self._running, False
        while not is_last:
            batch, is_last = await self._batch()
            if batch:
                async with running.database.tenant_tx(running.tenant_id) as connection:
                    await put_results(connection, running.keyring, running.tenant_id, running.run.id, batch, running.clock())

    async def _batch(self) -> tuple[list[Kept], bool]:
        """The next results to be kept together, and whether no more will come."""
        batch: list[Kept] = []
        first = await self._results.get()
        if first is None:
            return batch, True
        batch.append(first)
        try:
            async with asyncio.timeout(BATCH_WAIT_S):
                while len(batch) < BATCH_RESULTS:
                    item = await self._results.get()
                    if item is None:
                        return batch, True
                    batch.append(item)
        except TimeoutError:
            pass
        return batch, False


def _documents_of(answer: Answer) -> frozenset[uuid.UUID]:
    return frozenset(uuid.UUID(str(each)) for each in answer.details.get("document_ids", ()))


async def _scored(scorer: Scorer, case: Case, answer: Answer) -> Score:
    try:
        score = await scorer.score(case, answer)
    except TimeoutError:
        raise
    except Exception as error:
        # The boundary of one score: what breaks on an answer is counted, and the run goes on.
        _log.exception("scorer failed", extra={"scorer": scorer.name})
        return Score(value=None, status="scorer_error", reason=f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS_MAX])
    if score.value is not None and not math.isfinite(score.value):
        return Score(value=None, status="scorer_error", reason=f"{score.value} is no value that can be averaged.")
    return score

"""Runs: what is asked, what is kept, what is not asked again, and what came of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ondol.application.evaluation.runs import Ended, Progress, Run, Running, Spend, add_run, carry_out, get_run, metric_of, results_of
from ondol.application.evaluation.runs.digests import run_digests
from ondol.application.evaluation.scorers.base import Asked, Rule
from ondol.application.evaluation.suites import Card, InlineCases, Limits, ScorerSpec, Suite, TargetSpec, survey
from ondol.application.evaluation.targets import Asking
from ondol.application.evaluation.types import Answer, Case, Score, Turn
from ondol.core.ids import new_id
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 4, tzinfo=UTC)


@dataclass
class Scripted:
    """Answers with the question's own words; a question that says so fails, hangs or breaks."""

    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    at_once_max: int = 0
    cost_nano: int = 10

    async def identity(self) -> Mapping[str, str]:
        return {"model": "scripted"}

    async def ask(self, asking: Asking) -> Answer:
        self.asked.append(f"{asking.case.id}/{asking.seed}")
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        match asking.question:
            case "hang":
                await asyncio.Event().wait()
            case "break":
                raise ValueError("broken target")
            case "fail":
                return Answer(text="", status="target_error", error="no")
        return Answer(text=asking.question, cost_nano=self.cost_nano, latency_ms=2.5, details={"document_ids": [str(DOCUMENT)]})

    async def close(self) -> None:
        return


DOCUMENT = uuid.UUID("01920000-0000-7000-8000-000000000001")
PERSON = uuid.UUID("01920000-0000-7000-8000-000000000002")


def right(case: Case, answer: Answer) -> Score:
    if answer.text == "odd":
        raise ZeroDivisionError("odd")
    if answer.text == "other":
        return Score(value=None, status="skipped")
    if answer.text in {"nan", "inf"}:
        return Score(value=float(answer.text))
    return Score(value=float(answer.text == "yes"), reason=f"it is {answer.text}")


@dataclass
class Bench:
    database: Database
    keyring: KeyRing
    tenant: Tenant
    target: Scripted = field(default_factory=Scripted)
    scorers: list[Rule] = field(default_factory=lambda: [Rule(name="right", of=right)])

    def suite(self, *questions: str, **changed: Any) -> Suite:
        cases = tuple(Case(id=f"c{n}", turns=(Turn("user", text),), slices={"kind": text}) for n, text in enumerate(questions))
        card = Card(name="s", owner="o", purpose="p", risk="minimal", users="u", success={"right": 0.5})
        spec = ScorerSpec(name="right", type="right")
        made = Suite(card=card, target=TargetSpec(kind="python", name="x"), cases=InlineCases(cases=cases), scorers=(spec,))
        return replace(made, **changed)

    async def begin(self, suite: Suite) -> Running:
        surveyed = survey(suite.cases)
        metrics = [metric_of(scorer, "right", spec.threshold) for scorer, spec in zip(self.scorers, suite.scorers, strict=True)]
        digests = run_digests(suite, surveyed, await self.target.identity(), metrics)
        async with self.database.tenant_tx(self.tenant.id) as connection:
            run_id = await add_run(
                connection, self.keyring, self.tenant.id, suite_name="s", suite={"path": "x"}, state="running", cases=surveyed.count,
                repeats=suite.repeats, digests=digests, metrics=metrics, by=None, now=NOW,
            )  # fmt: skip
            run = await get_run(connection, run_id)
        return self.running(suite, run)

    def running(self, suite: Suite, run: Run) -> Running:
        async def cases() -> AsyncIterator[Case]:
            assert isinstance(suite.cases, InlineCases)
            for case in suite.cases.cases:
                yield case

        async def person_of(asker: str | None) -> uuid.UUID | None:
            return PERSON if asker else None

        return Running(
            database=self.database, keyring=self.keyring, clock=lambda: NOW, tenant_id=self.tenant.id, run=run, suite=suite, target=self.target,
            scorers=self.scorers, cases=cases, person_of=person_of,
        )  # fmt: skip

    async def stored(self, run_id: uuid.UUID) -> Run:
        async with self.database.tenant_tx(self.tenant.id) as connection:
            return await get_run(connection, run_id)


@pytest.fixture
async def bench(database: Database, keyring: KeyRing, tenant: Tenant) -> Bench:
    return Bench(database, keyring, tenant)


def of(ended: Ended) -> tuple[int, int, dict[Any, int]]:
    [found] = ended.measured
    return len(found.values), found.total, dict(found.failures)


async def test_every_failure_is_counted_beside_the_mean(bench: Bench) -> None:
    limits = Limits(timeout_s=0.05)
    running = await bench.begin(bench.suite("yes", "no", "fail", "break", "hang", "odd", "other", "yes", limits=limits))
    ended = await carry_out(running)
    assert of(ended) == (3, 7, {"target_error": 2, "timeout": 1, "scorer_error": 1})
    assert (ended.outcome, list(ended.measured[0].values)) == ("INCONCLUSIVE", [1.0, 0.0, 1.0])
    assert ended.reasons == ("right has a value for 3 of 7 cases; 98.0% are wanted.",)
    kept = [each async for each in results_of(bench.database, bench.keyring, bench.tenant.id, running.run.id)]
    assert [each.result.answer.status for each in kept] == ["ok", "ok", "target_error", "target_error", "timeout", "ok", "ok", "ok"]
    assert kept[3].result.answer.error == "ValueError: broken target"
    assert kept[0].result.scores == {"right": Score(value=1.0, reason="it is yes")}
    assert (kept[0].turns, kept[0].document_ids, kept[0].result.slices) == ((Turn("user", "yes"),), frozenset({DOCUMENT}), {"kind": "yes"})
    stored = await bench.stored(running.run.id)
    assert (stored.state, stored.outcome, stored.done, stored.ended_at) == ("finished", "INCONCLUSIVE", 8, NOW)


async def test_the_card_says_what_is_enough(bench: Bench) -> None:
    assert (await carry_out(await bench.begin(bench.suite("yes", "no")))).outcome == "PASS"
    failed = await carry_out(await bench.begin(bench.suite("yes", "no", "no")))
    assert (failed.outcome, failed.reasons) == ("FAIL", ("right is 0.3333; at least 0.5 is wanted.",))
    open_card = replace(bench.suite("yes").card, success={})
    strict = (ScorerSpec(name="right", type="right", threshold=1.0),)
    missed = await carry_out(await bench.begin(bench.suite("yes", "no", card=open_card, scorers=strict)))
    assert (missed.outcome, missed.reasons) == ("FAIL", ("right: 1 cases miss 1.",))
    bench.scorers = [Rule(name="right", of=right, is_hard_zero=True, better="lower")]
    hit = await carry_out(await bench.begin(bench.suite("no", "yes", card=open_card)))
    assert (hit.outcome, hit.reasons) == ("FAIL", ("right has hits, and one is too many.",))


async def test_what_is_stored_is_not_asked_again(bench: Bench) -> None:
    suite = bench.suite(*["yes"] * 10, limits=Limits(concurrency=1, cost_nano=45))
    running = await bench.begin(suite)
    ended = await carry_out(running)
    # Five answers of 10 reach the cap of 45: the fifth was begun below it.
    assert (len(bench.target.asked), ended.not_asked, ended.outcome) == (5, 5, "INCONCLUSIVE")
    assert ended.reasons[0] == "The cap of its cost was reached."
    assert of(ended) == (5, 10, {"skipped": 5})
    assert (await bench.stored(running.run.id)).state == "stopped"
    bench.target.asked.clear()
    again = await carry_out(bench.running(replace(suite, limits=Limits()), await bench.stored(running.run.id)))
    assert sorted(bench.target.asked) == [f"c{n}/0" for n in range(5, 10)]
    assert (again.outcome, of(again)) == ("PASS", (10, 10, {}))


async def test_a_score_that_is_no_number_is_a_failure_and_breaks_nothing(bench: Bench) -> None:
    ended = await carry_out(await bench.begin(bench.suite("yes", "nan", "inf", "no")))
    assert of(ended) == (2, 4, {"scorer_error": 2})
    assert list(ended.measured[0].values) == [1.0, 0.0]


async def test_failures_are_asked_again_on_request(bench: Bench) -> None:
    suite = bench.suite("yes", "fail", "odd")
    running = await bench.begin(suite)
    before = await carry_out(running)
    bench.target.asked.clear()
    first_digest = (await bench.stored(running.run.id)).results_digest
    await carry_out(running)
    assert bench.target.asked == []
    assert (await bench.stored(running.run.id)).results_digest == first_digest
    await carry_out(running, retry_errors=True)
    assert sorted(bench.target.asked) == ["c1/0", "c2/0"]
    assert before.not_asked == 0


async def test_repeats_have_seeds_of_their_own_and_are_averaged(bench: Bench) -> None:
    ended = await carry_out(await bench.begin(bench.suite("yes", "no", repeats=3, seed=7)))
    assert sorted(bench.target.asked) == ["c0/7", "c0/8", "c0/9", "c1/7", "c1/8", "c1/9"]
    assert (list(ended.measured[0].values), ended.measured[0].case_ids) == ([1.0, 0.0], ["c0", "c1"])


async def test_no_more_than_the_suite_lets_are_asked_at_once(bench: Bench) -> None:
    await carry_out(await bench.begin(bench.suite(*["yes"] * 30, limits=Limits(concurrency=4))))
    assert bench.target.at_once_max == 4


async def test_cases_begin_no_faster_than_the_suite_lets(bench: Bench) -> None:
    began = asyncio.get_running_loop().time()
    await carry_out(await bench.begin(bench.suite(*["yes"] * 5, limits=Limits(concurrency=5, per_minute=1200))))
    assert asyncio.get_running_loop().time() - began >= 4 * 0.05


async def test_what_judges_ask_counts_against_the_cap(bench: Bench) -> None:
    async def ask(_alias: str, _asked: Asked) -> Answer:
        return Answer(text="5", cost_nano=100)

    spend = Spend()
    counted = spend.counted(ask)

    @dataclass
    class Judge:
        name: str = "right"
        unit: Any = "points"
        better: Any = "higher"
        is_hard_zero: bool = False
        version: str = "1"

        async def score(self, case: Case, answer: Answer) -> Score:
            return Score(value=float((await counted("judge", Asked(case.turns))).text))

    suite = bench.suite(*["yes"] * 5, limits=Limits(concurrency=1, cost_nano=150))
    running = replace(await bench.begin(suite), scorers=[Judge()], spend=spend)
    seen: list[int] = []

    def report(progress: Progress) -> None:
        seen.append(progress.spent_nano)

    ended = await carry_out(replace(running, report=report))
    assert (seen, ended.not_asked) == ([110, 220], 3)


async def test_a_cap_in_another_currency_stops_the_run(bench: Bench) -> None:
    ended = await carry_out(await bench.begin(bench.suite(*["yes"] * 9, limits=Limits(concurrency=1, cost_nano=10**9, currency="KRW"))))
    assert (ended.not_asked, ended.reasons[0]) == (8, "Answers cost USD, and the cap is in KRW.")


async def test_content_is_sealed_and_another_tenant_sees_nothing(bench: Bench) -> None:
    running = await bench.begin(bench.suite("yes"))
    await carry_out(running)
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        found = await (await connection.execute("select content_sealed from ondol.evaluation_results")).fetchone()
    assert found is not None
    assert b"yes" not in bytes(found["content_sealed"])
    async with bench.database.tenant_tx(new_id()) as connection:
        for table in ("evaluation_results", "evaluation_runs"):
            assert await (await connection.execute(f"select 1 from ondol.{table}")).fetchall() == []


async def test_an_erased_result_keeps_its_figures_only(bench: Bench) -> None:
    running = await bench.begin(bench.suite("yes", "no"))
    await carry_out(running)
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        await connection.execute("update ondol.evaluation_results set content_sealed = '' where place = 0")
    first, second = [each async for each in results_of(bench.database, bench.keyring, bench.tenant.id, running.run.id)]
    assert (first.is_erased, first.turns, first.result.case_id, first.result.scores["right"].value) == (True, (), "erased-0", 1.0)
    assert (second.is_erased, second.result.answer.text) == (False, "no")

"""The results that a verdict was signed over: taken again from what is stored, so that no later change of them goes unseen."""

from __future__ import annotations

import pytest

from ondol.application.evaluation.runs import carry_out, delete_run
from ondol.application.evaluation.scorers.base import Rule
from ondol.application.evaluation.types import Score
from ondol.application.evaluation.verdicts.results import ResultsChecked, check_results
from ondol.application.evaluation.verdicts.statement import Statement
from ondol.application.evaluation.verdicts.verify import check_stored
from ondol.core.errors import LedgerBroken
from tests.application.evaluation.runs.test_run import Bench as RunBench
from tests.application.evaluation.runs.test_run import bench as run_bench
from tests.application.evaluation.verdicts.conftest import Bench, finding

__all__ = ["run_bench"]

pytestmark = pytest.mark.anyio

VALUES = {"yes": 1.0, "no": 0.1, "huge": 3e22, "tiny": 1e-9}


@pytest.fixture
async def signed(bench: Bench, run_bench: RunBench) -> Statement:
    """A verdict over a run whose values are of every size."""
    run_bench.scorers[0] = Rule(name="right", of=lambda _, answer: Score(value=VALUES[answer.text], reason="it is so"))
    running = await run_bench.begin(run_bench.suite(*VALUES, repeats=2))
    await carry_out(running)
    run = await run_bench.stored(running.run.id)
    assert run.results_digest is not None
    verdict = await bench.sign(finding(run_id=run.id, results=run.results_digest))
    return (await check_stored(bench.database, bench.keys, bench.tenant.id, verdict.id)).statement


async def test_results_that_were_left_alone_hold(signed: Statement, run_bench: RunBench) -> None:
    assert await looked(signed, run_bench) == ResultsChecked(8, 0)


async def test_what_was_erased_is_told_and_holds(signed: Statement, run_bench: RunBench) -> None:
    await alter(run_bench, "update evaluation_results set content_sealed = '' where place = 1")
    assert await looked(signed, run_bench) == ResultsChecked(8, 2)


async def test_of_a_deleted_run_nothing_can_be_looked_at(signed: Statement, run_bench: RunBench) -> None:
    async with run_bench.database.tenant_tx(run_bench.tenant.id) as connection:
        await delete_run(connection, signed.predicate.run.id)
    assert await looked(signed, run_bench) == ResultsChecked(None)


CHANGES = {
    "score": """scores = '{"right": {"value": 1.0, "status": "ok"}}'""",
    "cost": "cost_nano = 0",
    "time": "latency_us = 1",
    "status": "status = 'timeout'",
    "digest": "digest = sha256('x')",
    "content": "content_sealed = set_byte(content_sealed, 60, 255 - get_byte(content_sealed, 60))",
}


@pytest.mark.parametrize("what", CHANGES)
async def test_an_altered_result_is_named(signed: Statement, run_bench: RunBench, what: str) -> None:
    await alter(run_bench, f"update evaluation_results set {CHANGES[what]} where place = 1 and repeat = 1")
    with pytest.raises(LedgerBroken, match=r"Result 2 \(repeat 2\) of run .* was altered"):
        await looked(signed, run_bench)


@pytest.mark.parametrize(
    "change",
    ["delete from evaluation_results where place = 3", "update evaluation_results set digest = sha256('x'), content_sealed = '' where place = 3"],
    ids=["taken-away", "erased-with-another-digest"],
)
async def test_a_result_that_is_missing_or_another_is_found(signed: Statement, run_bench: RunBench, change: str) -> None:
    await alter(run_bench, change)
    with pytest.raises(LedgerBroken, match="are not those that were signed"):
        await looked(signed, run_bench)


async def looked(signed: Statement, bench: RunBench) -> ResultsChecked:
    return await check_results(bench.database, bench.keyring, bench.tenant.id, signed)


async def alter(bench: RunBench, statement: str) -> None:
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        await connection.execute(statement.encode())

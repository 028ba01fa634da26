"""`ondol eval gate` and `compare`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform

if TYPE_CHECKING:
    from ondol.application.evaluation.gate import Decision
    from ondol.application.evaluation.gate.compare import Changed
    from ondol.application.evaluation.gate.types import Compared
    from ondol.application.evaluation.runs import Measuring, Run
    from ondol.application.evaluation.verdicts import Verdict
    from ondol.wiring.evaluation_gate import Gated
    from ondol.wiring.platform import Platform

CASES_SHOWN = 10
ALPHA = 0.05


@click.command("gate")
@click.argument("suite", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--baseline",
    default="live",
    show_default=True,
    metavar="WHAT",
    help="What the candidate is held against: live, a release's number, KIND=NAME, a run, or none on the first release.",
)
@click.option("--candidate", required=True, metavar="WHAT", help="What wants to go live: candidate, a release's number, KIND=NAME, or a run.")
@click.option("--as", "login", default="website", show_default=True, help="In whose name cases are asked that name nobody.")
@click.option("--fresh", is_flag=True, help="Ask anew what was asked before.")
@click.option("--no-sign", is_flag=True, help="Only decide; sign no verdict.")
@tenant_option
@json_option
@click.pass_context
def gate(context: click.Context, /, suite: Path, baseline: str, candidate: str, tenant: str, as_json: bool, **chosen: Any) -> None:
    """Decide by the rules of SUITE whether a candidate may take its baseline's place; what was not run yet is run first.

    What it decides is signed as a verdict, whichever way it went. Exit status: 0 PASS, 100 FAIL, 101 INCONCLUSIVE (which never promotes), 1 when it
    could not be decided.
    """
    from ondol.application.evaluation.gate import as_dict
    from ondol.application.evaluation.runs import EXIT_STATUS

    async def work(platform: Platform) -> tuple[Gated, Verdict | None]:
        return await _gated(platform, tenant, suite, (baseline, candidate), chosen)

    gated, verdict = with_platform(settings_of(context), work)
    if as_json:
        runs = {"baseline": gated.baseline and gated.baseline.id, "candidate": gated.candidate.id}
        told = {"suite": gated.suite.card.name, "suite_digest": gated.candidate.digests.suite, "runs": runs, "verdict": verdict and verdict.id}
        print_json({**told, **as_dict(gated.decision)})
    else:
        print_decision(gated.decision)
        if verdict is not None:
            say(f"\nSigned: ondol eval verify {verdict.id}")
    raise SystemExit(EXIT_STATUS[gated.decision.outcome])


@click.command("compare")
@click.argument("baseline", metavar="BASE", type=click.UUID)
@click.argument("candidate", metavar="CANDIDATE", type=click.UUID)
@click.option("--slice", "slices", multiple=True, metavar="NAME", help="Compare also within each language, topic, ...; may be given several times.")
@click.option(
    "--cases", type=click.IntRange(0, 1_000), default=CASES_SHOWN, show_default=True, help="Cases shown for each metric that went otherwise."
)
@tenant_option
@json_option
@click.pass_context
def compare(
    context: click.Context, baseline: uuid.UUID, candidate: uuid.UUID, slices: tuple[str, ...], cases: int, tenant: str, as_json: bool
) -> None:
    """Put the runs BASE and CANDIDATE side by side, case by case, without deciding anything.

    Differences above 0 are better. A metric is said to differ when it does among all that are looked at together (Benjamini and Hochberg, 5 %).
    """
    from ondol.application.evaluation.gate.compare import changed_cases, compare_all

    async def work(platform: Platform) -> tuple[Measuring, Measuring, Run]:
        return await _both(platform, tenant, (baseline, candidate), slices)

    before, after, run = with_platform(settings_of(context), work)
    olds = {each.name: each for each in before.measured()}
    news = {each.name: each for each in after.measured()}
    whole = compare_all(olds, news, ALPHA, 0)
    old_parts, new_parts = before.by_slice(), after.by_slice()
    parts = {
        where: compare_all({each.name: each for each in old_parts[where]}, {each.name: each for each in new_parts[where]}, ALPHA, 0)
        for where in new_parts
        if where in old_parts
    }
    changed = [each for told in whole if told.pairs for each in changed_cases(olds[told.metric], news[told.metric], cases)]
    if as_json:
        print_json(_plain(run, whole, parts, changed))
        return
    print_compared(whole)
    for (name, value), told in parts.items():
        say(f"\n{name} = {value}")
        print_compared(told)
    say()
    rows = [
        {"metric": each.metric, "case": each.case_id, "baseline": f"{each.baseline:.4g}", "candidate": f"{each.candidate:.4g}"} for each in changed
    ]
    print_table(rows, "Every case went as before.")


def print_decision(decision: Decision) -> None:
    """A decision for people: what, why, and the figures."""
    from ondol.application.evaluation.gate import as_text
    from ondol.application.evaluation.gate.tell import rows_of_checks, rows_of_primary

    for line in as_text(decision):
        say(line)
    say()
    print_table(rows_of_primary(decision), "")
    checks = rows_of_checks(decision)
    if checks:
        say()
        print_table(checks, "")
    if decision.secondary:
        say("\nThese decide nothing:")
        print_compared(decision.secondary)


def print_compared(compared: tuple[Compared, ...]) -> None:
    """Metrics side by side, as a table; below it, why one is not compared."""
    from ondol.application.evaluation.gate.tell import rows_of_secondary

    print_table(rows_of_secondary(compared, ALPHA), "The two runs have no metric in common.")
    for each in compared:
        if each.reason:
            say(f"{each.metric}: {each.reason}")


def _plain(run: Run, whole: tuple[Compared, ...], parts: dict[tuple[str, str], tuple[Compared, ...]], changed: list[Changed]) -> dict[str, Any]:
    from dataclasses import asdict

    from ondol.application.evaluation.gate.tell import plain

    slices = [{"slice": name, "value": value, "metrics": [plain(asdict(each)) for each in told]} for (name, value), told in parts.items()]
    return {
        "suite": run.suite_name,
        "metrics": [plain(asdict(each)) for each in whole],
        "slices": slices,
        "changed": [plain(asdict(each)) for each in changed],
    }


async def _gated(platform: Platform, tenant: str, path: Path, names: tuple[str, str], chosen: Mapping[str, Any]) -> tuple[Gated, Verdict | None]:
    from ondol.application.evaluation.suites import read_suite
    from ondol.cli.eval_run import Line, progress_text
    from ondol.core.errors import RequestError
    from ondol.infrastructure.access.people import find_tenant
    from ondol.wiring.evaluating import EvaluationRoom
    from ondol.wiring.evaluation_gate import Asked, side_of
    from ondol.wiring.evaluation_gate import gate as decide_gate
    from ondol.wiring.evaluation_verdicts import sign_gated
    from ondol.wiring.inside import open_inside

    suite = read_suite(path)
    baseline, candidate = side_of(names[0], suite, "baseline"), side_of(names[1], suite, "candidate")
    if candidate is None:
        raise RequestError("--candidate none: there is nothing to decide about.", "Name what wants to go live.", param="candidate")
    where = await find_tenant(platform.database, tenant)
    line, began = Line(), time.monotonic()
    async with open_inside(platform) as inside:
        room = EvaluationRoom(platform, inside, where, chosen["login"])
        asked = Asked(
            room=room,
            suite=suite,
            path=path,
            fresh=chosen["fresh"],
            tell=lambda text: click.echo(text, err=True),
            report=lambda progress: line.show(progress_text(progress, began)),
        )
        try:
            gated = await decide_gate(asked, baseline, candidate)
            return gated, None if chosen["no_sign"] else await sign_gated(room, gated)
        finally:
            line.done()


async def _both(platform: Platform, tenant: str, run_ids: tuple[uuid.UUID, uuid.UUID], slices: tuple[str, ...]) -> tuple[Measuring, Measuring, Run]:
    from ondol.application.evaluation.runs import Measuring, cases_of_run, get_run
    from ondol.infrastructure.access.people import find_tenant
    from ondol.wiring.evaluation_gate import must_be_scored_alike

    where = await find_tenant(platform.database, tenant)
    async with platform.database.tenant_tx(where.id) as connection:
        runs = [await get_run(connection, run_id) for run_id in run_ids]
    must_be_scored_alike(runs[0], runs[1])
    told = []
    for run in runs:
        measuring = Measuring(run.metrics, slices)
        async for result in cases_of_run(platform.database, platform.keyring, where.id, run.id):
            measuring.add(result)
        told.append(measuring)
    return told[0], told[1], runs[1]

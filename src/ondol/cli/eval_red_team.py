"""`ondol eval red-team`: attacks are written as a suite, run like every suite, and told by what got through."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from ondol.cli.eval_run import Line, estimate_text, progress_text
from ondol.cli.guard_policies import json_option, tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.application.evaluation.red_team.report import Attacked, Changed, Report
    from ondol.application.evaluation.red_team.types import Scenario
    from ondol.application.evaluation.runs import Ended
    from ondol.application.evaluation.suites import Suite
    from ondol.wiring.platform import Platform

SHOWN = 10
_REGRESSION_STATUS = 100
_P_MAX = 0.05


ATTACK_OPTIONS = (
    click.option("--assistant", help="Attack this assistant."),
    click.option("--route", help="Attack this model, by its alias."),
    click.option("--category", "categories", multiple=True, help="Of these categories only; may be given several times."),
    click.option("--language", "languages", multiple=True, type=click.Choice(["ko", "en"]), help="In this language only."),
    click.option("--mutator", "mutators", multiple=True, help="In these disguises; one of each family otherwise, `all` for all."),
    click.option("--scenarios", type=click.Path(path_type=Path, dir_okay=False), help="A YAML file of your own scenarios, instead of ours."),
    click.option(
        "--public",
        type=(click.Choice(["prompts", "bipia", "square"]), click.Path(path_type=Path, dir_okay=False)),
        metavar="FORM FILE",
        help="A public set that you have, instead of ours.",
    ),
    click.option("--limit", type=click.IntRange(1, 50_000), help="At most so many attacks, evenly of all categories."),
    click.option("--repeats", type=click.IntRange(1, 100), default=1, show_default=True, help="Make each attack so often."),
    click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of disguises and secret words."),
    click.option("--owner", default="red team", show_default=True, help="Who answers for it, on the suite's card."),
)


def attack_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what is attacked, and with what."""
    for option in reversed(ATTACK_OPTIONS):
        command = option(command)
    return command


@click.group("red-team")
def red_team() -> None:
    """Attack assistants and models with scenarios in Korean and English, and tell what gets through."""


@red_team.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List scenarios, mutators and detectors, with how good each detector was on labelled samples."""
    from ondol.application.evaluation.red_team.mutators import mutator_families
    from ondol.application.evaluation.red_team.scenarios import own_scenarios

    scenarios = [
        {"scenario": each.id, "category": each.category, "languages": sorted(each.turns), "turns": max(map(len, each.turns.values()))}
        for each in own_scenarios()
    ]
    families = mutator_families()
    if as_json:
        print_json({"scenarios": scenarios, "mutators": families, "detectors": _detectors()})
        return
    print_table(scenarios, "")
    say()
    print_table([{"mutator": name, "family": family} for name, family in families.items()], "")
    say()
    print_table(_detectors(), "")


@red_team.command("write")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@attack_options
@json_option
def write(file: Path, as_json: bool, **chosen: Any) -> None:
    """Write a suite of attacks to FILE, its cases beside it. Then: ondol eval run FILE."""
    from ondol.application.evaluation.red_team.writing import write_suite
    from ondol.application.evaluation.suites import InlineCases

    suite = _suite(chosen, file.stem)
    cases = write_suite(suite, file)
    assert isinstance(suite.cases, InlineCases)  # noqa: S101 - attacks are made here
    count = len(suite.cases.cases)
    if as_json:
        print_json({"suite": str(file), "cases": str(cases), "attacks": count})
    else:
        say(f"{count:,} attacks. Run them: ondol eval run {file}")


@red_team.command("run")
@attack_options
@click.option("--cost", metavar="AMOUNT", help='Stop at this cost, such as "5.00 USD".')
@click.option("--as", "login", default="website", show_default=True, help="In whose name the attacks are asked.")
@tenant_option
@json_option
@click.pass_context
def run(context: click.Context, /, tenant: str, as_json: bool, **chosen: Any) -> None:
    """Attack in one step, and tell what got through.

    Exit status: 0 when nothing got through, 100 when something did, 101 when it cannot be said, 1 when it could not be run. Where a run may be cut
    off, `write` a suite and run that: it can be resumed.
    """
    from ondol.application.evaluation.red_team.report import told
    from ondol.application.evaluation.red_team.suite import suite_name
    from ondol.application.evaluation.runs import EXIT_STATUS
    from ondol.application.evaluation.suites.read import with_cost

    suite = _suite(chosen, suite_name(str(chosen["assistant"] or chosen["route"])))
    capped = replace(suite, limits=with_cost(suite.limits, chosen["cost"])) if chosen["cost"] else suite
    run_id, ended = with_platform(settings_of(context), lambda platform: _attacked(platform, tenant, capped, chosen["login"]))
    [report] = _reports(context, tenant, [run_id], "kind")
    if as_json:
        print_json({"run": run_id, "outcome": ended.outcome, "groups": [told(row) for row in report.rows()]})
    else:
        print_table([_row(row, "kind") for row in report.rows()], "Nothing was attacked.")
        say(f"\n{ended.outcome}: run {run_id}")
    raise SystemExit(EXIT_STATUS[ended.outcome])


@red_team.command("show")
@click.argument("run_id", metavar="RUN", type=click.UUID)
@click.option("--by", type=click.Choice(["kind", "language", "mutator"]), default="kind", show_default=True, help="Tell groups apart by this.")
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, run_id: uuid.UUID, by: str, tenant: str, as_json: bool) -> None:
    """Print how often attacks of RUN got through: as the detectors tell, and behind their mistakes, with intervals."""
    from ondol.application.evaluation.red_team.report import told

    [report] = _reports(context, tenant, [run_id], by)
    rows = report.rows()
    if as_json:
        print_json([told(row) for row in rows])
        return
    print_table([_row(row, by) for row in rows], "The run has no attacks.")
    through = rows[-1].got_through if rows else ()
    for name in through[:SHOWN]:
        say(f"  got through: {name}")


@red_team.command("report")
@click.argument("run_id", metavar="RUN", type=click.UUID)
@tenant_option
@json_option
@click.pass_context
def report(context: click.Context, run_id: uuid.UUID, tenant: str, as_json: bool) -> None:
    """Open an incident of the guard for each scenario of RUN that got through, so that somebody proposes and measures what stops it."""
    from ondol.application.evaluation.red_team.incidents import report_incidents
    from ondol.application.evaluation.runs import get_run, results_of
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> dict[uuid.UUID, int]:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await get_run(connection, run_id)
        results = results_of(platform.database, platform.keyring, where.id, run_id)
        return await report_incidents(platform.database, platform.keyring, where.id, found, results, platform.clock())

    opened = with_platform(settings_of(context), work)
    rows = [{"incident": str(incident), "attacks": count} for incident, count in opened.items()]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, "Nothing got through.")


@red_team.command("compare")
@click.argument("baseline", type=click.UUID)
@click.argument("candidate", type=click.UUID)
@tenant_option
@json_option
@click.pass_context
def compare(context: click.Context, baseline: uuid.UUID, candidate: uuid.UUID, tenant: str, as_json: bool) -> None:
    """Compare two runs of the same attacks, attack by attack.

    Exit status: 100 when attacks surely get through more often than before, else 0.
    """
    from dataclasses import asdict

    from ondol.application.evaluation.red_team.report import changed

    before, after = _reports(context, tenant, [baseline, candidate], "kind")
    found = changed(before, after)
    is_worse = found.p < _P_MAX and found.difference.value > 0
    if as_json:
        print_json({**asdict(found), "difference": found.difference.as_dict(), "is_worse": is_worse})
    else:
        _print_changed(found, is_worse=is_worse)
    raise SystemExit(_REGRESSION_STATUS if is_worse else 0)


def _suite(chosen: dict[str, Any], name: str) -> Suite:
    """The suite that the options say."""
    from ondol.application.evaluation.red_team.suite import suite_of
    from ondol.application.evaluation.suites import TargetSpec

    if (chosen["assistant"] is None) == (chosen["route"] is None):
        raise UserError("Name one thing to attack.", "--assistant NAME or --route ALIAS")
    target = TargetSpec(kind="assistant" if chosen["assistant"] else "route", name=str(chosen["assistant"] or chosen["route"]))
    return suite_of(_plan(chosen), target, name=name, owner=chosen["owner"], repeats=chosen["repeats"])


async def _attacked(platform: Platform, tenant: str, suite: Suite, login: str) -> tuple[uuid.UUID, Ended]:
    import yaml

    from ondol.application.evaluation.red_team.writing import plain_suite
    from ondol.application.evaluation.runs import carry_out
    from ondol.infrastructure.access.people import find_tenant
    from ondol.wiring.evaluating import EvaluationRoom
    from ondol.wiring.evaluation_runs import begin, estimate_of, prepare, running_of
    from ondol.wiring.inside import open_inside

    where = await find_tenant(platform.database, tenant)
    line, began = Line(), time.monotonic()
    async with open_inside(platform) as inside:
        prepared = await prepare(EvaluationRoom(platform, inside, where, login), suite)
        try:
            click.echo(estimate_text(await estimate_of(prepared)), err=True)
            run_id = await begin(prepared, {"text": yaml.safe_dump(plain_suite(suite), allow_unicode=True, sort_keys=False)}, None)
            ended = await carry_out(await running_of(prepared, run_id, lambda progress: line.show(progress_text(progress, began))))
        finally:
            line.done()
            await prepared.target.close()
    return run_id, ended


def _plan(chosen: dict[str, Any]) -> Any:
    from ondol.application.evaluation.red_team.mutators import USUAL, mutator_families
    from ondol.application.evaluation.red_team.scenarios import CATEGORIES, LANGUAGES
    from ondol.application.evaluation.red_team.suite import Plan

    unknown = [name for name in chosen["categories"] if name not in CATEGORIES]
    if unknown:
        raise UserError(f"{unknown[0][:50]} is no category.", f"There are {', '.join(CATEGORIES)}.")
    mutators = tuple(chosen["mutators"]) or USUAL
    return Plan(
        scenarios=_scenarios(chosen),
        categories=tuple(chosen["categories"]) or CATEGORIES,
        languages=tuple(chosen["languages"]) or LANGUAGES,
        mutators=tuple(mutator_families()) if "all" in mutators else mutators,
        seed=chosen["seed"],
        with_system=chosen["assistant"] is None,
        limit=chosen["limit"],
    )


def _scenarios(chosen: dict[str, Any]) -> Sequence[Scenario]:
    from ondol.application.evaluation.red_team.public import PublicSet, read_public
    from ondol.application.evaluation.red_team.scenarios import read_scenarios

    if chosen["scenarios"] and chosen["public"]:
        raise UserError("--scenarios and --public are two suites.", "Write each to a file of its own.")
    if chosen["public"]:
        form, path = chosen["public"]
        return read_public(cast("PublicSet", form), path)
    return read_scenarios(chosen["scenarios"]) if chosen["scenarios"] else ()


def _detectors() -> list[dict[str, Any]]:
    from typing import get_args

    from ondol.application.evaluation.red_team.samples import detector_of
    from ondol.application.evaluation.red_team.types import DetectorKind

    rows = []
    for kind in get_args(DetectorKind):
        found = detector_of(kind)
        rows.append(
            {
                "detector": kind,
                "sensitivity": _rate(found.found, found.hits) if found else "counts only",
                "specificity": _rate(found.cleared, found.others) if found else "counts only",
            }
        )
    return rows


def _rate(found: int, of: int) -> str:
    from ondol.application.evaluation.statistics.rates import wilson

    rate = wilson(found, of)
    return f"{found} of {of} ({rate.low:.0%} to {rate.high:.0%})"


def _reports(context: click.Context, tenant: str, run_ids: Sequence[uuid.UUID], by: str) -> list[Report]:
    """What came of runs, read result by result."""
    from ondol.application.evaluation.red_team.report import Report
    from ondol.application.evaluation.runs import get_run, results_of
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> list[Report]:
        where = await find_tenant(platform.database, tenant)
        reports = []
        for run_id in run_ids:
            async with platform.database.tenant_tx(where.id) as connection:
                await get_run(connection, run_id)
            report = Report(by)
            async for kept in results_of(platform.database, platform.keyring, where.id, run_id):
                report.add(kept.result)
            reports.append(report)
        return reports

    return with_platform(settings_of(context), work)


def _row(row: Attacked, by: str) -> dict[str, Any]:
    corrected = row.corrected
    failed = ", ".join(f"{status} {count:,}" for status, count in sorted(row.failures.items()))
    has_limits = corrected is not None and corrected.value is not None
    return {
        by: row.group,
        "attacks": row.judged,
        "told": f"{row.told.value:.0%} ({row.told.low:.0%} to {row.told.high:.0%})" if row.told else "-",
        "corrected": f"{corrected.value:.0%} ({corrected.low:.0%} to {corrected.high:.0%})" if corrected and has_limits else "-",
        "refused": f"{row.refused:.0%}",
        "failed": failed or "-",
    }


def _print_changed(found: Changed, *, is_worse: bool) -> None:
    told = found.difference
    say(f"{found.pairs:,} attacks in both. Difference {told.value:+.1%} ({told.low:+.1%} to {told.high:+.1%}), p = {found.p:.3g} ({found.test}).")
    for label, names in (("gets through now", found.newly), ("no longer", found.no_longer)):
        for name in names[:SHOWN]:
            say(f"  {label}: {name}")
        if len(names) > SHOWN:
            say(f"  and {len(names) - SHOWN:,} more")
    say("Worse than before." if is_worse else "Not surely worse than before.")

"""`ondol eval run`, `list`, `show`, `watch` and `delete`."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError
from ondol.demo import SUITES, suite_file

if TYPE_CHECKING:
    from ondol.application.evaluation.runs import Ended, Progress, Run
    from ondol.application.evaluation.runs.estimate import Estimate
    from ondol.application.evaluation.suites import Suite
    from ondol.application.evaluation.types import Measured
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.evaluation_runs import Prepared
    from ondol.wiring.platform import Platform

LINE_EVERY_S = 0.2
PLAIN_LINE_EVERY_S = 5.0
METRICS_IN_LINE = 3

run_argument = click.argument("run_id", metavar="RUN", type=click.UUID)


@click.command("run")
@click.argument("suite", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--resume", type=click.UUID, metavar="RUN", help="Go on with a run: what is stored is not asked again.")
@click.option("--retry-errors", is_flag=True, help="With --resume: ask again where an answer or a score failed.")
@click.option("--as", "login", default="website", show_default=True, help="In whose name cases are asked that name nobody.")
@click.option("--target", metavar="KIND=NAME", help="Ask something else than the suite names, such as route=small.")
@click.option("--release", help="Of an assistant: ask this release, by number or `candidate`.")
@click.option("--repeats", type=click.IntRange(1, 100), help="Instead of the suite's.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Instead of the suite's.")
@click.option("--concurrency", type=click.IntRange(1, 512), help="Instead of the suite's.")
@click.option("--fresh-verdicts", is_flag=True, help="Ask judges anew, also where an earlier run knows what they say.")
@click.option("--cost", metavar="AMOUNT", help='Stop at this cost, such as "5.00 USD", instead of the suite\'s.')
@tenant_option
@json_option
@click.pass_context
def run(context: click.Context, /, suite: Path | None, resume: uuid.UUID | None, tenant: str, as_json: bool, **chosen: Any) -> None:
    """Ask what SUITE says, score the answers, and say what came of it.

    `demo`, `demo-search` and `demo-guard` are the suites of the demo tenant. What it will cost is told first. Exit status: 0 pass, 100 fail, 101
    inconclusive, 1 when it could not be run. A run that was cut off goes on with --resume.
    """
    from ondol.application.evaluation.runs import EXIT_STATUS

    if (suite is None) == (resume is None):
        raise UserError("Give a suite, or --resume with a run.", "ondol eval run suite.yaml")

    if suite is not None and str(suite) in SUITES and not suite.exists():
        suite = suite_file(str(suite))

    async def work(platform: Platform) -> tuple[uuid.UUID, Ended]:
        return await _carried_out(platform, tenant, suite, resume, chosen)

    run_id, ended = with_platform(settings_of(context), work)
    if as_json:
        rows = [measured_row(each) for each in ended.measured]
        print_json(
            {
                "run": run_id,
                "outcome": ended.outcome,
                "reasons": ended.reasons,
                "not_asked": ended.not_asked,
                "verdicts_kept": ended.kept,
                "metrics": rows,
            }
        )
    else:
        print_measured(ended.measured)
        say(f"\n{ended.outcome}: run {run_id}")
        for reason in ended.reasons:
            say(f"  {reason}")
        if ended.kept:
            say(f"  {ended.kept:,} verdicts of judges were known from earlier runs, and cost nothing.")
        if ended.not_asked:
            say(f"Go on: ondol eval run --resume {run_id}")
    raise SystemExit(EXIT_STATUS[ended.outcome])


@click.command("list")
@click.option("--suite", help="Of one suite, by the name on its card.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="So many at most.")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, suite: str | None, limit: int, tenant: str, as_json: bool) -> None:
    """List runs, the newest first."""
    from ondol.application.evaluation.runs import list_runs

    async def work(_platform: Platform, _tenant: Tenant, connection: Connection) -> list[Run]:
        return await list_runs(connection, suite=suite, limit=limit)

    found = [run_row(each) for each in within_tenant(context, tenant, work)]
    if as_json:
        print_json(found)
    else:
        shown = ("id", "suite", "target", "state", "outcome", "done", "total", "created_at")
        print_table([{name: row[name] for name in shown} for row in found], "Nothing was run yet: ondol eval run suite.yaml")


@click.command("show")
@run_argument
@click.option("--slice", "slices", multiple=True, metavar="NAME", help="Tell the metrics apart by language, topic, ...; may be given several times.")
@tenant_option
@json_option
@click.pass_context
def show(context: click.Context, run_id: uuid.UUID, slices: tuple[str, ...], tenant: str, as_json: bool) -> None:
    """Print what came of a run: each metric with its interval, and how many cases have a value."""
    from ondol.application.evaluation.runs import Measuring, get_run, results_of
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> tuple[Run, Measuring, int]:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await get_run(connection, run_id)
        measuring, kept_count = Measuring(found.metrics, slices), 0
        async for kept in results_of(platform.database, platform.keyring, where.id, run_id):
            measuring.add(kept.result)
            kept_count += 1
        return found, measuring, kept_count

    found, measuring, kept_count = with_platform(settings_of(context), work)
    measured, sliced = measuring.measured(-(-(found.total - kept_count) // found.repeats)), measuring.by_slice()
    if as_json:
        parts = [{"slice": name, "value": value, "metrics": [measured_row(each) for each in part]} for (name, value), part in sliced.items()]
        print_json({**run_row(found), "digests": _digests(found), "metrics": [measured_row(each) for each in measured], "slices": parts})
        return
    print_table([{name: value for name, value in run_row(found).items() if name != "reasons"}], "")
    say()
    print_measured(measured)
    for (name, value), part in sliced.items():
        say(f"\n{name} = {value}")
        print_measured(part)
    for reason in found.reasons:
        say(f"  {reason}")


@click.command("watch")
@run_argument
@click.option("--every", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, help="Seconds between looks.")
@tenant_option
@click.pass_context
def watch(context: click.Context, run_id: uuid.UUID, every: float, tenant: str) -> None:
    """Follow a run until it ends, and end with its exit status."""
    from ondol.application.evaluation.runs import EXIT_STATUS, get_run
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> Run:
        where = await find_tenant(platform.database, tenant)
        line = Line()
        while True:
            async with platform.database.tenant_tx(where.id) as connection:
                found = await get_run(connection, run_id)
            is_over = found.state not in ("waiting", "running")
            line.show(f"{found.done:,} of {found.total:,} asked", is_last=is_over)
            if is_over:
                line.done()
                return found
            await asyncio.sleep(every)

    found = with_platform(settings_of(context), work)
    say(f"{found.state}: {found.outcome or 'no outcome'}")
    raise SystemExit(EXIT_STATUS[found.outcome] if found.outcome else 1)


@click.command("delete")
@run_argument
@tenant_option
@click.pass_context
def delete(context: click.Context, run_id: uuid.UUID, tenant: str) -> None:
    """Delete a run with all its results."""
    from ondol.application.evaluation.runs import delete_run

    async def work(_platform: Platform, _tenant: Tenant, connection: Connection) -> None:
        await delete_run(connection, run_id)

    within_tenant(context, tenant, work)
    say("Deleted.")


class Line:
    """One line that moves on a terminal; plain lines now and then where the output goes elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown_at = -math.inf

    def show(self, text: str, *, is_last: bool = False) -> None:
        """Show where it stands, unless that was shown just now."""
        now = time.monotonic()
        if not is_last and now - self._shown_at < (LINE_EVERY_S if self._terminal else PLAIN_LINE_EVERY_S):
            return
        self._shown_at = now
        if self._terminal:
            click.echo(f"\r\x1b[2K{text[: max(20, _columns() - 1)]}", nl=False, err=True)
        else:
            click.echo(text, err=True)

    def done(self) -> None:
        """End the line."""
        if self._terminal:
            click.echo("\r\x1b[2K", nl=False, err=True)


def progress_text(progress: Progress, began: float) -> str:
    """Where a run stands, on one line."""
    parts = [f"{progress.done:,} of {progress.total:,} ({progress.asked / max(time.monotonic() - began, 0.001):.1f}/s)"]
    for name, found in list(progress.running.items())[:METRICS_IN_LINE]:
        width = f" ± {found.half_width:.3f}" if math.isfinite(found.half_width) else ""
        parts.append(f"{name} {f'{found.mean:.3f}' if found.count else '-'}{width} ({found.count:,}/{found.total:,})")
    parts += [f"{status}: {count:,}" for status, count in sorted(progress.statuses.items()) if status != "ok"]
    if progress.spent_nano:
        parts.append(money_text(progress.spent_nano, progress.currency))
    return " · ".join(parts)


def money_text(nano: int, currency: str) -> str:
    """An amount for people."""
    return f"{nano / 1e9:,.4f} {currency}" if currency == "USD" else f"{nano / 1e9:,.0f} {currency}"


def estimate_text(found: Estimate) -> str:
    """What a run is expected to cost, for people."""
    about = f"{found.questions:,} questions of {found.input_tokens:,} tokens on average, answers taken as {found.output_tokens:,} tokens"
    if found.missing:
        return f"Estimate: no price is known for {', '.join(found.missing)} ({about})."
    if not found.nano:
        return f"Estimate: nothing that a price list tells of ({about})."
    return f"Estimate: about {money_text(found.nano, found.currency)} ({about})."


def measured_row(found: Measured) -> dict[str, Any]:
    """A metric as plain data, with its interval."""
    from ondol.application.evaluation.statistics.intervals import BOUNDS, mean_interval

    interval = mean_interval(found.values, found.clusters, bounds=BOUNDS.get(found.unit)) if len(found.values) else None
    return {
        "metric": found.name,
        "unit": found.unit,
        "better": found.better,
        "n_ok": len(found.values),
        "n_total": found.total,
        "failures": dict(found.failures),
        **(interval.as_dict() if interval is not None else {"value": None, "low": None, "high": None}),
    }


def print_measured(measured: Sequence[Measured]) -> None:
    """Metrics as a table."""
    rows = []
    for found in measured:
        row = measured_row(found)
        low, high = row["low"], row["high"]
        rows.append(
            {
                "metric": row["metric"],
                "mean": "-" if row["value"] is None else f"{row['value']:.4g}",
                "95 % interval": "-" if low is None or high is None else f"{low:.4g} to {high:.4g}",
                "n_ok/n_total": f"{row['n_ok']:,}/{row['n_total']:,}",
                "failed": ", ".join(f"{status} {count:,}" for status, count in row["failures"].items()) or "-",
            }
        )
    print_table(rows, "Nothing was measured.")


def run_row(found: Run) -> dict[str, Any]:
    """A run as plain data."""
    return {
        "id": found.id,
        "suite": found.suite_name,
        "target": found.digests.target_name,
        "state": found.state,
        "outcome": found.outcome,
        "reasons": list(found.reasons),
        "done": found.done,
        "total": found.total,
        "created_at": found.created_at,
        "ended_at": found.ended_at,
    }


def _digests(found: Run) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found.digests)


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return 80


async def _carried_out(
    platform: Platform, tenant: str, path: Path | None, resume: uuid.UUID | None, chosen: dict[str, Any]
) -> tuple[uuid.UUID, Ended]:
    from ondol.application.evaluation.runs import carry_out, suite_of
    from ondol.application.evaluation.suites import read_suite
    from ondol.infrastructure.access.people import find_tenant
    from ondol.wiring.evaluating import EvaluationRoom
    from ondol.wiring.evaluation_runs import begin, estimate_of, prepare, running_of
    from ondol.wiring.inside import open_inside

    where = await find_tenant(platform.database, tenant)
    told: dict[str, Any] = {name: value for name, value in chosen.items() if name != "retry_errors"}
    if resume is not None:
        async with platform.database.tenant_tx(where.id) as connection:
            source = await suite_of(connection, platform.keyring, where.id, resume)
        if "path" not in source:
            raise UserError("This run was begun over the API.", "It goes on there.")
        path, told = (
            Path(source["path"]),
            {**source["chosen"], **{name: value for name, value in told.items() if name in ("concurrency", "cost", "fresh_verdicts") and value}},
        )
    assert path is not None  # noqa: S101 - a suite or a run was given
    suite = _chosen(read_suite(path), told)
    line, began = Line(), time.monotonic()
    async with open_inside(platform) as inside:
        room = EvaluationRoom(platform, inside, where, told["login"])
        prepared: Prepared = await prepare(room, suite, environment=os.environ, folder=path.parent)
        try:
            click.echo(estimate_text(await estimate_of(prepared)), err=True)
            run_id = resume or await begin(prepared, {"path": str(path.absolute()), "chosen": told, **_plain(path)}, None)
            click.echo(f"Run {run_id}", err=True)
            running = await running_of(prepared, run_id, lambda progress: line.show(progress_text(progress, began)))
            ended = await carry_out(running, retry_errors=chosen["retry_errors"])
        finally:
            line.done()
            await prepared.target.close()
    return run_id, ended


def _plain(path: Path) -> dict[str, Any]:
    """The suite of a file as text, so that the console can run it too; nothing where it names files, or is Python."""
    from ondol.application.evaluation.suites import SuiteError, parse_suite

    if path.suffix == ".py":
        return {}
    text = path.read_text("utf-8")
    try:
        parse_suite(text)
    except SuiteError:
        return {}
    return {"text": text}


def _chosen(suite: Suite, told: dict[str, Any]) -> Suite:
    """A suite with what the command says instead."""
    from ondol.application.evaluation.suites.read import target_from, with_cost

    limits = replace(suite.limits, concurrency=told.get("concurrency") or suite.limits.concurrency)
    if told.get("fresh_verdicts"):
        limits = replace(limits, keep_verdicts=False)
    if told.get("cost"):
        limits = with_cost(limits, str(told["cost"]))
    target = suite.target
    if told.get("target"):
        kind, equals, name = str(told["target"]).partition("=")
        if not equals:
            raise UserError(f"{told['target']!r} names no target.", "For example: --target route=small")
        target = target_from({kind: name})
    if told.get("release"):
        target = replace(target, settings={**target.settings, "release": told["release"]})
    repeats, seed = told.get("repeats"), told.get("seed")
    return replace(
        suite, target=target, limits=limits, repeats=suite.repeats if repeats is None else repeats, seed=suite.seed if seed is None else seed
    )

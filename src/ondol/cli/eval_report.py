"""`ondol eval report`."""

from __future__ import annotations

import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ondol.cli.guard_policies import tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.application.evaluation.export import Quality
    from ondol.application.evaluation.runs import Run
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

RUNS_MAX = 20
RUNS_LOOKED_AT = 100
"""Of a suite, the newest first, for one that finished."""


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("-o", "--out", "out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where to write it, as HTML.")
@click.option("--language", type=click.Choice(("ko", "en")), default="en", show_default=True, help="Of the page.")
@click.option("--title", help="Whose quality it is; the tenant's name when absent.")
@tenant_option
@click.pass_context
def report(context: click.Context, runs: tuple[str, ...], out: Path, language: Literal["ko", "en"], title: str | None, tenant: str) -> None:
    """Write one page about quality from several runs: search, answers, guard and cost, against their goals, by language.

    RUN is a run's id, or the name of a suite: then its newest finished run. The page holds figures only, no question and no answer.
    """
    from ondol.application.evaluation.export import quality_page
    from ondol.infrastructure.access.people import find_tenant

    if len(runs) > RUNS_MAX:
        raise UserError(f"{len(runs)} runs were named.", f"A report takes at most {RUNS_MAX}.")

    async def work(platform: Platform) -> tuple[str, Quality]:
        where = await find_tenant(platform.database, tenant)
        quality = await quality_of_runs(platform, where.id, runs)
        return quality_page(quality, title=title or where.name, made_at=platform.clock(), language=language), quality

    page, quality = with_platform(settings_of(context), work)
    out.write_text(page, "utf-8")
    reached, missed = len(quality.lines("reached", "likely")), len(quality.lines("open", "missed"))
    say(f"{out}: {reached} of {reached + missed} goals are reached.")


async def quality_of_runs(platform: Platform, tenant_id: uuid.UUID, named: tuple[str, ...]) -> Quality:
    """What some runs say together.

    Raises:
        UserError: when a suite has no finished run.
        NotFound: when there is no such run.
    """
    from ondol.application.evaluation.export import Source, quality_of, report_of, success_of
    from ondol.application.evaluation.runs import results_of, suite_of
    from ondol.core.errors import NotFound

    sources = []
    for name in dict.fromkeys(named):
        async with platform.database.tenant_tx(tenant_id) as connection:
            run = await _found(connection, name)
            try:
                suite = await suite_of(connection, platform.keyring, tenant_id, run.id)
            except NotFound:
                suite = {}
        results = partial(results_of, platform.database, platform.keyring, tenant_id, run.id)
        looked = await report_of(run, results, tuple(suite.get("slices") or ()))
        sources.append(Source(report=looked, success=success_of(suite.get("card"))))
    return quality_of(sources)


async def _found(connection: Connection, name: str) -> Run:
    from ondol.application.evaluation.runs import get_run, list_runs

    try:
        return await get_run(connection, uuid.UUID(name))
    except ValueError:
        runs = await list_runs(connection, suite=name, limit=RUNS_LOOKED_AT)
    finished = next((run for run in runs if run.state == "finished"), None)
    if finished is None:
        raise UserError(f"No finished run of a suite called {name!r} is there.", "`ondol eval list` shows all runs.")
    return finished

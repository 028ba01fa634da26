"""`ondol eval export`."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ondol.cli.eval_run import run_argument
from ondol.cli.guard_policies import tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import say
from ondol.cli.running import with_platform
from ondol.core.errors import NotFound

if TYPE_CHECKING:
    from ondol.application.evaluation.runs import Kept
    from ondol.wiring.platform import Platform

FORMATS = ("html", "junit", "csv", "json", "inspect")


@click.command("export")
@run_argument
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="`inspect` is the log of Inspect AI, as JSON.")
@click.option("-o", "--out", "out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where to write it.")
@click.option("--language", type=click.Choice(("ko", "en")), default="en", show_default=True, help="Of html.")
@click.option("--slice", "slices", multiple=True, metavar="NAME", help="Tell the metrics apart by language, topic, ...; the suite's own when absent.")
@tenant_option
@click.pass_context
def export(
    context: click.Context, run_id: uuid.UUID, form: str, out: Path, language: Literal["ko", "en"], slices: tuple[str, ...], tenant: str
) -> None:
    """Write a run to a file. It holds what was asked and answered: keep it as you would keep that."""
    from ondol.application.evaluation.export import csv_table, html_page, inspect_log, json_document, junit_xml, report_of
    from ondol.application.evaluation.runs import get_run, results_of, suite_of
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> int:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await get_run(connection, run_id)
            try:
                source = await suite_of(connection, platform.keyring, where.id, run_id)
            except NotFound:
                source = {}

        def results() -> AsyncIterator[Kept]:
            return results_of(platform.database, platform.keyring, where.id, run_id)

        report = await report_of(found, results, slices or tuple(source.get("slices") or ()))
        pieces = {
            "html": lambda: html_page(report, results, source.get("card"), language),
            "junit": lambda: junit_xml(report, results),
            "csv": lambda: csv_table(report, results),
            "json": lambda: json_document(report, results),
            "inspect": lambda: inspect_log(report, results),
        }[form]()
        with out.open("w", encoding="utf-8", newline="") as file:
            async for piece in pieces:
                file.write(piece)
        return found.done

    count = with_platform(settings_of(context), work)
    say(f"{out}: {count:,} results.")

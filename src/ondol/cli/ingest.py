"""`ondol ingest`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ondol.cli.main import settings_of
from ondol.cli.output import Progress, print_json, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError
from ondol.infrastructure.access.types import SECURITY_CLASSES, SecurityClass
from ondol.wiring.platform import Platform

if TYPE_CHECKING:
    from ondol.infrastructure.access.rules import StatedRule


@click.command("ingest")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--base", required=True, help="Knowledge base; made if absent.")
@click.option("--tenant", default="demo", show_default=True, help="Tenant's slug.")
@click.option(
    "--class", "security_class", type=click.Choice(SECURITY_CLASSES), default="public", show_default=True, help="Class of files that state none."
)
@click.option("--group", "groups", multiple=True, help="Readers of files that name none; may be given several times. Everybody when absent.")
@click.option("--access", metavar="RULE", help="Rule of files that state none: `department in (sales, support) and class <= internal`.")
@click.option("--valid-from", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC) of files that state none.")
@click.option("--valid-until", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC) on which files that state none are no longer valid.")
@click.option("--prune", is_flag=True, help="Take out documents whose files are gone from the folder; what was uploaded stays.")
@click.option("--prune-uploaded", is_flag=True, help="Take out what was uploaded.")
@click.option("--passage-chars", type=click.IntRange(50, 50_000), help="Length that passages aim at, in characters, in a base that is new. [600]")
@click.option("--passage-chars-max", type=click.IntRange(50, 100_000), help="No passage is longer; twice the aim when absent.")
@click.option("--assistant", help="Also make an assistant of this name over the base.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    context: click.Context,
    folder: Path,
    base: str,
    tenant: str,
    security_class: SecurityClass,
    groups: tuple[str, ...],
    access: str | None,
    valid_from: datetime | None,
    valid_until: datetime | None,
    prune: bool,
    prune_uploaded: bool,
    passage_chars: int | None,
    passage_chars_max: int | None,
    assistant: str | None,
    as_json: bool,
) -> None:
    """Take the documents of FOLDER (Markdown, HTML, text, PDF, DOCX) into a knowledge base.

    Unchanged files are recognised and cost one read. A file that cannot be read is reported and does not stop the rest; the exit status is
    then 1.
    """
    from ondol.application.assistant.release import declare_release
    from ondol.application.assistant.store import put_assistant
    from ondol.application.knowledge.ingest import IngestOptions, IngestReport, ingest_folder
    from ondol.application.knowledge.store import find_base
    from ondol.application.knowledge.types import IndexSettings
    from ondol.core.ids import new_id
    from ondol.infrastructure.access.people import find_tenant
    from ondol.infrastructure.access.rules import StatedRule, parse_rule
    from ondol.wiring.verdicts import gate_of

    sizes = IndexSettings().resized(passage_chars, passage_chars_max) if passage_chars or passage_chars_max else None
    rule = parse_rule(access) if access is not None else StatedRule()
    security_class = _one_class(context, security_class, rule)
    options = IngestOptions(security_class, groups, rule.clauses, _utc(valid_from), _utc(valid_until), prune, prune_uploaded, sizes)
    progress = Progress("files", quiet=as_json)
    started = time.monotonic()

    async def work(platform: Platform) -> IngestReport:
        where = await find_tenant(platform.database, tenant)
        report = await ingest_folder(platform.knowledge, where.id, base, folder, options, progress)
        if assistant:
            async with platform.database.tenant_tx(where.id) as connection:
                found = await find_base(connection, base)
                made = await put_assistant(connection, where.id, new_id(), assistant, found.id, {}, platform.clock())
                gate = gate_of(platform.folder, platform.clock, where.id)
                await declare_release(platform.database, platform.keyring, connection, where.id, made, platform.clock, gate=gate)
        return report

    try:
        report = with_platform(settings_of(context), work)
    finally:
        progress.done()
    seconds = time.monotonic() - started
    if as_json:
        failed = [{"path": failure.path, "reason": failure.reason, "hint": failure.hint} for failure in report.failed]
        counts = {name: getattr(report, name) for name in ("added", "changed", "unchanged", "deleted", "superseded", "removed", "passages")}
        print_json({**counts, "failed": failed, "seconds": round(seconds, 2)})
    else:
        for failure in report.failed:
            click.echo(f"{click.style('failed', fg='red')}  {failure.path}: {failure.reason} {failure.hint}".rstrip(), err=True)
        stay_out = f", {report.deleted} deleted before" if report.deleted else ""
        say(
            f"{base}: {report.added} added, {report.changed} changed, {report.unchanged} unchanged{stay_out}, {report.superseded} superseded, "
            f"{report.removed} removed, {len(report.failed)} failed; {report.passages:,} passages in {seconds:.1f} s"
        )
    if report.failed:
        raise SystemExit(1)


def _one_class(context: click.Context, said: SecurityClass, rule: StatedRule) -> SecurityClass:
    """The class of `--class` or of the rule; both may say the same."""
    is_said = context.get_parameter_source("security_class") is not click.core.ParameterSource.DEFAULT
    if rule.security_class is None:
        return said
    if is_said and said != rule.security_class:
        raise UserError(f"--class is {said} and --access says {rule.security_class}.", "Say the class in one of them.")
    return rule.security_class


def _utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)

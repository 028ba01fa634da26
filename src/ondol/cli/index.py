"""`ondol index`."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ondol.cli.guard_policies import json_option, tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import Progress, print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.cli.search_options import given_search, search_options
from ondol.core.errors import UserError

if TYPE_CHECKING:
    import uuid

    from ondol.application.knowledge.index_versions import BuildReport, IndexVersion
    from ondol.application.knowledge.search import Found
    from ondol.infrastructure.access.types import Tenant
    from ondol.wiring.platform import Platform

T = TypeVar("T")


@click.group("index")
def command() -> None:
    """Build, compare and choose the versions of a knowledge base's index.

    A version is named by its number, a tag, `active` or `previous`.
    """


@command.command("list")
@click.argument("base")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, base: str, tenant: str, as_json: bool) -> None:
    """List the index versions of BASE, newest first."""
    from ondol.application.knowledge.index_versions import list_versions

    async def work(platform: Platform, where: Tenant, base_id: uuid.UUID) -> list[IndexVersion]:
        async with platform.database.tenant_tx(where.id) as connection:
            return await list_versions(connection, base_id)

    found = [_row(version) for version in _in_base(context, tenant, base, work)]
    if as_json:
        print_json(found)
    else:
        print_table([{name: row[name] for name in SHOWN} for row in found], "The base has no index yet.")


@command.command("build")
@click.argument("base")
@click.option("--passage-chars", type=click.IntRange(50, 50_000), help="Length that passages aim at, in characters; that of the one that serves.")
@click.option("--passage-chars-max", type=click.IntRange(50, 100_000), help="No passage is longer; twice the aim when only that is given.")
@click.option("--embedder", help="Model of the tenant, or local/FOLDER, that makes vectors of passages; that of the one that serves.")
@click.option("--no-embedder", is_flag=True, help="Build without vectors.")
@click.option("--query-prefix", default="", help="What the embedder wants before a question, such as 'query: '.")
@click.option("--passage-prefix", default="", help="What it wants before a passage.")
@click.option("--activate", "activates", is_flag=True, help="Let it serve once it is ready.")
@click.option("--background", is_flag=True, help="Leave the work to the job worker.")
@tenant_option
@json_option
@click.pass_context
def build(
    context: click.Context,
    base: str,
    passage_chars: int | None,
    passage_chars_max: int | None,
    embedder: str | None,
    no_embedder: bool,
    query_prefix: str,
    passage_prefix: str,
    activates: bool,
    background: bool,
    tenant: str,
    as_json: bool,
) -> None:
    """Build a new index version of BASE beside the one that serves."""
    from ondol.application.knowledge.index_versions import Wanted, build_version, start_version, with_embedder
    from ondol.application.knowledge.store import get_base

    if embedder and no_embedder:
        raise UserError("An embedder and none cannot both be meant.", "Give --embedder or --no-embedder.")
    named = "" if no_embedder else embedder
    progress = Progress("documents", quiet=as_json or background)

    async def work(platform: Platform, where: Tenant, base_id: uuid.UUID) -> tuple[IndexVersion, BuildReport | None]:
        room = platform.knowledge
        async with platform.database.tenant_tx(where.id) as connection:
            sized = (await get_base(connection, base_id)).settings.resized(passage_chars, passage_chars_max)
        settings = await with_embedder(room, where.id, sized, named, query_prefix=query_prefix, passage_prefix=passage_prefix)
        made = await start_version(room, where.id, base_id, settings, Wanted(activate=activates))
        return made, None if background else await build_version(room, where.id, made.id, progress=progress)

    try:
        made, report = _in_base(context, tenant, base, work)
    finally:
        progress.done()
    if as_json:
        print_json({"number": made.number, "id": str(made.id), **({} if report is None else _told(report))})
    elif report is None:
        say(f"Version {made.number} of {base} waits for the job worker: `ondol index list {base}` shows when it is ready.")
    else:
        say(f"Version {made.number} of {base} {'serves' if activates else 'is ready'}: {_sentence(report)}")


@command.command("rebuild")
@click.argument("base", required=False)
@click.option("--all", "everything", is_flag=True, help="Every base of every tenant.")
@tenant_option
@json_option
@click.pass_context
def rebuild_now(context: click.Context, base: str | None, everything: bool, tenant: str, as_json: bool) -> None:
    """Build the index of BASE anew from the sealed texts, in the place of all its versions.

    For after a restore, since a backup holds no index, and where a part of an index is lost. Folders are not needed. The version that serves
    goes on serving until the new one is whole.
    """
    from ondol.application.knowledge.index_versions import rebuild
    from ondol.application.knowledge.store import find_base, list_bases
    from ondol.infrastructure.access.people import find_tenant, list_tenants

    if (base is None) == (not everything):
        raise UserError("Nothing says what to rebuild.", "Name one base, or give --all.")
    progress = Progress("documents", quiet=as_json)

    async def work(platform: Platform) -> dict[str, BuildReport]:
        reports: dict[str, BuildReport] = {}
        for where in await list_tenants(platform.database) if everything else [await find_tenant(platform.database, tenant)]:
            async with platform.database.tenant_tx(where.id) as connection:
                found = [await find_base(connection, base)] if base else await list_bases(connection)
            for item in found:
                reports[f"{where.slug}/{item.name}"] = await rebuild(platform.knowledge, where.id, item.id, progress=progress)
        return reports

    try:
        reports = with_platform(settings_of(context), work)
    finally:
        progress.done()
    if as_json:
        print_json({name: _told(report) for name, report in reports.items()})
    else:
        say("\n".join(f"{name}: {_sentence(report)}" for name, report in reports.items()) or "There is no knowledge base.")


@command.command("activate")
@click.argument("base")
@click.argument("version")
@tenant_option
@click.pass_context
def activate(context: click.Context, base: str, version: str, tenant: str) -> None:
    """Let VERSION of BASE serve, from the next search on. One that lay aside is brought up to date first."""
    from ondol.application.knowledge.index_versions import activate_version

    done = _with_version(context, tenant, base, version, lambda platform, where, found: activate_version(platform.knowledge, where.id, found.id))
    say(f"Version {done.number} of {base} serves.")


@command.command("rollback")
@click.argument("base")
@tenant_option
@click.pass_context
def rollback(context: click.Context, base: str, tenant: str) -> None:
    """Let the version of BASE serve that served before."""
    from ondol.application.knowledge.index_versions import roll_back

    done = _in_base(context, tenant, base, lambda platform, where, base_id: roll_back(platform.knowledge, where.id, base_id))
    say(f"Version {done.number} of {base} serves again.")


@command.command("tag")
@click.argument("base")
@click.argument("version")
@click.argument("name")
@tenant_option
@click.pass_context
def tag(context: click.Context, base: str, version: str, name: str, tenant: str) -> None:
    """Call VERSION of BASE by NAME; what has a name is kept."""
    from ondol.application.knowledge.index_versions import put_tag

    _with_version(context, tenant, base, version, lambda platform, where, found: put_tag(platform.knowledge, where.id, found.id, name))
    say(f"{name} is that version of {base}.")


@command.command("untag")
@click.argument("base")
@click.argument("name")
@tenant_option
@click.pass_context
def untag(context: click.Context, base: str, name: str, tenant: str) -> None:
    """Take NAME away from the version of BASE that has it."""
    from ondol.application.knowledge.index_versions import remove_tag

    _in_base(context, tenant, base, lambda platform, where, base_id: remove_tag(platform.knowledge, where.id, base_id, name))
    say(f"No version of {base} is called {name} any more.")


@command.command("drop")
@click.argument("base")
@click.argument("version")
@tenant_option
@click.pass_context
def drop(context: click.Context, base: str, version: str, tenant: str) -> None:
    """Give VERSION of BASE up. The one that serves cannot be."""
    from ondol.application.knowledge.index_versions import drop_version

    done = _with_version(context, tenant, base, version, lambda platform, where, found: drop_version(platform.knowledge, where.id, found.id))
    say(f"Version {done.number} of {base} is given up; its folders go within two minutes.")


@command.command("keep")
@click.argument("base")
@click.option("--versions", "count", type=click.IntRange(1, 20), default=2, show_default=True, help="The one that serves included.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long those stay that do not serve; without an end when absent.")
@tenant_option
@click.pass_context
def keep(context: click.Context, base: str, count: int, days: int | None, tenant: str) -> None:
    """Say how many index versions of BASE are kept, and for how long. What has a tag stays."""
    from ondol.application.knowledge.index_versions import keep_versions

    _in_base(context, tenant, base, lambda platform, where, base_id: keep_versions(platform.knowledge, where.id, base_id, count, days))
    say(f"{base} keeps {count} version{'s' if count > 1 else ''}{f' for {days} days' if days else ''}.")


@command.command("compare")
@click.argument("base")
@click.argument("first")
@click.argument("second")
@click.option("--questions", "file", required=True, type=click.Path(path_type=Path), help="JSON Lines: question, documents, as.")
@click.option("--as", "login", default="website", show_default=True, help="Who asks where a line does not say it.")
@tenant_option
@json_option
@click.pass_context
def compare_two(context: click.Context, base: str, first: str, second: str, file: Path, login: str, tenant: str, as_json: bool) -> None:
    """Ask the versions FIRST and SECOND of BASE the same questions, and say what each finds.

    A line such as {"question": "…", "documents": ["en/refund-policy"], "as": "visitor"} names the documents that answer it, if that is known.
    """
    import msgspec

    from ondol.application.knowledge.compare import Comparison, compare, read_questions
    from ondol.application.knowledge.index_versions import find_version
    from ondol.infrastructure.access.people import find_person

    questions = [msgspec.structs.replace(item, asker=item.asker or login) for item in read_questions(file)]

    async def work(platform: Platform, where: Tenant, base_id: uuid.UUID) -> Comparison:
        async with platform.database.tenant_tx(where.id) as connection:
            versions = await find_version(connection, base_id, first), await find_version(connection, base_id, second)
            logins = {item.asker for item in questions}
            people = {name: (await find_person(connection, platform.keyring, where.id, name)).id for name in logins}
        return await compare(platform.knowledge, where.id, people, versions, questions)

    told = _in_base(context, tenant, base, work)
    if as_json:
        print_json(dataclasses.asdict(told))
        return
    moved = [item for item in told.questions if item.first != item.second]
    print_table([{"question": item.number, first: item.first or "-", second: item.second or "-"} for item in moved], "No place has changed.")
    same = sum(item.is_same_order for item in told.questions)
    say(f"{len(told.questions):,} questions; {same:,} with the same documents in the same order.")
    if told.judged:
        for name, shares in (("first", told.recall_at_1), ("among the first ten", told.recall_at_10)):
            say(f"Right document {name}: {shares[0]:.3f} by {first}, {shares[1]:.3f} by {second} ({told.judged:,} questions).")


@command.command("tune")
@click.argument("base")
@search_options
@tenant_option
@json_option
@click.pass_context
def tune_base(context: click.Context, /, base: str, tenant: str, as_json: bool, **chosen: Any) -> None:
    """Say how BASE is searched; what is not given stays. Without options: show it."""
    import msgspec

    from ondol.application.knowledge.store import get_base
    from ondol.application.knowledge.tuning import tune
    from ondol.application.knowledge.types import Retrieval

    given = given_search(chosen)

    async def work(platform: Platform, where: Tenant, base_id: uuid.UUID) -> Retrieval:
        async with platform.database.tenant_tx(where.id) as connection:
            wanted = msgspec.structs.replace((await get_base(connection, base_id)).retrieval, **given)
        if given:
            await tune(platform.knowledge, where.id, base_id, wanted)
        return wanted

    told = msgspec.to_builtins(_in_base(context, tenant, base, work))
    if as_json:
        print_json(told)
    else:
        print_table([{"setting": name, "value": value} for name, value in told.items()], "")


@command.command("search")
@click.argument("base")
@click.argument("question")
@click.option("--as", "login", default="website", show_default=True, help="Who asks.")
@click.option("--version", help="The version to ask; the one that serves.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
@tenant_option
@json_option
@click.pass_context
def search_base(context: click.Context, base: str, question: str, login: str, version: str | None, limit: int, tenant: str, as_json: bool) -> None:
    """Find passages of BASE for QUESTION, with their places in each stage of the search."""
    from ondol.application.knowledge.index_versions import find_version
    from ondol.application.knowledge.search import IndexStates, search
    from ondol.infrastructure.access.people import find_person

    async def work(platform: Platform, where: Tenant, base_id: uuid.UUID) -> Found:
        async with platform.database.tenant_tx(where.id) as connection:
            person = await find_person(connection, platform.keyring, where.id, login)
            asked = (await find_version(connection, base_id, version)).id if version else None
        return await search(platform.knowledge, IndexStates(), where.id, person.id, base_id, question, limit=limit, index_id=asked)

    found = _in_base(context, tenant, base, work)
    rows = _found_rows(found)
    if as_json:
        print_json({"passages": rows, "degraded": {stage.name: stage.degraded for stage in found.stages if stage.degraded}})
        return
    print_table(rows, "Nothing was found.")
    for stage in found.stages:
        if stage.degraded:
            say(f"The stage {stage.name} did not do its work: {stage.degraded}.")


def _found_rows(found: Found) -> list[dict[str, Any]]:
    """What was found, with its place in each stage that did its work."""
    places = {
        stage.name: {(one.document_version_id, one.passage_ordinal): place for place, one in enumerate(stage.ranked, 1)}
        for stage in found.stages
        if not stage.degraded
    }
    return [
        {
            "document": item.version.details.key,
            "passage": item.hit.passage_ordinal,
            **{name: known.get((item.version.id, item.hit.passage_ordinal), "-") for name, known in places.items()},
            "begins": " ".join(item.text.split())[:60],
        }
        for item in found.evidence
    ]


SHOWN = ("number", "state", "tags", "passage_chars", "embedder", "passages", "vectors", "segments", "created_at", "keep_until")


def _row(version: IndexVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "id": str(version.id),
        "state": "active" if version.is_active else version.state,
        "tags": ", ".join(version.tags),
        "passage_chars": version.settings.cut,
        "analyser": version.analyser_id,
        "embedder": version.settings.embedder.name if version.settings.embedder else "",
        "dimensions": version.settings.embedder.dimensions if version.settings.embedder else None,
        "passages": version.passages,
        "vectors": version.vectors,
        "segments": version.segments,
        "created_at": version.created_at.isoformat(timespec="seconds"),
        "built_at": version.built_at and version.built_at.isoformat(timespec="seconds"),
        "keep_until": version.keep_until and version.keep_until.isoformat(timespec="seconds"),
        "failure": version.failure,
    }


def _told(report: BuildReport) -> dict[str, int]:
    return {**dataclasses.asdict(report), "unreadable": len(report.unreadable)}


def _sentence(report: BuildReport) -> str:
    lost = f"; {len(report.unreadable):,} have no readable text and were left out" if report.unreadable else ""
    copied = f", {report.copied:,} of them copied" if report.copied else ""
    embedded = f", vectors made of {report.embedded:,}" if report.embedded else ""
    return f"{report.documents:,} documents, {report.passages:,} passages{copied}{embedded}{lost}."


def _in_base(context: click.Context, tenant: str, base: str, work: Callable[[Platform, Tenant, uuid.UUID], Awaitable[T]]) -> T:
    """Do work on a base of a tenant."""
    from ondol.application.knowledge.store import find_base
    from ondol.infrastructure.access.people import find_tenant

    async def run(platform: Platform) -> T:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            base_id = (await find_base(connection, base)).id
        return await work(platform, where, base_id)

    return with_platform(settings_of(context), run)


def _with_version(context: click.Context, tenant: str, base: str, version: str, work: Callable[[Platform, Tenant, IndexVersion], Awaitable[T]]) -> T:
    """Do work on a version of a base."""
    from ondol.application.knowledge.index_versions import find_version

    async def run(platform: Platform, where: Tenant, base_id: uuid.UUID) -> T:
        async with platform.database.tenant_tx(where.id) as connection:
            found = await find_version(connection, base_id, version)
        return await work(platform, where, found)

    return _in_base(context, tenant, base, run)

"""`ondol eval review`: people judge answers."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ondol.cli.guard_policies import json_option, tenant_option, within_tenant
from ondol.cli.output import print_json, print_table, say
from ondol.core.errors import NotFound, UserError

if TYPE_CHECKING:
    from ondol.application.evaluation.review.figures import Figures
    from ondol.application.evaluation.review.types import Given, Item, Note, Queue
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

T = TypeVar("T")
FILE_BYTES_MAX = 64 * 1024 * 1024
person_option = click.option("--as", "login", required=True, help="The login of the person who does it.")
points_option = click.option("--points", multiple=True, required=True, metavar="SCALE=N", help="1 to 5, 5 being best: clarity=4.")
correction_option = click.option("--correction", default="", help="The answer as it should have been.")
comment_option = click.option("--comment", default="", help="What else is to be said.")
spans_option = click.option(
    "--span", "spans", type=(int, int, str), multiple=True, metavar="START END LABEL", help="A place in the answer, in characters."
)


@click.group("review")
def review() -> None:
    """Have people judge answers: in queues, blind, each by several."""


@review.command("queue")
@click.argument("name")
@click.option("--guideline", type=click.Path(path_type=Path, dir_okay=False), help="A text file: what raters are told. A new queue needs one.")
@click.option("--scale", "scales", multiple=True, help="Of a new queue: helpfulness, correctness, clarity, tone, bias; all where none is named.")
@click.option("--quorum", type=click.IntRange(1, 20), default=2, show_default=True, help="Of a new queue: so many people judge each item.")
@click.option("--lease", type=click.IntRange(1), default=60, show_default=True, help="Of a new queue: minutes for an item that somebody took.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of a new queue: decides who gets what in which order.")
@click.option("--feedback", type=click.Choice(["none", "disliked", "all"]), help="Which opinions of people bring their answers in.")
@click.option("--rater", "raters", multiple=True, metavar="LOGIN", help="Somebody who judges.")
@click.option("--remove", multiple=True, metavar="LOGIN", help="Somebody who judges no more.")
@click.option("--open/--close", "is_open", default=None, help="Whether it is judged in.")
@tenant_option
@click.pass_context
def queue(
    context: click.Context, name: str, guideline: Path | None, scales: tuple[str, ...], quorum: int, lease: int, seed: int, feedback: Any,
    raters: tuple[str, ...], remove: tuple[str, ...], is_open: bool | None, tenant: str,
) -> None:  # fmt: skip
    """Make the queue NAME, or change it."""
    from ondol.application.evaluation.review import store
    from ondol.application.evaluation.review.types import SCALES

    text = _text(guideline) if guideline is not None else None

    async def work(platform: Platform, where: Tenant, connection: Connection) -> str:
        now, people = platform.clock(), [[await _person(platform, where, connection, login) for login in logins] for logins in (raters, remove)]
        try:
            found, told = await store.find_queue(connection, name), "is changed"
            if text is not None:
                await store.put_guideline(connection, platform.keyring, where.id, found, text, by=None, now=now)
        except NotFound:
            if text is None:
                raise UserError(f"There is no queue called {name} yet, and a new one needs a guideline.", "Give one: --guideline FILE.") from None
            found, told = await store.add_queue(
                connection, platform.keyring, where.id, name, guideline=text, scales=scales or SCALES, quorum=quorum, lease_minutes=lease,
                seed=seed, by=None, now=now,
            ), "is made"  # fmt: skip
        await store.change_queue(connection, where.id, found, is_open=is_open, feedback=feedback, add=people[0], remove=people[1], by=None, now=now)
        return told

    say(f"{name} {within_tenant(context, tenant, work)}.")


@review.command("list")
@tenant_option
@json_option
@click.pass_context
def list_all(context: click.Context, tenant: str, as_json: bool) -> None:
    """List the queues with how far they have come."""
    from ondol.application.evaluation.review.store import list_queues

    async def work(_platform: Platform, _where: Tenant, connection: Connection) -> list[dict[str, Any]]:
        return [
            {"name": one.name, "open": one.is_open, "quorum": one.quorum, "feedback": one.feedback, "items": states, "ratings": ratings}
            for one, states, ratings in await list_queues(connection)
        ]

    found = within_tenant(context, tenant, work)
    if as_json:
        print_json(found)
    else:
        shown = [{**row, "items": [f"{state} {count}" for state, count in row["items"].items()]} for row in found]
        print_table(shown, "No review queue yet.")


@review.command("add")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@tenant_option
@click.pass_context
def add(context: click.Context, name: str, file: Path, tenant: str) -> None:
    """Hand the items in FILE (JSON Lines: `question` or `turns`, `answer`, and `gold` for planted ones) in to the queue NAME."""
    from ondol.application.evaluation.review.checked import upload_of
    from ondol.application.evaluation.review.filling import Filled, add_uploads

    lines = [line for line in _text(file).split("\n") if line.strip()]

    async def work(platform: Platform, where: Tenant, connection: Connection, found: Queue) -> Filled:
        uploads = [upload_of(_json(line, number), found.scales) for number, line in enumerate(lines, start=1)]
        return await add_uploads(connection, platform.keyring, where.id, found, uploads, by=None, now=platform.clock())

    say(f"{_within_queue(context, tenant, name, work).items} items are in {name}.")


@review.command("sample")
@click.argument("name")
@click.option("--count", type=click.IntRange(1), default=20, show_default=True, help="So many answers.")
@click.option("--risk", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="The share of those that had a problem.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed takes the same answers.")
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="Of the last so many days.")
@tenant_option
@click.pass_context
def sample(context: click.Context, name: str, count: int, risk: float, seed: int, days: int, tenant: str) -> None:
    """Put answers that were given in production into the queue NAME, with everything private masked."""
    from ondol.application.evaluation.review.filling import Filled, add_samples
    from ondol.wiring.guard import open_guard

    async def work(platform: Platform, where: Tenant, connection: Connection, found: Queue) -> Filled:
        now = platform.clock()
        async with open_guard(platform) as guard:
            await guard.policies.refresh()
            return await add_samples(
                connection, platform.keyring, where.id, found, guard.masked, count=count, risk_share=risk, seed=seed,
                since=now - timedelta(days=days), by=None, now=now,
            )  # fmt: skip

    made = _within_queue(context, tenant, name, work)
    say(f"{made.items} answers are in {name}; {made.left_out} asked nothing or could not be masked.")


@review.command("next")
@click.argument("name")
@person_option
@json_option
@tenant_option
@click.pass_context
def next_item(context: click.Context, name: str, login: str, as_json: bool, tenant: str) -> None:
    """Take the next item of the queue NAME, or the one that was taken and not judged."""
    from ondol.application.evaluation.review.checked import plain_judged
    from ondol.application.evaluation.review.judging import next_item as take

    async def work(platform: Platform, where: Tenant, connection: Connection, found: Queue) -> Given | None:
        by = await _person(platform, where, connection, login)
        return await take(connection, platform.keyring, where.id, found, by, platform.clock())

    given = _within_queue(context, tenant, name, work)
    if given is None:
        say("There is nothing left for you.")
    elif as_json:
        print_json({"id": given.item_id, **plain_judged(given.judged), "guideline": given.guideline, "until": given.until})
    else:
        turns = "\n".join(f"[{turn.role}] {turn.text}" for turn in given.judged.turns)
        say(f"{given.item_id}, yours until {given.until:%H:%M} UTC\n\n{given.guideline.strip()}\n\n{turns}\n\n[answer] {given.judged.answer}")


@review.command("rate")
@click.argument("name")
@click.argument("item", type=click.UUID, metavar="ID")
@points_option
@spans_option
@correction_option
@comment_option
@person_option
@tenant_option
@click.pass_context
def rate(
    context: click.Context, name: str, item: uuid.UUID, points: tuple[str, ...], spans: tuple[tuple[int, int, str], ...], correction: str,
    comment: str, login: str, tenant: str,
) -> None:  # fmt: skip
    """Judge the item ID that was taken. It cannot be changed afterwards."""
    from ondol.application.evaluation.review.judging import rate as keep

    given, note = _points(points), _note(spans, correction, comment)

    async def work(platform: Platform, where: Tenant, connection: Connection, found: Queue) -> None:
        by = await _person(platform, where, connection, login)
        await keep(connection, platform.keyring, where.id, found, item, by, given, note, platform.clock())

    _within_queue(context, tenant, name, work)
    say("It is kept.")


@review.command("items")
@click.argument("name")
@click.option("--state", type=click.Choice(["open", "agreed", "disputed", "settled", "gold"]), default="disputed", show_default=True)
@json_option
@tenant_option
@click.pass_context
def items(context: click.Context, name: str, state: Any, as_json: bool, tenant: str) -> None:
    """List items of the queue NAME, those on which raters do not agree where nothing else is asked for."""
    from ondol.application.evaluation.review.checked import plain_judged
    from ondol.application.evaluation.review.store import items_page

    async def work(platform: Platform, _where: Tenant, connection: Connection, found: Queue) -> list[Item]:
        return await items_page(connection, platform.keyring, found, [state])

    rows = [
        {"id": one.id, **plain_judged(one.judged), "points": [dict(rating.points) for rating in one.ratings if state != "open"]}
        for one in _within_queue(context, tenant, name, work)
    ]
    if as_json:
        print_json(rows)
    else:
        print_table([{"id": str(row["id"]), "question": row["turns"][-1]["text"][:60], "ratings": len(row["points"])} for row in rows], "None.")


@review.command("adjudicate")
@click.argument("name")
@click.argument("item", type=click.UUID, metavar="ID")
@points_option
@correction_option
@comment_option
@person_option
@tenant_option
@click.pass_context
def adjudicate(
    context: click.Context, name: str, item: uuid.UUID, points: tuple[str, ...], correction: str, comment: str, login: str, tenant: str
) -> None:
    """Decide the item ID, on which raters do not agree. Whoever judged it cannot."""
    from ondol.application.evaluation.review.judging import adjudicate as decide

    given, note = _points(points), _note((), correction, comment)

    async def work(platform: Platform, where: Tenant, connection: Connection, found: Queue) -> None:
        by = await _person(platform, where, connection, login)
        await decide(connection, platform.keyring, where.id, found, item, given, note, by=by, now=platform.clock())

    _within_queue(context, tenant, name, work)
    say("It is settled.")


@review.command("agreement")
@click.argument("name")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the intervals.")
@json_option
@tenant_option
@click.pass_context
def agreement(context: click.Context, name: str, seed: int, as_json: bool, tenant: str) -> None:
    """Say how far the raters of the queue NAME agree, and whether one of them moves away from planted gold."""
    from ondol.application.evaluation.review.figures import figures_of, points_of

    async def work(_platform: Platform, _where: Tenant, connection: Connection, found: Queue) -> Figures:
        return figures_of(found.scales, await points_of(connection, found), seed)

    found = _within_queue(context, tenant, name, work)
    alphas = [
        {"scale": scale, "alpha": one.value, "low": one.low, "high": one.high, "items": one.units, "ratings": one.ratings}
        for scale, one in found.alphas.items()
    ]
    drifts = [
        {"rater": str(rater), "scale": scale, "planted": one.count, "bias": one.bias, "error": one.error, "p": one.p, "drifts": one.drifts}
        for rater, by_scale in found.drifts.items()
        for scale, one in by_scale.items()
        if one.count
    ]
    if as_json:
        print_json({"alphas": alphas, "drifts": drifts, "ratings": {str(rater): count for rater, count in found.ratings.items()}})
        return
    print_table([_rounded(row) for row in alphas], "Nothing is judged yet.")
    if drifts:
        say()
        print_table([_rounded(row) for row in drifts], "")


@review.command("export")
@click.argument("name")
@click.option("--kind", type=click.Choice(["ratings", "preferences"]), default="ratings", show_default=True, help="What the lines hold.")
@tenant_option
@click.pass_context
def export(context: click.Context, name: str, kind: Any, tenant: str) -> None:
    """Print what is agreed or settled in the queue NAME as JSON Lines; `preferences` has corrections beside what was answered."""
    from ondol.application.evaluation.review.results import lines_of
    from ondol.application.evaluation.review.store import items_page

    async def work(platform: Platform, _where: Tenant, connection: Connection, found: Queue) -> None:
        after = None
        while page := await items_page(connection, platform.keyring, found, ["agreed", "settled"], after=after):
            for line in lines_of(page, kind):
                say(json.dumps(line, ensure_ascii=False))
            after = page[-1].id

    _within_queue(context, tenant, name, work)


@review.command("golden")
@click.argument("name")
@click.argument("golden_set", metavar="SET")
@person_option
@tenant_option
@click.pass_context
def golden(context: click.Context, name: str, golden_set: str, login: str, tenant: str) -> None:
    """Put what is agreed or settled in the queue NAME up for the golden set SET, corrections as right answers; somebody else must approve it."""
    from ondol.application.evaluation.golden.store import find_set
    from ondol.application.evaluation.review.results import propose_for_golden
    from ondol.application.evaluation.review.store import items_page

    async def work(platform: Platform, where: Tenant, connection: Connection, found: Queue) -> int:
        by, into, now = await _person(platform, where, connection, login), await find_set(connection, golden_set), platform.clock()
        made, after = 0, None
        while page := await items_page(connection, platform.keyring, found, ["agreed", "settled"], after=after):
            made += await propose_for_golden(connection, platform.keyring, where.id, into, page, by=by, now=now)
            after = page[-1].id
        return made

    say(f"{_within_queue(context, tenant, name, work)} answers are put up for {golden_set}.")


def _within_queue(context: click.Context, tenant: str, name: str, work: Callable[[Platform, Tenant, Connection, Queue], Awaitable[T]]) -> T:
    from ondol.application.evaluation.review.store import find_queue

    async def found(platform: Platform, where: Tenant, connection: Connection) -> T:
        return await work(platform, where, connection, await find_queue(connection, name))

    return within_tenant(context, tenant, found)


async def _person(platform: Platform, where: Tenant, connection: Connection, login: str) -> uuid.UUID:
    from ondol.infrastructure.access.people import find_person

    return (await find_person(connection, platform.keyring, where.id, login)).id


def _points(given: tuple[str, ...]) -> dict[str, int | None]:
    points: dict[str, int | None] = {}
    for one in given:
        scale, is_there, number = one.partition("=")
        if not is_there or not (number.isascii() and number.isdecimal() and len(number) == 1):
            raise UserError(f"{one!r} is no rating.", "For example: --points clarity=4.")
        points[scale] = int(number)
    return points


def _note(spans: tuple[tuple[int, int, str], ...], correction: str, comment: str) -> Note:
    from ondol.application.evaluation.review.types import Note, Span

    return Note(tuple(Span(start, end, label) for start, end, label in spans), correction, comment)


def _text(file: Path) -> str:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(FILE_BYTES_MAX + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give a file in UTF-8.") from error
    if len(data) > FILE_BYTES_MAX:
        raise UserError(f"{file} has more than {FILE_BYTES_MAX:,} bytes.", "Hand it in in parts.")
    return text


def _json(line: str, number: int) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise UserError(f"Item {number} is no JSON.", "Give one object on each line.") from None


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}

"""`ondol ask`."""

from __future__ import annotations

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError
from ondol.wiring.platform import Platform, assistant_room, opened_router


@click.command("ask")
@click.argument("question")
@click.option("--assistant", default="help", show_default=True, help="Assistant's name.")
@click.option("--tenant", default="demo", show_default=True, help="Tenant's slug.")
@click.option("--as", "login", default="website", show_default=True, help="Who asks: answers rest on what this person may read.")
@click.option("--thread", default="", metavar="new|ID", help="Begin a thread, or go on in one: follow-up questions are understood from it.")
@click.option("--parent", default="", metavar="start|ID", help="The turn of the thread that the question follows; the last one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, question: str, assistant: str, tenant: str, login: str, thread: str, parent: str, as_json: bool) -> None:
    """Ask an assistant QUESTION as one person, and print the answer with its sources."""
    from ondol.application.assistant.answer import answer
    from ondol.application.assistant.by_route import by_route
    from ondol.application.assistant.serving import OpenedReleases
    from ondol.application.assistant.store import find_assistant
    from ondol.core.ids import new_id
    from ondol.infrastructure.access.people import find_person, find_tenant
    from ondol.infrastructure.gateway.shapes.extension import Extension, place_of
    from ondol.infrastructure.serving.types import ChatRequest, Finish, Message, TextDelta

    place = place_of(Extension(thread=thread or None, parent=parent or None))

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            person = await find_person(connection, platform.keyring, where.id, login)
            asked = await find_assistant(connection, assistant)
            found, serving = await OpenedReleases().open(connection, platform.keyring, where.id, asked)
        if serving is not None and serving.manifest.route.kind == "model":
            raise UserError(f"{assistant} answers with a model that is charged.", "Ask it over the API, where limits and budgets hold.")
        request = ChatRequest(new_id(), found.model, (Message("user", question),), thread=place)
        pieces: list[str] = []
        finish: Finish | None = None
        async with opened_router(platform.settings.outbound.proxy_url) as router:
            room = by_route(assistant_room(platform, {where.id: where.name}, router), serving, None)
            async for event in answer(room, where.id, person.id, found, request, serving=serving):
                if isinstance(event, TextDelta):
                    pieces.append(event.text)
                    if not as_json:
                        click.echo(event.text, nl=False)
                elif isinstance(event, Finish):
                    finish = event
        _show_end("".join(pieces), finish, as_json)

    with_platform(settings_of(context), work)


def _show_end(text: str, finish: object, as_json: bool) -> None:
    from ondol.infrastructure.serving.types import Finish

    extension = finish.extension if isinstance(finish, Finish) else {}
    if as_json:
        print_json({"answer": text, **extension})
        return
    say("\n")
    for source in extension.get("sources", []):
        headings = " › ".join(source["headings"])
        say(f"  [{source['n']}] {source['title']}{' › ' + headings if headings else ''}  ({source['path']}, version {source['version']})")
    if extension:
        say(f"\n  What it rests on: ondol answer show {extension['answer_id']} --as LOGIN")
    if "thread" in extension:
        say(f"\nThread {extension['thread']['id']}: go on with --thread {extension['thread']['id']}")

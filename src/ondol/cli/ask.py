"""`ondol ask`."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, say
from ondol.cli.running import with_platform
from ondol.wiring.platform import Platform, assistant_room, opened_router

if TYPE_CHECKING:
    from ondol.application.assistant.serving import Serving
    from ondol.application.assistant.types import Assistant
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.serving.types import ChatRequest


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
    from ondol.application.assistant.serving import OpenedReleases
    from ondol.application.assistant.store import find_assistant
    from ondol.core.ids import new_id
    from ondol.infrastructure.access.people import find_person, find_tenant
    from ondol.infrastructure.gateway.shapes.extension import Extension, place_of
    from ondol.infrastructure.serving.types import ChatRequest, Message

    place = place_of(Extension(thread=thread or None, parent=parent or None))

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            person = await find_person(connection, platform.keyring, where.id, login)
            asked = await find_assistant(connection, assistant)
            found, serving = await OpenedReleases().open(connection, platform.keyring, where.id, asked)
        if serving is not None and serving.manifest.route.kind == "model":
            extension = {name: value for name, value in (("thread", thread), ("parent", parent)) if value}
            events = _charged(
                platform, where, person.id, {"model": found.model, "messages": [{"role": "user", "content": question}], "ondol": extension}
            )
        else:
            request = ChatRequest(new_id(), found.model, (Message("user", question),), thread=place)
            events = _free(platform, where, person.id, found, request, serving)
        pieces: list[str] = []
        told: Mapping[str, Any] = {}
        async with contextlib.aclosing(events) as closing:
            async for event in closing:
                if isinstance(event, str):
                    pieces.append(event)
                    if not as_json:
                        click.echo(event, nl=False)
                else:
                    told = event
        _show_end("".join(pieces), told, as_json)

    with_platform(settings_of(context), work)


async def _free(
    platform: Platform, where: Tenant, person_id: uuid.UUID, assistant: Assistant, request: ChatRequest, serving: Serving | None
) -> AsyncGenerator[str | Mapping[str, Any], None]:
    """Pieces of the answer of an assistant whose model has no price, and last what is told of it."""
    from ondol.application.assistant.answer import answer
    from ondol.application.assistant.by_route import by_route
    from ondol.infrastructure.serving.types import Finish, TextDelta

    async with opened_router(platform.settings.outbound.proxy_url) as router:
        room = by_route(assistant_room(platform, {where.id: where.name}, router), serving, None)
        async for event in answer(room, where.id, person_id, assistant, request, serving=serving):
            if isinstance(event, TextDelta):
                yield event.text
            elif isinstance(event, Finish):
                yield event.extension


async def _charged(platform: Platform, where: Tenant, person_id: uuid.UUID, body: Mapping[str, Any]) -> AsyncGenerator[str | Mapping[str, Any], None]:
    """The same of an assistant whose model is charged: asked through the gateway's door, where the person's limits and budgets hold."""
    from ondol.wiring.asking import ask_as

    answer = await ask_as(platform, where.id, person_id, body)
    yield answer["choices"][0]["message"]["content"] or ""
    yield answer.get("ondol", {})


def _show_end(text: str, extension: Mapping[str, Any], as_json: bool) -> None:
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

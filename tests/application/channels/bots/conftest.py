"""A tenant's bot in a chat that listens, and the worker that the chat reaches."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import httpx
import pytest

from ondol.application.channels.bots.answer import BotRoom
from ondol.application.channels.bots.chat import Line
from ondol.application.channels.bots.front import PREFIX, BotFront
from ondol.application.channels.bots.manage import create_bot, put_person
from ondol.application.channels.bots.types import Bot, NewBot
from ondol.infrastructure.access.people import NewPerson, add_person, ensure_group
from ondol.infrastructure.access.types import Person
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.inside import ask_inside
from ondol.infrastructure.serving.http import HttpClient
from tests.application.channels.bots.receiver import SECRET, TOKEN, Chat, event, open_chat, send
from tests.infrastructure.gateway.ground import NOW, Ground, Tenancy
from tests.infrastructure.gateway.server.wire import running

ADDRESS = "https://ondol.example"


@dataclass
class Worker:
    """A worker that chats reach.

    Attributes:
        waited: seconds that it waited for a chat, without waiting.
    """

    front: BotFront
    http: httpx.AsyncClient
    waited: list[float] = field(default_factory=list)

    async def settled(self) -> None:
        """Until everything is answered."""
        while self.front._answering:
            await asyncio.gather(*self.front._answering)


@dataclass
class Office:
    """A tenant with a bot in a chat."""

    tenancy: Tenancy
    bot: Bot
    chat: Chat
    worker: Worker

    @property
    def path(self) -> str:
        return f"{PREFIX}{self.bot.public_id}/events"

    async def person(self, user: str, *groups: str, **more: Any) -> Person:
        """Somebody of the tenant, whom the chat calls so."""
        platform = self.tenancy.ground.platform
        async with self.tenancy.change() as connection:
            for group in groups:
                await ensure_group(connection, self.tenancy.id, group, NOW)
            new = NewPerson(f"{user.lower()}@acme.example", user, groups=groups, **more)
            person = await add_person(connection, platform.keyring, self.tenancy.id, new, NOW)
        await put_person(platform.knowledge, self.tenancy.id, self.bot.name, user, person.login)
        return person

    async def send(self, told: object, **more: Any) -> httpx.Response:
        """The chat sends an event."""
        return await send(self.worker.http, self.path, told, **more)

    async def says(self, text: str, **more: Any) -> str:
        """What is posted when somebody writes."""
        before = len(self.chat.posted)
        answer = await self.send(event(text, secrets.token_hex(8), **more))
        assert (answer.status_code, answer.text) == (200, "{}")
        await self.worker.settled()
        [message] = self.chat.posted[before:]
        return str(message["text"])


@asynccontextmanager
async def open_bots(ground: Ground, **line: Any) -> AsyncIterator[Worker]:
    """A worker: its front over a real socket."""
    assert ground.gateway is not None
    client, waited = HttpClient(), list[float]()

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    room = BotRoom(ground.platform.knowledge, partial(ask_inside, ground.gateway), Line(client, pause=pause, **line), lambda: ADDRESS)
    front = BotFront(room)

    async def told(exchange: Exchange) -> None:
        try:
            await front(exchange)
        except Exception as error:
            exchange.fail(error)

    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        server = await stack.enter_async_context(running(told))
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=30, trust_env=False))
        try:
            yield Worker(front, http, waited)
        finally:
            await front.aclose()


async def open_office(tenancy: Tenancy, chat: Chat, worker: Worker, **more: Any) -> Office:
    """A bot of a tenant."""
    new = replace(NewBot("chat", "help", SECRET, TOKEN, f"{chat.url}/api", private_network=True), **more)
    bot = await create_bot(tenancy.ground.platform.knowledge, tenancy.id, new, by=tenancy.person.id)
    await tenancy.ground.fresh()
    return Office(tenancy, bot, chat, worker)


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    async with open_chat() as opened:
        yield opened


@pytest.fixture
async def worker(ground: Ground) -> AsyncIterator[Worker]:
    async with open_bots(ground) as opened:
        yield opened


@pytest.fixture
async def office(tenancy: Tenancy, chat: Chat, worker: Worker) -> Office:
    """A bot of a fresh tenant."""
    return await open_office(tenancy, chat, worker)

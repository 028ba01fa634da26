"""A chat, as its methods are called over real HTTP: it keeps what is posted, knows its people, and misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs

import httpx

from ondol.infrastructure.gateway.exchange import Exchange
from tests.infrastructure.gateway.server.wire import running

TOKEN = "xoxb-0123456789"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"

Trouble = Literal["limited", "limited_long", "broken", "hangs", "takes_and_hangs", "elsewhere", "refuses", "garbage"]


@dataclass
class Chat:
    """The chat's side.

    Attributes:
        posted: bodies of messages that it took.
        asked: every call, as method and path.
        troubles: how it answers the next messages; well when there are none left.
        people: what it tells of its people.
    """

    url: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    troubles: deque[Trouble] = field(default_factory=deque)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one call."""
        self.asked.append(f"{exchange.method} {exchange.path}")
        body = await exchange.body(1 << 20)
        if exchange.header(b"authorization") != f"Bearer {TOKEN}".encode():
            exchange.answer(200, b'{"ok": false, "error": "invalid_auth"}')
        elif (exchange.method, exchange.path) == ("GET", "/api/users.info"):
            name = parse_qs(exchange.query.decode())["user"][0]
            known = self.people.get(name)
            exchange.answer(200, json.dumps({"ok": True, "user": known} if known else {"ok": False, "error": "user_not_found"}).encode())
        elif (exchange.method, exchange.path) == ("POST", "/api/chat.postMessage"):
            assert exchange.header(b"content-type") == b"application/json; charset=utf-8"
            await self._message(exchange, json.loads(body))
        else:
            exchange.answer(404, b'{"ok": false, "error": "unknown_method"}')

    async def _message(self, exchange: Exchange, message: dict[str, Any]) -> None:
        trouble = self.troubles.popleft() if self.troubles else ""
        match trouble:
            case "limited" | "limited_long":
                wait = b"7" if trouble == "limited" else b"86400"
                exchange.answer(429, b'{"ok": false, "error": "ratelimited"}', ((b"retry-after", wait),))
            case "broken":
                exchange.answer(500, b"oops", (), b"text/plain")
            case "elsewhere":
                exchange.answer(302, b"", ((b"location", self.url.encode() + b"/api/elsewhere"),))
            case "refuses":
                exchange.answer(200, b'{"ok": false, "error": "channel_not_found"}')
            case "garbage":
                exchange.answer(200, b"<html>")
            case _:
                if trouble != "hangs":
                    self.posted.append(message)
                if trouble in ("hangs", "takes_and_hangs"):
                    await self.goes_on.wait()
                exchange.answer(200, json.dumps({"ok": True, "ts": "1.2", "message": message}).encode())

    def knows(self, user: str, email: str, **more: Any) -> None:
        """Somebody of the team, whose address it has confirmed."""
        self.people[user] = {"id": user, "is_email_confirmed": True, "is_bot": False, "deleted": False, "profile": {"email": email}, **more}


@asynccontextmanager
async def open_chat() -> AsyncIterator[Chat]:
    """A chat that listens."""
    chat = Chat()
    async with running(chat) as server:
        chat.url = f"http://127.0.0.1:{server.port}"
        try:
            yield chat
        finally:
            chat.goes_on.set()


def signed_by(secret: str, body: bytes, at: float | None = None) -> dict[str, str]:
    """The headers of an event, as Slack's guide makes them."""
    told = str(int(time.time() if at is None else at))
    signature = hmac.new(secret.encode(), b"v0:" + told.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": told, "x-slack-signature": f"v0={signature}", "content-type": "application/json"}


def event(text: str, event_id: str, *, user: str = "U1", room: str = "D1", direct: bool = True, **more: Any) -> dict[str, Any]:
    """An event as a chat sends it: a message to the bot alone, or a mention in a shared room."""
    told = {"user": user, "channel": room, "text": text, "ts": "1700000000.000100", "channel_type": "im" if direct else "channel"}
    return {
        "type": "event_callback", "event_id": event_id, "team_id": "T1", "event": {"type": "message" if direct else "app_mention", **told, **more},
    }  # fmt: skip


async def send(http: httpx.AsyncClient, path: str, told: object, *, secret: str = SECRET, at: float | None = None) -> httpx.Response:
    """Send an event, signed."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return await http.post(path, content=body, headers=signed_by(secret, body, at))

"""Calling a chat: one registered host, by the same rules of egress as model providers; it may be slow, ask to wait, or fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ondol.application.channels.bots.types import Bot
from ondol.core.errors import UpstreamError
from ondol.infrastructure.serving.http import Egress, HttpClient, HttpRequest, Proxy, parse_base_url
from ondol.infrastructure.serving.types import Timeouts

ANSWER_BYTES_MAX = 1 << 20
TRIES_MAX = 4
WAIT_S_MAX = 120.0
"""A chat that asks for more patience than this is asked no more."""
FIRST_WAIT_S = 1.0
TIMEOUTS = Timeouts(connect_s=5, first_byte_s=20, between_s=10, whole_s=30)
_NOTHING_SENT = frozenset(("upstream_unreachable", "upstream_busy"))

Pause = Callable[[float], Awaitable[object]]
"""Waits so many seconds."""


@dataclass(frozen=True, slots=True)
class Line:
    """The way to chats.

    Attributes:
        proxy: the installation's outbound proxy at this moment.
        pause: waits between tries.
    """

    client: HttpClient
    proxy: Callable[[], Proxy | None] = lambda: None
    pause: Pause = asyncio.sleep
    timeouts: Timeouts = TIMEOUTS


@dataclass(frozen=True, slots=True)
class Chat:
    """The methods of one bot's chat."""

    line: Line
    bot: Bot
    token: str

    async def post(self, room: str, thread: str, text: str) -> None:
        """Post a message into a thread, once: where nobody knows whether it was taken, it is not sent again.

        Raises:
            UpstreamError: the chat did not take it, or did not say so.
        """
        body = {"channel": room, "thread_ts": thread, "text": text, "unfurl_links": False, "unfurl_media": False}
        await self._call(b"POST", "chat.postMessage", json.dumps(body, ensure_ascii=False).encode())

    async def user(self, user: str) -> Mapping[str, Any]:
        """What the chat knows of somebody. Raises `UpstreamError`."""
        found = (await self._call(b"GET", "users.info?" + urlencode({"user": user}))).get("user")
        return found if isinstance(found, dict) else {}

    async def _call(self, method: bytes, path: str, body: bytes = b"") -> Mapping[str, Any]:
        """What a method answers. What fails for the moment is tried again, after the time that the chat asks for."""
        wait_s = FIRST_WAIT_S
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                status, retry_after_s, content = await self._once(method, path, body)
            except UpstreamError as error:
                if not tries_left or not (method == b"GET" or error.code in _NOTHING_SENT):
                    raise
                asked_s = 0.0
            else:
                if status == 200:
                    return _told(content)
                asked_s = retry_after_s if status == 429 else 0.0
                if not tries_left or asked_s > WAIT_S_MAX or not (status == 429 or status >= 500):
                    raise UpstreamError(f"The chat answered with status {status}.", code="chat_failed")
            await self.line.pause(max(wait_s, asked_s))
            wait_s *= 2
        raise AssertionError("the last try returns or raises")

    async def _once(self, method: bytes, path: str, body: bytes) -> tuple[int, float, bytes]:
        """The status, the seconds that it asks to wait, and what it says."""
        origin, below = parse_base_url(self.bot.base_url)
        headers = [
            (b"host", origin.authority.encode()),
            (b"authorization", b"Bearer " + self.token.encode()),
            (b"accept", b"application/json"),
            (b"content-type", b"application/json; charset=utf-8"),
        ]
        request = HttpRequest(method, origin, f"{below}/{path}".encode(), headers, body)
        egress = Egress(frozenset((origin,)), private_network=self.bot.private_network, proxy=self.line.proxy())
        answer = await self.line.client.send(request, self.line.timeouts, egress, self.bot.tenant_id)
        told = answer.header(b"retry-after")
        retry_after_s = float(told) if told.isdigit() and len(told) < 10 else 0.0
        return answer.status, retry_after_s, await answer.read(ANSWER_BYTES_MAX)


def _told(content: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or told.get("ok") is not True:
        raise UpstreamError("The chat did not do it.", code="chat_refused")
    return told

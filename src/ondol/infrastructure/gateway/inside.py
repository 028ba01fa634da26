"""A request from inside the process: the gateway answers it as any other, with its limits, guard, route and record, and no socket between."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ondol.core.errors import UpstreamError
from ondol.infrastructure.gateway.door import Caller
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.request_head import read_head
from ondol.infrastructure.gateway.server import Handler


@dataclass(frozen=True, slots=True)
class InsideAnswer:
    """What the gateway answered.

    Attributes:
        headers: names in lower case.
        body: the JSON of the answer, or of the error.
    """

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class InsideExchange(Exchange):
    """An exchange whose caller is known, since the process itself asks in that name. No request of a connection is ever one."""

    __slots__ = ()

    def __init__(self, link: _Inbox, path: str, body: bytes, caller: Caller) -> None:
        head = read_head(b"POST %b HTTP/1.1\r\nhost: inside\r\ncontent-type: application/json\r\ncontent-length: %d" % (path.encode(), len(body)))
        super().__init__(link, head, "", "http", time.perf_counter_ns())
        self.caller = caller
        self.feed(body)
        self.feed_end()


def caller_inside(exchange: Exchange) -> Caller | None:
    """Who asks, where this process itself does or has told; None where the request's own headers say."""
    return exchange.caller if isinstance(exchange.caller, Caller) else None


async def ask_inside(handler: Handler, caller: Caller, path: str, body: Mapping[str, Any]) -> InsideAnswer:
    """Let a gateway answer one request that is not streamed.

    Args:
        body: the request; `stream` is not set.

    Raises:
        UpstreamError: when the answer broke off.
    """
    link = _Inbox()
    exchange = InsideExchange(link, path, json.dumps(body, ensure_ascii=False).encode(), caller)
    exchange.task = asyncio.current_task()
    await handler(exchange)
    head, _, content = bytes(link.received).partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    if link.aborted or not status:
        raise UpstreamError("The answer broke off.", "Ask again.")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return InsideAnswer(int(status.split(" ")[1]), headers, json.loads(content))


class _Inbox:
    """Takes what a connection would have sent."""

    def __init__(self) -> None:
        self.keep_alive = False
        self.congested = False
        self.date_line = b""
        self.received = bytearray()
        self.aborted = False

    def send(self, data: bytes) -> None:
        self.received += data

    def want_body(self) -> None:
        return

    def got_body(self) -> None:
        return

    async def drained(self) -> None:
        return

    def finish(self, status: int) -> None:
        return

    def abort(self) -> None:
        self.aborted = True

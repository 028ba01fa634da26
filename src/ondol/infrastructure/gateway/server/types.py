"""What the server's parts share: the handler's type, the limits, the counters and the state of one server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol, TypeAlias

from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.server.forwarded import TrustedProxies


class Open(Protocol):
    """An open connection, as the server sees it."""

    deadline: float
    send_deadline: float

    def check_deadline(self, now: float) -> None:
        """Do what is due when its time has passed."""

    def drain(self) -> None:
        """Take no further request."""

    def judge_peer(self) -> None:
        """See anew whether the peer is a trusted proxy."""

    def abort(self) -> None:
        """Cut it."""


Handler: TypeAlias = Callable[[Exchange], Awaitable[None]]
"""Answers one request. It runs as one task, which is cancelled when the caller leaves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server grants its callers.

    Attributes:
        connections_max: open connections; more are answered 503.
        header_timeout_s: from a request's first byte to the end of its head.
        idle_timeout_s: from one answer, or the opening, to the next request. Browsers open a connection before they need it, so
            that a short time here would close it in the moment when the request goes out.
        body_timeout_s: how long a body may be waited for; what arrives earns more time, at `body_bytes_per_s_min`.
        send_timeout_s: a caller that takes no byte for so long counts as gone, so that its upstream is let go.
        linger_s: how long we go on reading after an answer that ends the connection: closing at once would reset it, and the
            caller would never see why.
        handshake_timeout_s: for TLS.
        tick_s: how often deadlines are looked at; each may be late by so much.
    """

    connections_max: int = 1_000
    header_timeout_s: float = 10.0
    idle_timeout_s: float = 75.0
    body_timeout_s: float = 30.0
    body_bytes_per_s_min: int = 16_384
    send_timeout_s: float = 60.0
    linger_s: float = 2.0
    handshake_timeout_s: float = 10.0
    tick_s: float = 0.5


class Counters:
    """What a server has done, for the metrics.

    Attributes:
        connections: opened so far; `connections_refused` of them were above the limit.
        requests: heads that were read and given to the handler; `in_flight` of them run now.
        answered: answers that went out whole, by the first digit of their status.
        left: callers who hung up before their answer was whole.
        refused: requests that the server itself refused.
        timed_out: connections that were closed because a time-out passed.
        cut: answers that were cut off because they could not be ended.
    """

    __slots__ = ("answered", "connections", "connections_refused", "cut", "in_flight", "left", "refused", "requests", "timed_out")

    def __init__(self) -> None:
        self.connections = self.connections_refused = self.requests = self.in_flight = self.left = self.refused = self.timed_out = self.cut = 0
        self.answered = [0] * 10


class ServerState:
    """What all connections of one server share.

    Attributes:
        open: connections.
        running: exchanges whose handlers have not returned.
        draining: no further request is taken.
        quiet: set when the last handler returns while draining.
        closed: set when the last connection is gone while draining.
    """

    __slots__ = ("closed", "counters", "date_line", "draining", "handler", "limits", "loop", "open", "proxies", "quiet", "running")

    def __init__(self, handler: Handler, limits: Limits, proxies: TrustedProxies, loop: asyncio.AbstractEventLoop) -> None:
        self.handler = handler
        self.limits = limits
        self.proxies = proxies
        self.loop = loop
        self.counters = Counters()
        self.open: set[Open] = set()
        self.running: set[Exchange] = set()
        self.quiet = asyncio.Event()
        self.closed = asyncio.Event()
        self.draining = False
        self.date_line = b""
        self.tell_date()

    def tell_date(self) -> None:
        """Write the header ``date`` anew."""
        self.date_line = f"date: {formatdate(usegmt=True)}\r\n".encode("ascii")

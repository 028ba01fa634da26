"""A stream that is silent for long, kept alive."""

from __future__ import annotations

import asyncio

from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.shapes.sse import KEEP_ALIVE


class Beat:
    """Sends a comment into a stream that was silent for long."""

    __slots__ = ("_every_s", "_exchange", "_handle", "written")

    def __init__(self, exchange: Exchange, every_s: float) -> None:
        self.written = False
        self._exchange = exchange
        self._every_s = every_s
        self._handle = asyncio.get_running_loop().call_later(every_s, self._beat)

    def stop(self) -> None:
        """No more comments."""
        self._handle.cancel()

    def _beat(self) -> None:
        exchange = self._exchange
        if exchange.left or exchange.ended:
            return
        if not self.written:
            if not exchange.streaming:
                exchange.open_stream()
            exchange.put(KEEP_ALIVE)
        self.written = False
        self._handle = asyncio.get_running_loop().call_later(self._every_s, self._beat)

"""An answer as it arrives: its head at once, its body in pieces or whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from ondol.infrastructure.serving.errors import garbage


class Link(Protocol):
    """What an answer asks of the connection that it comes by."""

    def wait(self, *, whole: bool, bytes_max: int) -> asyncio.Future[HttpAnswer]:
        """Resolved when something came; with `whole` only at the end."""

    def extend(self, seconds: float) -> None:
        """Wait this much longer from now on, within the whole time."""

    def resume(self) -> None:
        """The body's pieces were taken: read on."""

    def drain(self) -> None:
        """Read the rest for a moment, so that the connection can be used again."""

    def abort(self) -> None:
        """Close at once."""


class HttpAnswer:
    """One answer. Read it by `read`, by `pieces`, or by `piece` until that gives nothing; or `cancel` it.

    Attributes:
        status: 200 to 599.
        headers: names in lower case, in their order.
        whole: the end has come.
        error: why it will never come.
        size: bytes of the body that came and were not taken.
        paced: the reader extends the time between pieces itself; otherwise each wait does.
    """

    __slots__ = ("_link", "_pieces", "error", "headers", "paced", "size", "status", "whole")

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], link: Link) -> None:
        self.status = status
        self.headers = headers
        self.whole = False
        self.error: Exception | None = None
        self.size = 0
        self.paced = False
        self._pieces: list[bytes] = []
        self._link: Link | None = link

    def header(self, name: bytes) -> bytes:
        """The first value of a header; empty when absent."""
        for key, value in self.headers:
            if key == name:
                return value
        return b""

    @property
    def length(self) -> int | None:
        """Bytes of the body as the head tells them; None when it does not. The parser holds the body to it."""
        told = self.header(b"content-length")
        return int(told) if told else None

    async def read(self, bytes_max: int) -> bytes:
        """The whole body.

        Raises:
            UpstreamError: when it is larger than `bytes_max`, breaks off, or takes too long.
        """
        while not self.whole:
            if self.error is not None:
                raise self.error
            if self.size > bytes_max or self._link is None:
                break
            await self._wait(self._link, whole=True, bytes_max=bytes_max)
        if self.size > bytes_max:
            self.cancel()
            raise garbage("its answer is too large")
        return self.take()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes: what arrived together is joined.

        Raises:
            UpstreamError: when it breaks off or takes too long, after what came before it.
        """
        while piece := await self.piece():
            yield piece

    async def piece(self) -> bytes:
        """What came since the last time, joined; waits for something; empty at the end. Raises as `pieces` does."""
        while not self._pieces:
            if self.error is not None:
                raise self.error
            if self.whole or self._link is None:
                return b""
            await self._wait(self._link, whole=False, bytes_max=0)
        return self.take()

    def take(self) -> bytes:
        """What is here now, without waiting; maybe nothing."""
        pieces = self._pieces
        if not pieces:
            return b""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.size = 0
        if self._link is not None:
            self._link.resume()
        return data

    def extend(self, seconds: float) -> None:
        """Give the next piece this long from now."""
        if self._link is not None:
            self._link.extend(seconds)

    def drain(self) -> None:
        """The reader has what it wants: the connection is kept if the rest comes soon, and closed otherwise."""
        if self._link is not None:
            self._link.drain()

    def cancel(self) -> None:
        """Close the connection at once, unless the answer has ended. May be called any number of times."""
        link, self._link = self._link, None
        if link is not None:
            link.abort()

    # What the connection calls.

    def add(self, piece: bytes) -> None:
        """A piece of the body came."""
        self._pieces.append(piece)
        self.size += len(piece)

    def end(self, error: Exception | None = None) -> None:
        """The end came, or will not come. The connection is let go of."""
        if error is None:
            self.whole = True
        else:
            self.error = error
        self._link = None

    async def _wait(self, link: Link, *, whole: bool, bytes_max: int) -> None:
        try:
            await link.wait(whole=whole, bytes_max=bytes_max)
        except asyncio.CancelledError:
            self.cancel()
            raise

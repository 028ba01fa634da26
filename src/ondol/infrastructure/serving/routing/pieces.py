"""A body that is let out as it comes, such as sound: pieces of it, and the end told once."""

from __future__ import annotations

from collections.abc import Callable

from ondol.core.errors import UpstreamError
from ondol.infrastructure.serving.errors import UpstreamFailure, garbage
from ondol.infrastructure.serving.http import HttpAnswer


class PieceStream:
    """An asynchronous iterator over pieces of a body, none of them empty: what has come since the last one. Who takes no piece holds the upstream.

    Args:
        bytes_max: the largest body; what passes it is an error, behind the pieces before it.
        ended: called once, with the error or None, when the body is over by itself. Not called after `cancel`.
    """

    __slots__ = ("_answer", "_bytes_left", "_ended", "_first", "_over")

    def __init__(self, answer: HttpAnswer, bytes_max: int, ended: Callable[[UpstreamError | None], None]) -> None:
        self._answer = answer
        self._bytes_left = bytes_max
        self._ended = ended
        self._first = b""
        self._over = False

    async def begin(self) -> None:
        """Wait for the first piece, under the time that the request gave to the first byte. It is not lost: iteration begins with it.

        Raises:
            UpstreamError: nothing came. A body that ends without a byte is whole.
        """
        self._first = await self._next()

    def cancel(self) -> None:
        """Let the upstream go at once."""
        self._over = True
        self._answer.cancel()

    def __aiter__(self) -> PieceStream:
        return self

    async def __anext__(self) -> bytes:
        piece, self._first = self._first, b""
        if not piece and not self._over:
            piece = await self._next()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def _next(self) -> bytes:
        """The next piece; empty at the end."""
        try:
            piece = await self._answer.piece()
            self._bytes_left -= len(piece)
            if self._bytes_left < 0:
                raise garbage("its answer is too large")
        except UpstreamFailure as error:
            self._answer.cancel()
            self._tell(error)
            raise
        if not piece:
            self._tell(None)
        return piece

    def _tell(self, error: UpstreamError | None) -> None:
        if not self._over:
            self._over = True
            self._ended(error)

"""A stream of frames: pieces of the body in, decoded events out, with the time-outs and ends of a stream."""

from __future__ import annotations

from collections.abc import Callable

from ondol.core.errors import UpstreamError
from ondol.infrastructure.serving.errors import UpstreamFailure, cut_off, empty
from ondol.infrastructure.serving.http import HttpAnswer
from ondol.infrastructure.serving.providers import StreamEnd
from ondol.infrastructure.serving.sse import STREAM_BYTES_MAX, FrameReader
from ondol.infrastructure.serving.types import Frame

AFTER_FINISH_S = 5.0
"""How long usage and the end mark may take after the reason of the end has been told."""


class FrameStream:
    """An asynchronous iterator over lists of frames: what one network read completed. The end mark is the last frame, where the provider has one.

    Args:
        between_s: the longest wait for the next frame; comments and half frames do not count.
        ended: called once, with the error or None, when the stream is over by itself. Not called after `cancel`.
        stream_bytes_max: the largest stream.

    Attributes:
        read_bytes: how long the last frames may be together, as they came.
    """

    __slots__ = ("_answer", "_between_s", "_end", "_ended", "_first", "_has_read", "_over", "_reader", "_trouble", "read_bytes")

    def __init__(
        self,
        answer: HttpAnswer,
        end: StreamEnd,
        between_s: float,
        ended: Callable[[UpstreamError | None], None],
        stream_bytes_max: int = STREAM_BYTES_MAX,
    ) -> None:
        answer.paced = True
        self.read_bytes = 0
        self._answer = answer
        self._reader = FrameReader(stream_bytes_max=stream_bytes_max)
        self._end = end
        self._between_s = between_s
        self._ended = ended
        self._first: list[Frame] | None = None
        self._trouble: UpstreamError | None = None
        self._over = False
        self._has_read = False

    async def begin(self) -> None:
        """Wait for the first frames, under the time that the request gave to the first byte. They are not lost: iteration begins with them.

        Raises:
            UpstreamError: also when the very first event tells of an error.
        """
        self._first = await self._next()
        if not self._first:
            raise self._close(cut_off())

    def cancel(self) -> None:
        """Let the upstream go at once."""
        self._over = True
        self._answer.cancel()

    def __aiter__(self) -> FrameStream:
        return self

    async def __anext__(self) -> list[Frame]:
        first, self._first = self._first, None
        if first is not None:
            return first
        if self._over:
            raise StopAsyncIteration
        self._answer.extend(AFTER_FINISH_S if self._end.finished else self._between_s)
        frames = await self._next()
        if not frames:
            raise StopAsyncIteration
        return frames

    async def _next(self) -> list[Frame]:
        """The next frames; none at the end."""
        answer, reader = self._answer, self._reader
        trouble = self._trouble or reader.trouble
        if trouble is not None:
            raise self._close(trouble)
        self.read_bytes = reader.waiting_bytes
        while True:
            try:
                piece = answer.take() if answer.size else await answer.piece()
            except UpstreamFailure as error:
                if not self._end.finished:
                    raise self._close(error) from error.__cause__
                piece = b""
            self.read_bytes += len(piece)
            self._has_read = self._has_read or bool(piece)
            try:
                frames = reader.frames(piece) if piece else reader.last_frames()
            except UpstreamError as error:
                raise self._close(error) from None
            if frames:
                frames = self._follow(frames)
            if self._end.done:
                answer.drain()
                self._close(None)
            elif not piece and not frames:
                if not self._end.finished:
                    raise self._close(cut_off() if self._has_read else empty("upstream_cut_off"))
                self._close(None)
            if frames or not piece:
                return frames

    def _follow(self, frames: list[Frame]) -> list[Frame]:
        """The frames up to the end mark, or up to one that tells of an error, which is raised next time when something stands before it."""
        end = self._end
        for place, frame in enumerate(frames):
            try:
                end.take(frame)
            except UpstreamError as error:
                if not place:
                    raise self._close(error) from None
                self._trouble = error
                return frames[:place]
            if end.done:
                return frames[: place + 1]
        return frames

    def _close(self, error: UpstreamError | None) -> UpstreamError:
        """The stream is over: tell once, and close the connection unless it ended well."""
        if error is not None:
            self._answer.cancel()
        if not self._over:
            self._over = True
            self._ended(error)
        return error or cut_off()

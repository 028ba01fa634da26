"""Frames of an upstream, let go when they are not wanted any more: some can be closed, and others are cancelled by whoever opened them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from ondol.infrastructure.gateway.shapes.base import ProgressFrame
from ondol.infrastructure.serving.types import Frame


class Closing:
    """An asynchronous context that closes frames at its end, where they can be closed."""

    def __init__(self, frames: AsyncIterator[list[Frame]]) -> None:
        self._frames = frames

    async def __aenter__(self) -> AsyncIterator[list[Frame]]:
        return self._frames

    async def __aexit__(self, *_: object) -> None:
        close: Any = getattr(self._frames, "aclose", None)
        if close is not None:
            await close()


class Writer(Protocol):
    """Writes the frames of one shape from the data of another's."""

    def take(self, data: dict[str, Any], out: list[Frame]) -> None:
        """Add to `out` what one frame comes to."""

    def finish(self, out: list[Frame]) -> None:
        """Add to `out` what is left at the end."""


async def written(frames: AsyncIterator[list[Frame]], writer: Writer) -> AsyncIterator[list[Frame]]:
    """Frames as a writer writes them, batch by batch; progress goes through as it is."""
    async with Closing(frames) as closing:
        async for batch in closing:
            out: list[Frame] = []
            for frame in batch:
                if isinstance(frame, ProgressFrame):
                    out.append(frame)
                else:
                    writer.take(frame.data, out)
            if out:
                yield out
    rest: list[Frame] = []
    writer.finish(rest)
    if rest:
        yield rest

"""Frames of an upstream, let go when they are not wanted any more: some can be closed, and others are cancelled by whoever opened them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

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

"""How a model is asked at somebody's expense: whoever finds the model says how, and whoever asks it says for what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from ondol.infrastructure.serving.types import ModelRow, Operation, UpstreamAnswer

Asking: TypeAlias = Callable[[], Awaitable[UpstreamAnswer]]
Pay: TypeAlias = Callable[[ModelRow, Operation, Sequence[str], Asking], Awaitable[UpstreamAnswer]]
"""Reserves what reading the texts may cost, asks, and settles. Raises what the limits and the upstream raise."""


async def for_nothing(_row: ModelRow, _operation: Operation, _texts: Sequence[str], asking: Asking) -> UpstreamAnswer:
    """Nobody pays and nobody counts."""
    return await asking()

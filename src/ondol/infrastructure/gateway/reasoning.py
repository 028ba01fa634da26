"""Whether a model may have thought more than it showed: what nobody saw is billed all the same."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any

from ondol.infrastructure.gateway.shapes.base import Asked
from ondol.infrastructure.serving.prices import Price
from ondol.infrastructure.serving.settings import ModelSettings
from ondol.infrastructure.serving.types import TargetRow

REASONERS_MAX = 10_000
"""Targets that are remembered to have told of reasoning."""
_NAMES = re.compile(r"(?:^|[/:._-])(?:o[1-9]|gpt-5|gpt-oss|deepseek-r|qwq|qwen3|magistral|grok-[34]|gemini-(?:2\.5|3))|reason|think", re.IGNORECASE)
_WRITES = frozenset({"chat", "responses", "messages", "completions"})


class Reasoners:
    """Targets that told of reasoning tokens since this process began."""

    def __init__(self) -> None:
        self._seen: dict[uuid.UUID, None] = {}

    def __contains__(self, target_id: uuid.UUID) -> bool:
        return target_id in self._seen

    def add(self, target_id: uuid.UUID) -> None:
        """Remember one; the oldest is forgotten where there are too many."""
        self._seen[target_id] = None
        while len(self._seen) > REASONERS_MAX:
            del self._seen[next(iter(self._seen))]


def may_reason(asked: Asked, settings: ModelSettings, targets: Iterable[TargetRow], prices: Iterable[Price | None], known: Reasoners) -> bool:
    """Whether one of these targets may bill tokens for this request that no answer shows.

    The model's own setting decides. Without one it is taken to where the request asks for reasoning, a price list has a price for it, a target told
    of it before, or its name says so.
    """
    if asked.operation not in _WRITES:
        return False
    if settings.reasons is not None:
        return settings.reasons
    if _asks(asked.body) or any(price is not None and price.reasoning is not None for price in prices):
        return True
    return any(target.id in known or _NAMES.search(target.model) is not None for target in targets)


def _asks(body: dict[str, Any]) -> bool:
    effort = body.get("reasoning_effort")
    inner, thinking = body.get("reasoning"), body.get("thinking")
    if isinstance(inner, dict):
        effort = inner.get("effort") or effort or inner.get("max_tokens")
    if isinstance(thinking, dict) and thinking.get("type") not in (None, "disabled"):
        return True
    return effort not in (None, "none")

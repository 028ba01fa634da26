"""Routing: from a model's alias to the answer of one of its targets."""

from __future__ import annotations

from ondol.infrastructure.serving.routing.breaker import Breaker, BreakerSettings
from ondol.infrastructure.serving.routing.retry import RetryBudget
from ondol.infrastructure.serving.routing.router import Router

__all__ = ["Breaker", "BreakerSettings", "RetryBudget", "Router"]

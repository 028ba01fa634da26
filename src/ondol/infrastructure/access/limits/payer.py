"""Whom a piece of work is counted against that is done for somebody several rooms further up, such as the search behind an answer."""

from __future__ import annotations

from contextvars import ContextVar

from ondol.infrastructure.access.limits.types import Who

PAYER: ContextVar[Who | None] = ContextVar("ondol_payer", default=None)
"""Set by whoever takes a request in, for its task; None where the platform works by itself: then the tenant alone is counted."""

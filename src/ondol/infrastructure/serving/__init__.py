"""Serving: what answers a request. The way to providers (`http`, `providers`, `routing`), what tenants may call (`store`, `directory`), and what it
costs (`prices`). The fake model is in `scripted`.
"""

from __future__ import annotations

from ondol.core.errors import UpstreamRateLimited
from ondol.infrastructure.serving.tokens import TokenEstimate, estimate_input_tokens, estimate_tokens
from ondol.infrastructure.serving.types import (
    ChatEvent,
    ChatRequest,
    ChatUpstream,
    Finish,
    FinishReason,
    Message,
    Progress,
    TextDelta,
    Usage,
)

__all__ = [
    "ChatEvent",
    "ChatRequest",
    "ChatUpstream",
    "Finish",
    "FinishReason",
    "Message",
    "Progress",
    "TextDelta",
    "TokenEstimate",
    "UpstreamRateLimited",
    "Usage",
    "estimate_input_tokens",
    "estimate_tokens",
]

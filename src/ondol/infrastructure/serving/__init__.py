"""Serving: what answers a chat request, and the client for providers over HTTP. The fake model is in `scripted`.

The client is imported when it is first asked for: an installation without a provider never loads an HTTP library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from ondol.infrastructure.serving.openai_compatible import OpenAICompatible

__all__ = [
    "ChatEvent",
    "ChatRequest",
    "ChatUpstream",
    "Finish",
    "FinishReason",
    "Message",
    "OpenAICompatible",
    "Progress",
    "TextDelta",
    "TokenEstimate",
    "UpstreamRateLimited",
    "Usage",
    "estimate_input_tokens",
    "estimate_tokens",
]


def __getattr__(name: str) -> Any:
    if name == "OpenAICompatible":
        from ondol.infrastructure.serving.openai_compatible import OpenAICompatible

        return OpenAICompatible
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

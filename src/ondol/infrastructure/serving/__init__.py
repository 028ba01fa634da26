"""Serving: what answers a chat request, and the client for providers over HTTP. The fake model is in `scripted`."""

from ondol.infrastructure.serving.openai_compatible import OpenAICompatible, UpstreamRateLimited
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
    "OpenAICompatible",
    "Progress",
    "TextDelta",
    "TokenEstimate",
    "UpstreamRateLimited",
    "Usage",
    "estimate_input_tokens",
    "estimate_tokens",
]

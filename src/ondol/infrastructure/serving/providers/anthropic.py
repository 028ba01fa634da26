"""Anthropic's family: `messages` and the counting of its tokens."""

from __future__ import annotations

from ondol.infrastructure.serving.providers.base import Facts, JsonProvider, StreamEnd
from ondol.infrastructure.serving.providers.failures import failure_in_stream
from ondol.infrastructure.serving.types import Family, Frame, Operation

API_VERSION = b"2023-06-01"
"""The one that Anthropic's documentation names; newer behaviour is asked for by `anthropic-beta`, which a caller may send."""


class Anthropic(JsonProvider):
    """Anthropic's family. See `base.Provider`."""

    family: Family = "anthropic"
    facts = Facts(
        base_url="https://api.anthropic.com",
        paths={"messages": "/v1/messages", "count_tokens": "/v1/messages/count_tokens"},
        needs_credential=True,
        credential_header=(b"x-api-key", b""),
        fixed_headers=((b"anthropic-version", API_VERSION),),
        base_suffix="/v1",
    )

    def stream_end(self, operation: Operation, credential: str = "") -> StreamEnd:
        """See `base.Provider`."""
        return AnthropicStreamEnd(credential)


class AnthropicStreamEnd:
    """A stream ends with `message_stop`; the reason comes before it, in a `message_delta`."""

    __slots__ = ("_credential", "done", "finished")

    def __init__(self, credential: str = "") -> None:
        self.done = False
        self.finished = False
        self._credential = credential

    def take(self, frame: Frame) -> None:
        """See `base.StreamEnd`."""
        kind = frame.data.get("type")
        if kind == "content_block_delta":
            return
        if kind == "message_stop":
            self.done = self.finished = True
        elif kind == "error" or frame.name == "error":
            raise failure_in_stream(frame.data.get("error") or frame.data, credential=self._credential)
        elif kind == "message_delta":
            delta = frame.data.get("delta")
            if isinstance(delta, dict) and delta.get("stop_reason"):
                self.finished = True

"""Listening to a generative model that is asked for a line or two beside an answer: what it has said, and what that used, however it ends."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, cast

from ondol.infrastructure.serving.tokens import estimate_input_tokens, estimate_tokens
from ondol.infrastructure.serving.types import ChatRequest, ChatUpstream, Finish, TextDelta, Usage

CHARACTERS_MAX = 8_000
"""Of what a model says: what is longer is not what was asked for, and is not read to its end."""
NOTHING_USED = Usage(0, 0)


class Heard:
    """What a model has said until now, and what that used: as it told in the end, else as far as it came."""

    def __init__(self, request: ChatRequest) -> None:
        self.text = ""
        self._request = request
        self._told: Usage | None = None
        self._has_begun = False

    @property
    def usage(self) -> Usage:
        """Tokens used; none where the model did not begin."""
        if self._told is not None:
            return self._told
        return Usage(estimate_input_tokens(self._request.messages), estimate_tokens(self.text), estimated=True) if self._has_begun else NOTHING_USED

    async def hear(self, stream: ChatUpstream) -> None:
        """Listen until the model has ended, or says more than it was asked for.

        Raises:
            UpstreamError, RequestError: as the model's stream does.
        """
        async with aclosing(cast(Any, stream(self._request))) as events:
            async for event in events:
                self._has_begun = True
                if isinstance(event, Finish):
                    self._told = event.usage
                elif isinstance(event, TextDelta):
                    self.text += event.text
                    if len(self.text) > CHARACTERS_MAX:
                        return

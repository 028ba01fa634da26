"""Tokens counted without a tokenizer, for upstreams that do not tell: always marked as estimated.

The estimate is linear in two counts that cost microseconds: *narrow* characters (one byte of UTF-8: Latin letters, digits, spaces) and *wide*
ones (Hangul and everything else; two extra bytes count as one wide character). Fitted by least squares of the relative error against OpenAI's
``o200k_base`` over 176 Korean and English support documents: narrow 0.257, wide 0.849, ratio of estimate to truth 0.72 to 1.17, median 1.00.
For the older ``cl100k_base`` Korean text costs half as much again (wide 1.33), English the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ondol.infrastructure.serving.types import Message

TOKENS_PER_NARROW = 0.257
TOKENS_PER_WIDE = 0.849
TOKENS_PER_MESSAGE = 4
TOKENS_PER_REQUEST = 3
"""The markers around each message and before the answer, as OpenAI counts them in its own cookbook: 4 and 3, rounded up over its models."""


@dataclass(slots=True)
class TokenEstimate:
    """A running count over pieces of text, so that a stream is never held to be counted."""

    narrow: int = 0
    wide: int = 0

    def add(self, text: str) -> None:
        """Count one more piece."""
        characters = len(text)
        wide = 0 if text.isascii() else (len(text.encode("utf-8", "surrogatepass")) - characters + 1) // 2
        self.wide += wide
        self.narrow += max(0, characters - wide)

    def tokens(self) -> int:
        """The tokens of all pieces so far, rounded up."""
        return math.ceil(self.narrow * TOKENS_PER_NARROW + self.wide * TOKENS_PER_WIDE)


def estimate_tokens(text: str) -> int:
    """The estimated tokens of one text: 0 for the empty one, at least 1 otherwise."""
    estimate = TokenEstimate()
    estimate.add(text)
    return estimate.tokens()


def estimate_input_tokens(messages: Iterable[Message]) -> int:
    """The estimated input tokens of a request: its texts and the markers around them. Images and other parts count nothing."""
    estimate, count = TokenEstimate(), 0
    for message in messages:
        estimate.add(message.content)
        count += 1
    return estimate.tokens() + count * TOKENS_PER_MESSAGE + TOKENS_PER_REQUEST

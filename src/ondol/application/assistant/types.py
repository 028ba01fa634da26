"""Records of assistants and of what they answer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ondol.application.knowledge.search import Evidence
from ondol.application.prompts.templates_store import Language
from ondol.core.errors import RequestError

MODEL_PREFIX = "assistant/"
PASSAGES_SHOWN_MAX = 24
"""Passages that a model is shown at most, if so many fit, where a release does not say otherwise."""
Outcome = Literal["answered", "refused", "failed", "cancelled"]

REFUSALS: Mapping[Language, str] = {
    "ko": "제공된 문서에서 이 질문의 답을 찾지 못했습니다.",
    "en": "The documents do not hold the answer to this question.",
}
"""What is said instead of an answer. It is the same whatever the caller may not read, so it tells nothing of that."""


@dataclass(frozen=True, slots=True)
class Assistant:
    """A question answerer over one knowledge base.

    Attributes:
        settings: `title` by language, and what a release is made of that nobody made otherwise.
        release_id: the release that serves; for an answer, the one that it is given by from beginning to end.
    """

    id: uuid.UUID
    name: str
    base_id: uuid.UUID
    base: str
    settings: Mapping[str, Any]
    created_at: datetime
    release_id: uuid.UUID | None = None

    @property
    def model(self) -> str:
        """The name by which applications call it."""
        return MODEL_PREFIX + self.name


def is_on(assistant: Assistant, name: str) -> bool:
    """Whether an assistant's setting is not switched off.

    Raises:
        RequestError: when it is neither true nor false.
    """
    return switch_of(assistant.settings, name)


def switch_of(settings: Mapping[str, Any], name: str) -> bool:
    """What an assistant's settings say of a switch, which is on where they say nothing.

    Raises:
        RequestError: when it is neither true nor false.
    """
    told = settings.get(name, True)
    if not isinstance(told, bool):
        hint = "Mend the assistant's settings."
        raise RequestError(f"`{name}` of an assistant is neither true nor false.", hint, code="invalid_setting", param=name)
    return told


@dataclass(frozen=True, slots=True)
class Cited:
    """A sentence of an answer and the evidence that it rests on.

    Attributes:
        source: index into the evidence of the search.
        start, end: the quoted span in the passage's text, half-open, in characters.
    """

    text: str
    source: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What the extractive model chose. No sentences means: refuse."""

    sentences: tuple[Cited, ...] = ()
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Source:
    """A cited piece of evidence under its number in the answer."""

    number: int
    evidence: Evidence
    quotes: tuple[tuple[int, int], ...] = field(default_factory=tuple)

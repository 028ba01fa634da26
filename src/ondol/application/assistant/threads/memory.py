"""What an assistant remembers for one question, and how it is put before a model: within a budget of tokens, and where it carries little weight."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ondol.application.assistant.threads.types import Turn
from ondol.application.knowledge.attachments.store import Attachment
from ondol.application.prompts.templates_store import Language
from ondol.core.errors import RequestError
from ondol.infrastructure.serving.tokens import estimate_tokens
from ondol.infrastructure.serving.types import Message

TURNS_DEFAULT = 4
TURNS_REMEMBERED_MAX = 12
TOKENS_DEFAULT = 1_500
TOKENS_REMEMBERED_MAX = 16_000
ANSWER_CHARACTERS_REMEMBERED = 2_000
"""Of one answer; the rest of a longer one is seldom asked about."""

_ASKED = {"ko": "지금까지 나눈 이야기를 정리해 주세요.", "en": "What have we spoken of so far?"}
_SUMMED = {"ko": "지금까지의 이야기: ", "en": "So far: "}
_KNOWN = {"ko": "질문한 사람에 대해 기억하는 것: ", "en": "What I keep in mind of you: "}


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """What an assistant remembers.

    Attributes:
        turns: so many of the last turns, word for word; 0 remembers nothing of a thread.
        tokens: of all that is remembered, for one question.
        summary: turns before those are summed up, where a generative model is set.
    """

    turns: int = TURNS_DEFAULT
    tokens: int = TOKENS_DEFAULT
    summary: bool = True


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered for one question.

    Attributes:
        thread_id: None where no thread is kept.
        is_new: the thread begins with this question.
        parent_id: the turn that the question follows.
        turns: the last ones, oldest first; all that they rest on was confirmed for this question.
        summary: of those before; empty for none.
        slots: what the person told the assistant to keep in mind, by name.
        rests_on: the document versions that may have left words in all this.
        files: what was brought to the thread and can be asked about.
        alone: the answer is to rest on these alone.
        unsummed: turns before `turns` that no summary holds, oldest first, confirmed too.
    """

    thread_id: uuid.UUID | None = None
    is_new: bool = False
    parent_id: uuid.UUID | None = None
    turns: Sequence[Turn] = ()
    summary: str = ""
    slots: Mapping[str, str] = field(default_factory=dict)
    rests_on: frozenset[uuid.UUID] = frozenset()
    unsummed: Sequence[Turn] = ()
    files: Sequence[Attachment] = ()
    alone: bool = False

    def messages(self, language: Language) -> tuple[Message, ...]:
        """It as turns of a conversation. A summary is an earlier answer: it must not weigh more than what was said."""
        known = "; ".join(f"{name} = {value}" for name, value in self.slots.items())
        recalled = "\n".join((*([_SUMMED[language] + self.summary] if self.summary else ()), *([_KNOWN[language] + known] if known else ())))
        opening = (Message("user", _ASKED[language]), Message("assistant", recalled)) if recalled else ()
        said = (message for turn in self.turns for message in (Message("user", turn.question), Message("assistant", turn.answer)))
        return (*opening, *said)


NO_MEMORY = Memory()


def memory_settings(told: Any) -> MemorySettings:
    """Read an assistant's setting `memory`: ``{"turns": 4, "tokens": 1500, "summary": true}``.

    Raises:
        RequestError: when it says anything else.
    """
    known = told if told is not None else {}
    bounds = {"turns": TURNS_REMEMBERED_MAX, "tokens": TOKENS_REMEMBERED_MAX}
    if (
        not isinstance(known, dict)
        or not set(known) <= {"turns", "tokens", "summary"}
        or not isinstance(known.get("summary", True), bool)
        or any(type(known.get(name, 0)) is not int or not 0 <= known.get(name, 0) <= most for name, most in bounds.items())
    ):
        raise RequestError(
            f"`memory` of an assistant may set `turns` (0 to {TURNS_REMEMBERED_MAX}), `tokens` (0 to {TOKENS_REMEMBERED_MAX}) and `summary`.",
            "Mend the assistant's settings.",
            code="invalid_setting",
            param="memory",
        )
    return MemorySettings(**known)


def fitting(slots: Mapping[str, str], summary: str, turns: Sequence[Turn], tokens: int) -> tuple[dict[str, str], str, list[Turn]]:
    """What of all this fits into so many tokens: what is kept in mind first, then the summary, then the latest turns.

    Args:
        turns: the latest first.

    Returns:
        The slots, the summary or nothing, and the turns, the latest first.
    """
    kept: dict[str, str] = {}
    for name, value in slots.items():
        cost = estimate_tokens(f"{name} = {value}; ")
        if cost <= tokens:
            kept[name] = value
            tokens -= cost
    cost = estimate_tokens(summary)
    summary = summary if cost <= tokens // 2 else ""
    tokens -= cost if summary else 0
    last: list[Turn] = []
    for turn in turns:
        cost = estimate_tokens(turn.question) + estimate_tokens(turn.answer)
        if cost > tokens:
            break
        last.append(turn)
        tokens -= cost
    return kept, summary, last

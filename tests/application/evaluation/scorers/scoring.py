"""One answer scored, in one line of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.types import Answer, Case, Score, Turn


def score_of(
    kind: str,
    answer: str | Answer,
    *expected: str,
    facts: Mapping[str, Any] | None = None,
    language: str = "",
    tools: Tools | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Score:
    """What a scorer of a type finds."""
    scorer = LOADERS[kind](kind, settings or {}, tools or Tools())
    case = Case(id="one", turns=(Turn("user", "?"),), expected=expected, facts=facts or {}, slices={"language": language} if language else {})
    return asyncio.run(scorer.score(case, Answer(text=answer) if isinstance(answer, str) else answer))


def values_of(kind: str, answers: Sequence[str | Answer], *expected: str, **more: Any) -> list[float | None]:
    """The values of several answers to one case."""
    return [score_of(kind, answer, *expected, **more).value for answer in answers]

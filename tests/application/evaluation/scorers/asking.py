"""What the tests of scorers share: one case, one answer, one score."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.types import Answer, Case, Score, Turn


def score(
    kind: str,
    answer: Answer | str,
    facts: Mapping[str, Any] | None = None,
    *,
    question: str = "?",
    slices: Mapping[str, str] | None = None,
    tools: Tools | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Score:
    """The score of an answer, or of a text that is one, by the scorer of that type."""
    case = Case(id="c", turns=(Turn("user", question),), facts=facts or {}, slices=slices or {})
    given = Answer(text=answer) if isinstance(answer, str) else answer
    return asyncio.run(LOADERS[kind](kind, settings or {}, tools or Tools()).score(case, given))

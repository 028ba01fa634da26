"""Whether an answer is in the language that it was asked in: Korean or English, by the share of Hangul among its letters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Tools, skipped
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score
from ondol.core.language import detect_language, has_letters

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
"""Commands and addresses are in no language."""


def load_language_match(name: str, told: Mapping[str, Any], _: Tools) -> Rule:
    """Settings: `language` (`question`, the default: that of the case, or of its question where it says none; `ko` or `en`)."""
    settings = Settings(name, told)
    wanted = settings.choice("language", "question", ("question", "ko", "en"))
    settings.close()

    def of(case: Case, answer: Answer) -> Score:
        text = _CODE.sub(" ", answer.text)
        if not has_letters(text):
            return skipped("The answer has no words in either language.")
        language = wanted if wanted != "question" else case.language or detect_language(case.question)
        found = detect_language(text)
        return Score(value=float(found == language), details={"found": found, "wanted": language})

    return Rule(name=name, of=of)

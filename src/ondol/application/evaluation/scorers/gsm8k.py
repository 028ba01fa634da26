"""`gsm8k`: equality of final answers as GSM8K (Cobbe et al. 2021) counts it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.numeric import numbers_of
from ondol.application.evaluation.scorers.reference import NOTHING_EXPECTED, too_long
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score

_MARKED = re.compile(r"#### (-?[0-9.,]+)")


def load_gsm8k(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where the final answers are the same, else 0; an expected answer is a reference solution of the set, or the number alone.

    Settings: `extract`: `official` (what stands behind the first `#### `, thousands separators taken out, compared as text: an answer without the
    mark is wrong), or `last` (the number behind the last mark, or the last number where there is none, by value: for models that were not shown it).
    """
    told = Settings(name, settings)
    is_official = told.choice("extract", "official", ("official", "last")) == "official"
    told.close()

    def of(case: Case, answer: Answer) -> Score:
        if not case.expected:
            return skipped(NOTHING_EXPECTED)
        if refused := too_long(answer):
            return refused
        wanted = [marked(expected) or expected.strip().replace(",", "") for expected in case.expected]
        if is_official:
            found = marked(answer.text)
            return Score(value=float(found in wanted), reason="" if found else "the answer has no #### mark", details={"found": found})
        value = final_number(answer.text)
        is_right = any(number.written == value for text in wanted for number in numbers_of(text)[-1:])
        reason = "the answer has no number" if value is None else ""
        return Score(value=float(is_right), reason=reason, details={"found": None if value is None else str(value)})

    return Rule(name=name, of=of)


def final_number(text: str) -> Decimal | None:
    """The number behind the last `####` of a text, or its last number where there is none; None where there is no number."""
    _, mark, behind = text.rpartition("####")
    numbers = numbers_of(behind)
    return numbers[0 if mark else -1].written if numbers else None


def marked(text: str) -> str | None:
    """What stands behind the first `#### ` of a text, without thousands separators; None where there is none."""
    found = _MARKED.search(text)
    return found[1].strip().replace(",", "") if found else None

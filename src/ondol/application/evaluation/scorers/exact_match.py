"""`exact_match`: whether an answer is one of the expected ones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools
from ondol.application.evaluation.scorers.reference import best_of
from ondol.application.evaluation.scorers.settings import Settings

_PUNCTUATION = re.compile(r"[^\w\s]|_")


def load_exact_match(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where both are the same after NFKC, with runs of white space as one space and none at the ends; else 0.

    Settings: `ignore_case` (false), `ignore_punctuation` (false).
    """
    told = Settings(name, settings)
    ignore_case = told.flag("ignore_case", default=False)
    ignore_punctuation = told.flag("ignore_punctuation", default=False)
    told.close()

    def form(text: str) -> str:
        text = unicodedata.normalize("NFKC", text)
        text = text.casefold() if ignore_case else text
        return " ".join((_PUNCTUATION.sub(" ", text) if ignore_punctuation else text).split())

    return Rule(name=name, of=best_of(lambda answer, expected: float(form(answer) == form(expected))))

"""`korquad_f1` and `korquad_em`: the official measures of KorQuAD 1.0 (Lim et al. 2019), equal to its evaluation script to the last digit.

Both texts lose quotation marks and brackets, case, ASCII punctuation and repeated white space. Exact match compares what is left; F1 is over its
characters, because a Korean word holds its particles.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools
from ondol.application.evaluation.scorers.f1 import overlap_f1
from ondol.application.evaluation.scorers.reference import best_of
from ondol.application.evaluation.scorers.settings import Settings

_SPACED = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))
_DROPPED = str.maketrans(dict.fromkeys(string.punctuation))


def load_korquad_f1(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """F1 over characters with the best expected answer. No settings."""
    Settings(name, settings).close()
    return Rule(name=name, of=best_of(character_f1))


def load_korquad_em(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where the answer is an expected one. No settings."""
    Settings(name, settings).close()
    return Rule(name=name, of=best_of(lambda answer, expected: float(normalised(answer) == normalised(expected))))


def character_f1(answer: str, expected: str) -> float:
    """F1 over the characters of both texts; 0 where they share none, even where both are empty."""
    return overlap_f1(normalised(answer).replace(" ", ""), normalised(expected).replace(" ", ""))


def normalised(text: str) -> str:
    """A text as it is compared."""
    return " ".join(text.translate(_SPACED).lower().translate(_DROPPED).split())

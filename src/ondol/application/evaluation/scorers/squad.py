"""`squad_f1` and `squad_em`: the official measures of SQuAD 1.1 (Rajpurkar et al. 2016), for English."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools
from ondol.application.evaluation.scorers.f1 import overlap_f1
from ondol.application.evaluation.scorers.reference import best_of
from ondol.application.evaluation.scorers.settings import Settings

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_DROPPED = str.maketrans(dict.fromkeys(string.punctuation))


def load_squad_f1(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """F1 over words with the best expected answer. No settings."""
    Settings(name, settings).close()
    return Rule(name=name, of=best_of(lambda answer, expected: overlap_f1(normalised(answer).split(), normalised(expected).split())))


def load_squad_em(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where the answer is an expected one. No settings."""
    Settings(name, settings).close()
    return Rule(name=name, of=best_of(lambda answer, expected: float(normalised(answer) == normalised(expected))))


def normalised(text: str) -> str:
    """A text as it is compared: lower case, without ASCII punctuation, articles and repeated white space."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_DROPPED)).split())

"""What texts are compared by: words, characters or morphemes, so that Korean is not measured by the rules of English."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, cast

from ondol.application.evaluation.types import Case
from ondol.application.knowledge.index.analyser import ANALYSER_ID, morphemes_of
from ondol.core.language import detect_language

By: TypeAlias = Literal["auto", "words", "characters", "morphemes"]
"""`auto` is morphemes for Korean and words for everything else: a Korean word holds its particles, so that the same noun is seldom the same word."""

CHOICES: Sequence[By] = ("auto", "words", "characters", "morphemes")

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Runs of letters and digits of any script after NFKC, without regard to case."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def characters(text: str) -> list[str]:
    """Letters and digits one by one after NFKC, without regard to case; a Hangul syllable is one."""
    return list("".join(words(text)))


def cut_by(by: By, case: Case, expected: str) -> Callable[[str], list[str]]:
    """How this case's texts are cut: by its own language, or that of the expected answer where it does not say."""
    if by == "auto":
        by = "morphemes" if (case.language or detect_language(expected)) == "ko" else "words"
    return {"words": words, "characters": characters, "morphemes": morphemes_of}[by]


def version_of(by: By) -> str:
    """A scorer's version: the morphemes' dictionary is part of it where they may be asked for."""
    return f"1+{ANALYSER_ID}" if by in ("auto", "morphemes") else "1"


def by_of(choice: str) -> By:
    """A choice among `CHOICES`, as a type."""
    return cast(By, choice)

"""The shape of a text: how long it is, and whether it is, or asks for, endless repetition (denial of wallet)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.checks.base import PatternCheck, ViewName
from ondol.infrastructure.guard.normalise.tracked import codes_of
from ondol.infrastructure.guard.patterns import Match, Pattern
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import WHOLE_TEXT, Finding

CHARACTERS_MAX = 100_000
REPETITION_CHARACTERS_MIN = 600
"""Shorter texts cost too little to be judged by how well they compress."""
REPETITION_SAMPLE_CHARACTERS = 20_000
"""Only so much of a text is compressed, which bounds the work."""
COMPRESSED_SHARE_MAX = 0.06
"""A text that deflates to less than this share of its bytes says the same thing over and over; prose and code stay above 0.2."""
DEMAND_WINDOW_CHARACTERS = 160

_REPEATS_GRAM_CHARACTERS = 12
_REPEATS_PLACES = (3, 4, 5, 6, 7)
"""Of eight: in a text that says the same over and over, what stands there stood before."""
_REPEATS_MIN = 3

_ENDLESS = (
    Pattern(
        r"forever|endless(?:ly)?|infinitely|never stop|without (?:ever )?stopping|영원히|무한히|무한으로|무한 ?반복|끝없이|멈추지 ?말고|계속해서"
    ),
    Pattern(r"[0-9](?:,?[0-9]){3,8} times|[0-9](?:,?[0-9]){3,8} ?번"),
)
_DEMAND = re.compile(r"\b(?:repeat|say|write|print|type|output)\b|반복|되풀이|출력해|말해|써\s?줘|적어")
_REPEATING = re.compile(r"\brepeat|\bsay\b|\bword\b|\bletter\b|반복|되풀이|단어|글자|말해|출력|써")
_SENTENCE_END = re.compile(r"[.?!\n]")
_LANGUAGE_SAMPLE_CHARACTERS = 4_000
_OTHER_SHARE_MAX = 0.3
_SCRIPTS = ("none", "ko", "en", "other")
_SCRIPT_RANGES = (
    ("ko", 0xAC00, 0xD7A3),
    ("ko", 0x1100, 0x11FF),
    ("ko", 0x3131, 0x318E),
    ("en", 0x41, 0x5A),
    ("en", 0x61, 0x7A),
    ("en", 0xC0, 0x24F),
    ("other", 0x370, 0x10FF),
    ("other", 0x1200, 0x1FFF),
    ("other", 0x3041, 0x3130),
    ("other", 0x3190, 0x9FFF),
    ("other", 0xA000, 0xABFF),
    ("other", 0xF900, 0xFAFF),
    ("other", 0x20000, 0x3FFFF),
)


@lru_cache(maxsize=1)
def _scripts() -> NDArray[np.uint8]:
    """For each code point below 0x40000 which of `_SCRIPTS` it belongs to."""
    table = np.zeros(0x40000, np.uint8)
    for script, first, last in _SCRIPT_RANGES:
        table[first : last + 1] = _SCRIPTS.index(script)
    return table


class ShapeCheck(PatternCheck):
    """Judges a text by its size and its repetition.

    Args:
        characters_max: the most characters of one text.
        tokens_max: the most tokens, as `tokens_of` estimates them; not looked at when absent.
        tokens_of: how many tokens a text has.
        languages: of ``ko`` and ``en`` those that are served; every one when absent. Told apart by script alone, so ``en`` is all Latin script.

    Raises:
        ValueError: when a limit is not positive, or a language is unknown.
    """

    name = "shape"
    is_pure = True
    reach: int | None = WHOLE_TEXT
    view: ViewName = "folded"
    patterns: Sequence[Pattern] = _ENDLESS

    def __init__(
        self,
        characters_max: int = CHARACTERS_MAX,
        tokens_max: int | None = None,
        tokens_of: Callable[[str], int] | None = None,
        languages: Collection[str] | None = None,
    ) -> None:
        if characters_max <= 0 or (tokens_max is not None and tokens_max <= 0):
            raise ValueError("limits are positive")
        if languages is not None and not set(languages) <= {"ko", "en"}:
            raise ValueError("languages are ko and en")
        self._characters_max = characters_max
        self._tokens_max = tokens_max
        self._tokens_of = tokens_of
        self._languages = None if languages is None else frozenset(languages)

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """All findings, by where they begin; each but a demand to repeat spans the whole text."""
        original = text.original
        if len(original) > self._characters_max:
            return [self._whole(original, "characters", 1.0, "too many characters")]
        found = []
        if self._tokens_max is not None and self._tokens_of is not None and self._tokens_of(original) > self._tokens_max:
            found.append(self._whole(original, "tokens", 1.0, "too many tokens"))
        if len(original) >= REPETITION_CHARACTERS_MIN and _repeats(original[:REPETITION_SAMPLE_CHARACTERS]):
            found.append(self._whole(original, "repetition", 0.9, "little variety"))
        if self._languages is not None and not self._is_served(text.plain.text):
            found.append(self._whole(original, "language", 0.8, "script"))
        if matches:
            found.extend(self._demands(text, matches))
        return found

    def _whole(self, original: str, rule: str, confidence: float, reason: str) -> Finding:
        return Finding(self.name, f"{self.name}.{rule}", 0, len(original), confidence, reason)

    def _is_served(self, plain: str) -> bool:
        codes = codes_of(plain[:_LANGUAGE_SAMPLE_CHARACTERS])
        scripts = np.bincount(_scripts().take(codes, mode="clip"), minlength=len(_SCRIPTS))
        counts = {script: int(count) for script, count in zip(_SCRIPTS[1:], scripts[1:], strict=True)}
        letters = sum(counts.values())
        assert self._languages is not None  # noqa: S101 - asked only then
        foreign = sum(count for language, count in counts.items() if language not in self._languages)
        if "ko" in self._languages:  # Korean technical text is full of Latin names
            foreign -= counts["en"] if counts["ko"] and "en" not in self._languages else 0
        return letters == 0 or foreign <= _OTHER_SHARE_MAX * letters

    def _demands(self, text: GuardText, matches: Sequence[Match]) -> list[Finding]:
        folded = text.folded.text
        found = []
        reached = 0
        for endless in matches:
            if endless.start < reached or not _stands_alone(folded, endless):
                continue
            before = _SENTENCE_END.split(folded[max(0, endless.start - DEMAND_WINDOW_CHARACTERS) : endless.start])[-1]
            after = _SENTENCE_END.split(folded[endless.start : endless.end + DEMAND_WINDOW_CHARACTERS // 4])[0]
            window_start = endless.start - len(before)
            window = before + after
            demand = _DEMAND.search(window)
            if demand is None or _REPEATING.search(window) is None:
                continue
            start, end = text.folded.span(min(window_start + demand.start(), endless.start), endless.end)
            found.append(Finding(self.name, "shape.repetition_demand", start, end, 0.7, "asks for endless repetition"))
            reached = endless.end + DEMAND_WINDOW_CHARACTERS
        return found


def _stands_alone(folded: str, match: Match) -> bool:
    """Whether no letter or digit of the same kind goes on before a match: ``12345`` is no part of ``a12345``."""
    first, before = folded[match.start], folded[match.start - 1 : match.start]
    return not (first.isascii() and before.isascii() and before.isalnum())


def _repeats(sample: str) -> bool:
    """Whether a text says the same over and over. Compressed, which is dear, only if what stands at most of some places stood before."""
    seen = 0
    for eighth in _REPEATS_PLACES:
        place = len(sample) * eighth // 8
        seen += sample.find(sample[place : place + _REPEATS_GRAM_CHARACTERS]) < place
    if seen < _REPEATS_MIN:
        return False
    data = sample.encode("utf-8", "surrogatepass")
    return len(zlib.compress(data, 1)) < COMPRESSED_SHARE_MAX * len(data)

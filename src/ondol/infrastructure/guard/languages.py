"""Which language a text is in, by its letters."""

from __future__ import annotations

import re
from typing import Literal

SAMPLE_CHARACTERS_MAX = 4_000
HANGUL_SHARE_MIN = 0.08
"""From this share of Hangul among Hangul and Latin letters on people are answered in Korean: Korean technical text is full of Latin names."""

_HANGUL = re.compile("[\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e]+")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]+")


def detect_language(text: str) -> Literal["ko", "en"]:
    """The language in which to answer: ``ko`` or ``en``."""
    sample = text[:SAMPLE_CHARACTERS_MAX]
    hangul = sum(match.end() - match.start() for match in _HANGUL.finditer(sample))
    latin = sum(match.end() - match.start() for match in _LATIN.finditer(sample))
    return "ko" if hangul and hangul >= HANGUL_SHARE_MIN * (hangul + latin) else "en"

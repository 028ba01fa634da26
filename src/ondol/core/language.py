"""Korean or English, by the letters of a text."""

from __future__ import annotations

import re
from typing import Literal

SAMPLE_CHARS_MAX = 200_000
"""Only so much of a text is looked at."""

HANGUL_SHARE_MIN = 0.08
"""Share of Hangul among Hangul and Latin letters from which a text counts as Korean.

A Korean technical page is full of Latin names and commands, while an English page hardly ever holds Hangul. A syllable also carries
what takes two to three Latin letters, so the border lies far below one half.
"""

_HANGUL = re.compile("[\uac00-\ud7a3\u1100-\u11ff\u3131-\u318e]+")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]+")


def detect_language(text: str) -> Literal["ko", "en"]:
    """``ko`` if Hangul makes up at least `HANGUL_SHARE_MIN` of the Hangul and Latin letters, else ``en``."""
    sample = text[:SAMPLE_CHARS_MAX]
    hangul = sum(run.end() - run.start() for run in _HANGUL.finditer(sample))
    latin = sum(run.end() - run.start() for run in _LATIN.finditer(sample))
    return "ko" if hangul > 0 and hangul >= HANGUL_SHARE_MIN * (hangul + latin) else "en"


def has_letters(text: str) -> bool:
    """Whether there is any Hangul or Latin letter to judge by."""
    sample = text[:SAMPLE_CHARS_MAX]
    return _HANGUL.search(sample) is not None or _LATIN.search(sample) is not None

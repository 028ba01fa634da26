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
_SYLLABLE_ROWS = bytes(range(0xAC, 0xD7))
"""High bytes of UTF-16 units that are Hangul syllables without exception; the last row holds others too."""
_LATIN_ROWS = b"\x00\x01\x02"
"""High bytes of all units that may be Latin letters."""


def detect_language(text: str) -> Literal["ko", "en"]:
    """``ko`` if Hangul makes up at least `HANGUL_SHARE_MIN` of the Hangul and Latin letters, else ``en``."""
    if text.isascii():
        return "en"
    sample = text[:SAMPLE_CHARS_MAX]
    # By rows alone there is at least so much Hangul and at most so much Latin; only a text near the border is counted letter by letter.
    rows = sample.encode("utf-16-be", "surrogatepass")[::2]
    hangul = len(rows) - len(rows.translate(None, _SYLLABLE_ROWS))
    latin = len(rows) - len(rows.translate(None, _LATIN_ROWS))
    if hangul > 0 and hangul >= HANGUL_SHARE_MIN * (hangul + latin):
        return "ko"
    hangul = sum(map(len, _HANGUL.findall(sample)))
    if not hangul:
        return "en"
    latin = sum(map(len, _LATIN.findall(sample)))
    return "ko" if hangul >= HANGUL_SHARE_MIN * (hangul + latin) else "en"


def has_letters(text: str) -> bool:
    """Whether there is any Hangul or Latin letter to judge by."""
    sample = text[:SAMPLE_CHARS_MAX]
    return _HANGUL.search(sample) is not None or _LATIN.search(sample) is not None

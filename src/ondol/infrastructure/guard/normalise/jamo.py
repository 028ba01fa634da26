"""Hangul typed one jamo at a time, and what keyboards of the other language make of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

LEADING = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = "\0ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
VOWEL_PAIRS = {"ㅗㅏ": "ㅘ", "ㅗㅐ": "ㅙ", "ㅗㅣ": "ㅚ", "ㅜㅓ": "ㅝ", "ㅜㅔ": "ㅞ", "ㅜㅣ": "ㅟ", "ㅡㅣ": "ㅢ"}
FINAL_PAIRS = {
    "ㄱㅅ": "ㄳ",
    "ㄴㅈ": "ㄵ",
    "ㄴㅎ": "ㄶ",
    "ㄹㄱ": "ㄺ",
    "ㄹㅁ": "ㄻ",
    "ㄹㅂ": "ㄼ",
    "ㄹㅅ": "ㄽ",
    "ㄹㅌ": "ㄾ",
    "ㄹㅍ": "ㄿ",
    "ㄹㅎ": "ㅀ",
    "ㅂㅅ": "ㅄ",
}
KEYS = dict(
    zip(
        "rRseEfaqQtTdwWczxvgkoiOjpuPhynbmlrsefaqtdwczxvg",
        "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎㅏㅐㅑㅒㅓㅔㅕㅖㅗㅛㅜㅠㅡㅣㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ",
        strict=True,
    )
)
"""The jamo of each key of the two-set keyboard (KS X 5002)."""
LATIN_VOWELS = {"l": "ㅣ", "i": "ㅣ", "1": "ㅣ", "|": "ㅣ", "r": "ㅏ", "h": "ㅐ", "t": "ㅜ"}
"""What is written for a vowel beside a jamo, by its looks."""

LAUGHTER = frozenset("ㅋㅎㅠㅜㅡ")
CHOSEONG_MIN = 4
CHOSEONG_KINDS_MIN = 3
"""A run of first consonants is a word by its initials when it has so many different ones; "ㅇㅋㅇㅋ" and "ㅊㅋㅊㅋ" are ordinary."""

_CHOSEONG = re.compile(r"[ㄱ-ㅎ](?: ?[ㄱ-ㅎ]){3,}+")
_CHAT = frozenset(("ㅇㅋ", "ㄱㅅ", "ㅊㅋ", "ㅈㅅ", "ㅎㅇ", "ㅂㅇ", "ㄹㅇ", "ㅇㅈ", "ㅅㄱ", "ㅁㅊ", "ㅇㄷ", "ㄱㄷ", "ㄹㄷ", "ㅈㄱㄴ", "ㄱㅊ", "ㅇㄴ"))
"""Abbreviations that everyone writes."""
LEADING_PLACE = {jamo: place for place, jamo in enumerate(LEADING)}
VOWEL_PLACE = {jamo: place for place, jamo in enumerate(VOWELS)}
VOWEL_PLACE.update({parts: VOWEL_PLACE[vowel] for parts, vowel in VOWEL_PAIRS.items()})
FINAL_PLACE = {jamo: place for place, jamo in enumerate(FINALS)}
FINAL_PLACE.update({parts: FINAL_PLACE[final] for parts, final in FINAL_PAIRS.items()})
_BOTH = "".join(jamo for jamo in LEADING if jamo in FINALS)
_FINAL_ONLY = "".join(jamo for jamo in FINALS[1:] if jamo not in LEADING)
_SYLLABLE = re.compile(
    f"([{LEADING}])({'|'.join(VOWEL_PAIRS)}|[{VOWELS}])((?:{'|'.join(FINAL_PAIRS)}|[{_BOTH}])(?![{VOWELS}])|[{_FINAL_ONLY}])?",
)


def syllables(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, str]]:
    """The syllables that a two-set keyboard would have made of the jamo in a text: where each begins and ends, and what it is.

    Jamo that make no syllable are left out. A consonant before a vowel begins a syllable; otherwise it ends the one before.
    """
    for found in _SYLLABLE.finditer(text, start, len(text) if end is None else end):
        leading, vowel, final = found.groups("\0")
        place = (LEADING_PLACE[leading] * 21 + VOWEL_PLACE[vowel]) * 28 + FINAL_PLACE[final]
        yield found.start(), found.end(), chr(0xAC00 + place)


def composed(run: str) -> str:
    """A run of jamo with its syllables composed, the rest as it was."""
    pieces: list[str] = []
    done = 0
    for start, end, syllable in syllables(run):
        pieces += (run[done:start], syllable)
        done = end
    return "".join((*pieces, run[done:]))


def decomposed(text: str) -> str:
    """Each syllable as the compatibility jamo that it is typed with."""
    return "".join(_apart(letter) if "가" <= letter <= "힣" else letter for letter in text)


def _apart(syllable: str) -> str:
    place = ord(syllable) - 0xAC00
    return LEADING[place // 588] + VOWELS[place // 28 % 21] + FINALS[place % 28].strip("\0")


def initials(text: str) -> str:
    """Each syllable as its first consonant."""
    return "".join(LEADING[(ord(letter) - 0xAC00) // 588] if "가" <= letter <= "힣" else letter for letter in text)


def has_choseong(text: str) -> bool:
    """Whether words stand in a text by their initials only, chat's own abbreviations left aside."""
    for run in _CHOSEONG.finditer(text):
        words = "".join(word for word in run[0].split(" ") if word not in _CHAT and word[:2] * (len(word) // 2) != word)
        if len(words) >= CHOSEONG_MIN and len(set(words) - LAUGHTER) >= CHOSEONG_KINDS_MIN:
            return True
    return False

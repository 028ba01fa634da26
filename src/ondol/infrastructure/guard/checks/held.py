"""How much of a text that goes on must be held back: from where something may still come about that has to be found as a whole."""

from __future__ import annotations

import re

RIGHT_CONTEXT_CHARACTERS = 104
"""A word that says what a number is may stand 40 characters behind the number's neighbours, and those reach over 64."""
CHAIN_CHARACTERS_MAX = 64
LABEL_CHARACTERS_MAX = 300
"""Of a link."""

_HANGUL_DIGITS = "공영일이삼사오육륙칠팔구"
_NUMERIC = re.compile(
    rf"\d[ \t\r\n.\-/()_]{{0,3}}(?:\d|\Z)|[{_HANGUL_DIGITS}](?:[ \-.]{{0,3}}[{_HANGUL_DIGITS}]){{2}}|@|://|[a-z0-9]\.[a-z]", re.IGNORECASE
)
_SPELLED_END = re.compile(rf"(?:[0-9{_HANGUL_DIGITS}][ \-.]{{0,3}})+\Z")
_WORD_START = re.compile(r"\S+\s*\Z")
_LONG_TOKEN = re.compile(r"[!-~]{16}|PRIVATE KEY|-----BEGIN")
_JOINERS = frozenset(" \t\r\n.-/()_")


def open_number(text: str) -> int:
    """From where a number, an address of a page or of e-mail may still come about or be judged otherwise, in characters.

    Two digits and signs of addresses are open until nothing that stands behind them counts any more; of other text only the last word is.
    """
    start = max(0, len(text) - RIGHT_CONTEXT_CHARACTERS)
    found = _NUMERIC.search(text, start)
    if found is None:
        return last_word(text)
    return min(_chain_start(text, found.start()), last_word(text))


def open_secret(text: str, reach: int) -> int:
    """From where a key, token or password may still come about, in characters: from the first long token within reach, else the last word."""
    found = _LONG_TOKEN.search(text, max(0, len(text) - reach))
    place = last_word(text)
    return place if found is None else min(place, _token_start(text, found.start()))


def open_link(text: str, reach: int) -> int:
    """From where a link, an image or a tag may still go on, in characters: from its bracket or tag, else the last word."""
    low = max(0, len(text) - reach)
    place = last_word(text)
    bracket = text.rfind("[", low)
    if bracket >= 0 and _link_is_open(text, bracket):
        place = min(place, bracket - 1 if bracket > low and text[bracket - 1] == "!" else bracket)
    for opening, closing in (("<", ">"), ("url(", ")")):
        begin = text.rfind(opening, low)
        if begin >= 0 and text.find(closing, begin) < 0:
            place = min(place, begin)
    return place


def _link_is_open(text: str, bracket: int) -> bool:
    closed = text.find("]", bracket)
    if closed < 0:
        return len(text) - bracket <= LABEL_CHARACTERS_MAX
    return closed + 1 == len(text) or (text[closed + 1] in "(:" and not any(char in ")\n" for char in text[closed + 2 :]))


def last_word(text: str) -> int:
    """Where the last word begins, spaces behind it included; digits in Hangul that end the text belong together."""
    low = max(0, len(text) - CHAIN_CHARACTERS_MAX)
    word = _WORD_START.search(text, low)
    spelled = _SPELLED_END.search(text, low)
    return min(word.start() if word else len(text), spelled.start() if spelled else len(text))


def _chain_start(text: str, place: int) -> int:
    """Where the run of digits and joiners that a place belongs to begins, letters that hang on to it included."""
    low = max(0, place - CHAIN_CHARACTERS_MAX)
    gap = 0
    at = place
    while at > low:
        char = text[at - 1]
        if char in _JOINERS:
            gap += 1
            if gap > 3:
                break
        elif char.isdigit() or char.isalpha():
            if gap and char.isalpha():
                break
            gap = 0
        elif char not in "+@%:&?=#~":
            break
        at -= 1
    while at < place and text[at] in _JOINERS:
        at += 1
    return at


def _token_start(text: str, place: int) -> int:
    low = max(0, place - CHAIN_CHARACTERS_MAX)
    while place > low and not text[place - 1].isspace():
        place -= 1
    return place

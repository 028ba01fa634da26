"""How much of a text that goes on must be held back: from where something may still come about that has to be found as a whole."""

from __future__ import annotations

import re

RIGHT_CONTEXT_CHARACTERS = 104
"""A word that says what a number is may stand 40 characters behind the number's neighbours, and those reach over 64."""
CHAIN_CHARACTERS_MAX = 64
LABEL_CHARACTERS_MAX = 300
"""Of a link."""

_HANGUL_DIGITS = "공영일이삼사오육륙칠팔구"
_MAY_BE_NUMERIC = re.compile(rf"[\d@:.{_HANGUL_DIGITS}]")
_TWO_DIGITS = re.compile(r"\d[ \t\r\n.\-/()_]{0,3}(?:\d|\Z)")
_SPELLED = re.compile(rf"[{_HANGUL_DIGITS}](?:[ \-.]{{0,3}}[{_HANGUL_DIGITS}]){{2}}")
_DOTTED = re.compile(r"(?<=[a-z0-9])\.[a-z]", re.IGNORECASE)
_SPELLED_END = re.compile(rf"(?:[0-9{_HANGUL_DIGITS}][ \-.]{{0,3}})+\Z")
_SPELLED_DIGITS = frozenset(f"0123456789{_HANGUL_DIGITS}")
_TOKEN_CHARACTERS = 16
_LONG_TOKEN = re.compile(rf"[!-~]{{{_TOKEN_CHARACTERS}}}|PRIVATE KEY|-----BEGIN")
_JOINERS = frozenset(" \t\r\n.-/()_")
_IN_TOKEN = bytes(0x21 <= code <= 0x7E for code in range(256))
_LONG_RUN = b"\1" * _TOKEN_CHARACTERS


def open_number(text: str) -> int:
    """From where a number, an address of a page or of e-mail may still come about or be judged otherwise, in characters.

    Two digits and signs of addresses are open until nothing that stands behind them counts any more; of other text only the last word is.
    """
    place = last_word(text)
    start = max(0, len(text) - RIGHT_CONTEXT_CHARACTERS)
    if _MAY_BE_NUMERIC.search(text, start) is None:
        return place
    first = _first_numeric(text, start)
    return place if first < 0 else min(_chain_start(text, first), place)


def _first_numeric(text: str, start: int) -> int:
    """Where the first two digits, three digits in Hangul or sign of an address stand from a place on, or -1.

    Each is looked for by itself: that is faster than one expression for all.
    """
    places = [text.find("@", start), text.find("://", start)]
    for expression in (_TWO_DIGITS, _SPELLED):
        found = expression.search(text, start)
        if found is not None:
            places.append(found.start())
    if text.find(".", start) >= 0:
        dotted = _DOTTED.search(text, start + 1)
        if dotted is not None:
            places.append(dotted.start() - 1)
    return min((place for place in places if place >= 0), default=-1)


def open_secret(text: str, reach: int) -> int:
    """From where a key, token or password may still come about, in characters: from the first long token within reach, else the last word."""
    place = last_word(text)
    low = max(0, len(text) - reach)
    near = text[low:]
    if _LONG_RUN not in near.encode("utf-8", "surrogatepass").translate(_IN_TOKEN) and "PRIVATE KEY" not in near and "-----BEGIN" not in near:
        return place
    found = _LONG_TOKEN.search(text, low)
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
    words = text[low:].rstrip()
    place = low + len(words) - len(words.rsplit(None, 1)[-1]) if words else len(text)
    end = text[-4:].rstrip(" -.")
    if end and end[-1] in _SPELLED_DIGITS:
        spelled = _SPELLED_END.search(text, low)
        return place if spelled is None else min(place, spelled.start())
    return place


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

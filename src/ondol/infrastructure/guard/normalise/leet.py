"""Digits and signs that stand for letters."""

from __future__ import annotations

from itertools import product

from ondol.infrastructure.guard.normalise.words import is_english

TOKEN_CHARACTERS_MAX = 40
READINGS_MAX = 16
"""Ways to read a token's ambiguous digits that are tried."""
LETTERS = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g",
    "@": "a", "$": "s", "!": "il", "|": "li", "+": "t", "€": "e", "£": "l", "¥": "y",
}  # fmt: skip
UNKNOWN_DIGITS = frozenset("01345")
"""Digits that are read as letters in words that are not known, too, when several stand between letters one by one."""
UNKNOWN_LENGTH_MIN = 6
EDGE_LENGTH_MIN = 5
"""A word that begins or ends in a digit or sign has so many characters ("80th" has fewer)."""


def undone(token: str) -> tuple[str, bool]:
    """A token of letters, digits and signs, in lower case, as the word that it stands for, of the same length; and whether that word is known.

    What does not look like a word stays as it is: versions, abbreviations (k8s, i18n), hashes, names of models. Digits at the end stand for
    letters only where the word is none without them.
    """
    whole = token.strip("!|+")
    core = whole.rstrip("0123456789") or whole
    first = token.find(core)
    letters = sum(char.isalpha() for char in core)
    digits = sum(char.isdigit() for char in token)
    if len(token) > TOKEN_CHARACTERS_MAX or letters < max(2, digits) or (letters == 2 and digits > 1):
        return token, False
    for tried in (core, whole):
        if letters < len(tried) and _stands_within(tried) and (word := _known(tried)) is not None:
            return token[:first] + word + token[first + len(tried) :], True
        if tried == whole or is_english(core) or len(whole) < EDGE_LENGTH_MIN:
            break
    if letters < len(core) and _is_plausible(core, letters):
        return token[:first] + "".join(LETTERS.get(char, char)[0] for char in core) + token[first + len(core) :], False
    return token, False


def _stands_within(core: str) -> bool:
    """Whether digits or signs have letters on both sides, or begin or end a word of five characters and more."""
    return len(core) >= EDGE_LENGTH_MIN or not core.strip("".join(LETTERS)).isalpha()


def _known(core: str) -> str | None:
    options = [LETTERS.get(char, char) for char in core]
    for tried, reading in enumerate(product(*options)):
        word = "".join(reading)
        if tried >= READINGS_MAX:
            return None
        if is_english(word):
            return word
    return None


def _is_plausible(core: str, letters: int) -> bool:
    digits = [place for place, char in enumerate(core) if not char.isalpha()]
    if len(core) < UNKNOWN_LENGTH_MIN or len(digits) < 2 or letters <= len(digits) or all(char in "0123456789abcdef" for char in core):
        return False
    return len({core[place] for place in digits}) > 1 and all(
        core[place] in UNKNOWN_DIGITS and place and core[place - 1].isalpha() and core[place + 1].isalpha() for place in digits
    )

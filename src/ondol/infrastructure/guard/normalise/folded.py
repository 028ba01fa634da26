"""From the plain form of a text to the folded one, and to its letters alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.normalise.jamo import FINAL_PLACE, FINALS, LATIN_VOWELS, LAUGHTER, syllables
from ondol.infrastructure.guard.normalise.kinds import ACCENTED, DIGIT, HANGUL, JAMO, LATIN, LETTER_OR_DIGIT, SIGN, kinds, unaccented
from ondol.infrastructure.guard.normalise.leet import TOKEN_CHARACTERS_MAX, undone
from ondol.infrastructure.guard.normalise.tracked import Tracked, codes_of, runs_of, text_of
from ondol.infrastructure.guard.normalise.words import is_english

REPEATED_MAX = 3
"""A letter that stands there more often in a row is written once; a jamo three times, since that is how people laugh."""
REPEATED_WORD_MAX = 20
"""Letters on each side of a run that are looked at to see which word is meant."""
SPACED_LETTERS_MIN = 4
SPACED_GAP_MAX = 3
SPACED_WORDS_MIN = 6
"""Letters that stand alone, so many in a row, with no more than that between them, are one word spelt out; Korean syllables
between spaces only when they are more."""

_NOT_SPELLING = frozenset(",;:()[]{}\"'`=<>%\\")
"""What stands between the single letters of lists and code, but not of words that are spelt out."""
_SINGLE_FINAL = re.compile(f"(?<=[가-힣])[{FINALS[1:]}](?=[가-힣])")
_THREE = b"\1\1\1"
"""Three times true in a row."""
_BORDERS = b"\1" * (SPACED_LETTERS_MIN + 1)
"""What the gaps before, between and after so many single letters are."""

Kinds = NDArray[np.uint16]


def lowered(text: str) -> str:
    """Lower case, character for character."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def folded(text: Tracked, sorts: Kinds) -> tuple[Tracked, Kinds, frozenset[str]]:
    """A text in lower case without accents, long repetitions, jamo typed apart and leetspeak; its kinds; and which of the last two it had.

    Args:
        sorts: the kinds of the text's characters.
    """
    tricks: set[str] = set()
    if not len(sorts):
        return text, sorts, frozenset()
    present = int(np.bitwise_or.reduce(sorts))
    if present & ACCENTED:
        at = np.flatnonzero(sorts & ACCENTED)
        text = text.exchanged(at, codes_of("".join(map(unaccented, text_of(text.codes[at])))))
        sorts = kinds().take(text.codes)
    changed = _shortened(text, sorts)
    if present & JAMO:
        composed = jamo_composed(changed)
        if composed is not changed:
            tricks.add("jamo")
        changed = composed
    if changed is not text:
        text, sorts = changed, kinds().take(changed.codes)
    if present & (DIGIT | SIGN):
        changed, known = _leet_undone(text, sorts)
        if known:
            tricks.add("leet")
        if changed is not text:
            text, sorts = changed, kinds().take(changed.codes)
    return text, sorts, frozenset(tricks)


def _shortened(text: Tracked, sorts: Kinds) -> Tracked:
    same = text.codes[1:] == text.codes[:-1]
    if _THREE not in same.tobytes():
        return text
    letters = sorts & (LETTER_OR_DIGIT | DIGIT | JAMO)
    begins, ends = runs_of(same & ((letters[1:] & DIGIT) == 0) & (letters[1:] != 0))
    ends = ends + 1
    long = ends - begins > REPEATED_MAX
    begins, ends = begins[long], ends[long]
    if not len(begins):
        return text
    spelt = text.text
    kept = [REPEATED_MAX if letters[begin] & JAMO else _times(spelt, begin, end) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    begins = begins + np.array(kept) - 1
    return text.edited_codes(begins, ends, text.codes[begins], np.ones(len(begins), np.intp))


def _times(text: str, begin: int, end: int) -> int:
    """How often the letter of a run stands in the word that is meant: twice when that makes a known word and once does not."""
    first, last = begin, end
    while first > 0 and begin - first < REPEATED_WORD_MAX and text[first - 1].isalpha():
        first -= 1
    while last < len(text) and last - end < REPEATED_WORD_MAX and text[last].isalpha():
        last += 1
    return 2 if is_english(text[first:begin] + 2 * text[begin] + text[end:last]) and not is_english(text[first : begin + 1] + text[end:last]) else 1


def jamo_composed(text: Tracked, within: Sequence[tuple[int, int]] | None = None) -> Tracked:
    """Jamo that were typed apart as syllables, everywhere or only within the given spans. Laughter and other jamo without a vowel stay."""
    text = _vowels_read(text)
    letters = text.text
    edits = [edit for start, end in within or [(0, len(letters))] for edit in syllables(letters, start, end)]
    if within is None:
        edits += _finals_joined(letters)
        edits.sort()
    return text.edited([start for start, _, _ in edits], [end for _, end, _ in edits], [syllable for _, _, syllable in edits])


def _finals_joined(letters: str) -> Iterator[tuple[int, int, str]]:
    """Single jamo between syllables that are the final consonant of the one before."""
    for jamo in _SINGLE_FINAL.finditer(letters):
        before = letters[jamo.start() - 1]
        if (ord(before) - 0xAC00) % 28 == 0 and jamo[0] not in LAUGHTER:
            yield jamo.start() - 1, jamo.end(), chr(ord(before) + FINAL_PLACE[jamo[0]])


def _vowels_read(text: Tracked) -> Tracked:
    """Latin letters that stand for the vowel of a jamo before them ("ㅅl") as that vowel."""
    codes = text.codes
    consonant = (codes[:-1] >= 0x3131) & (codes[:-1] <= 0x314E)
    at = np.flatnonzero(consonant & (codes[1:] < 0x80)) + 1
    if not len(at):
        return text
    letters = text.text
    chosen: list[int] = []
    vowels: list[str] = []
    for place in at.tolist():
        vowel = LATIN_VOWELS.get(letters[place])
        after = letters[place + 1 : place + 2]
        within = "ㄱ" <= after <= "ㅣ" or "가" <= after <= "힣"
        laughs = letters[place - 1] in LAUGHTER and not "가" <= after <= "힣"
        if vowel and not laughs and (within or (letters[place].isalpha() and not after.isalnum())):
            chosen.append(place)
            vowels.append(vowel)
    return text.exchanged(np.array(chosen, np.intp), codes_of("".join(vowels))) if chosen else text


def _leet_undone(text: Tracked, sorts: Kinds) -> tuple[Tracked, bool]:
    letter = sorts & LATIN != 0
    digit = sorts & DIGIT != 0
    sign = sorts & SIGN != 0
    beside = (letter[1:] & (digit | sign)[:-1]) | (digit[1:] & letter[:-1])
    if not bool(beside.any()):
        return text, False
    begins, ends = runs_of(letter | digit | sign)
    counts = np.concatenate(([0], np.cumsum(beside)))
    mixed = (counts[ends - 1] > counts[begins]) & (ends - begins <= TOKEN_CHARACTERS_MAX)
    return _tokens_undone(text, begins[mixed], ends[mixed])


def _tokens_undone(text: Tracked, begins: NDArray[np.intp], ends: NDArray[np.intp]) -> tuple[Tracked, bool]:
    codes = text.codes
    changed = None
    any_known = False
    read: dict[str, tuple[str, bool]] = {}
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        token = text_of(codes[begin:end])
        word, known = read.get(token) or read.setdefault(token, undone(token))
        if word != token:
            changed = codes.copy() if changed is None else changed
            changed[begin:end] = codes_of(word)
            any_known |= known
    return (text, False) if changed is None else (Tracked(changed, text.starts, text.ends), any_known)


def _spelt_out(sorts: Kinds, places: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where words are spelt out with something between their letters: half-open runs among the letters and digits, which stand at those places."""
    none = np.zeros(0, np.intp)
    gaps = np.diff(places)
    if _BORDERS not in b"\1" + (gaps > 1).tobytes() + b"\1":
        return none, none
    apart = (gaps > 1) & (gaps <= SPACED_GAP_MAX + 1)
    # The first and last of a run of gaps may be the ends of ordinary words.
    begins, ends = runs_of(apart)
    padded = np.concatenate(([2], gaps, [2]))
    begins = begins + (padded[begins] == 1)
    ends = ends + (padded[ends + 1] != 1)
    long = ends - begins >= SPACED_LETTERS_MIN
    begins, ends = begins[long], ends[long]
    letters = np.concatenate(([0], np.cumsum(sorts[places] & (LATIN | HANGUL | JAMO) != 0)))
    spelt = letters[ends] - letters[begins] >= SPACED_LETTERS_MIN - 1
    return begins[spelt], ends[spelt]


def squeezed(text: Tracked, sorts: Kinds) -> tuple[Tracked, frozenset[str]]:
    """The letters and digits of a folded text alone, words that were spelt out read once more.

    Args:
        sorts: the kinds of the text's characters.
    """
    places = np.flatnonzero(sorts & LETTER_OR_DIGIT).astype(np.int32)
    if text.starts is None or text.ends is None:
        small = Tracked(text.codes[places], places, places + np.int32(1))
    else:
        small = Tracked(text.codes[places], text.starts[places], text.ends[places])
    begins, ends = _spelt_out(sorts, places)
    if len(begins):
        letters = text.text
        spelt = [_is_spelt(letters[places[begin] : places[end - 1] + 1]) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        begins, ends = begins[spelt], ends[spelt]
    if not len(begins):
        return small, frozenset()
    small, known = _tokens_undone(small, begins, ends)
    tricks = frozenset({"spacing", "leet"} if known else {"spacing"})
    if int(np.bitwise_or.reduce(sorts)) & JAMO:
        small = jamo_composed(small, list(zip(begins.tolist(), ends.tolist(), strict=True)))
    return small, tricks


def _is_spelt(run: str) -> bool:
    """Whether single letters are a word spelt out, and no list, code, or sentence of short Korean words."""
    words = run.split(" ")
    short_korean = len(words) < SPACED_WORDS_MIN and all(len(word) == 1 and "가" <= word <= "힣" for word in words)
    return _NOT_SPELLING.isdisjoint(run) and not short_korean

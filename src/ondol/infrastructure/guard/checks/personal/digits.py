"""Numbers as people write them: digits in groups, spaced, dotted, across lines, or spelled in Hangul."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from ondol.infrastructure.guard.patterns import Pattern

NUMBER_CHARS_MAX = 64
"""The longest number that is looked at, separators included."""

NUMBER_DIGITS_MIN = 7
NUMBER_DIGITS_MAX = 19
GROUPS_MAX = 6
SMALL_DIGITS_MAX = 2
GAP_CHARS_MAX = 3
"""Separators between two digits of one number."""

SPELLED_WINDOW_CHARS = 64
"""How far to both sides of four digits in Hangul the rest of the number is looked for."""

_GAP: Final = r"[ \t\r\n.\-/()_]"
_HANGUL: Final = "공영일이삼사오육륙칠팔구"
_JOINERS: Final = ("다시", "대시", "하이픈", "에", "의")
_VALUES: Final = dict(zip(_HANGUL, "001234566789", strict=True))

CHAIN_PATTERN: Final = Pattern(
    rf"(?:^|[^0-9 \t\r\n.\-/()_]|{_GAP}{{4}}){_GAP}*[0-9](?:{_GAP}{{0,3}}[0-9]){{{NUMBER_DIGITS_MIN - 1}}}", finds_start=False
)
"""Seven digits at the beginning of a chain of digits and separators: one match for each chain, however long it is."""

SPELLED_PATTERN: Final = Pattern(rf"[0-9{_HANGUL}][ \-.]?[{_HANGUL}](?:[ \-.]?[0-9{_HANGUL}]){{2}}", finds_start=False)
"""Four digits of which the second is in Hangul."""

_GROUPS: Final = re.compile(r"[0-9]+")
_SEPARATORS: Final = frozenset(" \t\r\n.-/()_")


@dataclass(frozen=True, slots=True)
class Chain:
    """Digits that separators of at most `GAP_CHARS_MAX` characters join.

    Attributes:
        text: the view.
        digits: ASCII digits.
        places: where each digit stands in the view.
        firsts: index of the first digit of each group, and the number of digits at the end.
        spelled: whether some digits are in Hangul.
    """

    text: str
    digits: str
    places: list[int]
    firsts: list[int]
    spelled: bool = False


class Number(NamedTuple):
    """Some neighbouring groups of a chain, to be judged as one number.

    Attributes:
        start, end: span in the view.
        groups: how many digits each group has.
        glued_left, glued_right: whether letters or more digits hang on directly, or over a dash, dot or underscore.
        crowded: whether blanks join its groups, and more of them beside it, as in a table.
    """

    text: str
    digits: str
    start: int
    end: int
    groups: tuple[int, ...]
    spelled: bool
    glued_left: bool
    glued_right: bool
    crowded: bool = False

    @property
    def glued(self) -> bool:
        """Whether it is part of something longer."""
        return self.glued_left or self.glued_right

    @property
    def spaced(self) -> bool:
        """Whether every digit stands alone."""
        return len(self.groups) == len(self.digits)

    def cuts(self, *lengths: int) -> bool:
        """Whether the number is one run, or all single digits, or has a cut at each place where one of these lengths ends."""
        if len(self.groups) == 1 or self.spaced or self.spelled:
            return True
        ends: set[int] = set()
        total = 0
        for group in self.groups:
            total += group
            ends.add(total)
        total = 0
        for length in lengths:
            total += length
            if total not in ends:
                return False
        return True


def chains(text: str, ends: list[int]) -> Iterator[Chain]:
    """The chains that matches of `CHAIN_PATTERN` begin, by their ends in the view. Each character is looked at at most once or twice."""
    reached = 0
    for end in ends:
        if end <= reached:
            continue
        start = _walk_back(text, end, reached)
        chain = _chain_from(text, start)
        reached = chain.places[-1] + 1
        yield chain


def spelled_chains(text: str, ends: list[int]) -> Iterator[Chain]:
    """The chains around matches of `SPELLED_PATTERN`, each within `SPELLED_WINDOW_CHARS` of the match."""
    reached = 0
    for end in ends:
        if end <= reached:
            continue
        low = max(0, end - SPELLED_WINDOW_CHARS)
        chain = _spelled_in(text, low, end - 1, min(len(text), end + SPELLED_WINDOW_CHARS))
        reached = chain.places[-1] + 1
        if len(chain.digits) > NUMBER_DIGITS_MIN and _ends_in_word(text, reached):
            yield _shortened(chain)
        if len(chain.digits) >= NUMBER_DIGITS_MIN:
            yield chain


_SYLLABLES_BEHIND: Final = {"이": frozenset("고며에라다야지니었였어"), "일": frozenset("까지"), "구": frozenset("요나")}


def _ends_in_word(text: str, end: int) -> bool:
    """Whether the last digit may be the first syllable of what follows: ...삼사이고, ...삼사일까; 입니다 and 는 follow a digit."""
    return text[end : end + 1] in _SYLLABLES_BEHIND.get(text[end - 1], frozenset())


def _shortened(chain: Chain) -> Chain:
    last = len(chain.digits) - 1
    firsts = [first for first in chain.firsts[:-1] if first < last]
    return Chain(chain.text, chain.digits[:-1], chain.places[:-1], [*firsts, last], spelled=True)


def numbers(chain: Chain) -> Iterator[Number]:
    """Runs of neighbouring groups with 7 to 19 digits on at most `NUMBER_CHARS_MAX` characters that may be a number by themselves.

    A dash or dot directly between two groups of ASCII digits joins them: no number begins behind it, nor ends before such a dash.
    """
    firsts, places, text = chain.firsts, chain.places, chain.text
    last = len(firsts) - 1
    gaps = [text[places[first - 1] + 1 : places[first]] for first in firsts[1:-1]]
    sizes = [firsts[place + 1] - firsts[place] for place in range(last)]
    runs = _Runs(sizes, gaps)
    for begin in range(last):
        first = firsts[begin]
        start = places[first]
        if begin and not chain.spelled and gaps[begin - 1] in {"-", ".", "_"}:
            continue
        if sizes[begin : begin + 3] == [4, 2, 2] and chain.digits[first : first + 2] in {"19", "20"} and gaps[begin] == gaps[begin + 1] != " ":
            continue
        for stop in range(begin + 1, last + 1) if chain.spelled else runs.stops(begin):
            count = firsts[stop] - first
            if count < NUMBER_DIGITS_MIN:
                continue
            end = places[firsts[stop] - 1] + 1
            if count > NUMBER_DIGITS_MAX or end - start > NUMBER_CHARS_MAX:
                break
            if stop < last and not chain.spelled and gaps[stop - 1] in {"-", "_"}:
                continue
            groups = tuple(sizes[begin:stop])
            if not _plausible(groups):
                continue
            digits = chain.digits[first : firsts[stop]]
            beside = (begin > 0 and gaps[begin - 1] in _BLANKS) or (stop < last and gaps[stop - 1] in _BLANKS)
            crowded = beside and len(groups) > 1 and gaps[begin] in _BLANKS
            yield Number(text, digits, start, end, groups, chain.spelled, glued_left(text, start), glued_right(text, end), crowded)


_BLANKS: Final = frozenset({" ", "  ", "   ", "\t"})


class _Runs:
    """Which neighbouring groups may be one number, in a chain that is not spelled.

    A number of single or paired digits is the whole of a run of such groups or nothing: its parts would be found by the dozen. A new line or a
    slash ends a run.
    """

    __slots__ = ("_ends", "_large", "_last", "_sizes")

    def __init__(self, sizes: list[int], gaps: list[str]) -> None:
        self._sizes = sizes
        self._last = last = len(sizes)
        self._ends = ends = [0] * last
        self._large = large = [last] * (last + 1)
        for place in range(last - 1, -1, -1):
            small = sizes[place] <= SMALL_DIGITS_MAX
            large[place] = large[place + 1] if small else place
            joined = small and place + 1 < last and sizes[place + 1] <= SMALL_DIGITS_MAX and "\n" not in gaps[place] and "/" not in gaps[place]
            ends[place] = ends[place + 1] if joined else place + 1

    def stops(self, begin: int) -> Iterable[int]:
        """Behind which groups a number that begins with this one may end, ascending."""
        if self._sizes[begin] > SMALL_DIGITS_MAX:
            return range(begin + 1, self._last + 1)
        beyond = range(self._large[begin] + 1, self._last + 1)
        if begin and self._sizes[begin - 1] <= SMALL_DIGITS_MAX and self._ends[begin - 1] > begin:
            return beyond
        return itertools.chain([self._ends[begin]], beyond)


def glued_left(text: str, start: int) -> bool:
    """Whether ASCII letters or digits end right before a place, or before one dash, dot or underscore there."""
    if start == 0:
        return False
    before = text[start - 1]
    if before in "-._":
        return start > 1 and _alphanumeric(text[start - 2])
    return _alphanumeric(before)


def glued_right(text: str, end: int) -> bool:
    """Whether ASCII letters or digits begin right behind a place, or behind one dash, dot or underscore (a dot only before a digit)."""
    if end >= len(text):
        return False
    after = text[end]
    if after in "-._":
        return end + 1 < len(text) and (text[end + 1].isdigit() if after == "." else _alphanumeric(text[end + 1]))
    return _alphanumeric(after)


def _alphanumeric(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _plausible(groups: tuple[int, ...]) -> bool:
    """Numbers have few groups, unless each digit or pair of digits stands alone."""
    return len(groups) <= GROUPS_MAX or max(groups) <= SMALL_DIGITS_MAX


def _walk_back(text: str, end: int, low: int) -> int:
    """Where the chain that has its seventh digit right before `end` begins."""
    place, seen = end - 1, 0
    start = place
    while place >= low and seen < NUMBER_DIGITS_MIN:
        if "0" <= text[place] <= "9":
            seen += 1
            start = place
        place -= 1
    return start


def _chain_from(text: str, start: int) -> Chain:
    digits: list[str] = []
    places: list[int] = []
    firsts: list[int] = []
    reached = start
    for group in _GROUPS.finditer(text, start):
        begin, end = group.span()
        if begin - reached > GAP_CHARS_MAX or (begin > reached and not _SEPARATORS.issuperset(text[reached:begin])):
            break
        firsts.append(len(places))
        digits.append(group[0])
        places.extend(range(begin, end))
        reached = end
    firsts.append(len(places))
    return Chain(text, "".join(digits), places, firsts)


def _spelled_in(text: str, low: int, anchor: int, high: int) -> Chain:
    """The chain around the digit at `anchor`; joiners such as 다시 count as separators."""
    places = [anchor]
    place = anchor - 1
    while (found := _step(text, place, -1, low)) is not None:
        places.append(found)
        place = found - 1
    places.reverse()
    place = anchor + 1
    while (found := _step(text, place, 1, high - 1)) is not None:
        places.append(found)
        place = found + 1
    digits = "".join(_VALUES.get(text[at], text[at]) for at in places)
    firsts = [index for index, at in enumerate(places) if index == 0 or places[index - 1] + 1 < at]
    return Chain(text, digits, places, [*firsts, len(places)], spelled=True)


def _step(text: str, place: int, direction: int, limit: int) -> int | None:
    """The next digit in a direction over at most `GAP_CHARS_MAX` separators and one joiner, or None."""
    gap, joined = 0, False
    while (place - limit) * direction <= 0:
        char = text[place]
        if "0" <= char <= "9" or char in _VALUES:
            return place
        joiner = None if joined else _joiner(text, place, direction)
        if joiner is not None:
            joined = True
            place += direction * len(joiner)
            continue
        if char not in _SEPARATORS or gap >= GAP_CHARS_MAX:
            return None
        gap += 1
        place += direction
    return None


def _joiner(text: str, place: int, direction: int) -> str | None:
    for joiner in _JOINERS:
        begin = place if direction > 0 else place - len(joiner) + 1
        if begin >= 0 and text.startswith(joiner, begin):
            return joiner
    return None

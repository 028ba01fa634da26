"""Where an entity ends inside its last run of Hangul: a name is not its particle (박선영은 names 박선영)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

REMAINDER_MAX: Final = 6
"""No particle or its like is longer, in syllables."""

REMAINDERS_MAX: Final = 1 << 7
"""So many different ones at most are considered."""

ENDINGS: Final = 1 << 14
"""The table of endings has so many weights."""

_SIZE_MAX: Final = 6
_ALIKE: Final = 1 << 11
_HASHED: Final = _ALIKE + 2 * REMAINDERS_MAX
_PLACES: Final = 14_071
"""The largest prime that still fits into the table behind the rows that are not hashed."""


@dataclass(frozen=True, slots=True)
class Endings:
    """Weights for what may follow an entity in the same run.

    Attributes:
        remainders: strings that were seen behind an entity often enough to be considered, each with its number, from 1.
        weights: one for each feature.
    """

    remainders: Mapping[str, int]
    weights: Sequence[int]

    def split(self, label: int, run: str, alone: bool) -> int:
        """How many syllables of the run belong to the entity of this label (by number); at least one. `alone`: the entity begins in this run."""
        options = candidates(run, self.remainders)
        best = len(run)
        if len(options) == 1:
            return best
        weights, best_score = self.weights, None
        for length, rest in options:
            one, two, three, four, five = ending_rows(label, run, length, rest, alone)
            score = weights[one] + weights[two] + weights[three] + weights[four] + weights[five]
            if best_score is None or score > best_score:
                best, best_score = length, score
        return best


def numbered(remainders: Sequence[str]) -> dict[str, int]:
    """Strings with their numbers, from 1."""
    return {rest: number for number, rest in enumerate(remainders[: REMAINDERS_MAX - 1], 1)}


def candidates(run: str, remainders: Mapping[str, int]) -> list[tuple[int, int]]:
    """Lengths that the entity's part of a run may have, the longest first, each with the number of what is left (0 for nothing)."""
    size = len(run)
    found = [(size, 0)]
    for cut in range(size - 1, max(0, size - REMAINDER_MAX - 1), -1):
        rest = remainders.get(run[cut:])
        if rest:
            found.append((cut, rest))
    return found


def ending_rows(label: int, run: str, length: int, rest: int, alone: bool) -> tuple[int, int, int, int, int]:
    """The rows of the table that one way to split a run looks at; `rest` is the number of what is left."""
    last = ord(run[length - 1])
    kind = label * REMAINDERS_MAX + rest
    size = length if length < _SIZE_MAX else _SIZE_MAX
    joined = (label << 16 | (ord(run[length]) if rest else 0)) << 32 | last << 16 | (ord(run[length - 2]) if length > 1 else 0)
    return (
        kind,
        _ALIKE + 2 * rest + ((last - 0xAC00) % 28 > 0),
        _HASHED + (kind << 4 | alone << 3 | size) % _PLACES,
        _HASHED + (kind << 16 | last) * 3 % _PLACES,
        _HASHED + joined * 5 % _PLACES,
    )

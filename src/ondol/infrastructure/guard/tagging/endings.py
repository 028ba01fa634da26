"""Where an entity ends inside its last run of Hangul: a name is not its particle (박선영은 names 박선영)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

ENDING_BITS: Final = 13
"""The table of endings has 2**13 weights."""

REMAINDER_MAX: Final = 6
"""No particle or its like is longer, in syllables."""

REMAINDERS_MAX: Final = 1 << 10
"""So many different ones at most are considered."""

_SIZE_MAX: Final = 6
_WORD: Final = (1 << 64) - 1
_SHIFT: Final = 64 - ENDING_BITS
_SALTS: Final = (
    0xA24B_AED4_963E_E407,
    0x9FB2_1C65_1E98_DF25,
    0xC2B2_AE3D_27D4_EB4F,
    0x1656_67B1_9E37_79F9,
    0xD6E8_FEB8_6659_FD93,
    0xFF51_AFD7_ED55_8CCD,
)


@dataclass(frozen=True, slots=True)
class Endings:
    """Weights for what may follow an entity in the same run.

    Attributes:
        remainders: strings that were seen behind an entity often enough to be considered, each with its number, from 1.
        weights: one for each hashed feature.
    """

    remainders: Mapping[str, int]
    weights: Sequence[int]

    def split(self, label: int, run: str, alone: bool) -> int:
        """How many syllables of the run belong to the entity of this label (by number); at least one. `alone`: the entity begins in this run."""
        best = size = len(run)
        best_score = None
        remainders, weights = self.remainders, self.weights
        for cut in range(size - 1, max(0, size - REMAINDER_MAX - 1), -1):
            if run[cut:] in remainders:
                if best_score is None:
                    best_score = sum([weights[row] for row in ending_rows(label, run, size, alone, remainders)])
                score = sum([weights[row] for row in ending_rows(label, run, cut, alone, remainders)])
                if score > best_score:
                    best, best_score = cut, score
        return best


def numbered(remainders: Sequence[str]) -> dict[str, int]:
    """Strings with their numbers, from 1."""
    return {rest: number for number, rest in enumerate(remainders[: REMAINDERS_MAX - 1], 1)}


def candidates(run: str, remainders: Mapping[str, int]) -> list[int]:
    """Lengths that the entity's part of a run may have, the longest first."""
    size = len(run)
    return [size] + [cut for cut in range(size - 1, max(0, size - REMAINDER_MAX - 1), -1) if run[cut:] in remainders]


def ending_rows(label: int, run: str, length: int, alone: bool, remainders: Mapping[str, int]) -> tuple[int, ...]:
    """The rows of the table that one way to split a run looks at."""
    rest = remainders[run[length:]] if length < len(run) else 0
    following = ord(run[length]) if rest else 0
    last = ord(run[length - 1])
    last_two = last << 16 | ord(run[length - 2]) if length > 1 else last << 16
    size = min(length, _SIZE_MAX)
    kind = label << 10 | rest
    sized = (label << 1 | alone) << 3 | size
    one, two, three, four, five, six = _SALTS
    return (
        ((kind + 1) * one & _WORD) >> _SHIFT,
        ((kind << 16 | last) * two & _WORD) >> _SHIFT,
        (((label << 16 | following) << 32 | last_two) * three & _WORD) >> _SHIFT,
        ((sized + 1) * four & _WORD) >> _SHIFT,
        (((rest << 8 | sized) + 1) * five & _WORD) >> _SHIFT,
        ((rest << 1 | ((last - 0xAC00) % 28 > 0)) * six & _WORD) >> _SHIFT,
    )

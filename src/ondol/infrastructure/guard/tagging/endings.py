"""Where an entity ends inside its last run of Hangul: a name is not its particle (박선영은 names 박선영)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

ENDING_BITS: Final = 13
"""The table of endings has 2**13 weights."""

REMAINDER_MAX: Final = 6
"""No particle or its like is longer, in syllables."""

_MASK: Final = (1 << ENDING_BITS) - 1


@dataclass(frozen=True, slots=True)
class Endings:
    """Weights for what may follow an entity in the same run.

    Attributes:
        remainders: strings that were seen behind an entity, and how often enough to be considered.
        weights: one for each hashed feature.
    """

    remainders: frozenset[str]
    weights: Sequence[int]

    def split(self, label: str, run: str, alone: bool) -> int:
        """How many syllables of the run belong to the entity; at least one. `alone` says that the entity begins in this run."""
        best, best_score = len(run), None
        for length in candidates(run, self.remainders):
            score = sum(self.weights[row] for row in ending_rows(label, run, length, alone))
            if best_score is None or score > best_score:
                best, best_score = length, score
        return best


def candidates(run: str, remainders: Mapping[str, int] | frozenset[str]) -> list[int]:
    """Lengths that the entity's part of a run may have, the longest first."""
    lengths = [len(run)]
    for cut in range(len(run) - 1, max(0, len(run) - REMAINDER_MAX - 1), -1):
        if run[cut:] in remainders:
            lengths.append(cut)
    return lengths


def ending_rows(label: str, run: str, length: int, alone: bool) -> tuple[int, ...]:
    """The rows of the table that one way to split a run looks at."""
    rest, stem = run[length:], run[:length]
    size = min(length, 6)
    return (
        crc32(f"{label}|{rest}".encode()) & _MASK,
        crc32(f"{label}|{stem[-1:]}|{rest}".encode()) & _MASK,
        crc32(f"{label}|{stem[-2:]}|{rest[:1]}".encode()) & _MASK,
        crc32(f"{label}|{size}|{alone}".encode()) & _MASK,
        crc32(f"{label}|{size}|{alone}|{rest}".encode()) & _MASK,
        crc32(f"{rest}|{(ord(stem[-1]) - 0xAC00) % 28 > 0}".encode()) & _MASK,
    )

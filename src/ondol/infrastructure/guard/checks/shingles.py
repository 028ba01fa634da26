"""Runs of letters that two texts share, by keyed hashes of character n-grams: linear in both.

A gram is hashed by a polynomial of its characters' codes modulo 2^64 (Karp and Rabin, "Efficient randomized pattern-matching algorithms", 1987)
whose multiplier comes from the key, then mixed. This keeps words out of sight; it is no cipher: an index is sealed as its texts are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.text import GuardText

STEP_CHARACTERS = 8
"""A text is first looked at by every eighth of its grams."""
FILTER_BITS_OF_A_HASH = 16
"""So many bits of the filter for each hash: about one gram in 16 passes it by chance, two neighbours one time in 256."""
CORPUS_GRAM_CHARACTERS = 20
PIECE_CHARACTERS = 100_000
"""A long text is normalised in pieces of about so many characters."""
WORD_LETTERS = 5
"""Words run together count as one for each so many letters."""
WORD_LETTERS_MIN = 2
"""Letters pulled apart are no words: a run has so many letters for each, on average."""

_MASK = (1 << 64) - 1
_SHIFT = np.uint64(29)


@dataclass(frozen=True)
class GramHash:
    """How grams of one size are hashed under one key.

    Args:
        size: characters in a gram.
        key: 16 to 64 bytes.

    Raises:
        ValueError: when the size or the key is too short or too long.
    """

    size: int
    key: bytes

    def __post_init__(self) -> None:
        if not 4 <= self.size <= 64 or not 16 <= len(self.key) <= 64:
            raise ValueError("a gram has 4 to 64 characters, a key 16 to 64 bytes")

    @cached_property
    def _numbers(self) -> tuple[NDArray[np.uint64], np.uint64, np.uint64]:
        secret = hashlib.blake2b(b"shingles", digest_size=24, key=self.key).digest()
        base = int.from_bytes(secret[:8]) | 1
        powers = np.array([pow(base, exponent, _MASK + 1) for exponent in range(self.size - 1, -1, -1)], np.uint64)
        return powers, np.uint64(int.from_bytes(secret[8:16])), np.uint64(int.from_bytes(secret[16:]) | 1)

    def of(self, text: str, step: int = 1) -> NDArray[np.uint64]:
        """The hashes of the grams that begin at every `step`-th character."""
        count = (len(text) - self.size) // step + 1
        if count <= 0:
            return np.empty(0, np.uint64)
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        powers, offset, factor = self._numbers
        grams: NDArray[np.uint64] = np.ndarray((count, self.size), np.uint64, codes, 0, (8 * step, 8))
        hashes: NDArray[np.uint64] = grams @ powers
        hashes ^= offset
        hashes ^= hashes >> _SHIFT
        hashes *= factor
        return hashes


@dataclass(frozen=True, slots=True)
class SharedRun:
    """A run of letters that two texts share, half-open, in characters of the squeezed view."""

    start: int
    end: int


class HasRuns(Protocol):
    """Texts that another text is compared with."""

    def shared_runs(self, squeezed: str) -> list[SharedRun]:
        """Runs of letters that stand in these texts as well, by where they begin."""
        ...


@dataclass(frozen=True, eq=False)
class ShingleIndex:
    """All grams of a short text, such as a prompt: 8 bytes a letter, and 2 to 4 for the filter.

    Attributes:
        hashes: ascending, each once.
        gram: how they were made.
    """

    hashes: NDArray[np.uint64]
    gram: GramHash

    @classmethod
    def build(cls, texts: Iterable[str], *, key: bytes, size: int = CORPUS_GRAM_CHARACTERS) -> ShingleIndex:
        """Index the letters and digits of these texts.

        Raises:
            ValueError: when the size or the key is too short or too long.
        """
        gram = GramHash(size, key)
        return cls(_together([gram.of(squeezed_text(text)) for text in texts]), gram)

    @property
    def bytes(self) -> int:
        """Of memory, the filter included."""
        return self.hashes.nbytes + (1 << max(0, self._filter_bits - 3))

    @property
    def _filter_bits(self) -> int:
        return max(10, (len(self.hashes) * FILTER_BITS_OF_A_HASH - 1).bit_length())

    @cached_property
    def _filter(self) -> tuple[NDArray[np.uint8], np.uint64]:
        bits = self._filter_bits
        shift = np.uint64(64 - bits)
        marks = np.zeros(1 << bits, np.bool_)
        marks[self.hashes >> shift] = True
        return np.packbits(marks, bitorder="little"), shift

    def _may_hold(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        bits, shift = self._filter
        places = (hashes >> shift).view(np.int64)
        found: NDArray[np.bool_] = (bits.take(places >> 3) >> (places & 7).astype(np.uint8)) & np.uint8(1) != 0
        return found

    def holds(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """For each hash whether it is one of the index's."""
        if not len(self.hashes):
            return np.zeros(len(hashes), np.bool_)
        places = np.searchsorted(self.hashes, hashes)
        places[places == len(self.hashes)] = 0
        found: NDArray[np.bool_] = self.hashes[places] == hashes
        return found

    def shared_runs(self, squeezed: str) -> list[SharedRun]:
        """Runs of the text all of whose grams are in the index, those of at least two steps and a gram; shorter ones may be left out."""
        if not len(self.hashes):
            return []
        sampled = self.gram.of(squeezed, STEP_CHARACTERS)
        if len(sampled) < 2:
            return []
        candidates = self._may_hold(sampled)
        if not (candidates[:-1] & candidates[1:]).any():
            return []
        candidates[candidates] = self.holds(sampled[candidates])
        runs = []
        for first, end in _runs(candidates):
            if end - first > 1:
                # A gram that reaches a step further would have had its neighbour found.
                low = max(0, first * STEP_CHARACTERS - STEP_CHARACTERS + 1)
                high = (end - 1) * STEP_CHARACTERS + self.gram.size + STEP_CHARACTERS - 1
                known = self.holds(self.gram.of(squeezed[low:high]))
                runs += [SharedRun(low + start, low + stop + self.gram.size - 1) for start, stop in _runs(known) if stop - start > STEP_CHARACTERS]
        return runs


@dataclass(frozen=True, eq=False)
class CorpusIndex(ShingleIndex):
    """Every eighth gram of many texts: 1 byte a letter, and up to a half for the filter.

    The text that is compared is looked at by all of its grams instead, so what is shared is found wherever it begins; a run is told up to
    `STEP_CHARACTERS` - 1 letters shorter at each end than it is.
    """

    @classmethod
    def build(cls, texts: Iterable[str], *, key: bytes, size: int = CORPUS_GRAM_CHARACTERS) -> CorpusIndex:
        """Index the letters and digits of these texts.

        Raises:
            ValueError: when the size or the key is too short or too long.
        """
        gram = GramHash(size, key)
        return cls(_together([gram.of(squeezed_text(text), STEP_CHARACTERS) for text in texts]), gram)

    @classmethod
    def joined(cls, saved: Iterable[bytes], *, key: bytes) -> CorpusIndex:
        """What `save` made of several, as one; with another key than they were built with nothing is found.

        Raises:
            ValueError: when these are not such bytes, or of grams of different sizes.
        """
        parts = [_loaded(data) for data in saved]
        sizes = {size for size, _ in parts}
        if len(sizes) > 1:
            raise ValueError("indexes of different grams")
        return cls(_together([hashes for _, hashes in parts]), GramHash(sizes.pop() if sizes else CORPUS_GRAM_CHARACTERS, key))

    def save(self) -> bytes:
        """The index as bytes, without its key."""
        return np.concatenate([np.array([self.gram.size], "<u8"), self.hashes.astype("<u8")]).tobytes()

    def shared_runs(self, squeezed: str) -> list[SharedRun]:
        """Runs of the text of which every eighth gram is in the index, two grams at least. Those that overlap are one."""
        if not len(self.hashes):
            return []
        hashes = self.gram.of(squeezed)
        known = self._may_hold(hashes) if len(hashes) else np.zeros(0, np.bool_)
        if not (known[:-STEP_CHARACTERS] & known[STEP_CHARACTERS:]).any():
            return []
        known[known] = self.holds(hashes[known])
        spans: list[tuple[int, int]] = []
        for phase in range(STEP_CHARACTERS):
            for first, end in _runs(known[phase::STEP_CHARACTERS]):
                if end - first > 1:
                    spans.append((phase + first * STEP_CHARACTERS, phase + (end - 1) * STEP_CHARACTERS + self.gram.size))
        runs: list[SharedRun] = []
        for start, stop in sorted(spans):
            if runs and start < runs[-1].end:
                runs[-1] = SharedRun(runs[-1].start, max(runs[-1].end, stop))
            else:
                runs.append(SharedRun(start, stop))
        return runs


def squeezed_text(text: str) -> str:
    """The letters and digits of a text, normalised; a long one is cut at spaces and normalised piece by piece."""
    pieces: list[str] = []
    start = 0
    while len(text) - start > PIECE_CHARACTERS:
        end = text.rfind(" ", start + 1, start + PIECE_CHARACTERS)
        end = start + PIECE_CHARACTERS if end < 0 else end
        pieces.append(GuardText(text[start:end]).squeezed.text)
        start = end
    return "".join((*pieces, GuardText(text[start:]).squeezed.text))


def _loaded(data: bytes) -> tuple[int, NDArray[np.uint64]]:
    """The size of the grams and their hashes."""
    if not data or len(data) % 8:
        raise ValueError("not an index")
    values = np.frombuffer(data, "<u8").astype(np.uint64)
    if bool(np.any(values[1:-1] >= values[2:])):
        raise ValueError("not an index")
    return int(values[0]), values[1:]


def _together(parts: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Ascending, each once."""
    return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)


def _runs(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where runs of true marks begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marks, [False])).astype(np.int8))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def long_runs(text: GuardText, index: HasRuns, words_min: int) -> list[tuple[int, int]]:
    """Spans in the original of the runs that `text` shares with an index and that are as long as `words_min` words.

    That is so many words, or as many letters as they usually have, for words may be run together or pulled apart.
    """
    view = text.squeezed
    runs = []
    for run in index.shared_runs(view.text):
        start, end = view.span(run.start, run.end)
        letters = view.text[run.start : run.end]
        if _weight(letters) >= words_min * WORD_LETTERS or (
            len(letters) >= words_min * WORD_LETTERS_MIN and len(text.original[start:end].split()) >= words_min
        ):
            runs.append((start, end))
    return runs


def _weight(letters: str) -> int:
    """Letters, those of Hangul twice: a syllable says as much as two or three."""
    codes = np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), np.uint32)
    return len(letters) + int(np.count_nonzero((codes >= 0xAC00) & (codes <= 0xD7A3)))

"""Words, lines and pages of a PDF. Lengths are in points, with y growing upwards."""

from __future__ import annotations

from dataclasses import dataclass

SAME_HEIGHT_EM = 0.25
"""Baselines nearer to each other than this are one line."""

WORDS_MAX = 500
"""A line with so many words takes no more."""


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters without space."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    bold: bool


@dataclass(frozen=True, slots=True)
class Line:
    """Words at one height; made by `Line.of`.

    `spaced` tells whether the file itself has a space at the end of the line. `text` is the words with single spaces. `size` is that of
    the longest word: notes and marks are smaller.
    """

    page: int
    words: tuple[Word, ...]
    spaced: bool
    text: str
    size: float

    @classmethod
    def of(cls, page: int, words: tuple[Word, ...], spaced: bool) -> Line:
        """The line of these words, at least one."""
        longest = max(words, key=lambda word: len(word.text))
        return cls(page, words, spaced, " ".join(word.text for word in words), longest.size)

    @property
    def left(self) -> float:
        """Where the line begins."""
        return self.words[0].left

    @property
    def right(self) -> float:
        """Where the line ends."""
        return self.words[-1].right

    @property
    def baseline(self) -> float:
        """Height of its first word above the bottom of the page."""
        return self.words[0].baseline

    @property
    def bold(self) -> bool:
        """Whether all its words are bold."""
        return all(word.bold for word in self.words)

    def goes_on_in(self, other: Line) -> bool:
        """Whether the other line is a further part of this one, to its right at the same height."""
        same_height = abs(other.baseline - self.baseline) < SAME_HEIGHT_EM * max(self.size, other.size)
        return same_height and other.left > self.right - 1 and len(self.words) < WORDS_MAX

    def with_more(self, other: Line) -> Line:
        """This line with the words of another one behind its own."""
        return Line.of(self.page, self.words + other.words, other.spaced)


@dataclass(frozen=True, slots=True)
class Page:
    """A page with its lines in the order of the file."""

    number: int
    width: float
    lines: list[Line]

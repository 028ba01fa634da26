"""Joining the lines of a paragraph: hyphens, and the spaces that Korean loses at line ends.

Korean is broken between words by some programs and between any two syllables by others. Three signs tell which it was, in this order:
spaces that the file keeps at line ends; words of the same document; room left at line ends, since a break between syllables leaves none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MARKED_SHARE_MIN = 0.08
"""If at least this share of lines that end in Hangul carry a space of their own, the file marks its spaces."""

MARKED_LINES_MIN = 3

RAGGED_EM = 1.0
"""A line with room for one more letter was not broken between syllables."""

RAGGED_SHARE_MIN = 0.15
"""If so many lines that are broken within Hangul are ragged, all breaks of the document are between words."""

_HANGUL = re.compile("[\uac00-\ud7a3]")
_TOKEN = re.compile("[\uac00-\ud7a3A-Za-z0-9]+")
_HYPHENATED = re.compile("[A-Za-z]+-[A-Za-z]+")
_PARTICLE = re.compile(
    "(?:을|를|은|는|이|가|의|에|에서|에게|로|으로|와|과|도|만|까지|부터|보다|며|고|다|지|한|할|된|하여|하는|하고|한다|된다)(?![\uac00-\ud7a3])"
)

# First parts of English compounds that are always written with a hyphen.
_HYPHENATING = frozenset({"self", "well", "non", "cross", "half", "ex", "all", "end", "high", "low", "long", "short", "full", "real", "third"})

LINE_END_HYPHEN = "\x02"
"""What PDFium returns for a hyphen at the end of a line (and for a sign without a letter, such as a bullet in a font of signs)."""

# It, and the hyphens that a file may hold at a line's end itself.
_HYPHENS = (LINE_END_HYPHEN, "\u00ad", "\u2010", "-")


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line; whether the file has a space at its end, and the room left there in widths of a full letter."""

    text: str
    spaced: bool
    room_em: float


class Joiner:
    """Joins lines, judging by the vocabulary and habits of the whole document.

    Args:
        blocks: the lines of all paragraphs of the document.
    """

    def __init__(self, blocks: Sequence[Sequence[BrokenLine]]) -> None:
        self.words: Counter[str] = Counter()
        for line in (line for block in blocks for line in block):
            self.words.update(_TOKEN.findall(line.text)[1:-1])  # the outer ones may be halves
            self.words.update(match[0] for match in _HYPHENATED.finditer(line.text))
        joints = [
            line
            for block in blocks
            for line, following in pairwise(block)
            if _HANGUL.fullmatch(line.text[-1:]) and _HANGUL.fullmatch(following.text[:1])
        ]
        marked = sum(line.spaced for line in joints)
        ragged = sum(line.room_em >= RAGGED_EM for line in joints)
        self.spaces_are_marked = marked >= MARKED_LINES_MIN and marked >= MARKED_SHARE_MIN * len(joints)
        self.breaks_between_words = ragged > 0 and ragged >= RAGGED_SHARE_MIN * len(joints)

    def join(self, lines: Sequence[BrokenLine]) -> str:
        """The lines of one paragraph as one text."""
        text = lines[0].text if lines else ""
        for before, line in pairwise(lines):
            text = self._joint(text, line.text, before)
        return text.replace(LINE_END_HYPHEN, "-")

    def _joint(self, text: str, line: str, before: BrokenLine) -> str:
        if text.endswith(_HYPHENS) and line[:1].islower() and text[-2:-1].isalpha():
            return self._hyphenated(text, line)
        if before.spaced or not line or not (_HANGUL.fullmatch(text[-1:]) and _HANGUL.fullmatch(line[0])):
            glued = self.spaces_are_marked and not before.spaced and self._korean_runs_on(text, line)
            return text + line if glued else f"{text} {line}"
        if self.spaces_are_marked:
            return text + line
        return text + line if self._one_word(text, line, before.room_em) else f"{text} {line}"

    def _korean_runs_on(self, text: str, line: str) -> bool:
        """A Korean particle after a foreign word or bracket, such as ``MySQL`` + ``을``, in a file that marks its spaces."""
        return bool(_PARTICLE.match(line)) and not _HANGUL.fullmatch(text[-1:]) and not text.endswith((".", ",", ":", ";", "?", "!"))

    def _hyphenated(self, text: str, line: str) -> str:
        """Drop the hyphen, unless the word is written with one (or both halves are words and the whole is not)."""
        head = re.search(r"[A-Za-z]+$", text[:-1])
        tail = re.match(r"[A-Za-z]+", line)
        if head is not None and tail is not None:
            whole = head[0] + tail[0]
            if head[0].lower() in _HYPHENATING:
                return f"{text[:-1]}-{line}"
            if f"{head[0]}-{tail[0]}" in self.words and whole not in self.words:
                return f"{text[:-1]}-{line}"
            if whole not in self.words and text[-1] == "-" and self.words[head[0]] and self.words[tail[0]]:
                return f"{text[:-1]}-{line}"
        return text[:-1] + line

    def _one_word(self, text: str, line: str, room_em: float) -> bool:
        if room_em >= RAGGED_EM or self.breaks_between_words:
            return False
        head, tail = _TOKEN.findall(text[-60:])[-1], _TOKEN.findall(line[:60])[0]
        if self.words[head + tail]:
            return True
        if _PARTICLE.fullmatch(tail):
            return True
        return not (self.words[head] and self.words[tail])

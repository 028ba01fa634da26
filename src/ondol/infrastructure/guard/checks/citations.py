"""Citations that an answer must carry: a mark ``[n]`` cites what stands before it in its paragraph; a sentence that no mark follows is not cited.

It is the rule by which the assistant's own answers are released, so that one answer is not called cited here and withheld there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import WHOLE_TEXT, Finding

_MARK = re.compile(r"\[(\d{1,3})\]")
_LINE = re.compile(r"[^\n]*\n?")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_SENTENCE_END = re.compile(r"[.!?。！？][\"')\]»”’]{0,3}(?=\s)|\n")
_WORD = re.compile(r"\w")


class CitationsCheck:
    """Finds sentences that no mark covers and marks of sources that do not exist.

    A block of code needs no mark of its own where something cited stands before it.

    Args:
        source_count: how many sources were given; marks run from 1 to this. When absent nothing is found.
    """

    name = "citations"
    reach: int | None = WHOLE_TEXT

    def __init__(self, source_count: int | None = None) -> None:
        self._count = source_count

    def find(self, text: GuardText) -> Sequence[Finding]:
        """All findings, by where they begin."""
        if self._count is None:
            return []
        found: list[Finding] = []
        is_cited = False
        for pieces in _paragraphs(text.original):
            covered = None
            for number, (start, end, is_code) in enumerate(pieces):
                for mark in () if is_code else _MARK.finditer(text.original, start, end):
                    if 1 <= int(mark[1]) <= self._count:
                        covered = number, mark.end()
                    else:
                        found.append(Finding(self.name, "citations.unknown", *mark.span(), 1.0, "no such source"))
            is_cited = is_cited or covered is not None
            first, place = covered or (0, 0)
            for start, end, is_code in pieces[first:]:
                if not (is_code and is_cited):
                    reason = "code before any mark" if is_code else "no mark follows"
                    spans = [(start, end)] if is_code else _sentences(text.original, max(start, place), end)
                    found.extend(Finding(self.name, "citations.missing", *span, 0.9, reason) for span in spans)
        return sorted(found, key=lambda item: item.start)


def _paragraphs(text: str) -> Iterator[list[tuple[int, int, bool]]]:
    """Paragraphs, which end at blank lines outside of code, as pieces: start, end, whether it is a block of code."""
    pieces: list[tuple[int, int, bool]] = []
    start = at = 0
    in_code = False
    while at < len(text):
        line = _LINE.match(text, at)
        assert line is not None  # noqa: S101 - it matches the empty text too
        if _FENCE.match(line[0]):
            pieces.append((start, line.end(), True) if in_code else (start, at, False))
            start = line.end() if in_code else at
            in_code = not in_code
        elif not in_code and not line[0].strip():
            yield [*pieces, (start, at, False)]
            pieces, start = [], line.end()
        at = line.end()
    yield [*pieces, (min(start, len(text)), len(text), in_code)]


def _sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Spans of the sentences that say something, from their first letter or digit on. Marks say nothing."""
    rest = _MARK.sub(lambda mark: " " * len(mark[0]), text[start:end])
    spans = []
    at = 0
    while at < len(rest):
        edge = _SENTENCE_END.search(rest, at)
        stop = len(rest) if edge is None else edge.end()
        word = _WORD.search(rest, at, stop)
        if word is not None:
            spans.append((start + word.start(), start + len(rest[:stop].rstrip())))
        at = stop
    return spans

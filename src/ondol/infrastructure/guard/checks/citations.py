"""Citations that an answer must carry: each paragraph's text up to a mark ``[n]`` is cited by it, what follows the last mark is not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import WHOLE_TEXT, Finding

_MARK = re.compile(r"\[(\d{1,3})\]")
_LINE = re.compile(r"[^\n]*\n?")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_WORD = re.compile(r"\w")


class CitationsCheck:
    """Finds text that no mark covers and marks of sources that do not exist. Code blocks state nothing.

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
        original, start, in_code, at = text.original, 0, False, 0
        while at < len(original):
            line = _LINE.match(original, at)
            assert line is not None  # noqa: S101 - it matches the empty text too
            fence = _FENCE.match(line[0]) is not None
            if fence or in_code or not line[0].strip():
                found.extend(self._paragraph(original, start, at))
                start = line.end()
                in_code ^= fence
            at = line.end()
        found.extend(self._paragraph(original, min(start, len(original)), len(original)))
        return found

    def _paragraph(self, text: str, start: int, end: int) -> list[Finding]:
        found, covered = [], start
        assert self._count is not None  # noqa: S101 - asked only then
        for mark in _MARK.finditer(text, start, end):
            if 1 <= int(mark[1]) <= self._count:
                covered = mark.end()
            else:
                found.append(Finding(self.name, "citations.unknown", *mark.span(), 1.0, "no such source"))
        rest = _MARK.sub(lambda mark: " " * len(mark[0]), text[covered:end])
        word = _WORD.search(rest)
        if word is not None:
            found.append(Finding(self.name, "citations.missing", covered + word.start(), covered + len(rest.rstrip()), 0.9, "no mark follows"))
        return sorted(found, key=lambda item: item.start)

"""Plain text to paragraphs and list items."""

from __future__ import annotations

import re
import unicodedata

from ondol.application.knowledge.parsing.builder import DocumentBuilder
from ondol.application.knowledge.parsing.charset import decode
from ondol.application.knowledge.types import ParsedDocument

WRAPPED_CELLS_MIN = 50
WRAPPED_CELLS_MAX = 120
"""A file whose longest prose line is this wide (a Hangul syllable takes two cells) was wrapped by an editor."""

FILLED_SHARE = 0.7
"""In such a file a line at least this full was broken by the editor, a shorter one by the author."""

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_ITEM = re.compile(r"(?P<indent>[ \t]{0,40})(?P<marker>[-*+•·▪◦‣]|\(?[0-9]{1,3}[.)]|[가-하][.)])[ \t]+(?=\S)")


def load(name: str, data: bytes) -> ParsedDocument:
    """Parse plain text: empty lines end paragraphs, bullets and numbers begin list items, wrapped lines are joined.

    Raises:
        UnreadableDocument: binary, or of unknown encoding.
    """
    text = _LINE_ENDS.sub("\n", decode(name, data))
    lines = [line.rstrip() for line in text.split("\n")]
    wrapped_cells = _wrapped_cells(lines)
    builder = DocumentBuilder(name)
    paragraph: list[str] = []
    marker = ""
    for line in [*lines, ""]:
        item = _ITEM.match(line)
        if not line or item is not None:
            builder.add("list_item" if marker else "paragraph", _join(paragraph, wrapped_cells), level=1 if marker else 0, marker=marker)
            paragraph.clear()
            marker = ""
        if item is not None:
            marker = item["marker"] if item["marker"][-1] in ".)" else "-"
            paragraph.append(line[item.end() :])
        elif line:
            paragraph.append(line)
    return builder.finish(title=None, metadata={})


def _cells(line: str) -> int:
    """The width of a line on a screen of fixed cells."""
    return len(line) + sum(1 for character in line if unicodedata.east_asian_width(character) in "WF") if not line.isascii() else len(line)


def _wrapped_cells(lines: list[str]) -> int:
    """How wide an editor wrapped this text; 0 if it did not."""
    widest = max((_cells(line) for line in lines), default=0)
    return widest if WRAPPED_CELLS_MIN <= widest <= WRAPPED_CELLS_MAX else 0


def _join(lines: list[str], wrapped_cells: int) -> str:
    pieces: list[str] = []
    for line in lines:
        if pieces:
            filled = wrapped_cells and _cells(pieces[-1]) >= FILLED_SHARE * wrapped_cells
            pieces.append(" " if filled else "\n")
        pieces.append(line)
    return "".join(pieces)

"""Where all parsers put what they find: one text and its blocks, in reading order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from ondol.application.knowledge.parsing.limits import (
    BLOCKS_MAX,
    HEADING_CHARS_MAX,
    LIST_DEPTH_MAX,
    TABLE_HEADER_CHARS_MAX,
    TEXT_CHARS_MAX,
)
from ondol.application.knowledge.types import Block, BlockKind, ParsedDocument
from ondol.core.errors import UnreadableDocument
from ondol.core.language import detect_language, has_letters

# Line ends other than "\n".
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

# Characters that nobody sees: controls, soft hyphen, zero-width marks, direction marks and overrides, variation of nothing, and the
# "tag" letters with which text can be smuggled past a reader to a model. Joiners (200C, 200D) stay: some scripts need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"[^\S\n]+")
_AROUND_LINE_END = re.compile(r" ?\n[ \n]*")

HEADER_CELL_CHARS_MAX = 60
HEADER_FILLED_SHARE_MIN = 0.6
"""What a table's first row must be like to be taken for its header: see `looks_like_header`."""

# Between two neighbours of these kinds stands one line end, between all others an empty line.
_TIGHT: frozenset[tuple[BlockKind, BlockKind]] = frozenset({("list_item", "list_item"), ("table_row", "table_row")})


def clean(text: str) -> str:
    """NFC with ``\\n`` line ends and without invisible characters or lone surrogates; spaces and tabs stay."""
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    return unicodedata.normalize("NFC", _SURROGATE.sub("\ufffd", text))


def prose(text: str) -> str:
    """`clean`, with runs of white space made one space; a line end stays a (single) line end."""
    return _AROUND_LINE_END.sub("\n", _SPACES.sub(" ", clean(text))).strip()


def one_line(text: str) -> str:
    """`prose` on one line."""
    return " ".join(clean(text).split())


def row_text(header: Sequence[str], cells: Sequence[str]) -> str:
    """A table row that can be quoted alone: ``header: value; header: value``. Empty cells are left out."""
    parts: list[str] = []
    for index, cell in enumerate(cells):
        if not cell:
            continue
        name = header[index] if index < len(header) else ""
        parts.append(f"{name}: {cell}" if name and name != cell else cell)
    return "; ".join(parts)


def looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table that does not mark its header is one.

    It is, when there are other rows and at least two columns, and the row's cells are mostly filled, short, distinct and not numbers.
    """
    if len(rows) < 2 or len(rows[0]) < 2:
        return False
    filled = [cell for cell in rows[0] if cell]
    if len(filled) < 2 or len(filled) < HEADER_FILLED_SHARE_MIN * len(rows[0]) or len(set(filled)) < len(filled):
        return False
    return all(len(cell) <= HEADER_CELL_CHARS_MAX and not cell[0].isdigit() for cell in filled)


class DocumentBuilder:
    """Collects blocks in reading order.

    Args:
        name: the file's name, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._pieces: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._headings: list[tuple[int, str]] = []
        self._path: tuple[str, ...] = ()

    def add(self, kind: BlockKind, text: str, *, level: int = 0, marker: str = "", page: int | None = None) -> None:
        """Append a block. An empty text adds nothing.

        Args:
            text: raw; it is normalised here. Code keeps its spaces and line ends, a heading becomes one line.
            level: a heading's level from 1, or the depth of the list.
            marker: what stands before a list item, such as ``-`` or ``3.``.

        Raises:
            UnreadableDocument: the document grew beyond `TEXT_CHARS_MAX` or `BLOCKS_MAX`.
        """
        if kind == "code":
            text = clean(text).strip("\n").rstrip()
        elif kind == "heading":
            text = one_line(text)
            if len(text) > HEADING_CHARS_MAX:
                kind, level = "paragraph", 0
        else:
            text = prose(text)
        if not text:
            return
        self._append(kind, f"{marker} {text}" if marker else text, level, page)
        if kind == "heading":
            self._open_heading(level, text)

    def add_table(self, rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), level: int = 0, page: int | None = None) -> None:
        """Append one block for each row, the header repeated in each; a header without rows becomes a row of its own."""
        names = tuple(one_line(name)[:TABLE_HEADER_CHARS_MAX].rstrip(" :") for name in header)
        lines = [row_text(names, [one_line(cell) for cell in row]) for row in rows] if rows else ["; ".join(filter(None, names))]
        for line in lines:
            if line:
                self._append("table_row", line, min(level, LIST_DEPTH_MAX), page)

    def finish(self, *, title: str | None, metadata: Mapping[str, object]) -> ParsedDocument:
        """The document.

        Its title is the one given, else its first heading (in a PDF the largest one of the first page that has any); its language
        the one declared, else by its letters.
        """
        text = "".join(self._pieces)
        headings = [block for block in self._blocks if block.kind == "heading"]
        first_page = headings[0].page if headings else None
        same_page = [block for block in headings if block.page == first_page] if first_page is not None else headings[:1]
        heading = min(same_page, key=lambda block: block.level, default=None)
        title = one_line(title) if title else ""
        if not title and heading is not None:
            title = text[heading.start : heading.end]
        declared = metadata.get("language")
        language = one_line(declared).partition("-")[0].lower() if isinstance(declared, str) else ""
        if not language and has_letters(text):
            language = detect_language(text)
        return ParsedDocument(text, tuple(self._blocks), title or None, language or None, dict(metadata))

    @property
    def empty(self) -> bool:
        """Whether no block was added yet."""
        return not self._blocks

    def _append(self, kind: BlockKind, text: str, level: int, page: int | None) -> None:
        if kind != "heading":
            level = min(level, LIST_DEPTH_MAX)
        separator = self._separator(kind, level)
        start = self._length + len(separator)
        self._length = start + len(text)
        if self._length > TEXT_CHARS_MAX:
            raise UnreadableDocument(f"{self.name} holds more than {TEXT_CHARS_MAX:,} characters of text.", "Split it into several files.")
        if len(self._blocks) >= BLOCKS_MAX:
            raise UnreadableDocument(f"{self.name} holds more than {BLOCKS_MAX:,} paragraphs, list items and rows.", "Split it into several files.")
        if kind == "heading":
            self._close_headings(level)
        self._pieces += (separator, text)
        self._blocks.append(Block(kind, start, self._length, level, self._path, page))

    def _separator(self, kind: BlockKind, level: int) -> str:
        indent = "  " * (level - 1) if kind == "list_item" and level > 1 else ""
        if not self._blocks:
            return indent
        return ("\n" if (self._blocks[-1].kind, kind) in _TIGHT else "\n\n") + indent

    def _close_headings(self, level: int) -> None:
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._path = tuple(text for _, text in self._headings)

    def _open_heading(self, level: int, text: str) -> None:
        self._headings.append((level, text))
        self._path = (*self._path, text)

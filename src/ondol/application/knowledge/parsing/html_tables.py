"""HTML tables: which are data, what is their header, and cells that span."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ondol.application.knowledge.parsing.builder import looks_like_header
from ondol.application.knowledge.parsing.html_tree import descendants, inline_text, is_hidden
from ondol.application.knowledge.parsing.limits import TABLE_CELLS_MAX, TABLE_SPAN_MAX
from ondol.core.errors import UnreadableDocument

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_LAYOUT_ROLES = frozenset({"presentation", "none"})
_LAYOUT_CONTENT = frozenset({"table", "h1", "h2", "h3", "h4", "h5", "h6", "pre"})


@dataclass(frozen=True, slots=True)
class HtmlTable:
    """A data table with its spans spread out."""

    caption: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    is_header: bool
    columns: int
    rows: int


def read_table(table: LexborNode) -> HtmlTable | None:
    """The table, or None if it only lays out other content (it holds tables, headings or code, or has a single column).

    Raises:
        UnreadableDocument: its spans make more than `TABLE_CELLS_MAX` cells.
    """
    if (table.attributes.get("role") or "") in _LAYOUT_ROLES:
        return None
    caption = ""
    rows: list[tuple[LexborNode, bool]] = []
    for node in descendants(table):
        tag = node.tag
        if tag in _LAYOUT_CONTENT:
            return None
        if tag == "caption":
            caption = inline_text(node)
        elif tag == "tr":
            parent = node.parent
            rows.append((node, parent is not None and parent.tag == "thead"))
    cells = [_cells(row) for row, _ in rows]
    if max((sum(cell.columns for cell in row) for row in cells), default=0) < 2:
        return None
    marked = [in_head or all(cell.is_header for cell in row) for row, (_, in_head) in zip(cells, rows, strict=True)]
    grid = _spread(cells)
    header_rows = 0
    while header_rows < len(marked) and marked[header_rows]:
        header_rows += 1
    names_rows = any(len(row) > 1 and row[0].is_header and not all(cell.is_header for cell in row) for row in cells)
    if header_rows == 0 and not names_rows and looks_like_header(grid):
        header_rows = 1
    if header_rows == 0 and names_rows:
        return HtmlTable(caption, [], [_named_row(row) for row in grid if row])
    return HtmlTable(caption, _joined_header(grid[:header_rows]), grid[header_rows:])


def _cells(row: LexborNode) -> list[_Cell]:
    cells: list[_Cell] = []
    node = row.child
    while node is not None:
        if node.tag in ("td", "th") and not is_hidden(node):
            attributes = node.attributes
            cells.append(_Cell(inline_text(node), node.tag == "th", _span(attributes.get("colspan")), _span(attributes.get("rowspan"))))
        node = node.next
    return cells


def _span(value: str | None) -> int:
    if value is None or re.fullmatch(r"\s{0,9}[0-9]{1,6}\s{0,9}", value) is None:
        return 1
    return min(max(int(value), 1), TABLE_SPAN_MAX)


def _spread(cells: list[list[_Cell]]) -> list[list[str]]:
    """A full grid: a cell stands in the first of its columns, and in each row that it reaches down to."""
    grid: list[list[str]] = []
    reaching: dict[int, tuple[int, str]] = {}  # column -> rows still to fill, and with what
    count = 0
    for row in cells:
        line: list[str] = []
        for cell in row:
            _fill(line, reaching)
            for offset in range(cell.columns):
                # The further columns of a wide cell stay empty: its text would be quoted twice. A wide header names all of them.
                text = cell.text if offset == 0 or cell.is_header else ""
                if cell.rows > 1:
                    reaching[len(line)] = (cell.rows - 1, text)
                line.append(text)
            if count + len(line) > TABLE_CELLS_MAX:
                raise UnreadableDocument(f"A table has more than {TABLE_CELLS_MAX:,} cells.", "Split it into several tables.")
        _fill(line, reaching)
        count += len(line)
        grid.append(line)
    return grid


def _fill(line: list[str], reaching: dict[int, tuple[int, str]]) -> None:
    """Take over the cells that reach down from above into the next free columns."""
    while (above := reaching.pop(len(line), None)) is not None:
        rows_left, text = above
        if rows_left > 1:
            reaching[len(line)] = (rows_left - 1, text)
        line.append(text)


def _joined_header(rows: list[list[str]]) -> list[str]:
    """The names of the columns; several header rows are joined from top to bottom."""
    width = max((len(row) for row in rows), default=0)
    names: list[str] = []
    for column in range(width):
        parts = [row[column] for row in rows if column < len(row) and row[column]]
        names.append(" ".join(dict.fromkeys(parts)))
    return names


def _named_row(row: list[str]) -> list[str]:
    """A row whose first cell names it, as one cell: ``name: value; value``."""
    values = "; ".join(filter(None, row[1:]))
    return [f"{row[0]}: {values}" if row[0] and values else row[0] or values]

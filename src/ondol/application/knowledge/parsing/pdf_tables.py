"""Tables in PDFs, as far as they show by wide gaps that stand below each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ondol.application.knowledge.parsing.builder import looks_like_header

if TYPE_CHECKING:
    from ondol.application.knowledge.parsing.pdf_layout import Line

GAP_EM = 0.9
"""Words further apart than this (in heights of their line) stand in different cells."""

NEW_ROW_SHARE = 0.6
"""A line without a first cell that fills this share of the columns is a row below a first cell that spans; else it is wrapped text."""

WRAPPED_RATIO_MIN = 1.4
"""If some lines of a table are this much further apart than others, the nearer ones are wrapped text of one row."""

WRAPPED_EM_MAX = 1.6
"""A line with a first cell only goes on with a table when it is this near."""

ROWS_MIN = 2
ROWS_MAX = 5_000
PITCH_EM_MAX = 3.0
"""Rows are at most this far below each other (in heights of a line)."""

_MARKER = re.compile(r"|\W|[\ue000-\uf8ff]|\(?[0-9]{1,3}[.)]?|[가-하][.)]|[A-Za-z][.)]|[①-⑳]")


@dataclass(frozen=True, slots=True)
class FoundTable:
    """Rows of cells, the header apart if there is one; `end` is the index of the first line after the table."""

    header: list[str]
    rows: list[list[str]]
    end: int


@dataclass(slots=True)
class _Cell:
    left: float
    right: float
    text: str


@dataclass(frozen=True, slots=True)
class _Placed:
    """A line with its cells and the column of each."""

    line: Line
    cells: list[_Cell]
    places: list[int]


def find_table(lines: Sequence[Line], start: int) -> FoundTable | None:
    """The table that begins at a line, if at least two rows stand below each other in the same columns.

    A line nearer to the one above than rows are, or one that fills only a few inner columns, goes on with the cells above it.
    """
    found = _table_lines(lines, start)
    if found is None:
        return None
    drops = [above.line.baseline - below.line.baseline for above, below in pairwise(found)]
    wrapped_below = (min(drops) + max(drops)) / 2 if max(drops) >= WRAPPED_RATIO_MIN * min(drops) else 0.0
    width = len(found[0].cells)
    rows: list[list[str]] = []
    for drop, placed in zip([float("inf"), *drops], found, strict=True):
        first_place = placed.places[0]
        if drop < wrapped_below or (first_place > 0 and rows and len(placed.cells) < NEW_ROW_SHARE * width):
            row = rows[-1]
        else:
            inherited = rows[-1][:first_place] if rows else []
            row = [*inherited, *[""] * (width - len(inherited))]
            rows.append(row)
        for cell, place in zip(placed.cells, placed.places, strict=True):
            row[place] = f"{row[place]} {cell.text}".strip()
    if len(rows) < ROWS_MIN or sum(1 for row in rows if sum(map(bool, row)) >= 2) < ROWS_MIN:
        return None
    if width == 2 and all(_MARKER.fullmatch(row[0]) for row in rows):
        return None  # a list, its markers set apart by tabs
    end = start + len(found)
    return FoundTable(rows[0], rows[1:], end) if looks_like_header(rows) else FoundTable([], rows, end)


def _table_lines(lines: Sequence[Line], start: int) -> list[_Placed] | None:
    """The lines from `start` on whose cells stand below those of the first; None for fewer than two."""
    first = _cells(lines[start])
    if len(first) < 2:
        return None
    columns = [(cell.left, cell.right) for cell in first]
    found = [_Placed(lines[start], first, list(range(len(first))))]
    for index in range(start + 1, min(len(lines), start + ROWS_MAX)):
        before, line = lines[index - 1], lines[index]
        drop = before.baseline - line.baseline
        if line.page != before.page or not 0 < drop <= PITCH_EM_MAX * max(before.size, line.size):
            break
        cells = _cells(line)
        places = [place for cell in cells if (place := _place(cell, columns)) is not None]
        if len(places) < len(cells) or len(set(places)) < len(places):
            break
        if len(cells) < 2 and (len(found) < 2 or (places[0] == 0 and drop > WRAPPED_EM_MAX * line.size)):
            break
        for cell, place in zip(cells, places, strict=True):
            columns[place] = (min(columns[place][0], cell.left), max(columns[place][1], cell.right))
        found.append(_Placed(line, cells, places))
    return found if len(found) >= ROWS_MIN else None


def _cells(line: Line) -> list[_Cell]:
    cells: list[_Cell] = []
    for word in line.words:
        if cells and word.left - cells[-1].right <= GAP_EM * line.size:
            cells[-1].text += f" {word.text}"
            cells[-1].right = max(cells[-1].right, word.right)
        else:
            cells.append(_Cell(word.left, word.right, word.text))
    return cells


def _place(cell: _Cell, columns: list[tuple[float, float]]) -> int | None:
    """The only column that the cell overlaps, or None."""
    found = [index for index, (left, right) in enumerate(columns) if cell.left < right and cell.right > left]
    return found[0] if len(found) == 1 else None

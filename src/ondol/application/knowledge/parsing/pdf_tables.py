"""Tables in PDFs, as far as they show by wide gaps that stand below each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ondol.application.knowledge.parsing.builder import looks_like_header
from ondol.application.knowledge.parsing.pdf_lines import Line

GAP_EM = 0.9
"""Words further apart than this (in heights of their line) stand in different cells."""

NEW_ROW_SHARE = 0.6
"""A line without a first cell that fills this share of the columns is a row below a first cell that spans; else it is wrapped text."""

WRAPPED_RATIO_MIN = 1.4
"""If some lines of a table are this much further apart than others, the nearer ones are wrapped text of one row."""

WRAPPED_EM_MAX = 1.6
"""A line with a first cell only goes on with a table when it is this near."""

ROWS_MIN = 2
ROW_LINES_MAX = 8
"""A line may belong to a row that began so many lines before."""

WINDOWS_LINES = (32, 256, 4_096)
"""So many lines are looked at for a table, then more if it fills them; a table of all of the last is not taken for one."""

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
    """A line with its cells, the column of each, and of how many lines of the file it was made."""

    line: Line
    cells: list[_Cell]
    places: list[int]
    sources: int


def find_table(lines: Sequence[Line], start: int) -> FoundTable | None:
    """The table that begins at a line, if at least two rows stand below each other in the same columns.

    A line nearer to the one above than rows are, or one that fills only a few inner columns, goes on with the cells above it.
    """
    if len(_cells(lines[start])) < 2:
        return None
    for window in WINDOWS_LINES:
        merged = _merged(lines[start : start + window])
        found = _table_lines(merged)
        if found is None:
            return None
        used = sum(placed.sources for placed in found)
        if used < window:
            return _table(found, start + used)
    return None


def _table(found: list[_Placed], end: int) -> FoundTable | None:
    drops = [above.line.baseline - below.line.baseline for above, below in pairwise(found)]
    wrapped_below = (min(drops) + max(drops)) / 2 if max(drops) >= WRAPPED_RATIO_MIN * min(drops) else 0.0
    width = len(found[0].cells)
    rows: list[list[str]] = []
    for drop, placed in zip([float("inf"), *drops], found, strict=True):
        first_place = placed.places[0]
        is_below_span = first_place > 0 and len(placed.cells) >= NEW_ROW_SHARE * width
        if rows and not is_below_span and (drop < wrapped_below or first_place > 0):
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
    is_bold = found[0].line.bold and not found[-1].line.bold
    return FoundTable(rows[0], rows[1:], end) if is_bold or looks_like_header(rows) else FoundTable([], rows, end)


def _merged(lines: Sequence[Line]) -> list[tuple[Line, list[int]]]:
    """Lines at one height made one, with the positions of their parts: many files hold the cells of a row one after the other."""
    merged: list[tuple[Line, list[int]]] = []
    for position, line in enumerate(lines):
        reach = 0.0
        for index in range(len(merged) - 1, max(len(merged) - 1 - ROW_LINES_MAX, -1), -1):
            before, sources = merged[index]
            if before.page == line.page and reach < line.left and before.goes_on_in(line):
                merged[index] = (before.with_more(line), [*sources, position])
                break
            reach = max(reach, before.right)
        else:
            merged.append((line, [position]))
    return merged


def _table_lines(merged: list[tuple[Line, list[int]]]) -> list[_Placed] | None:
    """The first lines whose cells stand below each other in columns; None for fewer than two."""
    first = _cells(merged[0][0])
    columns = [(cell.left, cell.right) for cell in first]
    found = [_Placed(merged[0][0], first, list(range(len(first))), len(merged[0][1]))]
    complete = 1 if merged[0][1] == [0] else 0  # so many lines use up the file's first lines without a gap
    used, last = len(merged[0][1]), merged[0][1][-1]
    for (before, _), (line, sources) in pairwise(merged):
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
        found.append(_Placed(line, cells, places, len(sources)))
        used, last = used + len(sources), max(last, sources[-1])
        if last == used - 1:
            complete = len(found)
    return found[:complete] if complete >= ROWS_MIN else None


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

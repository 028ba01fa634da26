"""A passage taken apart into what may be quoted: sentences, table rows, list items and short lists, each with what stands around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ondol.application.knowledge.search import Evidence
from ondol.application.knowledge.sentences import split_sentences

UnitKind: TypeAlias = Literal["sentence", "item", "row", "list"]

UNIT_CHARACTERS_MAX = 600
LIST_ITEMS_MAX = 6
LIST_CHARACTERS_MAX = 200
"""A list of words up to this length may be quoted whole; one of sentences may not."""
TABLE_ROWS_MAX = 4
TABLE_CHARACTERS_MAX = 260
HEADING_CHARACTERS_MAX = 90
UNITS_MAX = 80
"""A passage with more sentences is read up to here."""

_ITEM = re.compile(r"\s*(?:[-*+•·]|\d{1,2}[.)])\s+")
_CELL = re.compile(r"(?:^|; )[^;:\n]{1,80}: \S")
_REFERENCE = re.compile(
    r"\s*(?:함께 보기|관련 문서|참고 문서|이 문서가 도움|see also|related (?:pages|topics)|was this (?:page|document) helpful|next steps?\b|what's next)",
    re.IGNORECASE,
)
_ENDED = re.compile(r"[.!?。:：…][\"')\]”’*_`]*\Z|다\Z")


@dataclass(frozen=True, slots=True)
class Unit:
    """What may be quoted: a half-open span of a passage's text.

    Attributes:
        section: half-open span of the section of the passage that it stands in, with its heading.
        heading: half-open span of the nearest heading above it in the passage; empty where there is none.
        lead: half-open span of the sentence that introduces the list or table; empty where there is none.
    """

    kind: UnitKind
    start: int
    end: int
    section: tuple[int, int]
    heading: tuple[int, int]
    lead: tuple[int, int]
    first: bool


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    kind: Literal["heading", "item", "row", "text", "reference"]


def read_units(found: Evidence) -> tuple[Unit, ...]:
    """What of a passage may be quoted, in reading order; headings and references to other pages are left out."""
    text = found.text
    lines = list(_lines(text, {found.version.details.title.strip(), *(heading.strip() for heading in found.headings)}))
    units: list[Unit] = []
    for section in _sections(lines):
        units += _section_units(text, section)
        if len(units) >= UNITS_MAX:
            break
    return tuple(units[:UNITS_MAX])


def _lines(text: str, headings: set[str]) -> Iterator[_Line]:
    position = 0
    pieces = text.split("\n")
    for number, piece in enumerate(pieces):
        start, end = position + len(piece) - len(piece.lstrip()), position + len(piece.rstrip())
        position += len(piece) + 1
        line = text[start:end]
        if not line:
            continue
        alone = (number == 0 or not pieces[number - 1].strip()) and number + 1 < len(pieces) and not pieces[number + 1].strip()
        if _REFERENCE.match(line):
            yield _Line(start, end, "reference")
        elif line in headings or (alone and _is_heading(line)):
            yield _Line(start, end, "heading")
        elif len(_CELL.findall(line)) > 1:
            yield _Line(start, end, "row")
        else:
            yield _Line(start, end, "item" if _ITEM.match(line) else "text")


def _is_heading(line: str) -> bool:
    return len(line) <= HEADING_CHARACTERS_MAX and not _ITEM.match(line) and not _ENDED.search(line.rstrip("?")) and "; " not in line


def _sections(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    section: list[_Line] = []
    for line in lines:
        if line.kind == "heading" and any(member.kind != "heading" for member in section):
            yield section
            section = []
        section.append(line)
    if section:
        yield section


def _section_units(text: str, lines: Sequence[_Line]) -> Iterator[Unit]:
    span = (lines[0].start, lines[-1].end)
    heading = next(((line.start, line.end) for line in reversed(lines) if line.kind == "heading"), (span[0], span[0]))
    lead = (span[0], span[0])
    first = True
    group: list[_Line] = []
    for line in lines:
        if group and line.kind != group[-1].kind:
            yield from _whole_list(text, group, span, heading, lead)
            group = []
        if line.kind in ("heading", "reference"):
            continue
        if line.kind == "text":
            for start, end in split_sentences(text[line.start : line.end]):
                sentence = (line.start + start, line.start + end)
                if end - start <= UNIT_CHARACTERS_MAX:
                    yield Unit("sentence", *sentence, span, heading, (span[0], span[0]), first)
                first = False
                lead = sentence
        elif line.end - line.start <= UNIT_CHARACTERS_MAX:
            yield Unit("row" if line.kind == "row" else "item", line.start, line.end, span, heading, lead, first)
            first = False
        if line.kind in ("item", "row"):
            group.append(line)
    if group:
        yield from _whole_list(text, group, span, heading, lead)


def _whole_list(text: str, items: Sequence[_Line], section: tuple[int, int], heading: tuple[int, int], lead: tuple[int, int]) -> Iterator[Unit]:
    start, end = items[0].start, items[-1].end
    plain = not any(_ENDED.search(text[item.start : item.end]) for item in items)
    rows = items[0].kind == "row"
    if (
        plain
        and 1 < len(items) <= (TABLE_ROWS_MAX if rows else LIST_ITEMS_MAX)
        and end - start <= (TABLE_CHARACTERS_MAX if rows else LIST_CHARACTERS_MAX)
    ):
        yield Unit("list", start, end, section, heading, lead, False)

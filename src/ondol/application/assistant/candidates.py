"""A passage taken apart into what may be quoted: sentences, list items, table rows, short lists, lines of code; each with what is around it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ondol.application.knowledge.search import Evidence
from ondol.application.knowledge.sentences import split_sentences

UnitKind: TypeAlias = Literal["sentence", "item", "row", "list", "code", "step"]
"""A step is a sentence with the command that it introduces."""
Span: TypeAlias = tuple[int, int]

UNITS_MAX = 80
"""A passage with more sentences is read up to here."""
UNIT_CHARACTERS_MAX = 600
"""Nothing longer is quoted."""
HEADING_CHARACTERS_MAX = 90
LIST_ITEMS_MAX = 6
LIST_CHARACTERS_MAX = 200
"""A list of words up to this length may be quoted whole; one of sentences may not."""
TABLE_ROWS_MAX = 4
TABLE_CHARACTERS_MAX = 260
"""And so may a table."""

STEP_CHARACTERS_MAX = 400
"""A sentence with its command up to this length is one step."""

_DEFINED = re.compile(r"[`*_\"“]{0,3}[^\s:：][^:\n]{0,60}? : \S")
"""A line of a list of terms with what each means."""
_ITEM = re.compile(r"(?:[-*+•·]|\d{1,2}[.)])\s+")
_CELL = re.compile(r"(?:^|; )[^;:\n]{1,80}: \S")
_REFERENCE = re.compile(
    r"함께 보기|관련 문서|참고 문서|이 문서가 도움|see also\b|related (?:pages|topics)\b|was this (?:page|document) helpful|what's next\b|\{\{%",
    re.IGNORECASE,
)
_POINTS = re.compile(
    r"(?:[-*+•·]\s+)?(?:this (?:page|document|guide|article|section|task|tutorial) (?:shows|describes|explains|covers|provides|is about|lists)\b"
    r"|(?:learn|read) more about\b|(?:see|refer to) (?:the|also|our|this)\b|for more (?:details|information)\b"
    r"|이 (?:문서|페이지|글|안내)(?:는|은|에서는|에서) )",
    re.IGNORECASE,
)
"""A sentence that begins like this says where an answer stands, not what it is."""
_ENDED = re.compile(r"(?:[.!?。:：…][\"')\]”’*_`]*|다)\Z")
_COMMAND = re.compile(
    r"(?:[$>]|kubectl|curl|sudo|apt|dnf|yum|pip|npm|docker|git|mysql|ssh|cd|ls|cat|echo)\s|.*(?:\s{2,}|\s--\w|[|&]{2}|[{};=]\Z)",
)
_PROMPTED = re.compile(r"(?:[$>#]\s+)?[A-Za-z][\w./-]*(?<![:/])(?:\s|\Z)")
"""A line like this may be a command to type in, and is no setting and no name that a command printed."""
_SETTING = re.compile(r"[#{}\[\]<]|[\w.\"'-]+:(?:\s|\Z)|[\w.-]+\s*=")
"""A line like this that does not end as a sentence does is a command, a setting or what a command printed."""
_TELLS_NOTHING = (":", "：", "?", "？")
"""A line that ends like this introduces what follows, or asks."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What may be quoted: a span of a passage's text, half-open, in characters, as all spans here.

    Attributes:
        section: the part of the passage below one heading, with it.
        heading: the nearest heading above the unit in the passage; empty where there is none.
        lead: the sentence that comes before the list or table; empty where there is none.
        members: of a list that was asked for, the first sentence of each item.
    """

    kind: UnitKind
    start: int
    end: int
    section: Span
    heading: Span
    lead: Span
    members: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    kind: Literal["heading", "reference", "item", "row", "code", "text", "term"]


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the units of a section have in common."""

    section: Span
    heading: Span

    def unit(self, kind: UnitKind, span: Span, lead: Span | None = None, members: tuple[Span, ...] = ()) -> Unit:
        return Unit(kind, *span, self.section, self.heading, lead or (self.section[0], self.section[0]), members)


Reading: TypeAlias = Literal["plain", "lists", "steps"]
"""What of a passage is wanted beside its sentences: any list of a few items, or commands with the sentences that introduce them."""


def read_units(found: Evidence, wanted: Reading = "plain") -> tuple[Unit, ...]:
    """What of a passage may be quoted, in reading order; a list comes after its items.

    Headings, lines that only introduce what follows and references to other pages are left out.
    """
    headings = {found.version.details.title.strip(), *(heading.strip() for heading in found.headings)}
    units: list[Unit] = []
    lines = list(_lines(found.text, headings))
    if wanted == "lists":
        lines = [replace(line, kind="term") if line.kind == "text" and _DEFINED.match(found.text[line.start : line.end]) else line for line in lines]
    for section in _sections(lines):
        units += _section_units(found.text, section, wanted)
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
        elif _ITEM.match(line):
            yield _Line(start, end, "item")
        else:
            yield _Line(start, end, "code" if _is_code(line) else "text")


def _is_heading(line: str) -> bool:
    return (
        len(line) <= HEADING_CHARACTERS_MAX
        and not _ITEM.match(line)
        and not _ENDED.search(line.rstrip("?"))
        and not _COMMAND.match(line)
        and "; " not in line
    )


def _is_code(line: str) -> bool:
    return (_COMMAND.match(line) or _SETTING.match(line)) is not None and not _ENDED.search(line)


def _sections(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    section: list[_Line] = []
    for line in lines:
        if line.kind == "heading" and any(member.kind != "heading" for member in section):
            yield section
            section = []
        section.append(line)
    if section:
        yield section


def _section_units(text: str, lines: Sequence[_Line], wanted: Reading) -> Iterator[Unit]:
    start = lines[0].start
    heading = next(((line.start, line.end) for line in reversed(lines) if line.kind == "heading"), (start, start))
    frame = _Frame((start, lines[-1].end), heading)
    lead: Span | None = None
    group: list[_Line] = []
    for line, before in zip(lines, (None, *lines), strict=False):
        if group and line.kind != group[0].kind and not (group[0].kind == "term" and line.kind == "text"):
            yield from _whole_list(text, group, frame, lead, wanted)
            group = []
        if line.kind in ("text", "term"):
            sentences = [(line.start + begin, line.start + end) for begin, end in split_sentences(text[line.start : line.end])]
            yield from (frame.unit("sentence", sentence) for sentence in sentences if _may_be_quoted(text[sentence[0] : sentence[1]]))
            if line.kind == "term":
                group.append(line)
            elif not group:
                lead = sentences[-1] if sentences else lead
        elif line.kind == "code" and _may_be_quoted(text[line.start : line.end]):
            yield frame.unit("code", (line.start, line.end), lead)
            step = _step(text, before, line) if wanted == "steps" and before is not None else None
            if step is not None:
                yield frame.unit("step", step, lead)
        elif line.kind in ("item", "row"):
            group.append(line)
            if _may_be_quoted(text[line.start : line.end]):
                yield frame.unit("row" if line.kind == "row" else "item", (line.start, line.end), lead)
    if group:
        yield from _whole_list(text, group, frame, lead, wanted)


def _step(text: str, before: _Line, line: _Line) -> Span | None:
    """The last sentence of the line before a command, with the command."""
    introduces = before.kind in ("text", "item") and not text.startswith("#", before.start) and _ENDED.search(text[before.start : before.end])
    if not introduces or not _PROMPTED.match(text[line.start : line.end]):
        return None
    sentences = split_sentences(text[before.start : before.end])
    start = before.start + (sentences[-1][0] if sentences and before.kind == "text" else 0)
    return (start, line.end) if line.end - start <= STEP_CHARACTERS_MAX else None


def _may_be_quoted(quote: str) -> bool:
    return len(quote) <= UNIT_CHARACTERS_MAX and not quote.endswith(_TELLS_NOTHING) and not _POINTS.match(quote)


def _whole_list(text: str, members: Sequence[_Line], frame: _Frame, lead: Span | None, wanted: Reading) -> Iterator[Unit]:
    rows, terms = members[0].kind == "row", members[0].kind == "term"
    span = (members[0].start, members[-1].end)
    if wanted == "lists":
        if (0 if terms else 1) < len(members) <= LIST_ITEMS_MAX:
            yield frame.unit("list", span, lead, tuple(_first_sentence(text, member) for member in members))
        return
    short = span[1] - span[0] <= (TABLE_CHARACTERS_MAX if rows else LIST_CHARACTERS_MAX)
    few = 1 < len(members) <= (TABLE_ROWS_MAX if rows else LIST_ITEMS_MAX)
    if short and few and not any(_ENDED.search(text[member.start : member.end]) for member in members):
        yield frame.unit("list", span, lead)


def _first_sentence(text: str, member: _Line) -> Span:
    sentences = split_sentences(text[member.start : member.end])
    first = next((end for _, end in sentences if end > len("10. ")), member.end - member.start)
    return member.start, member.start + first

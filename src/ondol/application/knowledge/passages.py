"""Cutting a document into passages: along its headings first, then blocks, then sentences."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from ondol.application.knowledge.sentences import split_sentences
from ondol.application.knowledge.types import PASSAGE_CHARS_MAX, Block, ParsedDocument, Passage

_CLAUSE_END = re.compile(r"[,;:](?=\s)|[，；：、]")
"""Behind these a clause ends; a comma within a number, or a colon within an address, has no space behind it."""

INTRODUCTION_CHARS_MAX = 200
"""A paragraph up to this length that ends in a colon introduces the list, table or code below it and moves there."""


def cut_passages(document: ParsedDocument, *, target_chars: int = 600, max_chars: int = 1200) -> tuple[Passage, ...]:
    """Cut a document into disjoint passages, in order, that together hold all its blocks.

    A heading begins a passage and is carried with what follows. Short sections below the same heading share a passage as long as they
    fit into `target_chars`; a long section is filled up to it. A passage never begins or ends within a code block, table row or
    sentence, unless that one alone is longer than `max_chars`: then code is cut at line ends, a row between its cells, and a sentence
    (or a line or cell that is longer still) behind the last comma, semicolon or colon of the second half of what fits, else between words.

    Args:
        target_chars: the length aimed at, in characters.
        max_chars: no passage is longer.

    Raises:
        ValueError: not 1 <= target_chars <= max_chars <= PASSAGE_CHARS_MAX.
    """
    if not 1 <= target_chars <= max_chars <= PASSAGE_CHARS_MAX:
        raise ValueError(f"wanted 1 <= target_chars <= max_chars <= {PASSAGE_CHARS_MAX}, got {target_chars} and {max_chars}")
    packer = _Packer(document.text, target_chars, max_chars)
    for section in _sections(document):
        packer.add_section(section)
    groups = packer.finish()
    return tuple(_passage(document.text, ordinal, group) for ordinal, group in enumerate(groups))


@dataclass(frozen=True, slots=True)
class _Unit:
    """A stretch of text that is not cut: a block, or a sentence or line of one."""

    start: int
    end: int
    block: Block

    @property
    def is_heading(self) -> bool:
        return self.block.kind == "heading"


@dataclass(frozen=True, slots=True)
class _Section:
    """A heading (several, if nothing stands between them) with the blocks below it, up to the next heading."""

    parent: tuple[str, ...]  # the headings above the section's first heading
    blocks: tuple[Block, ...]


def _sections(document: ParsedDocument) -> Iterator[_Section]:
    blocks: list[Block] = []
    has_content = False
    for block in document.blocks:
        if block.kind == "heading" and blocks and (has_content or not _is_below(block, blocks[-1])):
            yield _section(blocks)
            blocks, has_content = [], False
        blocks.append(block)
        has_content = has_content or block.kind != "heading"
    if blocks:
        yield _section(blocks)


def _is_below(heading: Block, other: Block) -> bool:
    return heading.level > other.level


def _section(blocks: list[Block]) -> _Section:
    return _Section(blocks[0].heading_path, tuple(blocks))


class _Packer:
    """Fills passages; `current` is the one that is open."""

    def __init__(self, text: str, target_chars: int, max_chars: int) -> None:
        self.text = text
        self.target_chars = target_chars
        self.max_chars = max_chars
        self.current: list[_Unit] = []
        self.parent: tuple[str, ...] = ()  # of the first section in the open passage
        self.groups: list[list[_Unit]] = []

    def add_section(self, section: _Section) -> None:
        """Join a section to the open passage if it fits there and belongs there, else begin a new passage."""
        length = section.blocks[-1].end - section.blocks[0].start
        if self.current:
            joined = section.blocks[-1].end - self.current[0].start
            if joined > self.target_chars or section.parent[: len(self.parent)] != self.parent:
                self._close()
        if not self.current:
            self.parent = section.parent
        first_group = len(self.groups)
        if length <= self.target_chars:
            self.current.extend(unit for block in section.blocks for unit in self._cut(block, self.max_chars))
            self._split_overlong()
            return
        for block in section.blocks:
            for unit in self._units(block):
                self._add(unit)
        self._absorb_remainder(first_group)
        self._close()

    def finish(self) -> list[list[_Unit]]:
        """All passages as their units."""
        self._close()
        return self.groups

    def _units(self, block: Block) -> Iterator[_Unit]:
        """A block whole if it fits the target (rows and code: the maximum), else in sentences."""
        whole_max = self.max_chars if block.kind in ("table_row", "code", "heading") else self.target_chars
        yield from self._cut(block, whole_max)

    def _cut(self, block: Block, whole_max: int) -> Iterator[_Unit]:
        if block.end - block.start <= whole_max:
            yield _Unit(block.start, block.end, block)
            return
        for start, end in _pieces(self.text, block):
            for piece_start, piece_end in _hard_cut(self.text, start, end, self.max_chars):
                yield _Unit(piece_start, piece_end, block)

    def _add(self, unit: _Unit) -> None:
        if self.current:
            length = self.current[-1].end - self.current[0].start
            joined = unit.end - self.current[0].start
            only_headings = all(member.is_heading for member in self.current)
            is_small = only_headings or length < self.target_chars // 2
            if joined > self.max_chars or (joined > self.target_chars and not is_small):
                carried = self._introduction(unit)
                self._close()
                self.current = carried
        self.current.append(unit)

    def _introduction(self, unit: _Unit) -> list[_Unit]:
        """Take the last paragraph out of the open passage if it introduces the unit that will begin the next one."""
        last = self.current[-1]
        if len(self.current) < 2 or self.current[-2].is_heading:
            return []  # it would leave nothing, or a heading alone
        introduces = (
            unit.block.kind in ("list_item", "table_row", "code")
            and last.block.kind == "paragraph"
            and last.end - last.start <= INTRODUCTION_CHARS_MAX
            and self.text[last.start : last.end].endswith((":", "："))
        )
        return [self.current.pop()] if introduces and unit.end - last.start <= self.max_chars else []

    def _absorb_remainder(self, first_group: int) -> None:
        """A few words left at the end of a section go into the passage before, if that stays within the maximum."""
        if not self.current or len(self.groups) <= first_group:
            return
        before = self.groups[-1]
        length = self.current[-1].end - self.current[0].start
        if length < self.target_chars // 4 and self.current[-1].end - before[0].start <= self.max_chars and not self.current[0].is_heading:
            before.extend(self.current)
            self.current = []

    def _split_overlong(self) -> None:
        """Only a heading longer than `max_chars` can make a joined passage too long; it was cut, so its pieces are packed anew."""
        if self.current[-1].end - self.current[0].start > self.max_chars:
            units, self.current = self.current, []
            for unit in units:
                self._add(unit)

    def _close(self) -> None:
        if self.current:
            self.groups.append(self.current)
            self.current = []


def _pieces(text: str, block: Block) -> list[tuple[int, int]]:
    """Where a block may be cut if it must be."""
    body = text[block.start : block.end]
    if block.kind == "code":
        return _between(body, block.start, "\n")
    if block.kind == "table_row":
        return _between(body, block.start, "; ")
    return [(block.start + start, block.start + end) for start, end in split_sentences(body)]


def _between(body: str, offset: int, separator: str) -> list[tuple[int, int]]:
    """The pieces between separators; the separator's visible part stays with the piece before it."""
    pieces: list[tuple[int, int]] = []
    visible = len(separator.rstrip())
    position = 0
    for piece in body.split(separator):
        end = min(position + len(piece) + visible, len(body))
        if body[position:end].strip():
            pieces.append((offset + position, offset + end))
        position += len(piece) + len(separator)
    return pieces


def _hard_cut(text: str, start: int, end: int, chars_max: int) -> Iterator[tuple[int, int]]:
    """Cut what is longer than a passage after a clause, else between words, or in the middle of a word longer than that."""
    while end - start > chars_max:
        cut = _place_to_cut(text, start + chars_max // 2, start + chars_max)
        yield start, cut
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end


def _place_to_cut(text: str, first: int, last: int) -> int:
    """The best place after `first` and up to `last`: behind the last clause's mark, else before the last space, else `last` itself."""
    clauses = [match.end() for match in _CLAUSE_END.finditer(text, first, last + 1) if first < match.end() <= last]
    if clauses:
        return clauses[-1]
    space = text.rfind(" ", first, last + 1)
    if space > first:
        return space
    while last > first + 1 and unicodedata.combining(text[last]):
        last -= 1  # a mark stays with its letter
    return last


def _passage(text: str, ordinal: int, units: list[_Unit]) -> Passage:
    start, end = units[0].start, units[-1].end
    content = next((unit for unit in units if not unit.is_heading), None)
    if content is not None:
        return Passage(ordinal, start, end, content.block.heading_path, content.block.page)
    last = units[-1].block
    return Passage(ordinal, start, end, (*last.heading_path, text[last.start : last.end]), last.page)

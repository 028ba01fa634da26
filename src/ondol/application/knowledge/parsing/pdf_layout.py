"""Lines of a PDF to blocks: running heads dropped, headings by size, tables by columns, lines joined to paragraphs.

A PDF says where letters stand, not what they are, so everything here is a judgement from positions; each rule names its threshold.
Lengths are in points, with y growing upwards.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from ondol.application.knowledge.parsing.builder import DocumentBuilder
from ondol.application.knowledge.parsing.pdf_joining import LINE_END_HYPHEN, BrokenLine, Joiner
from ondol.application.knowledge.parsing.pdf_lines import Line, Page
from ondol.application.knowledge.parsing.pdf_tables import FoundTable, find_table

EDGE_LINES = 3
"""So many lines from the top and from the bottom of a page may be running heads or feet."""

REPEATED_PAGES_MIN = 3
REPEATED_SHARE_MIN = 0.3
"""A line at the edge that returns on so many pages, and on such a share of all, is a running head (numbers count as equal;
left and right pages of a book have heads of their own)."""

HEAD_SIZE_RATIO = 0.9
HEAD_GAP_EM = 3.0
"""A topmost line in letters this much smaller than the body, this far above the text, is a running head on any page."""

HEADING_SIZE_RATIO = 1.15
"""A line of letters this much larger than the body is a heading."""

HEADING_CHARS_MAX = 150
BOLD_HEADING_CHARS_MAX = 80

SIZE_TOLERANCE = 0.12
"""Letters of one paragraph differ in size by less than this."""

PITCH_RATIO_MAX = 1.35
"""A distance between lines this much larger than usual begins a paragraph."""

INDENT_EM = 0.7
"""A line this much deeper than the one before begins a paragraph..."""

HANGING_EM = 0.4
"""...unless it begins, within this much, below the words of a list item."""

ROOM_EM = 0.6
"""If the next line's first word and this much more would have fitted, the author ended the line."""

COLUMN_LINES_MIN = 3
COLUMN_EDGE_EM = 2.0
"""So many lines that end within this distance of the rightmost one show where their column ends."""

MIRRORED_POINTS_MAX = 30.0
"""If the longest line ends this near to it, the right margin is taken to be as wide as the left one."""

COLUMN_GAP_EM = 5.0
COLUMN_SHIFT_POINTS = 60.0
"""Lines nearer to each other than this, downwards and sidewards, stand in one column."""

_NUMBER = re.compile(r"[0-9]+|\b[ivxlc]+$|^[ivxlc]+\b")
_LEADER = re.compile(r"(?:\s?[.·]){4,}\s*")
_PAGE_NUMBER = re.compile(r"(?:page|p\.|쪽|-|–|—)?\s*\(?[0-9ivxlc]{1,5}\)?\s*(?:/|of|중)?\s*(?:[0-9]{1,5})?\s*(?:쪽|페이지|-|–|—)?", re.IGNORECASE)
_ITEM = re.compile(r"([•·▪■□◦‣●○▶➢❍\ue000-\uf8ff-]|[0-9]{1,3}[.)]|\([0-9]{1,3}\)|[가-하][.)]|[①-⑳]|[a-zA-Z][.)])\s+(?=\S)")
_SIGN = re.compile("[•·▪■□◦‣●○▶➢❍\ue000-\uf8ff-]")
_ENDED = re.compile(r"[.!?。:;…][\"'”’)\]]*$|(?:다|요|음|함)\.?$")


def add_pages(builder: DocumentBuilder, pages: Sequence[Page]) -> None:
    """Add the blocks of all pages."""
    kept = _without_running_heads(pages)
    if any(page.lines for page in kept):
        _Layout(builder, kept).run()


def _edge_key(line: Line) -> str:
    return _NUMBER.sub("#", line.text)[:200]


def _edges(page: Page) -> list[Line]:
    """The lines nearest to the top and bottom edge, by height on the page (files may hold them in any order)."""
    by_height = sorted(page.lines, key=lambda line: line.baseline)
    return by_height[:EDGE_LINES] + by_height[EDGE_LINES:][-EDGE_LINES:]


def _without_running_heads(pages: Sequence[Page]) -> list[Page]:
    counts = Counter(key for page in pages for key in {_edge_key(line) for line in _edges(page)})
    needed = min(max(REPEATED_PAGES_MIN, REPEATED_SHARE_MIN * len(pages)), max(len(pages), 2))
    body_size = _body_size([line for page in pages for line in page.lines])
    kept: list[Page] = []
    for page in pages:
        edges = _edges(page)
        dropped = {id(line) for line in edges if counts[_edge_key(line)] >= needed}
        if len(edges) > 1:
            dropped.update(id(line) for line in (edges[0], edges[-1]) if _is_page_number(line, page.number, len(pages)))
            if _stands_apart(edges[-1], edges[-2], body_size):
                dropped.add(id(edges[-1]))
        kept.append(Page(page.number, page.width, [line for line in page.lines if id(line) not in dropped]))
    return kept


def _is_page_number(line: Line, page: int, pages: int) -> bool:
    """Whether a line is a page number or ends in one of the form "2 / 7"."""
    if len(line.text) <= 20 and _PAGE_NUMBER.fullmatch(line.text):
        return True
    return re.search(rf"\b{page}\s?(?:/|of|중)\s?{pages}$", line.text) is not None


def _stands_apart(top: Line, below: Line, body_size: float) -> bool:
    """Whether the topmost line is in small letters and far from the text, as running heads are."""
    return top.size <= HEAD_SIZE_RATIO * body_size and top.baseline - below.baseline > HEAD_GAP_EM * body_size


def _body_size(lines: Sequence[Line]) -> float:
    """The size that most letters have."""
    return max(_sizes(lines).most_common(1)[0][0], 1.0) if lines else 1.0


def _sizes(lines: Sequence[Line]) -> Counter[float]:
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[round(line.size * 2) / 2] += len(line.text)
    return sizes


class _Layout:
    """Joins the lines of a document to blocks, from first to last."""

    def __init__(self, builder: DocumentBuilder, pages: Sequence[Page]) -> None:
        lines = [line for page in pages for line in page.lines]
        self.builder = builder
        self.lines = lines
        sizes = _sizes(lines)
        self.body_size = _body_size(lines)
        self.body_bold = sum(len(line.text) for line in lines if line.bold) > 0.5 * sum(sizes.values())
        self.pitches = _pitches(lines)
        self.columns = _columns(pages)
        self.heading_levels = self._levels(sizes)

    def run(self) -> None:
        """Add all blocks: first all are found, since how one is joined depends on the others."""
        found: list[FoundTable | list[Line]] = []
        pages: list[int] = []
        index = 0
        while index < len(self.lines):
            pages.append(self.lines[index].page)
            table = find_table(self.lines, index)
            end = self._paragraph_end(index) if table is None else table.end
            found.append(self.lines[index:end] if table is None else table)
            index = end
        joiner = Joiner([self._joints(block) for block in found if isinstance(block, list)])
        for page, block in zip(pages, found, strict=True):
            if isinstance(block, list):
                self._add(block, joiner.join(self._joints(block)))
            else:
                self.builder.add_table(block.rows, header=block.header, page=page)

    def _joints(self, lines: list[Line]) -> list[BrokenLine]:
        return [BrokenLine(line.text, line.spaced, max(self.columns[id(line)] - line.right, 0.0) / line.size) for line in lines]

    def _levels(self, sizes: Counter[float]) -> dict[float, int]:
        """Heading levels by size: the largest is 1. Bold lines in the body's size come below all of them."""
        larger = sorted((size for size in sizes if size >= HEADING_SIZE_RATIO * self.body_size), reverse=True)
        levels: dict[float, int] = {}
        level = 0
        previous: float | None = None
        for size in larger:
            if previous is None or size < previous * (1 - SIZE_TOLERANCE / 2):
                level, previous = min(level + 1, 5), size
            levels[size] = level
        return levels

    def _heading_level(self, line: Line) -> int:
        """The level of a line that looks like a heading, else 0."""
        text = line.text
        if len(text) > HEADING_CHARS_MAX or _SIGN.match(text) or not any(character.isalpha() for character in text):
            return 0
        level = self.heading_levels.get(round(line.size * 2) / 2, 0)
        if level and not text.endswith((",", ";")):
            return level
        if line.bold and not self.body_bold and len(text) <= BOLD_HEADING_CHARS_MAX and line.size >= 0.95 * self.body_size:
            return 0 if _ENDED.search(text) else max(self.heading_levels.values(), default=0) + 1
        return 0

    def _add(self, lines: list[Line], joined: str) -> None:
        page = lines[0].page
        if _SIGN.fullmatch(joined):
            return  # a bullet without words
        text = _LEADER.sub(" … ", joined)
        level = self._heading_level(lines[0]) if len(lines) <= 3 else 0
        if level and len(text) <= HEADING_CHARS_MAX:
            self.builder.add("heading", text, level=level, page=page)
            return
        item = _ITEM.match(text)
        if item is not None:
            marker = "-" if _SIGN.fullmatch(item[1]) else item[1]
            self.builder.add("list_item", text[item.end() :], level=1, marker=marker, page=page)
        else:
            self.builder.add("paragraph", text, page=page)

    def _paragraph_end(self, start: int) -> int:
        end = start + 1
        while end < len(self.lines) and self._continues(start, end) and find_table(self.lines, end) is None:
            end += 1
        return end

    def _continues(self, start: int, index: int) -> bool:
        """Whether the line at `index` goes on with the block that began at `start`."""
        before, line = self.lines[index - 1], self.lines[index]
        if abs(line.size - before.size) > SIZE_TOLERANCE * before.size or _ITEM.match(line.text):
            return False
        heading = self._heading_level(before)
        if heading != self._heading_level(line):
            return False
        drop = before.baseline - line.baseline
        if line.page != before.page or drop <= 0:
            return not heading and self._runs_over(before, line)
        if drop > PITCH_RATIO_MAX * self._pitch(before):
            return False
        return heading > 0 or (not self._was_ended(before, line) and self._is_aligned(before, line, is_second=index - 1 == start))

    def _is_aligned(self, before: Line, line: Line, *, is_second: bool) -> bool:
        """Whether a line begins where the next line of a paragraph would."""
        if line.left <= before.left + INDENT_EM * before.size:
            return True
        if is_second and len(before.words) > 1 and _ITEM.match(before.text):
            return abs(line.left - before.words[1].left) < HANGING_EM * before.size
        return not _ENDED.search(before.text)

    def _runs_over(self, before: Line, line: Line) -> bool:
        """Whether a paragraph goes on in the next column or on the next page."""
        return not _ENDED.search(before.text) and not self._was_ended(before, line) and not line.text[0].isupper()

    def _was_ended(self, before: Line, line: Line) -> bool:
        """Whether the author ended a line: there was room for the next word."""
        if before.text.endswith(LINE_END_HYPHEN):
            return False
        first = line.words[0]
        room = self.columns[id(before)] - before.right
        return _LEADER.search(before.text) is not None or room > first.right - first.left + ROOM_EM * before.size

    def _pitch(self, line: Line) -> float:
        return self.pitches.get(round(line.size), line.size * 1.3)


def _pitches(lines: list[Line]) -> dict[int, float]:
    """The distance between lines of a paragraph for each size of letters: the lower quartile (the rest are between paragraphs)."""
    found: defaultdict[int, list[float]] = defaultdict(list)
    for before, line in pairwise(lines):
        drop = before.baseline - line.baseline
        if before.page == line.page and 0.9 * before.size < drop < 3 * before.size and abs(before.size - line.size) < SIZE_TOLERANCE * before.size:
            found[round(before.size)].append(drop)
    return {size: sorted(drops)[len(drops) // 4] for size, drops in found.items()}


def _columns(pages: Sequence[Page]) -> dict[int, float]:
    """Right edge of the text column that each line (by its `id`) stands in.

    That of the lines around it that follow each other downwards, if several of them end there. If not, they may all be short: then those
    that cross the middle of the page are taken to reach as far as the document's longest lines.
    """
    edges: dict[int, float] = {}
    longest = max((line.right for page in pages for line in page.lines if line.left < page.width / 2), default=0.0)
    for page in pages:
        # The margins of a page are mostly alike. Where the longest lines bear that out, it is more exact than they are.
        mirrored = page.width - min((line.left for line in page.lines), default=0.0)
        far = mirrored if 0 <= mirrored - longest < MIRRORED_POINTS_MAX else longest
        run: list[Line] = []
        for line in [*page.lines, None]:
            if run and (line is None or not _same_column(run[-1], line)):
                edge = max(member.right for member in run)
                crosses = run[0].left < page.width / 2 < edge
                is_sure = sum(edge - member.right < COLUMN_EDGE_EM * member.size for member in run) >= COLUMN_LINES_MIN
                edges.update(dict.fromkeys(map(id, run), max(edge, far) if crosses and not is_sure else edge))
                run = []
            if line is not None:
                run.append(line)
    return edges


def _same_column(before: Line, line: Line) -> bool:
    drop = before.baseline - line.baseline
    return (
        before.page == line.page
        and 0 < drop < COLUMN_GAP_EM * before.size
        and abs(line.left - before.left) < COLUMN_SHIFT_POINTS
        and abs(line.size - before.size) <= SIZE_TOLERANCE * before.size
    )

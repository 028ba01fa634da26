"""Word documents to blocks, from the XML of the main part: body text in document order, tracked deletions left out.

Headers, footers, comments and macros are not read. Rules from ECMA-376 part 1, section 17 (WordprocessingML).
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from ondol.application.knowledge.parsing.builder import DocumentBuilder, looks_like_header, one_line
from ondol.application.knowledge.parsing.docx_package import DOCUMENT_PART, Package, attribute, child, local, switched_on
from ondol.application.knowledge.parsing.docx_styles import Numbering, Style, read_styles, whole_number
from ondol.application.knowledge.parsing.limits import TABLE_CELLS_MAX, TABLE_SPAN_MAX
from ondol.application.knowledge.types import BlockKind, ParsedDocument
from ondol.core.errors import UnreadableDocument

# Content that is not there: deleted or moved away under change tracking, field codes, fallbacks of drawings that were read already.
_LEFT_OUT = frozenset({"del", "moveFrom", "instrText", "delText", "delInstrText", "Fallback", "rPr", "pPr", "tblPr", "trPr", "tcPr", "sdtPr", "rt"})


def load(name: str, data: bytes) -> ParsedDocument:
    """Parse a .docx.

    Raises:
        UnreadableDocument: damaged, encrypted, a bomb, or beyond a limit.
    """
    package = Package(name, data)
    root = package.part(DOCUMENT_PART)
    body = child(root, "body")
    if body is None:
        raise UnreadableDocument(f"{name} has no document body.", "Open it in a word processor and save it anew.")
    builder = DocumentBuilder(name)
    _Reader(builder, read_styles(package.part("word/styles.xml")), Numbering(package.part("word/numbering.xml"))).read(body)
    title = child(package.part("docProps/core.xml"), "title")
    return builder.finish(title=title.text if title is not None else None, metadata={})


class _Reader:
    """Reads the body from top to bottom; the numbering counts along."""

    def __init__(self, builder: DocumentBuilder, styles: dict[str, Style], numbering: Numbering) -> None:
        self.builder = builder
        self.styles = styles
        self.numbering = numbering
        self.code: list[str] = []

    def read(self, container: ElementTree.Element) -> None:
        """Read all paragraphs and tables of a body or cell in document order."""
        for element in _content(container):
            if local(element) == "p":
                self._paragraph(element)
            else:
                self._flush_code()
                self._table(element)
        self._flush_code()

    def _paragraph(self, element: ElementTree.Element) -> None:
        properties = child(element, "pPr")
        style = self.styles.get(attribute(child(properties, "pStyle")) or "", Style())
        text = "" if style.hidden else _text(element)
        if style.is_code and text.strip():
            self.code.append(text)
        elif text.strip():
            self._flush_code()
            self._add(text, properties, style)
        for box in _text_boxes(element):
            self._flush_code()
            self.read(box)

    def _add(self, text: str, properties: ElementTree.Element | None, style: Style) -> None:
        number = child(properties, "numPr")
        number_id = attribute(child(number, "numId")) or style.number_id
        level = whole_number(attribute(child(number, "ilvl")))
        level = style.number_level if level is None else level
        label = self.numbering.next_label(number_id, level) if number_id is not None else None
        outline = whole_number(attribute(child(properties, "outlineLvl")))
        heading_level = style.heading_level or (1 if style.is_title else 0)
        if not heading_level and outline is not None and outline < 9:
            heading_level = outline + 1
        if heading_level:
            self.builder.add("heading", f"{label} {text}" if label and label != "-" else text, level=heading_level)
        elif label is not None:
            self.builder.add("list_item", text, level=level + 1, marker=label)
        else:
            kind: BlockKind = "quote" if style.is_quote else "paragraph"
            self.builder.add(kind, text)

    def _flush_code(self) -> None:
        if self.code:
            self.builder.add("code", "\n".join(self.code))
            self.code = []

    def _table(self, table: ElementTree.Element) -> None:
        rows = [row for row in _content(table) if local(row) == "tr" and not _is_deleted(row)]
        cells = [[cell for cell in _content(row) if local(cell) == "tc"] for row in rows]
        if max((len(row) for row in cells), default=0) < 2:
            for row in cells:  # a frame around text
                for cell in row:
                    self.read(cell)
            return
        grid = _grid(self.builder.name, cells)
        header_rows = 0
        while header_rows < len(rows) and switched_on(child(rows[header_rows], "trPr", "tblHeader")):
            header_rows += 1
        if header_rows == len(rows):
            header_rows = 0
        if not header_rows and looks_like_header(grid):
            header_rows = 1
        header = [" ".join(dict.fromkeys(filter(None, column))) for column in _columns(grid[:header_rows])]
        self.builder.add_table(grid[header_rows:], header=header)


def _content(container: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Paragraphs, tables, rows or cells of a container, those within content controls and tracked insertions included."""
    stack = list(reversed(container))
    while stack:
        element = stack.pop()
        name = local(element)
        if name in ("p", "tbl", "tr", "tc"):
            yield element
        elif name in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag", "AlternateContent", "Choice"):
            stack.extend(reversed(element))


def _is_deleted(row: ElementTree.Element) -> bool:
    return child(row, "trPr", "del") is not None


def _text(paragraph: ElementTree.Element) -> str:
    """A paragraph's text without its text boxes (which are read after it)."""
    pieces: list[str] = []
    stack = list(reversed(paragraph))
    while stack:
        element = stack.pop()
        name = local(element)
        if name in _LEFT_OUT or name in ("txbxContent", "p", "tbl"):
            continue
        if name == "t":
            pieces.append(element.text or "")
        elif name in ("tab", "ptab"):
            pieces.append("\t")
        elif name in ("br", "cr"):
            pieces.append("\n")
        elif name == "noBreakHyphen":
            pieces.append("-")
        elif name == "r" and switched_on(child(element, "rPr", "vanish")):
            continue
        else:
            stack.extend(reversed(element))
    return "".join(pieces)


def _text_boxes(paragraph: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """The text boxes that are anchored in a paragraph, outermost ones only, each once."""
    stack = list(reversed(paragraph))
    while stack:
        element = stack.pop()
        name = local(element)
        if name == "txbxContent":
            yield element
        elif name not in _LEFT_OUT:
            stack.extend(reversed(element))


def _cell_text(cell: ElementTree.Element) -> str:
    """All text of a cell on one line, that of nested tables included."""
    pieces: list[str] = []
    stack = list(reversed(cell))
    while stack:
        element = stack.pop()
        name = local(element)
        if name == "p":
            pieces.append(_text(element))
            stack.extend(reversed(list(_text_boxes(element))))
        elif name not in _LEFT_OUT:
            stack.extend(reversed(element))
    return one_line(" ".join(pieces))


def _grid(name: str, rows: list[list[ElementTree.Element]]) -> list[list[str]]:
    """The cells' texts with spans spread out: a cell merged downwards is repeated in each of its rows."""
    grid: list[list[str]] = []
    count = 0
    for cells in rows:
        line: list[str] = []
        for cell in cells:
            merge = child(cell, "tcPr", "vMerge")
            continues = merge is not None and (attribute(merge) or "continue") == "continue"
            above = grid[-1] if grid else []
            line.append(above[len(line)] if continues and len(line) < len(above) else _cell_text(cell))
            span = whole_number(attribute(child(cell, "tcPr", "gridSpan"))) or 1
            line.extend([""] * (min(span, TABLE_SPAN_MAX) - 1))
        count += len(line)
        if count > TABLE_CELLS_MAX:
            raise UnreadableDocument(f"{name} has a table with more than {TABLE_CELLS_MAX:,} cells.", "Split it into several tables.")
        grid.append(line)
    return grid


def _columns(rows: list[list[str]]) -> list[list[str]]:
    width = max((len(row) for row in rows), default=0)
    return [[row[index] if index < len(row) else "" for row in rows] for index in range(width)]

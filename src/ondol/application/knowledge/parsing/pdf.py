"""PDF to blocks, by PDFium: characters with their places become lines here, and lines become blocks in `pdf_layout`."""

from __future__ import annotations

import ctypes
import math
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ondol.application.knowledge.parsing.builder import DocumentBuilder
from ondol.application.knowledge.parsing.limits import TEXT_CHARS_MAX
from ondol.application.knowledge.parsing.pdf_joining import LINE_END_HYPHEN
from ondol.application.knowledge.parsing.pdf_layout import add_pages
from ondol.application.knowledge.parsing.pdf_lines import Line, Page, Word
from ondol.application.knowledge.types import ParsedDocument
from ondol.core.errors import UnreadableDocument

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

PAGES_MAX = 2_000
PAGE_CHARS_MAX = 100_000
"""A page with more characters than this is not one that anybody reads."""

SIZE_POINTS_MIN = 0.1
SIZE_POINTS_MAX = 5_000.0

FONT_NAME_BYTES_MAX = 200

OBJECTS_MAX = 20_000
"""So many objects of a page are searched for drawn bullets."""

BULLET_POINTS_MIN = 1.5
BULLET_POINTS_MAX = 6.0
BULLET_GAP_POINTS_MAX = 24.0
"""How large a drawn bullet is, and how far before its line it stands."""

BULLETS_MAX = 200
"""A page with more small squares than this is a drawing."""

_PASSWORD_ERROR = 4
_BOLD_NAME = re.compile(rb"bold|heavy|black(?!letter)|extrab|demi", re.IGNORECASE)
_NOT_A_TITLE = re.compile(
    r"untitled|microsoft (?:word|powerpoint|excel)\b.*|powerpoint presentation|.*\.(?:docx?|pptx?|xlsx?|hwpx?|tex|dvi|indd|pdf)", re.IGNORECASE
)

# PDFium keeps state of its process (fonts, the last error) and is not thread-safe, so the lock belongs to the process as well.
_PDFIUM = threading.Lock()


def load(name: str, data: bytes) -> ParsedDocument:
    """Parse a PDF.

    Raises:
        UnreadableDocument: damaged, encrypted, without any text (a scan), or beyond a limit.
    """
    with _PDFIUM:
        title, pages = _read(name, data)
    if not any(page.lines for page in pages):
        raise UnreadableDocument(f"{name} holds pictures of pages but no text.", "Run text recognition (OCR) on it first.")
    builder = DocumentBuilder(name)
    add_pages(builder, pages)
    return builder.finish(title=title, metadata={})


def _read(name: str, data: bytes) -> tuple[str | None, list[Page]]:
    import pypdfium2

    if not data:
        raise UnreadableDocument(f"{name} is empty.", "Upload the file again.")
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD_ERROR:
            raise UnreadableDocument(f"{name} is encrypted.", "Save it without a password.") from error
        raise UnreadableDocument(f"{name} is damaged or not a PDF.", "Open it in a PDF viewer and print it to a new PDF.") from error
    try:
        if len(document) > PAGES_MAX:
            raise UnreadableDocument(f"{name} has {len(document):,} pages, more than {PAGES_MAX:,}.", "Split it into several files.")
        return _title(document), list(_pages(name, document))
    finally:
        document.close()


def _title(document: PdfDocument) -> str | None:
    try:
        title = str(document.get_metadata_value("Title") or "").strip()
    except UnicodeDecodeError:  # half a surrogate pair
        return None
    return None if not title or _NOT_A_TITLE.fullmatch(title) else title


def _pages(name: str, document: PdfDocument) -> Iterator[Page]:
    import pypdfium2

    total = 0
    for index in range(len(document)):
        try:
            page = document[index]
        except pypdfium2.PdfiumError:
            continue  # a broken page among good ones
        try:
            lines = _lines(name, page, index + 1)
            width = page.get_width()
        except pypdfium2.PdfiumError:
            continue
        finally:
            page.close()
        total += sum(len(line.text) for line in lines)
        if total > TEXT_CHARS_MAX:
            raise UnreadableDocument(f"{name} holds more than {TEXT_CHARS_MAX:,} characters of text.", "Split it into several files.")
        yield Page(index + 1, width, lines)


def _lines(name: str, page: PdfPage, number: int) -> list[Line]:
    from pypdfium2 import raw

    text_page = page.get_textpage()
    try:
        count = int(raw.FPDFText_CountChars(text_page))
        if count > PAGE_CHARS_MAX:
            raise UnreadableDocument(f"{name} has {count:,} characters on page {number}.", f"Readable are up to {PAGE_CHARS_MAX:,} on a page.")
        collector = _LineCollector(number, _Glyphs(raw, text_page), _drawn_bullets(raw, page))
        get_unicode = raw.FPDFText_GetUnicode
        for index in range(count):
            collector.take(index, get_unicode(text_page, index))
        return collector.finish()
    finally:
        text_page.close()


def _drawn_bullets(raw: Any, page: PdfPage) -> list[tuple[float, float]]:
    """Right edge and middle of small round or square drawings: browsers draw the bullets of lists instead of writing them."""
    bullets: list[tuple[float, float]] = []
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    for index in range(min(int(raw.FPDFPage_CountObjects(page)), OBJECTS_MAX)):
        drawing = raw.FPDFPage_GetObject(page, index)
        if raw.FPDFPageObj_GetType(drawing) != raw.FPDF_PAGEOBJ_PATH or not raw.FPDFPageObj_GetBounds(drawing, left, bottom, right, top):
            continue
        width, height = right.value - left.value, top.value - bottom.value
        if BULLET_POINTS_MIN <= width <= BULLET_POINTS_MAX and abs(width - height) <= 0.2 * width:
            bullets.append((right.value, (bottom.value + top.value) / 2))
    return bullets if len(bullets) <= BULLETS_MAX else []


class _Glyphs:
    """Asks PDFium for places and weights of characters; the ctypes buffers are made once."""

    def __init__(self, raw: Any, text_page: Any) -> None:
        self.raw = raw
        self.text_page = text_page
        self._left, self._right, self._bottom, self._top = (ctypes.c_double() for _ in range(4))
        self._x, self._y = ctypes.c_double(), ctypes.c_double()
        self._matrix = raw.FS_MATRIX()
        self._name = ctypes.create_string_buffer(FONT_NAME_BYTES_MAX)
        self._flags = ctypes.c_int()

    def sides(self, index: int) -> tuple[float, float]:
        """Left and right of a character in points."""
        self.raw.FPDFText_GetCharBox(self.text_page, index, self._left, self._right, self._bottom, self._top)
        return self._left.value, self._right.value

    def baseline(self, index: int) -> float:
        """Height of a character's baseline above the bottom of the page in points."""
        self.raw.FPDFText_GetCharOrigin(self.text_page, index, self._x, self._y)
        return self._y.value

    def size(self, index: int) -> float:
        """Size of a character's font in points, as scaled on the page; 1 where that is out of all reason."""
        self.raw.FPDFText_GetMatrix(self.text_page, index, self._matrix)
        scale = math.hypot(self._matrix.c, self._matrix.d) or 1.0
        size = scale * float(self.raw.FPDFText_GetFontSize(self.text_page, index))
        return size if SIZE_POINTS_MIN <= size <= SIZE_POINTS_MAX else 1.0

    def is_bold(self, index: int) -> bool:
        """By the name of the font, else by the weight that it states."""
        length = int(self.raw.FPDFText_GetFontInfo(self.text_page, index, self._name, FONT_NAME_BYTES_MAX, self._flags))
        if 0 < length <= FONT_NAME_BYTES_MAX and _BOLD_NAME.search(self._name.raw[:length]):
            return True
        return int(self.raw.FPDFText_GetFontWeight(self.text_page, index)) >= 600

    def is_generated(self, index: int) -> bool:
        """Whether PDFium put the character in (a space seen only as a gap)."""
        return int(self.raw.FPDFText_IsGenerated(self.text_page, index)) == 1


class _LineCollector:
    """Makes words and lines of a page's characters in the order of the file."""

    def __init__(self, page: int, glyphs: _Glyphs, bullets: list[tuple[float, float]]) -> None:
        self.page = page
        self.glyphs = glyphs
        self.bullets = bullets
        self.lines: list[Line] = []
        self.words: list[Word] = []
        self.letters: list[str] = []
        self.first = self.last = -1  # index of the first and last character of the word
        self.spaced = False  # whether a space of the file itself came last

    def take(self, index: int, code: int) -> None:
        """Take the next character."""
        character = chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else " "
        if character == LINE_END_HYPHEN and not self.letters and not self.words:
            character = "•"
        if character in "\r\n":
            self._end_line()
        elif character == LINE_END_HYPHEN and self.letters:
            self.letters.append(LINE_END_HYPHEN)
            self._end_line()  # PDFium runs the lines together here
        elif character.isspace() or character < " " or character == "\u00a0":
            self._end_word()
            self.spaced = character == " " and bool(self.words) and not self.glyphs.is_generated(index)
        else:
            if not self.letters:
                self.first = index
            self.letters.append(character)
            self.last = index
            self.spaced = False

    def finish(self) -> list[Line]:
        """All lines, drawn bullets before them."""
        self._end_line()
        return [self._with_bullet(line) for line in self.lines] if self.bullets else self.lines

    def _with_bullet(self, line: Line) -> Line:
        for right, middle in self.bullets:
            if 0 < line.left - right < BULLET_GAP_POINTS_MAX and line.baseline - 1 < middle < line.baseline + line.size:
                bullet = Word("•", right - 3, right, line.baseline, line.words[0].size, False)
                return Line.of(line.page, (bullet, *line.words), line.spaced)
        return line

    def _end_word(self) -> None:
        if not self.letters:
            return
        sides = (*self.glyphs.sides(self.first), *self.glyphs.sides(self.last))
        first, glyphs = self.first, self.glyphs
        word = Word("".join(self.letters), min(sides), max(sides), glyphs.baseline(first), glyphs.size(first), glyphs.is_bold(first))
        self.words.append(word)
        self.letters = []

    def _end_line(self) -> None:
        self._end_word()
        if self.words:
            line = Line.of(self.page, tuple(self.words), self.spaced)
            if self.lines and self.lines[-1].goes_on_in(line):
                self.lines[-1] = self.lines[-1].with_more(line)
            else:
                self.lines.append(line)
        self.words = []
        self.spaced = False

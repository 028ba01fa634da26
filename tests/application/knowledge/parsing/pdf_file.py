"""Writing small PDFs by hand: lines of text at given places, in Latin and Korean."""

from __future__ import annotations

from dataclasses import dataclass

PAGE_WIDTH = 600
PAGE_HEIGHT = 800


@dataclass(frozen=True, slots=True)
class Text:
    """A line: where its baseline begins, in points from the lower left, the size of its letters, and whether they are bold."""

    x: float
    y: float
    text: str
    size: float = 10
    bold: bool = False


@dataclass(frozen=True, slots=True)
class Dot:
    """A small filled square, as browsers draw the bullets of lists."""

    x: float
    y: float
    side: float = 3


def pdf(*pages: list[Text | Dot], title: str = "", encrypt: str = "") -> bytes:
    """A PDF with a page for each list. Korean text stands in a font that is not embedded; a full letter is as wide as it is high.

    Args:
        encrypt: raw entries for the trailer, to make a file that needs a password.
    """
    bodies = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    bodies += [
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier-Bold /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type0 /BaseFont /HYSMyeongJo-Medium /Encoding /UniKS-UCS2-H /DescendantFonts [6 0 R] >>",
        b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /HYSMyeongJo-Medium /CIDSystemInfo << /Registry (Adobe) /Ordering (Korea1)"
        b" /Supplement 1 >> /DW 1000 /FontDescriptor 7 0 R >>",
        b"<< /Type /FontDescriptor /FontName /HYSMyeongJo-Medium /Flags 4 /FontBBox [0 -200 1000 800] /ItalicAngle 0 /Ascent 800 /Descent -200"
        b" /CapHeight 700 /StemV 80 >>",
    ]
    kids: list[int] = []
    for page in pages:
        stream = b"\n".join(_operators(item) for item in page)
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(len(bodies) + 1)
        bodies.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R /Resources << /Font << /L 3 0 R /B 4 0 R /K 5 0 R >> >> >>"
            % (PAGE_WIDTH, PAGE_HEIGHT, len(bodies))
        )
    bodies[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    bodies.append(b"<< /Title (%s) >>" % title.encode())
    return _file(bodies, encrypt)


def _operators(item: Text | Dot) -> bytes:
    if isinstance(item, Dot):
        return f"{item.x} {item.y} {item.side} {item.side} re f".encode()
    if item.text.isascii():
        escaped = item.text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        return f"BT /{'B' if item.bold else 'L'} {item.size} Tf {item.x} {item.y} Td ({escaped}) Tj ET".encode()
    return f"BT /K {item.size} Tf {item.x} {item.y} Td <{item.text.encode('utf-16-be').hex()}> Tj ET".encode()


def _file(bodies: list[bytes], encrypt: str) -> bytes:
    file = bytearray(b"%PDF-1.4\n")
    offsets: list[int] = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1) + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    file += b"trailer << /Size %d /Root 1 0 R /Info %d 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, len(bodies), encrypt.encode(), start)
    return bytes(file)

"""Word documents to blocks."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable

import docx
import pytest
from docx.document import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from ondol.application.knowledge.parsing import docx_package, parse
from ondol.core.errors import UnreadableDocument
from tests.application.knowledge.parsing.checks import outline

VISIBLE = '<w:vanish w:val="0"/>'
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def saved(document: Document) -> bytes:
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def package(body: str, **parts: str) -> bytes:
    """A minimal .docx around the XML of a body."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"<?xml version='1.0'?><w:document {W}><w:body>{body}</w:body></w:document>")
        for name, content in parts.items():
            archive.writestr(f"word/{name}.xml", content)
    return stream.getvalue()


def run(text: str, properties: str = "") -> str:
    return f"<w:r><w:rPr>{properties}</w:rPr><w:t xml:space='preserve'>{text}</w:t></w:r>"


def test_a_document() -> None:
    document = docx.Document()
    document.core_properties.title = "환불 정책"
    document.add_heading("환불 정책", 0)
    document.add_heading("절차", 1)
    document.add_paragraph("처음 결제한 날부터 30일 안에는 전액 환불됩니다.")
    document.add_paragraph("카드", style="List Bullet")
    document.add_paragraph("영수증", style="List Bullet 2")
    document.add_paragraph("신청", style="List Number")
    document.add_paragraph("확인", style="List Number")
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "요금제", "가격"
    for plan, price in (("새싹", "3,300"), ("가지", "8,800")):
        cells = table.add_row().cells
        cells[0].text, cells[1].text = plan, price
    document.add_paragraph("인용문", style="Quote")
    document.add_heading("끝", 2)
    data = saved(document)
    assert outline("x.docx", data) == [
        "heading1: 환불 정책",
        "heading1: 절차",
        "paragraph: 처음 결제한 날부터 30일 안에는 전액 환불됩니다.",
        "list_item1: - 카드",
        "list_item1: - 영수증",
        "list_item1: 1. 신청",
        "list_item1: 2. 확인",
        "table_row: 요금제: 새싹; 가격: 3,300",
        "table_row: 요금제: 가지; 가격: 8,800",
        "quote: 인용문",
        "heading2: 끝",
    ]
    assert parse("x.docx", data).title == "환불 정책"


def test_merged_cells_are_repeated_downwards() -> None:
    document = docx.Document()
    table = document.add_table(rows=3, cols=2)
    for row, texts in enumerate((("요금제", "한도"), ("새싹", "5 GB"), ("", "50 GB"))):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    table.cell(1, 0).merge(table.cell(2, 0))
    assert outline("x.docx", saved(document)) == ["table_row: 요금제: 새싹; 한도: 5 GB", "table_row: 요금제: 새싹; 한도: 50 GB"]


def test_a_marked_header_row_counts_even_if_it_is_numbers() -> None:
    document = docx.Document()
    table = document.add_table(rows=2, cols=2)
    for column, (name, value) in enumerate((("2025", "1"), ("2026", "2"))):
        table.cell(0, column).text, table.cell(1, column).text = name, value
    table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    assert outline("x.docx", saved(document)) == ["table_row: 2025: 1; 2026: 2"]


def test_a_frame_of_one_column_is_not_a_table() -> None:
    document = docx.Document()
    cell = document.add_table(rows=1, cols=1).cell(0, 0)
    cell.text = "주의"
    cell.add_paragraph("항목", style="List Bullet")
    assert outline("x.docx", saved(document)) == ["paragraph: 주의", "list_item1: - 항목"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"<w:p>{run('a')}<w:del>{run('b')}</w:del><w:ins>{run('c')}</w:ins></w:p>", ["paragraph: ac"]),
        (f"<w:p>{run('a')}<w:moveFrom>{run('b')}</w:moveFrom><w:moveTo>{run('c')}</w:moveTo></w:p>", ["paragraph: ac"]),
        (f"<w:p>{run('a')}{run('secret', '<w:vanish/>')}{run('b', VISIBLE)}</w:p>", ["paragraph: ab"]),
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r></w:p>", ["paragraph: a b\nc-d"]),
        (f"<w:p><w:hyperlink>{run('link')}</w:hyperlink><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>", ["paragraph: link"]),
        (f"<w:sdt><w:sdtContent><w:p>{run('control')}</w:p></w:sdtContent></w:sdt>", ["paragraph: control"]),
        (f"<w:p><w:pPr><w:outlineLvl w:val='1'/></w:pPr>{run('Outline')}</w:p>", ["heading2: Outline"]),
        (
            f"<w:p>{run('before')}<w:r><w:pict><w:txbxContent><w:p>{run('boxed')}</w:p></w:txbxContent></w:pict></w:r></w:p>",
            ["paragraph: before", "paragraph: boxed"],
        ),
        ("<w:p><m:oMath xmlns:m='m'><m:r><m:t>x=1</m:t></m:r></m:oMath></w:p>", ["paragraph: x=1"]),
        (
            f"<w:tbl><w:tr><w:tc><w:p>{run('a')}</w:p></w:tc><w:tc><w:p>{run('b')}</w:p></w:tc></w:tr>"
            f"<w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p>{run('gone')}</w:p></w:tc><w:tc><w:p>{run('gone')}</w:p></w:tc></w:tr></w:tbl>",
            ["table_row: a; b"],
        ),
        ("", []),
    ],
)
def test_markup(body: str, expected: list[str]) -> None:
    assert outline("x.docx", package(body)) == expected


def test_numbers_are_counted_as_word_does() -> None:
    levels = "".join(
        f"<w:lvl w:ilvl='{level}'><w:start w:val='{start}'/><w:numFmt w:val='{number_format}'/><w:lvlText w:val='{text}'/></w:lvl>"
        for level, (start, number_format, text) in enumerate(
            [(2, "decimal", "제%1조"), (1, "ganada", "%2."), (1, "lowerRoman", "%1.%3)"), (1, "none", "")]
        )
    )
    definition = f"<w:abstractNum w:abstractNumId='7'>{levels}</w:abstractNum><w:num w:numId='1'><w:abstractNumId w:val='7'/></w:num>"
    numbering = f"<w:numbering {W}>{definition}</w:numbering>"
    body = "".join(
        f"<w:p><w:pPr><w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='1'/></w:numPr></w:pPr>{run(text)}</w:p>"
        for level, text in [(0, "a"), (1, "b"), (1, "c"), (2, "d"), (0, "e"), (1, "f"), (3, "g")]
    )
    assert outline("x.docx", package(body, numbering=numbering)) == [
        "list_item1: 제2조 a",
        "list_item2: 가. b",
        "list_item2: 나. c",
        "list_item3: 2.i) d",
        "list_item1: 제3조 e",
        "list_item2: 가. f",
        "list_item4: g",
    ]


def test_styles_in_a_circle_end() -> None:
    styles = f"<w:styles {W}>" + "".join(
        f"<w:style w:styleId='{name}'><w:name w:val='{name}'/><w:basedOn w:val='{base}'/></w:style>" for name, base in (("A", "B"), ("B", "A"))
    ) + "</w:styles>"  # fmt: skip
    assert outline("x.docx", package(f"<w:p><w:pPr><w:pStyle w:val='A'/></w:pPr>{run('x')}</w:p>", styles=styles)) == ["paragraph: x"]


def bomb(entry: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("word/document.xml", entry)
    return stream.getvalue()


def entities() -> bytes:
    declarations = "".join(f"<!ENTITY l{level} '{f'&l{level - 1};' * 10}'>" for level in range(1, 9))
    return bomb(f"<!DOCTYPE w [<!ENTITY l0 'lol'>{declarations}]><w:document {W}><w:body>&l8;</w:body></w:document>".encode())


def lying_size() -> bytes:
    """An archive whose directory understates a size; it is found out when the entry is read."""
    data = bytearray(bomb(b"<a>" + b" " * 3_000_000 + b"</a>"))
    start = data.rindex(b"PK\x01\x02") + 24
    data[start : start + 4] = (1_000).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"", "damaged"),
        (lambda: b"PK\x03\x04 nonsense", "damaged"),
        (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "encrypted or in the old .doc format"),
        (lambda: bomb(b"<a>" + b" " * 20_000_000 + b"</a>"), "packed more than"),
        (entities, "no word processor writes"),
        (lying_size, "damaged"),
        (lambda: bomb(f"<a>{'a' * 10}".encode()), "damaged"),
        (lambda: bomb(("<a>" * 5_000 + "</a>" * 5_000).encode()), "too deep"),
        (lambda: bomb("<a/>".encode("utf-16")), "no word processor writes"),
        (lambda: bomb(b"<a/>"), "no document body"),
    ],
)
def test_refused(make: Callable[[], bytes], message: str) -> None:
    with pytest.raises(UnreadableDocument, match=re.escape(message)) as caught:
        parse("x.docx", make())
    assert caught.value.hint


def test_an_archive_of_something_else_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(UnreadableDocument, match="not a Word document"):
        parse("x.docx", stream.getvalue())


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docx_package, "ENTRIES_MAX", 1)
    with pytest.raises(UnreadableDocument, match="too many"):
        parse("x.docx", package("", styles=f"<w:styles {W}/>"))


def test_a_deep_frame_is_read() -> None:
    inner = f"<w:p>{run('deep')}</w:p>"
    for _ in range(60):
        inner = f"<w:tbl><w:tr><w:tc>{inner}</w:tc></w:tr></w:tbl>"
    assert outline("x.docx", package(inner)) == ["paragraph: deep"]


def test_the_strict_namespace_is_read() -> None:
    data = package(f"<w:p>{run('strict')}</w:p>")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        strict = archive.read("word/document.xml").replace(
            b"http://schemas.openxmlformats.org/wordprocessingml/2006/main", b"http://purl.oclc.org/ooxml/wordprocessingml/main"
        )
    assert outline("x.docx", bomb(strict)) == ["paragraph: strict"]
    assert qn("w:p").startswith("{http://schemas")

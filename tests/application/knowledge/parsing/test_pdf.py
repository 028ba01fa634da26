"""PDF to blocks."""

from __future__ import annotations

import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from ondol.application.knowledge.parsing import parse
from ondol.application.knowledge.parsing import pdf as loader
from ondol.application.knowledge.parsing.pdf_joining import BrokenLine, Joiner
from ondol.core.errors import UnreadableDocument
from tests.application.knowledge.parsing.checks import outline, sound
from tests.application.knowledge.parsing.pdf_file import Dot, Text, pdf


def column(y: float, lines: list[str], *, x: float = 60, pitch: float = 14) -> list[Text | Dot]:
    """Lines below each other."""
    return [Text(x, y - pitch * number, line) for number, line in enumerate(lines)]


BODY = [
    "The refund is paid within five business days after the order was",
    "cancelled. Domains are never refunded since they are regis-",
    "tered at once and for a whole year.",
]


def test_headings_paragraphs_and_hyphens() -> None:
    data = pdf([Text(60, 740, "Refunds", 20), *column(700, BODY), Text(60, 640, "Procedure", 10, bold=True), *column(620, BODY[:1])], title="Help")
    assert outline("x.pdf", data) == [
        "heading1: Refunds",
        "paragraph: The refund is paid within five business days after the order was cancelled."
        " Domains are never refunded since they are registered at once and for a whole year.",
        "heading2: Procedure",
        f"paragraph: {BODY[0]}",
    ]
    document = parse("x.pdf", data)
    assert document.title == "Help"
    assert {block.page for block in document.blocks} == {1}
    assert document.blocks[-1].heading_path == ("Refunds", "Procedure")


def test_a_useless_title_gives_way_to_the_largest_heading() -> None:
    page = [Text(60, 760, "Help", 14), Text(60, 720, "Refunds", 24), *column(680, BODY)]
    assert parse("x.pdf", pdf([*page], title="Microsoft Word - a.docx")).title == "Refunds"


def test_running_heads_are_dropped() -> None:
    pages = [
        [Text(60, 780, "Durubitnaru Hosting", 8), *column(700, [f"This is page {name}.", *BODY]), Text(300, 20, f"{number} / 4", 8)]
        for number, name in enumerate(("one", "two", "three", "four"), 1)
    ]
    text = parse("x.pdf", pdf(*pages)).text
    assert "Durubitnaru" not in text
    assert "/ 4" not in text
    assert "page three" in text


def test_a_paragraph_runs_over_to_the_next_page() -> None:
    document = parse("x.pdf", pdf(column(100, BODY[:2]), column(740, [BODY[2], "", "Second paragraph of the page."])))
    first, second = document.blocks
    assert (first.page, second.page) == (1, 2)
    assert document.text[first.start : first.end].endswith("they are registered at once and for a whole year.")
    assert document.text[second.start : second.end] == "Second paragraph of the page."


def test_lists_written_and_drawn() -> None:
    written = column(700, ["1. First step", "2. Second step"])
    drawn = [item for number, text in enumerate(["Card", "Transfer"]) for item in (Dot(62, 603 - 20 * number), Text(75, 600 - 20 * number, text))]
    assert outline("x.pdf", pdf([*written, *drawn])) == [
        "list_item1: 1. First step",
        "list_item1: 2. Second step",
        "list_item1: - Card",
        "list_item1: - Transfer",
    ]


def test_a_table_by_its_columns() -> None:
    rows = [("Plan", "Price", "Disk"), ("Sprout", "3,300", "5 GB"), ("Branch", "8,800", "20 GB"), ("Forest", "66,000", "200 GB")]
    page: list[Text | Dot] = [
        Text(60 + 150 * column_number, 700 - 20 * row, text) for row, texts in enumerate(rows) for column_number, text in enumerate(texts)
    ]
    page += [Text(60, 628, "plan"), Text(210, 628, "a month")]  # wrapped below the last row
    assert outline("x.pdf", pdf([Text(60, 740, BODY[0]), *page, *column(580, BODY)])) == [
        f"paragraph: {BODY[0]}",
        "table_row: Plan: Sprout; Price: 3,300; Disk: 5 GB",
        "table_row: Plan: Branch; Price: 8,800; Disk: 20 GB",
        "table_row: Plan: Forest plan; Price: 66,000 a month; Disk: 200 GB",
        "paragraph: " + " ".join(BODY).replace("regis- tered", "registered"),
    ]


def test_cells_that_are_written_one_after_the_other() -> None:
    page = [
        Text(60, 700, "Case"), Text(250, 700, "Measure"),
        Text(60, 680, "Minor"), Text(250, 680, "a notice"),
        Text(60, 660, "Very"), Text(60, 648, "serious"), Text(250, 660, "suspended"), Text(250, 648, "at once"),
        Text(60, 628, "Other"), Text(250, 628, "nothing"),
    ]  # fmt: skip
    assert outline("x.pdf", pdf([*page])) == [
        "table_row: Case: Minor; Measure: a notice",
        "table_row: Case: Very serious; Measure: suspended at once",
        "table_row: Case: Other; Measure: nothing",
    ]


def test_korean_broken_between_words() -> None:
    text = (
        "처음 결제한 날부터 삼십 일 안에 취소하시면 결제한 금액을 모두 돌려드립니다 다만 이미 등록한 도메인과 발급한 인증서는 환불 대상에서 빠집니다"
    )
    lines = textwrap.wrap(text, 23)
    assert len(lines) > 2
    assert outline("x.pdf", pdf(column(700, lines, pitch=15))) == [f"paragraph: {text}"]


def test_korean_broken_between_syllables() -> None:
    """Full lines; one break falls within a word that stands elsewhere, one before a particle, one between two known words."""
    lines = ["가입하신요금제의도메인을등록하면도메", "인을보호하는인증서가발급되는데인증서", "는무료입니다 도메인 인증서"]
    assert outline("x.pdf", pdf(column(700, lines, pitch=15))) == ["paragraph: " + "".join(lines)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([("감염", False, 0.1), ("병으로 본다", True, 3.0)], "감염병으로 본다"),
        ([("감염병을", True, 0.1), ("예방한다", True, 3.0)], "감염병을 예방한다"),
        ([("MySQL", False, 0.1), ("을 켠다", True, 3.0)], "MySQL을 켠다"),
    ],
)
def test_spaces_that_the_file_marks(lines: list[tuple[str, bool, float]], expected: str) -> None:
    marked = [[BrokenLine("가나 다라", True, 0.2), BrokenLine("마바 사아", False, 0.2)]] * 5
    block = [BrokenLine(*line) for line in lines]
    assert Joiner([*marked, block]).join(block) == expected


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        ("regis\x02", "tered", "registered"),
        ("self\x02", "service", "self-service"),
        ("read-", "only", "read-only"),
        ("2-", "3 days", "2- 3 days"),
        ("A \x02", "x", "A - x"),
    ],
)
def test_hyphens(head: str, tail: str, expected: str) -> None:
    known = [[BrokenLine("is a read-only copy", False, 0), BrokenLine("of it", False, 0)]]
    block = [BrokenLine(head, False, 0), BrokenLine(tail, False, 0)]
    assert Joiner([*known, block]).join(block) == expected


def test_the_same_from_many_threads() -> None:
    """PDFium is not thread-safe; the loader must be."""
    files = [pdf(column(700, [f"Document number {number} has a text of its own.", *BODY])) for number in range(4)]
    alone = [parse("x.pdf", file) for file in files]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda file: parse("x.pdf", file), files * 10)) == alone * 10


def test_a_scan_needs_text_recognition() -> None:
    with pytest.raises(UnreadableDocument, match="no text") as caught:
        parse("x.pdf", pdf([Dot(10, 10)]))
    assert "OCR" in caught.value.hint


def test_a_password_is_needed() -> None:
    key = "<" + "41" * 32 + ">"
    encrypted = pdf(column(700, BODY), encrypt=f"/Encrypt << /Filter /Standard /V 1 /R 2 /O {key} /U {key} /P -4 >> /ID [{key}{key}]")
    with pytest.raises(UnreadableDocument, match="encrypted") as caught:
        parse("x.pdf", encrypted)
    assert "password" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4\n%%EOF", b"nonsense", pdf(column(700, BODY))[:200]])
def test_damaged(data: bytes) -> None:
    with pytest.raises(UnreadableDocument):
        parse("x.pdf", data)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "PAGES_MAX", 1)
    with pytest.raises(UnreadableDocument, match="2 pages"):
        parse("x.pdf", pdf(column(700, BODY), column(700, BODY)))
    monkeypatch.setattr(loader, "PAGE_CHARS_MAX", 10)
    with pytest.raises(UnreadableDocument, match="on page 1"):
        parse("x.pdf", pdf(column(700, BODY)))


def test_signs_alone_are_no_blocks() -> None:
    assert outline("x.pdf", pdf([Dot(62, 703), *column(600, BODY[:1])])) == [f"paragraph: {BODY[0]}"]
    sound(parse("x.pdf", pdf([Text(x, y, "x") for x in (60, 200, 340) for y in (700, 600, 500)])))

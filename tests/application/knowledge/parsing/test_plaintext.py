"""Plain text, and finding out encodings."""

from __future__ import annotations

import pytest

from ondol.application.knowledge.parsing import parse
from ondol.core.errors import UnreadableDocument
from tests.application.knowledge.parsing.checks import outline

TEXT = "환불 안내\n\n환불은 오 일 안에 처리됩니다.\n- 카드\n- 계좌 이체\n1) 신청\r\n2) 확인\n"
EXPECTED = [
    "paragraph: 환불 안내",
    "paragraph: 환불은 오 일 안에 처리됩니다.",
    "list_item1: - 카드",
    "list_item1: - 계좌 이체",
    "list_item1: 1) 신청",
    "list_item1: 2) 확인",
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp949", "euc-kr"])
def test_encodings(encoding: str) -> None:
    assert outline("x.txt", TEXT.encode(encoding)) == EXPECTED


def test_western_text_is_not_taken_for_korean() -> None:
    text = "The cafés in Zürich are open; naïve résumés are read here every day of the week."
    assert outline("x.txt", text.encode("cp1252")) == [f"paragraph: {text}"]


def test_utf8_that_was_cut_or_damaged_is_still_utf8() -> None:
    text = ("환불은 오 일 안에 처리됩니다. " * 20).encode()
    assert outline("x.txt", text[:-2])[0].startswith("paragraph: 환불은")
    damaged = text[:200] + b"\xff" + text[200:]
    assert outline("x.txt", damaged)[0].startswith("paragraph: 환불은")


@pytest.mark.parametrize("data", [b"\x00\x01\x02", "환불".encode("utf-16-le"), bytes(range(128, 256)) * 4])
def test_binary_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        parse("x.txt", data)
    assert "UTF-8" in caught.value.hint


def test_wrapped_lines_are_joined_and_others_kept() -> None:
    wrapped = "This paragraph was wrapped by an editor at about sixty columns\nand so its lines belong together, as one sentence should.\n\nA\nB"
    assert outline("x.txt", wrapped) == [
        "paragraph: This paragraph was wrapped by an editor at about sixty columns and so its lines belong together, as one sentence should.",
        "paragraph: A\nB",
    ]


def test_nothing_is_nothing() -> None:
    document = parse("x.txt", b" \n\n")
    assert (document.text, document.blocks, document.title, document.language, document.metadata) == ("", (), None, None, {})

"""Cutting documents into passages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.knowledge.parsing.builder import DocumentBuilder
from ondol.application.knowledge.passages import cut_passages
from ondol.application.knowledge.sentences import split_sentences
from ondol.application.knowledge.types import BlockKind, ParsedDocument, Passage

Part = tuple[BlockKind, str, int]


def document(*parts: Part) -> ParsedDocument:
    builder = DocumentBuilder("test")
    for kind, text, level in parts:
        builder.add(kind, text, level=level)
    return builder.finish(title=None, metadata={})


def texts(parsed: ParsedDocument, **sizes: int) -> list[str]:
    return [parsed.text[passage.start : passage.end] for passage in cut_passages(parsed, **sizes)]


def test_short_siblings_share_a_passage_and_a_long_section_has_its_own() -> None:
    parsed = document(
        ("heading", "Help", 1),
        ("heading", "Hours", 2),
        ("paragraph", "Weekdays from nine.", 0),
        ("heading", "Phone", 2),
        ("paragraph", "1577-0000.", 0),
        ("heading", "Refunds", 2),
        ("paragraph", "Refunds take five days. " * 8, 0),
        ("heading", "Next", 1),
        ("paragraph", "End.", 0),
    )
    cut = cut_passages(parsed, target_chars=120, max_chars=300)
    assert [passage.heading_path for passage in cut] == [("Help", "Hours"), ("Help", "Refunds"), ("Help", "Refunds"), ("Next",)]
    assert parsed.text[cut[0].start : cut[0].end] == "Help\n\nHours\n\nWeekdays from nine.\n\nPhone\n\n1577-0000."
    assert parsed.text[cut[1].start : cut[1].end].startswith("Refunds\n\nRefunds take five days.")
    assert [passage.ordinal for passage in cut] == [0, 1, 2, 3]


def test_a_section_of_another_parent_is_not_joined() -> None:
    parsed = document(
        ("heading", "A", 1), ("heading", "A1", 2), ("paragraph", "x" * 90, 0),
        ("heading", "A2", 2), ("paragraph", "y", 0), ("heading", "B", 1), ("paragraph", "z", 0),
    )  # fmt: skip
    assert texts(parsed, target_chars=100, max_chars=200)[1:] == ["A2\n\ny", "B\n\nz"]


def test_an_introduction_stays_with_its_list() -> None:
    filler: Part = ("paragraph", "One two three four five six seven eight nine ten.", 0)
    items: list[Part] = [("list_item", f"- Item number {number} of the list.", 1) for number in range(4)]
    parsed = document(("heading", "Plans", 1), filler, filler, ("paragraph", "The plans are:", 0), *items)
    first, second, *_ = texts(parsed, target_chars=130, max_chars=300)
    assert "The plans are:" not in first
    assert second.startswith("The plans are:\n\n- Item number 0")


def test_sentences_stay_whole() -> None:
    text = " ".join(f"문장 번호 {number}번은 여기에서 끝납니다." for number in range(40))
    parsed = document(("paragraph", text, 0))
    ends = {end for _, end in split_sentences(parsed.text)}
    cut = cut_passages(parsed, target_chars=100, max_chars=200)
    assert len(cut) > 5
    assert all(passage.end in ends and passage.end - passage.start <= 200 for passage in cut)


def test_a_sentence_longer_than_a_passage_is_cut_between_words() -> None:
    parsed = document(("paragraph", "word " * 100, 0))
    assert all(set(text.split()) == {"word"} and len(text) <= 60 for text in texts(parsed, target_chars=40, max_chars=60))
    assert texts(document(("paragraph", "x" * 130, 0)), target_chars=40, max_chars=60) == ["x" * 60, "x" * 60, "x" * 10]


def test_a_sentence_longer_than_a_passage_is_cut_behind_a_clause_where_there_is_one() -> None:
    english = "The fee of 3,300 won is due on the first, unless the plan ended before noon at 10:30 and was paid in full"
    assert texts(document(("paragraph", english, 0)), target_chars=40, max_chars=60) == [
        "The fee of 3,300 won is due on the first,", "unless the plan ended before noon at 10:30 and was paid in", "full",
    ]  # fmt: skip
    korean = "도메인을 이전하려면 먼저 잠금을 풀고, 인증 코드를 받은 다음 새 업체의 화면에 그 코드를 넣어야 합니다"
    assert texts(document(("paragraph", korean, 0)), target_chars=30, max_chars=40)[0] == "도메인을 이전하려면 먼저 잠금을 풀고,"


def test_code_is_cut_at_line_ends_only_when_it_must() -> None:
    code = "\n".join(f"    line_{number} = {number}" for number in range(12))
    assert texts(document(("code", code, 0)), target_chars=50, max_chars=1000) == [code]
    pieces = texts(document(("code", code, 0)), target_chars=80, max_chars=80)
    assert "\n".join(pieces) == code
    assert len(pieces) > 2


def test_a_row_is_cut_between_cells_only_when_it_must() -> None:
    builder = DocumentBuilder("test")
    builder.add_table([["Sprout", "3,300", "5 GB"], ["Branch", "8,800", "20 GB"]], header=["plan", "price", "disk"])
    parsed = builder.finish(title=None, metadata={})
    assert texts(parsed, target_chars=45, max_chars=50) == ["plan: Sprout; price: 3,300; disk: 5 GB", "plan: Branch; price: 8,800; disk: 20 GB"]
    assert texts(parsed, target_chars=14, max_chars=20) == [
        "plan: Sprout;", "price: 3,300;", "disk: 5 GB", "plan: Branch;", "price: 8,800;", "disk: 20 GB",
    ]  # fmt: skip


def test_headings_without_content_are_kept() -> None:
    parsed = document(("heading", "A", 1), ("heading", "B", 2))
    assert cut_passages(parsed) == (Passage(0, 0, 4, ("A", "B"), None),)
    assert cut_passages(document()) == ()


def test_page_is_that_of_the_first_content() -> None:
    builder = DocumentBuilder("test")
    builder.add("heading", "Title", level=1, page=1)
    builder.add("paragraph", "Text.", page=2)
    assert cut_passages(builder.finish(title=None, metadata={}))[0].page == 2


@pytest.mark.parametrize(("target", "maximum"), [(0, 10), (20, 10), (10, 10_000_000)])
def test_sizes_are_checked(target: int, maximum: int) -> None:
    with pytest.raises(ValueError, match="target_chars"):
        cut_passages(document(), target_chars=target, max_chars=maximum)


kinds = st.sampled_from(["heading", "paragraph", "list_item", "table_row", "code", "quote"])
words = st.text(alphabet="가나다 .?\n`;:ab1", max_size=120)
parts = st.lists(st.tuples(kinds, words, st.integers(1, 4)), max_size=25)


@given(parts, st.integers(1, 60), st.integers(0, 80))
def test_passages_hold_every_block_once_in_order(found: list[Part], target: int, more: int) -> None:
    parsed = document(*found)
    cut = cut_passages(parsed, target_chars=target, max_chars=target + more)
    position = 0
    for ordinal, passage in enumerate(cut):
        assert passage.ordinal == ordinal
        assert parsed.text[position : passage.start].strip() == ""
        assert 0 < passage.end - passage.start <= target + more
        position = passage.end
        content = next(
            (block for block in parsed.blocks if block.end > passage.start and block.start < passage.end and block.kind != "heading"), None
        )
        if content is not None:
            assert passage.heading_path == content.heading_path
    assert parsed.text[position:].strip() == ""
    for block in parsed.blocks:
        whole = [(0, block.end - block.start)]
        if block.kind not in ("code", "table_row", "heading"):
            whole = split_sentences(parsed.text[block.start : block.end])
        for start, end in whole:
            if end - start <= target + more:
                assert any(passage.start <= block.start + start and block.start + end <= passage.end for passage in cut)

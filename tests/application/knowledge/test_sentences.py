"""Sentence ends in Korean and English."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.knowledge.sentences import split_sentences


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("환불은 5일 안에 처리됩니다. 도메인은 환불되지 않습니다.", ["환불은 5일 안에 처리됩니다.", "도메인은 환불되지 않습니다."]),
        ("정말 무료인가요? 네, 무료예요! 걱정 마세요.", ["정말 무료인가요?", "네, 무료예요!", "걱정 마세요."]),
        ("설정을 저장했습니다.그러나 적용되지 않았다.", ["설정을 저장했습니다.", "그러나 적용되지 않았다."]),
        ("주소는 두루빛.한국 입니다. 끝.", ["주소는 두루빛.한국 입니다.", "끝."]),
        ("이 약관은 2026. 4. 1. 부터 적용한다. 이전 약관은 폐지한다.", ["이 약관은 2026. 4. 1. 부터 적용한다.", "이전 약관은 폐지한다."]),
        ("“바로 됩니다.”라고 했다. 그래서 기다렸다.", ["“바로 됩니다.”라고 했다.", "그래서 기다렸다."]),
        ("kubectl을 설치한다. kubectl은 도구이다.", ["kubectl을 설치한다.", "kubectl은 도구이다."]),
        ("잠시만요… 확인하겠습니다.", ["잠시만요… 확인하겠습니다."]),
        ("가. 첫째 항목이다. 나. 둘째 항목이다.", ["가. 첫째 항목이다.", "나. 둘째 항목이다."]),
        ("使います。次です！終わり？", ["使います。", "次です！", "終わり？"]),
    ],
)
def test_korean(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Use a plan, e.g. Tree. It costs 22,000 won.", ["Use a plan, e.g. Tree.", "It costs 22,000 won."]),
        (
            "Install v1.2 or 3.14. See https://a.example/x?y=1.2. Then restart.",
            ["Install v1.2 or 3.14.", "See https://a.example/x?y=1.2.", "Then restart."],
        ),
        ("Acme Inc. pays. We bill Acme Inc. The bill is due.", ["Acme Inc. pays.", "We bill Acme Inc.", "The bill is due."]),
        ("Ask J. Smith. He knows.", ["Ask J. Smith.", "He knows."]),
        ("1. Open the panel. 2. Press Save.", ["1. Open the panel.", "2. Press Save."]),
        ("Step 1. Open the panel. Step 2. Save.", ["Step 1. Open the panel.", "Step 2. Save."]),
        ("- 3. Choose a plan.", ["- 3. Choose a plan."]),
        ("Wait... then go. Done!", ["Wait... then go.", "Done!"]),
        ("Wait... Then go.", ["Wait...", "Then go."]),
        ('"Really?" he asked. She nodded (twice.) Then left.', ['"Really?" he asked.', "She nodded (twice.)", "Then left."]),
        ("It opens at 9 a.m. on Monday. Dr. Lee et al. agree.", ["It opens at 9 a.m. on Monday.", "Dr. Lee et al. agree."]),
        ("Why?! Because. `a. B` is code.", ["Why?!", "Because.", "`a. B` is code."]),
        ("One line\nanother line", ["One line", "another line"]),
        ("A stray ` mark. Next one.", ["A stray ` mark.", "Next one."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_english(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_code_is_never_cut() -> None:
    text = "Run `ls. Then` now. See:\n```\nfirst. Second.\nthird\n```\nThe end. Really."
    assert sentences(text) == ["Run `ls. Then` now.", "See:", "```\nfirst. Second.\nthird\n```", "The end.", "Really."]


@given(st.text(alphabet="가다요. !?`\"')\n1aBce…。-:/", max_size=200))
def test_sentences_hold_everything_and_do_not_overlap(text: str) -> None:
    position = 0
    for start, end in split_sentences(text):
        assert start >= position
        assert text[position:start].strip() == ""
        assert text[start:end] == text[start:end].strip() != ""
        position = end
    assert text[position:].strip() == ""


@given(st.text(max_size=300))
def test_any_text_splits(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize("piece", ["a. ", "`", "``a", "...", '"', ".", "다.", "1. ", "a.b ", "(", "\n"])
def test_time_grows_with_the_length_only(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    before = time.process_time()
    split_sentences(text)
    assert time.process_time() - before < 5

"""Korean or English."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.language import HANGUL_SHARE_MIN, detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("환불은 영업일 기준 5일 안에 처리됩니다.", "ko"),
        ("`kubectl get pods --namespace kube-system` 명령으로 Kubernetes Pod를 확인한다.", "ko"),
        ("Refunds are processed in five business days.", "en"),
        ("The word 온돌 names the heated floor of a Korean house, which gave this product its name.", "en"),
        ("123 + 456", "en"),
        ("", "en"),
    ],
)
def test_by_the_share_of_hangul(text: str, language: str) -> None:
    assert detect_language(text) == language


@given(st.text(st.sampled_from("가힣힣ㄱㅎㅣ\u1100\u11ff\ud7a4\ud7b0aZÀɏɐ漢.1 \ud800😀é"), max_size=60))
def test_counting_by_rows_gives_what_counting_letters_gives(text: str) -> None:
    hangul = sum("가" <= char <= "힣" or "\u1100" <= char <= "\u11ff" or "\u3131" <= char <= "\u318e" for char in text)
    latin = sum((char.isascii() and char.isalpha()) or "\u00c0" <= char <= "\u024f" for char in text)
    assert detect_language(text) == ("ko" if hangul and hangul >= HANGUL_SHARE_MIN * (hangul + latin) else "en")

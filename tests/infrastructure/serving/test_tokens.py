from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.serving import Message, TokenEstimate, estimate_input_tokens, estimate_tokens


def test_korean_and_english_are_near_a_real_tokenizer() -> None:
    # Counted with o200k_base.
    known = {
        "The refund is paid within seven business days after the request.": 12,
        "환불은 요청하신 날부터 영업일 기준 7일 이내에 지급됩니다.": 21,
    }
    for text, tokens in known.items():
        assert 0.6 * tokens <= estimate_tokens(text) <= 1.6 * tokens, text


def test_nothing_is_nothing_and_something_is_at_least_one() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("a") == 1
    assert estimate_input_tokens([]) == 3
    assert estimate_input_tokens([Message("user", "a"), Message("assistant", "")]) == 1 + 2 * 4 + 3


@given(st.lists(st.text(max_size=20), max_size=10))
def test_a_running_count_is_near_the_count_of_the_whole(pieces: list[str]) -> None:
    estimate = TokenEstimate()
    for piece in pieces:
        estimate.add(piece)
    # Two-byte characters round up in each piece: at most one wide character apart per piece.
    assert abs(estimate.tokens() - estimate_tokens("".join(pieces))) <= len(pieces) + 1


def test_lone_surrogates_are_counted() -> None:
    assert estimate_tokens("\ud800") >= 1

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.verify import AnswerVerifier, VerificationPolicy, cited_sentences, read_passage, summary_of, verification_policy
from ondol.core.errors import RequestError

PASSAGES = (
    read_passage("Refunds take five business days. Gift cards are not refunded.", ("Refund policy",)),
    read_passage("환불은 영업일 기준 5일 안에 처리됩니다. 상품권은 환불되지 않습니다.\n\n```\nondol db restore --at 2026\n```\n", ("환불 정책",)),
)
ANSWER = (
    "Refunds take five business days [1]. Gift cards are refunded. [1] 환불은 5일 안에 처리됩니다 [2].\n\n"
    "I made this up.\n\n1. 상품권은 환불되지 않습니다 [2]:\n\n```\nondol db restore --at 2026\n```\n\n2. 환불은 9일 안에 처리됩니다. [2][1]\n"
)


def through(pieces: list[str], policy: VerificationPolicy | None = None) -> AnswerVerifier:
    verifier = AnswerVerifier(PASSAGES, policy or VerificationPolicy())
    shown = [piece for text in pieces for piece in verifier.push(text)]
    assert "".join([*shown, *verifier.finish()]) == verifier.text
    return verifier


def cut(text: str, places: list[int]) -> list[str]:
    bounds = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


def test_each_sentence_goes_out_as_it_was_found() -> None:
    verifier = through([ANSWER])
    assert "Refunds take five business days [1]." in verifier.text
    assert "Gift cards are refunded" not in verifier.text
    assert "made this up" not in verifier.text
    assert "9일" not in verifier.text
    assert "ondol db restore --at 2026" in verifier.text
    assert [one.verdict for one in verifier.checked] == ["supported", "unsupported", "partial", "supported", "supported", "unsupported"]
    assert verifier.cited == [1, 2]


@given(st.lists(st.integers(0, 10_000), max_size=40))
def test_however_an_answer_is_cut_the_same_goes_out_and_is_found(places: list[int]) -> None:
    whole, parts = through([ANSWER]), through(cut(ANSWER, places))
    assert (parts.text, parts.checked) == (whole.text, whole.checked)


@given(st.text(alphabet="aRfunds 5일.[12]\n`~환불은 not", max_size=160), st.lists(st.integers(0, 1000), max_size=12))
def test_so_is_whatever_a_model_writes(text: str, places: list[int]) -> None:
    policy = VerificationPolicy("show", "show")
    whole, parts = through([text], policy), through(cut(text, places), policy)
    assert (parts.text, parts.checked) == (whole.text, whole.checked)
    for one in whole.checked:
        assert 0 <= one.start < one.end <= len(whole.text)


def test_a_sentence_goes_out_when_the_next_one_begins() -> None:
    verifier = AnswerVerifier(PASSAGES, VerificationPolicy())
    words = re.findall(r"\S+\s*", "Refunds take five business days [1]. Gift cards are not refunded [1].")
    shown = ["".join(verifier.push(word)) for word in words]
    assert shown[5] == ""
    assert shown[6] == "Refunds take five business days [1]."
    assert "".join(verifier.finish()) == " Gift cards are not refunded [1]."


def test_what_goes_out_lies_where_it_is_said_to_lie() -> None:
    verifier = through([ANSWER])
    shown = [verifier.text[one.start : one.end] for one in verifier.checked if not one.is_left_out]
    assert shown[:2] == ["Refunds take five business days [1].", "환불은 5일 안에 처리됩니다 [2]."]
    spans = [PASSAGES[span.source - 1].text[span.start : span.end] for span in verifier.checked[0].spans]
    assert spans == ["Refunds take five business days."]


def test_unsupported_sentences_may_be_shown_or_struck() -> None:
    text = "Gift cards are refunded. [1] Refunds take five business days [1]."
    assert through([text], VerificationPolicy("show", "show")).text == text
    assert through([text], VerificationPolicy("strike", "show")).text == "~~Gift cards are refunded.~~ [1] Refunds take five business days [1]."


def test_code_must_stand_in_the_passages() -> None:
    said = "상품권은 환불되지 않습니다 [2]:\n```\nrm -rf /\n```\n"
    assert "rm -rf" not in through([said]).text


def test_the_summary_counts_and_says_nothing_of_what_was_left_out() -> None:
    told = summary_of(through([ANSWER]).checked)
    assert {name: told[name] for name in ("sentences", "supported", "partial", "unsupported", "left_out")} == {
        "sentences": 6, "supported": 3, "partial": 1, "unsupported": 2, "left_out": 2,
    }  # fmt: skip
    left_out = [check for check in told["checks"] if check.get("left_out")]
    assert [check["reasons"] for check in left_out] == [["denial"], ["amount"]]
    assert "9일" not in str(told)


@pytest.mark.parametrize("told", ["remove", {"unsupported": "hide"}, {"other": "show"}, {"partial": 1}, [1]])
def test_a_setting_that_says_something_else_is_an_error(told: object) -> None:
    with pytest.raises(RequestError, match="verification"):
        verification_policy(told)


def test_the_setting() -> None:
    assert verification_policy(None) == VerificationPolicy("remove", "show")
    assert verification_policy({"unsupported": "strike"}) == VerificationPolicy("strike", "show")


def test_sentences_of_a_whole_text_cite_their_own_marks_or_the_next_in_their_paragraph() -> None:
    text = "One. Two [1][2]. Three. [3]\n\nFour.\n\n- Five [1]\n- Six"
    assert list(cited_sentences(text)) == [
        ("One.", (1, 2)),
        ("Two [1][2].", (1, 2)),
        ("Three. [3]", (3,)),
        ("Four.", ()),
        ("- Five [1]", (1,)),
        ("- Six", ()),
    ]

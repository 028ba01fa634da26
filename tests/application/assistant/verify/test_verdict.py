from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.verify import Verdict, read_passage, verify_sentence
from ondol.application.knowledge.sentences import split_sentences

REFUNDS = read_passage(
    "Refunds take five business days. They are paid to the card that was used. Gift cards are not refunded. "
    "Orders above 50,000 won are shipped free of charge. Run `kubectl drain` before the upgrade to v1.28 at 18:00 on March 1, 2026.",
    ("Refund policy",),
)
POLICY = read_passage(
    "환불은 영업일 기준 5일 안에 처리됩니다. 상품권은 환불되지 않습니다. 요금제는 매월 1일에 바뀌며, 기본 요금은 3만 3천 원입니다. "
    "백업은 30일 동안 보관하고 복원은 무료입니다. 점검은 2026년 3월 1일 오후 6시에 시작합니다.",
    ("환불 정책",),
)


@pytest.mark.parametrize(
    ("sentence", "verdict", "kind"),
    [
        ("Refunds take 5 business days [1].", "supported", None),
        ("Refunds take 7 business days [1].", "unsupported", "amount"),
        ("Refunds take 5 days.", "partial", "amount"),
        ("Gift cards are not refunded.", "supported", None),
        ("Gift cards are refunded.", "unsupported", "denial"),
        ("Refunds are never paid to the card that was used.", "unsupported", "denial"),
        ("Orders above 50,000 won are shipped free.", "supported", None),
        ("Orders above 30,000 won are shipped free.", "unsupported", "amount"),
        ("Orders below 50,000 won are shipped free.", "unsupported", "opposite"),
        ("Run `kubectl drain` before the upgrade.", "supported", None),
        ("Run `kubectl delete` before the upgrade.", "unsupported", "identifier"),
        ("The upgrade to v1.29 is at 18:00.", "unsupported", "identifier"),
        ("The upgrade is on 2 March 2026.", "unsupported", "date"),
        ("The upgrade is at 6 p.m. on 2026-03-01.", "supported", None),
        ("The upgrade is at 7 p.m.", "unsupported", "time"),
        ("The bakery sells bread and cheese.", "unsupported", "words"),
        ("Refunds are paid to the card by Madison.", "partial", "name"),
    ],
)
def test_english(sentence: str, verdict: Verdict, kind: str | None) -> None:
    found = verify_sentence(sentence, [REFUNDS])
    assert (found.verdict, kind is None or kind in {reason.kind for reason in found.reasons}) == (verdict, True), found
    assert bool(found.reasons) is (verdict != "supported")


@pytest.mark.parametrize(
    ("sentence", "verdict", "kind"),
    [
        ("환불은 5영업일 안에 처리됩니다 [1].", "supported", None),
        ("환불은 7영업일 안에 처리됩니다.", "unsupported", "amount"),
        ("환불은 닷새 안에 처리됩니다.", "partial", "amount"),
        ("상품권은 환불되지 않습니다.", "supported", None),
        ("상품권도 환불됩니다.", "unsupported", "denial"),
        ("기본 요금은 33,000원입니다.", "supported", None),
        ("기본 요금은 3만 5천 원입니다.", "unsupported", "amount"),
        ("복원은 무료입니다.", "supported", None),
        ("복원은 유료입니다.", "unsupported", "opposite"),
        ("백업은 한 달 동안 보관합니다.", "unsupported", "amount"),
        ("점검은 3월 1일 18시에 시작합니다.", "supported", None),
        ("점검은 3월 2일에 시작합니다.", "unsupported", "date"),
        ("고래는 바다에 사는 포유류입니다.", "unsupported", "words"),
    ],
)
def test_korean(sentence: str, verdict: Verdict, kind: str | None) -> None:
    found = verify_sentence(sentence, [POLICY])
    assert (found.verdict, kind is None or kind in {reason.kind for reason in found.reasons}) == (verdict, True), found


def test_the_spans_are_the_sentences_that_bear_it_out() -> None:
    found = verify_sentence("상품권은 환불되지 않습니다.", [REFUNDS, POLICY])
    assert next((span.source, POLICY.text[span.start : span.end]) for span in found.spans) == (1, "상품권은 환불되지 않습니다.")


def test_a_sentence_may_rest_on_two_passages() -> None:
    found = verify_sentence(
        "Gift cards are not refunded, and backups are kept for 30 days.", [REFUNDS, read_passage("Backups are kept for 30 days.")]
    )
    assert (found.verdict, {span.source for span in found.spans}) == ("supported", {0, 1})


def test_a_figure_of_something_else_in_the_same_passage_is_no_support() -> None:
    passage = read_passage("A refund takes 3 days. An exchange of a damaged article takes 7 days.")
    assert verify_sentence("A refund takes 3 days.", [passage]).verdict == "supported"
    found = verify_sentence("A refund takes 7 days.", [passage])
    assert found.verdict != "supported"


def test_without_a_source_nothing_is_supported() -> None:
    found = verify_sentence("Refunds take five business days.", [])
    assert (found.verdict, [reason.kind for reason in found.reasons]) == ("unsupported", ["no_source"])


def test_what_says_nothing_needs_no_support() -> None:
    assert verify_sentence("[1]", [REFUNDS]).verdict == "supported"


@pytest.mark.parametrize("passage", [REFUNDS, POLICY])
def test_every_sentence_of_a_passage_is_borne_out_by_it(passage: object) -> None:
    assert isinstance(passage, type(REFUNDS))
    for start, end in split_sentences(passage.text):
        assert verify_sentence(passage.text[start:end], [passage]).verdict == "supported"


@given(st.text(max_size=200), st.text(max_size=400))
def test_any_text_gets_a_verdict_and_spans_lie_in_the_passage(sentence: str, text: str) -> None:
    found = verify_sentence(sentence, [read_passage(text)])
    assert 0.0 <= found.coverage <= 1.0
    assert all(0 <= span.start < span.end <= len(text) for span in found.spans)

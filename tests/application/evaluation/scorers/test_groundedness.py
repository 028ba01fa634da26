from __future__ import annotations

from typing import Any

import pytest

from ondol.application.evaluation.types import Answer, CitedSource
from tests.application.evaluation.scorers.asking import score

REFUNDS = CitedSource(1, "refunds", ("Refunds take five business days. Gift cards are not refunded.",))
BACKUPS = CitedSource(2, "backups", ("백업은 30일 동안 보관합니다.",))
TEXT = "Refunds take five business days [1]. Gift cards are refunded [1]. 백업은 30일 동안 보관합니다. [2] The bakery sells bread."


def answer_of(text: str, **rest: Any) -> Answer:
    return Answer(text=text, sources=(REFUNDS, BACKUPS), **rest)


def test_sentences_are_checked_against_the_quotes_that_they_cite() -> None:
    grounded, made_up = score("groundedness", answer_of(TEXT)), score("hallucination_rate", answer_of(TEXT))
    assert (grounded.value, made_up.value) == (0.5, 0.5)
    assert made_up.details["unsupported_sentences"] == ["Gift cards are refunded [1].", "The bakery sells bread."]
    assert made_up.details["by"] == "scorer"


def test_a_sentence_is_not_borne_out_by_a_source_that_it_does_not_cite() -> None:
    assert score("groundedness", answer_of("백업은 30일 동안 보관합니다. [1]")).value == 0.0
    assert score("groundedness", answer_of("백업은 30일 동안 보관합니다. [9]")).value == 0.0


def test_without_any_mark_all_sources_count() -> None:
    assert score("groundedness", answer_of("백업은 30일 동안 보관합니다. Refunds take five business days.")).value == 1.0


def test_a_case_may_bring_the_context_of_an_answer_without_quotes() -> None:
    found = score("groundedness", "Refunds take five business days. They take two.", {"context": ["Refunds take five business days."]})
    assert found.value == 0.5
    assert score("groundedness", "Refunds take five business days.").status == "skipped"


def test_what_the_target_verified_counts_and_can_be_checked_again() -> None:
    told = ({"verdict": "supported", "sources": [1]}, {"verdict": "partial"}, {"verdict": "unsupported", "left_out": True})
    lying = answer_of("Gift cards are refunded [1].", sentences=told)
    assert score("groundedness", lying).value == 0.75
    assert score("groundedness", lying, settings={"partial": 0}).value == 0.5
    assert score("hallucination_rate", lying).value == 0.0
    assert score("hallucination_rate", lying, settings={"left_out": True}).value == pytest.approx(1 / 3)
    assert score("hallucination_rate", lying, settings={"recheck": True}).value == 1.0


@pytest.mark.parametrize("kind", ["groundedness", "hallucination_rate", "citation_precision", "citation_recall"])
def test_a_refusal_claims_nothing(kind: str) -> None:
    assert score(kind, answer_of("죄송하지만 도와드릴 수 없습니다.")).status == "skipped"
    assert score(kind, answer_of(TEXT, is_refusal=True)).status == "skipped"
    assert score(kind, answer_of("", is_refusal=False)).status == "skipped"


def test_citations_by_documents() -> None:
    facts = {"documents": ["refunds", "terms", "prices"]}
    precision, recall = score("citation_precision", answer_of(TEXT), facts), score("citation_recall", answer_of(TEXT), facts)
    assert (precision.value, recall.value) == (0.5, 1 / 3)
    assert recall.details == {"missed": ["prices", "terms"], "strange": ["backups"]}
    assert score("citation_precision", "Words.", facts).status == "skipped"
    assert score("citation_recall", "Words.", facts).value == 0.0
    assert score("citation_recall", answer_of(TEXT), {}).status == "skipped"


def test_citations_by_the_verifier() -> None:
    text = "Refunds take five business days [1][2]. Gift cards are refunded [1]. The bakery sells bread."
    by = {"by": "verifier"}
    precision, recall = score("citation_precision", answer_of(text), settings=by), score("citation_recall", answer_of(text), settings=by)
    # Of three sentences one is borne out; of its two marks the second adds nothing, and the third mark bears nothing out.
    assert (precision.value, recall.value) == (1 / 3, 1 / 3)
    both = "Refunds take five business days and backups are kept for 30 days [1][3]."
    kept = Answer(text=both, sources=(REFUNDS, CitedSource(3, "kept", ("Backups are kept for 30 days.",))))
    assert score("citation_precision", kept, settings=by).value == 1.0
    assert score("citation_recall", "No marks here.", {"context": "Refunds take five business days."}, settings=by).value == 0.0

"""The golden questions of the Kubernetes documentation are whole and nobody's training data, and what they measure is counted right."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.answers.base import Quoted, Told
from benchmarks.answers.questions import Question, Verdict, accepts, is_of, ordinary
from benchmarks.knowledge import goldens
from ondol.application.evaluation.statistics.rates import difference, wilson
from ondol.core.errors import UserError

PAGE = "en/docs/tides.md"
TOML = """
ko = []

[[en]]
ask = "How high is the tide?"
pages = ["{page}"]
accept = [["{words}", "three metres"]]

[[unanswerable]]
language = "ko"
ask = "왜?"
"""


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A documentation of one page."""
    page = tmp_path / "k8s-docs" / "content" / PAGE
    page.parent.mkdir(parents=True)
    page.write_text("# Tides\n\nA spring tide is _four_ metres\nhigh.\n", "utf-8")
    monkeypatch.setenv("ONDOL_TEST_DATA", str(tmp_path))
    return tmp_path


def _written(folder: Path, *, page: str = PAGE, words: str = "four metres high") -> Path:
    file = folder / "golden.toml"
    file.write_text(TOML.format(page=page, words=words), "utf-8")
    return file


def test_questions_are_read_when_their_pages_hold_the_answers_as_they_are_read_by_the_product(content: Path) -> None:
    held, asked_in_vain = goldens.k8s_questions(_written(content))
    assert (held.part, held.language, held.documents, held.answerable) == ("k8s", "en", (PAGE,), True)
    assert (asked_in_vain.part, asked_in_vain.language, asked_in_vain.answerable) == ("k8s unanswerable", "ko", False)


def test_a_page_that_does_not_hold_the_answer_is_told(content: Path) -> None:
    with pytest.raises(UserError, match=r"tides\.md does not hold the answer to: How high is the tide\?"):
        goldens.k8s_questions(_written(content, words="five metres"))


def test_a_page_that_is_not_there_is_told(content: Path) -> None:
    with pytest.raises(UserError, match=r"There is no page en/docs/ebb\.md"):
        goldens.k8s_questions(_written(content, page="en/docs/ebb.md"))


def test_there_are_fifty_of_each_language_a_third_in_other_words_and_none_that_rules_were_written_with() -> None:
    questions = goldens.read_questions()
    counts = {(part, language): 0 for part in ("answered", "unanswerable") for language in ("ko", "en")}
    for question in questions:
        counts["answered" if question.answerable else "unanswerable", question.language] += 1
        assert all(page.startswith(f"{question.language}/docs/") for page in question.documents)
        assert bool(question.accept) == bool(question.documents) == question.answerable
        assert all(spelling for group in question.accept for spelling in group)
    assert counts == {("answered", "ko"): 50, ("answered", "en"): 50, ("unanswerable", "ko"): 10, ("unanswerable", "en"): 10}
    assert sum(question.part == goldens.OTHER_WORDS for question in questions) >= 33
    texts = [question.text for question in questions]
    assert len(set(texts)) == len(texts)
    assert not set(texts) & {question.text for question in ordinary()}


ASKED = Question("k8s", "en", "How high?", (("four", "4"), ("metres",)), documents=("en/docs/tides.md",))


def test_an_answer_holds_one_spelling_of_each_group() -> None:
    assert accepts(ASKED, "Four Metres")
    assert accepts(ASKED, "metres: 4")
    assert not accepts(ASKED, "four feet")


@pytest.mark.parametrize(
    ("path", "document", "same"),
    [
        ("en/docs/tides.md", "en/docs/tides.md", True),
        ("en/mail/mailbox-quota.v2.docx", "en/mailbox-quota", True),
        ("ko/mail/mailbox-quota.md", "en/mailbox-quota", False),
        ("en/mail/mailbox.md", "en/mailbox-quota", False),
    ],
)
def test_a_path_is_that_of_a_document(path: str, document: str, same: bool) -> None:
    assert is_of(path, document) is same


@pytest.mark.parametrize(
    ("source", "bears"),
    [
        (Quoted("en/docs/tides.md", ("Not a word of it.",)), True),
        (Quoted("en/docs/moon.md", ("Four of them.", "In metres.")), True),
        (Quoted("en/docs/moon.md", ("Four of them.",)), False),
    ],
)
def test_a_source_bears_the_answer_by_its_page_or_by_its_words(source: Quoted, bears: bool) -> None:
    assert goldens.bears(ASKED, source) is bears


def _seen(verdict: Verdict, *sources: Quoted, page_at: int = 0, answer_at: int = 0) -> goldens.Seen:
    told = Told("", "", verdict == "refused", sources, 0.0)
    return goldens.Seen(ASKED, told, verdict, page_at, answer_at, read=answer_at > 0)


def test_figures_count_what_was_found_said_and_cited() -> None:
    bearing, other = Quoted("en/docs/tides.md", ()), Quoted("en/docs/moon.md", ())
    korean = goldens.Seen(Question("k8s, other words", "ko", "?", (("넷",),), documents=("ko/x.md",)), Told("", "", False, (), 0.0), "wrong")
    vain = goldens.Seen(Question("k8s unanswerable", "en", "Why?", (), answerable=False), Told("", "", True, (), 0.0), "refused")
    seen = [
        _seen("right", bearing, other, page_at=1, answer_at=2),
        _seen("right", bearing, page_at=1, answer_at=1),
        _seen("refused", page_at=4),
        korean,
        vain,
    ]
    told = goldens.figures(seen)
    assert {name: told[f"k8s_{name}"] for name in ("recall_at_1", "recall_at_5", "page_at_1", "page_at_5", "right", "over_refusal", "refusal")} == {
        "recall_at_1": 0.25,
        "recall_at_5": 0.5,
        "page_at_1": 0.5,
        "page_at_5": 0.75,
        "right": 0.5,
        "over_refusal": 0.25,
        "refusal": 1.0,
    }
    assert told["k8s_citation_precision"] == 0.667
    assert told["k8s_language_difference"] == 0.667
    rows = {(row["set"], row["language"]): row for row in told["goldens"]}
    assert rows["k8s", "en"]["as_wanted"]["found"] == 2
    assert rows["k8s unanswerable", "en"]["as_wanted"]["found"] == 1


def test_the_interval_of_a_difference_is_newcombe_s() -> None:
    """The worked example of Newcombe (1998), method 10: 56 of 70 against 48 of 80."""
    told, low, high = difference(wilson(56, 70), wilson(48, 80))
    assert (round(told, 4), round(low, 4), round(high, 4)) == (0.2, 0.0524, 0.3339)

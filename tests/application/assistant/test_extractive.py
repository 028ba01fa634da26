from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.application.assistant.extractive import ANSWERED_MIN, ANSWERS, FIT, SENTENCES_MAX, answer_figures, answered_min_of, choose, extract
from ondol.application.assistant.measure import FIGURES, measure
from ondol.application.assistant.question import search_terms, understand
from ondol.application.assistant.types import Draft
from ondol.application.knowledge.index import Hit, analyse, query_words
from ondol.application.knowledge.index.analyser import weight_of
from ondol.application.knowledge.search import Evidence
from ondol.application.knowledge.store import Details, ReadableVersion
from ondol.core.errors import RequestError

PLANS = """Prices

Plan: Seed; Per month: KRW 3,000; Disk: 5 GB
Plan: Leaf; Per month: KRW 9,000; Disk: 20 GB

Prices include VAT.

See also: Refund policy"""
REFUNDS = """Refund policy

Cancel within 30 days of the first payment and we refund the full amount. It reaches your account within 5 business days. Domain names
are never refunded."""
MAIL = """Mail settings

Use port 993 for IMAP with SSL/TLS. Outgoing mail goes through port 587.

- Open the account settings.
- Enter the server name."""
LOGIN = """로그인과 비밀번호

비밀번호를 5번 틀리면 계정이 15분 동안 잠깁니다. 이 경우 상담원은 잠금을 풀 수 없습니다.

함께 보기: 2단계 인증"""
PRICES = """요금 안내

씨앗 요금은 한 달에 3,000원이고 잎 요금은 9,000원입니다. 요금에는 부가세가 들어 있습니다."""
BACKUP = """백업

백업은 매일 밤 03:00에 시작하고 사본은 부산에 보관합니다. 복원은 한 달에 3회까지 무료입니다."""

SHELF = {"en": {"Prices": PLANS, "Refund policy": REFUNDS, "Mail settings": MAIL}, "ko": {"로그인": LOGIN, "요금 안내": PRICES, "백업": BACKUP}}


def evidence_of(title: str, text: str, *, language: str, score: float = 1.0) -> Evidence:
    version = ReadableVersion(
        id=uuid.uuid5(uuid.NAMESPACE_OID, title),
        document_id=uuid.uuid5(uuid.NAMESPACE_OID, title),
        declared_version=1,
        language=language,
        media_type="text/markdown",
        valid_from=None,
        valid_until=None,
        security_class="public",
        content_address=b"",
        details=Details(key=title, path=f"{title}.md", title=title),
    )
    return Evidence(Hit(version.id, 0, version.id, version.id, 0, 0, len(text), score, (), 1.0), version, text, (title,), None)


def weights_of(question: str, texts: Sequence[str]) -> dict[str, float]:
    """Inverse document frequencies as the search knows them, as if there were forty more passages about other things."""
    held = [set(analyse(text)) for text in texts]
    counts = {word: sum(word in terms for terms in held) for word in query_words(question)}
    return {word: weight_of(word) * math.log(1 + (len(texts) + 40 - count + 0.5) / (count + 0.5)) for word, count in counts.items()}


def found(question: str, shelf: Mapping[str, str]) -> tuple[list[Evidence], dict[str, float]]:
    """A search over a few passages: those with most of the question's weight first."""
    language = "ko" if any("가" <= char <= "힣" for char in question) else "en"
    weights = weights_of(question, list(shelf.values()))
    scores = {title: sum(weight for word, weight in weights.items() if word in set(analyse(text))) for title, text in shelf.items()}
    order = sorted(shelf, key=lambda title: -scores[title])
    return [evidence_of(title, shelf[title], language=language, score=scores[title]) for title in order if scores[title] > 0], weights


def ask(question: str, shelf: Mapping[str, str]) -> Draft:
    evidence, weights = found(question, shelf)
    return extract(question, evidence, weights)


def said(draft: Draft) -> str:
    return " ".join(sentence.text for sentence in draft.sentences)


@pytest.mark.parametrize(
    ("question", "language", "expected"),
    [
        ("What does the Leaf plan cost per month?", "en", "KRW 9,000"),
        ("Which port do I use for IMAP?", "en", "993"),
        ("How long do I have to get a full refund?", "en", "30 days"),
        ("Can I get my money back for a domain name?", "en", "never refunded"),
        ("비번을 여러 번 틀렸는데 계정이 몇 분 동안 잠기나요?", "ko", "15분"),
        ("백업 사본은 어디에 보관하나요?", "ko", "부산"),
        ("씨앗 요금은 한 달에 얼마예요?", "ko", "3,000원"),
    ],
)
def test_the_sentence_that_answers_is_quoted(question: str, language: str, expected: str) -> None:
    draft = ask(question, SHELF[language])
    assert expected in said(draft)
    assert 1 <= len(draft.sentences) <= SENTENCES_MAX


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Who won the football world championship in 1998?", "en"),
        ("How do I bake bread without yeast?", "en"),
        ("Which insurance covers broken windows?", "en"),
        ("조선의 네 번째 임금은 누구인가요?", "ko"),
        ("비 오는 날 김치찌개는 몇 분 끓이나요?", "ko"),
        ("이 회사 주식의 상장일은 언제인가요?", "ko"),
    ],
)
def test_what_the_documents_do_not_hold_is_not_answered(question: str, language: str) -> None:
    assert ask(question, SHELF[language]).sentences == ()


def test_what_is_less_probable_than_an_assistant_wants_is_refused() -> None:
    question, shelf = "How long is a backup kept?", {"Backup": "A backup is kept for 30 days. It is made at night."}
    probability = ask(question, shelf).score
    assert ANSWERED_MIN < probability < 1
    evidence, weights = found(question, shelf)
    for least, answers in ((probability, True), (math.nextafter(probability, 1), False)):
        draft = extract(question, evidence, weights, answered_min=least)
        assert (draft.score, bool(draft.sentences)) == (probability, answers)


@pytest.mark.parametrize(("told", "least"), [(None, ANSWERED_MIN), (0, 0.0), (1, 1.0), (0.87, 0.87), (0.8704, 0.87)])
def test_how_probable_it_must_be_is_read(told: object, least: float) -> None:
    assert answered_min_of(told) == least


@pytest.mark.parametrize("told", [-0.001, 1.001, math.nan, math.inf, True, False, "0.5", [0.5], 10**400])
def test_how_probable_it_must_be_is_a_probability(told: object) -> None:
    with pytest.raises(RequestError, match="from 0 to 1") as caught:
        answered_min_of(told)
    assert (caught.value.code, caught.value.param) == ("invalid_setting", "refuse_below")


def test_nothing_found_or_nothing_asked_is_a_refusal() -> None:
    assert extract("anything", (), {"anyth": 1.0}) == Draft()
    assert extract("?", [evidence_of("Prices", PLANS, language="en")], {}) == Draft()
    assert extract("what is it", [evidence_of("Prices", PLANS, language="en")], {"what": 1.0}) == Draft()


def test_headings_references_and_leads_are_never_quoted() -> None:
    text = (
        "Ports\n\nThe ports are as follows:\n\n- IMAP: port 993\n- SMTP: port 587\n\nThis page describes the ports of IMAP.\n\nSee also: IMAP ports"
    )
    draft = ask("Which port is used for IMAP?", {"Ports": text})
    assert "993" in said(draft)
    for line in ("The ports are as follows", "See also", "This page describes"):
        assert line not in said(draft)


def test_a_sentence_that_leans_on_the_one_before_brings_it_along() -> None:
    text = "Refunds\n\nCustomers may pay by instalments over half a year. In that case no refund for instalments of the yearly contract is possible."
    texts = [sentence.text for sentence in ask("Is a refund for the yearly contract possible?", {"Refunds": text}).sentences]
    assert texts == [
        "Customers may pay by instalments over half a year.",
        "In that case no refund for instalments of the yearly contract is possible.",
    ]


def test_another_word_with_a_sign_in_it_is_met() -> None:
    text = "이름 등록\n\n이름이 .net 으로 끝나면 1년에 22,000원입니다.\n\n이름이 .com 으로 끝나면 1년에 19,800원입니다."
    asked = understand("닷컴은 1년에 얼마예요?", {"닷컴": 6.0, "1": 1.0})
    own = {item.text: item.figures[FIGURES.index("own")] for item in measure(asked, [evidence_of("이름", text, language="ko")])}
    net, com = own.values()
    assert com > net


BACKUPS = "Backups\n\nNightly backups are kept for 30 days."
MOVING = "Moving\n\nOld backups that we took over are kept for 7 days."
LOGS = "Logs\n\nAccess logs are kept for 90 days."
COPIES = "Copies\n\nA backup is a copy of your files."
WORDS = "Words\n\nA backup is what we make at night."


@pytest.mark.parametrize(
    ("question", "shelf", "behind", "quoted"),
    [
        ("How long are nightly backups kept?", {"Backups": BACKUPS, "Moving": MOVING}, 0.7, 2),
        ("How long are nightly backups kept?", {"Backups": BACKUPS, "Moving": MOVING}, 0.9, 1),
        ("How long are nightly backups and access logs kept?", {"Backups": BACKUPS, "Logs": LOGS}, 2.1, 2),
        ("How long are nightly backups and access logs kept?", {"Backups": BACKUPS, "Logs": LOGS}, 2.3, 1),
        ("What is a backup?", {"Copies": COPIES, "Words": WORDS}, 2.3, 2),
        ("How long are nightly backups kept?", {"Backups": f"{BACKUPS} Nobody can delete them."}, 5.5, 2),
        ("How long are nightly backups kept?", {"Backups": f"{BACKUPS} Nobody can delete them."}, 6.1, 1),
    ],
)
def test_beside_the_best_sentence_another_document_is_quoted_if_it_is_nearly_as_good_or_adds_to_it(
    question: str, shelf: Mapping[str, str], behind: float, quoted: int
) -> None:
    evidence, weights = found(question, shelf)
    asked = understand(question, weights)
    candidates = measure(asked, evidence)
    first = next(place for place, item in enumerate(candidates) if item.text in next(iter(shelf.values())))
    scores = [0.0 if place == first else -behind for place in range(len(candidates))]
    assert len(candidates) == 2
    assert len(choose(asked, candidates, scores, first)) == quoted


def test_the_questions_own_language_is_preferred() -> None:
    question = "IMAP port 993"
    weights = weights_of(question, [MAIL])
    korean = "메일 설정\n\nIMAP port 993 번을 사용합니다."
    english = "Mail settings\n\nIMAP uses port 993."
    evidence = [evidence_of("메일 설정", korean, language="ko"), evidence_of("Mail settings", english, language="en")]
    of_language = {
        found.version.language: candidate.figures for found, candidate in zip(evidence, measure(understand(question, weights), evidence), strict=True)
    }
    place = FIGURES.index("language")
    assert (of_language["ko"][place], of_language["en"][place]) == (0.0, 1.0)
    assert FIT["language"] > 0


def test_each_coefficient_belongs_to_a_figure() -> None:
    question = "Which port do I use for IMAP?"
    evidence, weights = found(question, SHELF["en"])
    asked = understand(question, weights)
    candidates = measure(asked, evidence)
    assert tuple(FIT) == FIGURES
    assert all(len(candidate.figures) == len(FIGURES) for candidate in candidates)
    assert answer_figures(asked, candidates, 0, 0.0).keys() == ANSWERS.keys()


LETTERS = st.sampled_from(
    [
        "요금",
        "환불 ",
        "비밀번호",
        "port ",
        "993 ",
        "IMAP",
        "KRW 9,000",
        ". ",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        ": ",
        "; ",
        "?",
        "다.",
        "İ",
        "ß",
        "\0",
        "`",
        "|",
    ]
)
TEXTS = st.lists(LETTERS, max_size=40).map("".join)


@settings(max_examples=150, deadline=None)
@given(question=TEXTS, texts=st.lists(TEXTS, max_size=4))
def test_whatever_is_asked_quotes_are_slices_that_do_not_overlap(question: str, texts: list[str]) -> None:
    evidence = [evidence_of(f"title {number}", text, language="ko", score=2.0 / (number + 1)) for number, text in enumerate(texts)]
    weights = weights_of(question, texts)
    draft = extract(question, evidence, weights)
    assert draft == extract(question, evidence, weights)
    assert len(draft.sentences) <= SENTENCES_MAX
    taken: set[tuple[int, int]] = set()
    for sentence in draft.sentences:
        assert sentence.text == evidence[sentence.source].text[sentence.start : sentence.end] == sentence.text.strip() != ""
        places = {(sentence.source, place) for place in range(sentence.start, sentence.end)}
        assert not places & taken
        taken |= places


def test_a_search_also_looks_for_other_words_of_the_same_language() -> None:
    terms = search_terms("비번을 잊었어요")
    assert {word: terms[word] for word in query_words("비번을 잊었어요")} == {word: weight_of(word) for word in query_words("비번을 잊었어요")}
    assert 0 < terms["비밀"] < 1
    assert "password" not in terms
    english = search_terms("I forgot my passcode")
    assert 0 < english["password"] < 1


def test_what_answers_best_stands_first_wherever_it_stands_in_its_passage() -> None:
    first, second = ask("Through which port does outgoing mail go?", SHELF["en"]).sentences
    assert "587" in first.text
    assert second.start < first.start


def test_what_a_sentence_leans_on_stands_before_it() -> None:
    first, second = ask("How long until the refund reaches my account?", SHELF["en"]).sentences
    assert (first.text.split()[0], "5 business days" in second.text) == ("Cancel", True)


@pytest.mark.parametrize(
    ("language", "before", "best", "question"),
    [
        ("ko", "이전 장비는 여름에 모두 바꾸었습니다.", "이후 새 전산실은 부산에 문을 열었습니다.", "새 전산실은 어디에 문을 열었나요?"),
        ("en", "The old machines were replaced in summer.", "However, the new data hall opened in Busan.", "Where did the new data hall open?"),
    ],
)
def test_what_merely_goes_on_stands_first_by_itself(language: str, before: str, best: str, question: str) -> None:
    title = {"ko": "전산실", "en": "Halls"}[language]
    assert ask(question, {title: f"{title}\n\n{before} {best}"}).sentences[0].text == best

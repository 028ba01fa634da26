"""Text becomes the terms that a question about it would have."""

from __future__ import annotations

import hashlib
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mecab import Morpheme

from ondol.application.knowledge.index import analyse, analyser, query_terms, query_words
from ondol.application.knowledge.index.analyser import ANALYSER_ID, RULES_VERSION, TERM_CHARACTERS_MAX
from ondol.application.knowledge.index.terms import QUERY_TERMS_MAX

HOSTILE = ["a.", "a-", "1,234", "가", "가나 ", "漢", "'s", "제1", "\u0301", "_", "A", "aA", "\0", "++"]
HOSTILE += ["https://", "\ufdfa", "ㅋ", "\n", "\ud800", "9" * 30 + "."]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("도메인을 이전하려면", {"도메인", "이전", "~도메", "~메인", "~이전"}),
        ("서울특별시", {"서울", "특별", "시"}),
        ("쓸 수 있나요", {"쓰"}),
        ("아름다운 집에서", {"아름답", "집"}),
        ("kubectl-get", {"kubectl-get", "kubectl", "get"}),
        ("ORA-01555: snapshot too old", {"ora-01555", "ora", "01555", "snapshot", "too", "old"}),
        ("upgrade to v1.28.3", {"upgrad", "v1.28.3", "1.28.3", "1.28"}),
        ("db.example.com", {"db.example.com", "db", "exampl", "com"}),
        ("10.0.0.1", {"10.0.0.1"}),
        ("user@example.com", {"user@example.com", "user", "exampl"}),
        ("camelCase HTTPServer", {"camelcas", "camel", "case", "httpserver", "http", "server"}),
        ("max_connections", {"max_connections", "max", "connect"}),
        ("제12조의2", {"제12조의2", "제12조", "12"}),
        ("제3항", {"제3항", "3"}),
        ("010-1234-5678", {"010-1234-5678", "01012345678", "1234", "5678"}),
        ("+82-2-123-4567", {"8221234567"}),
        ("3,300원", {"3300", "3300원"}),
        ("1,234,567", {"1234567"}),
        ("80,443", {"80", "443", "80443"}),
        ("30일 이내", {"30", "30일", "이내"}),
        ("C++ and C#", {"c++", "c#"}),
        ("the user's pods, don't", {"user", "pod", "dont"}),
        ("Café über", {"cafe", "uber"}),
        ("ＫＴ ①", {"kt", "1"}),
        ("東京タワー", {"東京", "京タ", "タワ", "ワー"}),
        ("Kubernetes 클러스터의 Pod를 삭제", {"kubernet", "클러스터", "pod", "삭제"}),
    ],
)
def test_examples(text: str, terms: set[str]) -> None:
    assert terms <= set(analyse(text))


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("도메인을 이전하려면", {"을", "려면", "하", "도메인을"}),
        ("집에서 왔다", {"에서", "다"}),
        ("10.0.0.1", {"10", "0", "1", "10.0"}),
        ("1,234,567", {"1", "234"}),
        ("running", {"running"}),
        ("!?… — ~", {"~", "!"}),
    ],
)
def test_what_is_no_term(text: str, absent: set[str]) -> None:
    assert not absent & set(analyse(text))


def test_other_writings_of_the_same_words_meet() -> None:
    assert set(analyse("가격은 3300원")) & set(analyse("가격은 3,300원")) >= {"가격", "3300", "3300원"}
    assert {"01012345678"} == {term for term in analyse("010-1234-5678") if term in analyse("01012345678")}
    assert set(analyse("HTTPServer")) >= set(analyse("http server"))
    assert analyse("Pods RUNNING") == analyse("pod runs")


@given(text=st.text(max_size=300) | st.lists(st.sampled_from(HOSTILE), max_size=60).map("".join))
def test_any_text_has_bounded_terms_and_its_normal_forms_are_equal(text: str) -> None:
    terms = analyse(text)
    assert all(0 < len(term) <= TERM_CHARACTERS_MAX + 1 for term in terms)
    assert len(terms) <= 6 * len(unicodedata.normalize("NFKC", text)) + 1
    assert analyse(unicodedata.normalize("NFD", text)) == terms


@pytest.mark.parametrize("piece", HOSTILE)
def test_large_hostile_text_is_read_in_linear_time(piece: str) -> None:
    """Quadratic rules would need minutes for this; the count of terms bounds the memory."""
    text = piece * (60_000 // len(piece))
    assert len(analyse(text)) <= 6 * len(unicodedata.normalize("NFKC", text)) + 1


def test_long_lines_lose_nothing_but_a_cut_word() -> None:
    sentence = "도메인을 이전하려면 인증 코드가 필요합니다. "
    terms = analyse(sentence * 500)
    assert terms.count("도메인") == terms.count("인증") == 500


def test_threads_agree() -> None:
    texts = [f"고객 {number}명이 서버 {number}대를 2024년에 신청했습니다. Servers were ordered." for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(analyse, texts)) == [analyse(text) for text in texts]


def test_a_question_loses_the_words_that_only_ask() -> None:
    assert query_words("도메인을 어떻게 이전하나요?") == ["~도메", "~메인", "~인을", "~이전", "~전하", "~하나", "도메인", "이전"]
    assert query_words("무엇인가요?") != []
    assert "how" not in query_words("How do I restart the server?")
    assert query_words("How do I restart the server?") == ["restart", "server"]
    assert query_words("who is who") != [], "a question of nothing but such words still asks for them"
    assert query_words("server server SERVER") == ["server"]
    assert len(query_words(" ".join(f"w{number}" for number in range(2 * QUERY_TERMS_MAX)))) == QUERY_TERMS_MAX
    assert query_words("") == []


def test_bigrams_count_half() -> None:
    words = query_words("서버 이전")
    weights = {word: term.weight for word, term in zip(words, query_terms(words, b"k" * 16), strict=True)}
    assert weights == {"~서버": 0.5, "~이전": 0.5, "서버": 1.0, "이전": 1.0}


def test_the_analyser_id_belongs_to_these_rules() -> None:
    """When this fails because a rule changed, raise RULES_VERSION and write the new digest here: indexes must be rebuilt."""
    texts = [
        "서울특별시 강남구의 고객이 1,234,567원을 환불받았습니다. 제12조의2 제3항",
        "The users' Pods were running v1.28.3 on db.example.com (10.0.0.1), see ORA-01555 and getHTTPResponse; Café C++",
        "東京タワー 010-1234-5678 80,443 30일",
    ]
    digest = hashlib.blake2b("\n".join(" ".join(analyse(text)) for text in texts).encode(), digest_size=8).hexdigest()
    assert (RULES_VERSION, digest) == (1, "f4fed21d63b11a3a")
    assert len(ANALYSER_ID) == 32


@given(st.text(alphabet="가나학교에갔다쓸특별시한글 \t,+/*\"'EOSab1漢ᄀㅋ\u200b", max_size=60))
def test_the_taggers_own_text_says_what_its_objects_say(text: str) -> None:
    def terms(morpheme: Morpheme) -> list[tuple[str, str]]:
        feature = morpheme.feature
        if feature.expression is None or feature.type is None:
            return [(morpheme.surface, feature.pos)]
        return [(part.split("/")[0], part.split("/")[1]) for part in feature.expression.split("+")]

    told = [part for morpheme in analyser._tagger().parse(text) for part in terms(morpheme)]
    assert list(analyser._morphemes(text)) == [surface.lower() for surface, tag in told if not tag.startswith(analyser._DROPPED_TAGS)]

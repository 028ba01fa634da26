"""What a text is about, where a policy treats topics differently: medical, legal and financial advice, and topics that a tenant names.

A topic is a list of terms with weights. Terms that stand close together add up: confidence is ``1 - product(1 - weight)`` over the different terms
within `WINDOW_CHARACTERS`, times `NOT_ASKING` when nothing there asks for advice. One ordinary term alone never suffices.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ondol.infrastructure.guard.checks.base import PatternCheck, ViewName
from ondol.infrastructure.guard.patterns import Match, Pattern
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

WINDOW_CHARACTERS = 240
"""Of the squeezed view."""
NOT_ASKING = 0.75
CONFIDENCE_REPORTED_MIN = 0.3
TOPICS_MAX = 50
PHRASES_MAX = 200
"""Of one tenant-named topic."""
PHRASE_CHARACTERS_MAX = 200
EXAMPLE_WORDS_MIN = 3
"""A phrase of so many words is an example sentence: its words count one by one; a shorter one is a keyword and counts whole."""
EXAMPLE_WEIGHT_TOTAL = 0.75
"""Confidence of a text that holds all the words of an example."""
KEYWORD_WEIGHT = 0.75
TERMS_MAX = 5_000

_ASKING = (
    r"shouldi|cani|mayi|doi(?:need|have)|isit|whatif|whatdoi|howmuch|howmany|howlong|howdoi|amientitled|helpme"
    r"|adviseme|recommend|whatshould|isthis|whatarethe|whatis|normal|risk"
    r"|나요|까요|ㄹ까|을까|될까|할까|되나|하나|인가요|는지|알려|추천|어떻게|얼마|괜찮|해야|방법|가능|궁금|좋아|뭐야|뭔가|주세요|줘"
)
_ASKED = re.compile(_ASKING)


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a topic.

    Attributes:
        letters: an expression over letters and digits, in lower case.
        weight: how sure the topic is when only this term stands there and advice is asked for.
    """

    letters: str
    weight: float


def _terms(weight: float, english: str, korean: str) -> tuple[Term, ...]:
    return tuple(Term(letters, weight) for letters in (*english.split(), *korean.split()))


MEDICAL = (
    *_terms(
        0.65,
        "dosage overdose chemotherapy antibiotics? antidepressants? ibuprofen acetaminophen paracetamol insulin metformin warfarin"
        " amoxicillin biopsy miscarriage sideeffects? bloodpressuremedicine (over)?prescribed mydoctor(said|told|prescribed)?"
        " chestpains? bloodtest(results)? differentialdiagnosis withdrawalsymptoms",
        "복용량 부작용 항생제 항암 우울증약 타이레놀 이부프로펜 인슐린 처방전 처방받 혈압약 당뇨약 수면제 진통제 해열제 유산 조직검사"
        " 가슴통증 금단증상 백신부작용 오진",
    ),
    *_terms(
        0.42,
        "symptoms? diagnos(e|is|ed) treatments? medications? medicines? pills? tablets? fever rash swelling vomiting nausea"
        " dizz(y|iness) pregnan(t|cy) surgery cancer diabetes asthma depression anxiety infection tumou?r headaches? migraines?"
        " bleeding heartattack stroke allerg(y|ic) cholesterol bloodpressure breastfeeding vaccines? mg antihistamines?",
        "증상 진단 치료 복용 먹어도 약을 알약 발열 열이 두드러기 발진 구토 메스꺼 어지러 임신 수술 암진단 암치료 암수술 폐암 위암"
        " 유방암 대장암 당뇨 천식 우울증 불안장애 감염 종양 두통 편두통 출혈 심근경색 뇌졸중 알레르기 콜레스테롤 혈압 수유 백신 진료"
        " 병원 의사 통증 아파요 아픈데 검사결과 질환",
    ),
    *_terms(0.22, "doctor hospital pain baby child pharmacy", "약국 아기 아이 밀리그램"),
)
LEGAL = (
    *_terms(
        0.65,
        "statuteoflimitations smallclaimscourt custodybattle childcustody powerofattorney restrainingorder wrongfultermination"
        " breachofcontract legaladvice plaintiffs? defendants? pleabargain personalinjuryclaim noncompete"
        " suemy(employer|landlord|neighbou?r|boss|company|bank|doctor)?",
        "공소시효 소멸시효 고소장 손해배상 내용증명 지급명령 민사소송 형사고소 양육권 위자료 부당해고 전세사기 임대차보호법 변호사선임"
        " 합의금 가압류 명예훼손 집행유예 상속포기 유류분 국선변호인 항소",
    ),
    *_terms(
        0.42,
        "sue lawsuits? lawyers? attorneys? court contract(s|ual)? illegal legal legally law liab(le|ility) evict(ed|ion)? landlord"
        " tenant divorce alimony inheritance will copyright trademark patent(s|ed)? arrested bail charges prosecut(e|ed|or)"
        " compensation settlement visa deport(ed|ation)? probate",
        "소송 고소 고발 변호사 법원 계약서 불법 합법 위법 법적 법률 책임 배상 퇴거 집주인 세입자 보증금 이혼 상속 유언 저작권 상표 특허"
        " 체포 구속 벌금 기소 합의 처벌 형량 해고 임금체불 판결 재판",
    ),
    *_terms(0.22, "rights police clause fine refund", "권리 경찰 조항 환불 위반"),
)
FINANCIAL = (
    *_terms(
        0.65,
        "etfs? indexfunds? mutualfunds? rothira 401k daytrading margincall stockportfolio cryptoportfolio dollarcostaveraging"
        " capitalgainstax mortgagerates? refinance bitcoin ethereum shortselling optionstrading retirementfund whichstocks?",
        "주식투자 종목추천 비트코인 이더리움 펀드추천 연금저축 주택담보대출 양도소득세 종합소득세 증여세 상속세 공매도 선물옵션 배당주"
        " 적립식 신용대출 전세대출 대출금리 코인추천 적금추천 퇴직연금 재테크 급등주",
    ),
    *_terms(
        0.42,
        "invest(ing|ment|ments|ed)? stocks? shares bonds? portfolio dividends? loan mortgage debts? creditscore interestrates? savings"
        " pension retire(ment)? tax(es)? deduct(ion|ible) inflation brokerage crypto(currency)? hedge bankruptcy",
        "투자 주식 종목 채권 배당 대출 금리 이자율 빚을 신용점수 적금 예금 연금 은퇴 세금 공제 절세 물가 증권 코인 환율 파산 개인회생"
        " 수익률 매수 매도 펀드 보험",
    ),
    *_terms(0.22, "money bank buy sell profit returns", "돈을 은행 수익 월급 손실 통장"),
)
BUILT_IN: Mapping[str, tuple[Term, ...]] = {"medical": MEDICAL, "legal": LEGAL, "financial": FINANCIAL}

_STOPWORDS = frozenset(
    [
        "the",
        "a",
        "an",
        "is",
        "are",
        "do",
        "does",
        "did",
        "can",
        "could",
        "i",
        "you",
        "we",
        "my",
        "your",
        "to",
        "of",
        "in",
        "on",
        "for",
        "and",
        "or",
        "what",
        "how",
        "it",
        "this",
        "that",
        "with",
        "me",
        "please",
        "should",
        "would",
        "when",
        "where",
        "why",
        "who",
        "be",
    ]
)


class TopicsCheck(PatternCheck):
    """Finds topics. A finding's rule is ``topics.<name>``, its entity the name in capitals, its span from the first to the last term that counted.

    Args:
        named: a tenant's topics: by name, keywords (up to two words) and example sentences.
        built_in: which of the built-in topics to look for.

    Raises:
        ValueError: when a topic is unknown, has no phrases, or there is too much of something.
    """

    name = "topics"
    is_pure = True
    reach: int | None = 2 * WINDOW_CHARACTERS
    view: ViewName = "squeezed"

    def __init__(self, named: Mapping[str, Sequence[str]] | None = None, built_in: Sequence[str] = ("medical", "legal", "financial")) -> None:
        topics = {name: _built_in(name) for name in built_in}
        for name, phrases in (named or {}).items():
            topics[name] = _tenant_terms(name, phrases)
        if len(topics) > TOPICS_MAX:
            raise ValueError(f"there are more than {TOPICS_MAX} topics")
        self._terms = [(name, term) for name, terms in topics.items() for term in terms]
        if len(self._terms) > TERMS_MAX:
            raise ValueError(f"the topics have more than {TERMS_MAX:,} terms in all")
        self.patterns: Sequence[Pattern] = tuple(Pattern(term.letters) for _, term in self._terms)

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """For each topic where it is surest."""
        squeezed = text.squeezed
        by_topic: dict[str, list[Match]] = {}
        for match in matches:
            if _at_word_edges(text, match):
                by_topic.setdefault(self._terms[match.pattern][0], []).append(match)
        findings = []
        for name, own in by_topic.items():
            confidence, first, last = self._surest(own)
            asked = _ASKED.search(squeezed.text[max(first - WINDOW_CHARACTERS // 2, 0) : last + WINDOW_CHARACTERS // 2]) is not None
            confidence *= 1.0 if asked else NOT_ASKING
            if confidence >= CONFIDENCE_REPORTED_MIN:
                start, end = squeezed.span(first, last)
                findings.append(Finding(self.name, f"topics.{name}", start, end, round(confidence, 4), "terms", name.upper()))
        return sorted(findings, key=lambda item: (item.start, item.end, item.rule))

    def _surest(self, matches: Sequence[Match]) -> tuple[float, int, int]:
        """Slides the window over the matches, which are in order; each different term counts once."""
        best = (0.0, 0, 0)
        counts: dict[int, int] = {}
        doubt = 0.0
        left = 0
        for match in matches:
            if not counts.get(match.pattern):
                doubt += math.log1p(-self._terms[match.pattern][1].weight)
            counts[match.pattern] = counts.get(match.pattern, 0) + 1
            while matches[left].start < match.end - WINDOW_CHARACTERS:
                gone = matches[left].pattern
                counts[gone] -= 1
                if not counts[gone]:
                    doubt -= math.log1p(-self._terms[gone][1].weight)
                left += 1
            confidence = -math.expm1(doubt)
            if confidence > best[0] + 1e-9:
                best = (confidence, matches[left].start, match.end)
        return best


def _built_in(name: str) -> tuple[Term, ...]:
    if name not in BUILT_IN:
        raise ValueError(f"there is no built-in topic {name}; there are {', '.join(BUILT_IN)}")
    return BUILT_IN[name]


def _tenant_terms(name: str, phrases: Sequence[str]) -> tuple[Term, ...]:
    if not phrases or len(phrases) > PHRASES_MAX:
        raise ValueError(f"the topic {name} needs between 1 and {PHRASES_MAX} phrases")
    terms: dict[str, float] = {}
    for phrase in phrases:
        if len(phrase) > PHRASE_CHARACTERS_MAX:
            raise ValueError(f"a phrase of the topic {name} is longer than {PHRASE_CHARACTERS_MAX} characters")
        words = [squeezed for word in phrase.split() if word.lower() not in _STOPWORDS and len(squeezed := GuardText(word).squeezed.text) >= 2]
        if len(words) < EXAMPLE_WORDS_MIN:
            whole = GuardText(phrase).squeezed.text
            if len(whole) < 2:
                raise ValueError(f"a phrase of the topic {name} has fewer than 2 letters or digits")
            terms[whole] = max(terms.get(whole, 0.0), KEYWORD_WEIGHT)
            continue
        weight = 1 - (1 - EXAMPLE_WEIGHT_TOTAL) ** (1 / len(words))
        for word in words:
            stem = _stem(word)
            terms[stem] = max(terms.get(stem, 0.0), weight)
    return tuple(Term(re.escape(letters), weight) for letters, weight in terms.items())


def _stem(word: str) -> str:
    """A Korean word without its last syllable, which is mostly a particle or an ending."""
    return word[:-1] if len(word) >= 3 and not word.isascii() else word


def _at_word_edges(text: GuardText, match: Match) -> bool:
    """Whether an English term is whole words, and a Korean one begins a word or is long enough to stand inside one."""
    original = text.original
    start, end = text.squeezed.span(match.start, match.end)
    before, after = original[start - 1 : start], original[end : end + 1]
    letters = text.squeezed.text[match.start : match.end]
    if letters.isascii():
        return not (before.isascii() and before.isalpha()) and not (after.isascii() and after.isalpha())
    if len(letters) <= 2 and len(original[start:end].split()) > 1:
        return False
    return len(letters) >= 3 or not before.isalpha() or (len(letters) == 2 and before.isascii())

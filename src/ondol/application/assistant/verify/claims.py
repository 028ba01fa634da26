"""What a sentence says that can be checked: its amounts, dates, identifiers, names, what it denies, and its words.

A passage is read once, sentence by sentence, in the same way, so that a claim meets like with like.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ondol.application.assistant.lexicon import LIGHT_NOUNS, LIGHT_WORDS, synonym_groups
from ondol.application.assistant.verify.amounts import Amount, Date, amounts_of, clocks_of, dates_of
from ondol.application.assistant.words import stem_words
from ondol.application.knowledge.index import analyse
from ondol.application.knowledge.index.analyser import BIGRAM_MARK, proper_nouns
from ondol.application.knowledge.index.stopwords import STOPWORDS
from ondol.application.knowledge.sentences import split_sentences

_MARKS = re.compile(r"\s?\[\d{1,3}\]")
_LEAD = re.compile(r"\s*(?:(?:[-*+•·]|\d{1,3}[.)]|#{1,6}|>)\s+)*(?:\*\*)?")
_CODE = re.compile(r"`+([^`\n]+)`+")
_TOKEN = re.compile(r"[^\W_가-힣ㄱ-ㆎ]+(?:[-._/:@+#=]{1,3}[^\W_가-힣ㄱ-ㆎ]+|_+[^\W_가-힣ㄱ-ㆎ]+)+|_{1,2}[A-Za-z]\w+|(?:/[\w.-]+){1,}")
_IS_IDENTIFIER = re.compile(r"[\d_/@#=]|\w\.\w")
_NUMERIC = re.compile(r"[\d.,:~/-]+")
_CAMEL = re.compile(r"\b(?:[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|[A-Z]{2,}\d*)\b")
_CAPITALISED = re.compile(r"(?<![\w.])[A-Z][a-zà-ÿ]{2,}(?:['’]s)?")
_CLAUSE_END = re.compile(
    r"[,;:()—]|\s[–-]\s|\b(?:but|and|while|although|though|because|if|unless|whereas|however|when)\b"
    r"|(?<=지만)\s|(?<=으나)\s|(?<=는데)\s|(?<=며)\s|(?<=고)\s|(?<=면)\s|(?<=므로)\s|(?<=니까)\s|(?<=어서)\s|(?<=아서)\s|(?<=해서)\s|(?<=경우)\s"
)
# A denial, with the words around it that it denies: those behind it in English and after 안 and 못, those before it elsewhere in Korean.
_DENIALS = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|unable to|impossible to)\b(?P<behind>(?:\W+\w+){1,3})"
    r"|(?:n['’]t)\b(?P<contracted>(?:\W+\w+){1,3})"
    r"|(?<![가-힣])(?:안|못)\s?(?P<verb>[가-힣]+)"
    r"|(?P<stem>(?:[^\s.,]+\s)?[가-힣]+)지(?:는|도|를)?\s?(?:않|못|말|마(?=[십세라]))"
    r"|(?P<noun>(?:[^\s.,]+\s)?[가-힣A-Za-z0-9]+)(?:이|가|은|는|도|을|를)?\s?(?:없|아니|아닙|아닌)"
    r"|(?P<unable>(?:[^\s.,]+\s)?[가-힣]+)(?:이|가|은|는)?\s?불가(?!피)"
    r"|(?<![가-힣])(?:미|비|무|불)(?P<prefixed>포함|지원|공개|승인|등록|납부|배포|인증|허용|사용|제공)",
    re.IGNORECASE,
)
_OPPOSITES: tuple[tuple[str, str], ...] = (
    (r"\ballow(?:s|ed)?\b|\bpermit|\bmay\b|\bcan\b(?!not)", r"\bprohibit|\bforbid|\bforbidden\b|\bbanned\b|\bdisallow"),
    (r"\binclud", r"\bexclud"),
    (r"\bfree\b|\bno charge\b", r"\bpaid\b|\bcharge[sd]?\b|\bfee\b"),
    (r"\bat least\b|\bminimum\b|\bor more\b", r"\bat most\b|\bmaximum\b|\bup to\b|\bor less\b|\bor fewer\b"),
    (r"\bbefore\b", r"\bafter\b"),
    (r"\bmore than\b|\bover\b|\babove\b|\bexceed", r"\bless than\b|\bunder\b|\bbelow\b|\bfewer than\b"),
    (r"\bincreas", r"\bdecreas|\breduc"),
    (r"\benabled?\b", r"\bdisabled?\b"),
    (r"\brequired?\b|\bmandatory\b|\bmust\b", r"\boptional\b"),
    (r"\balways\b", r"\bnever\b"),
    (r"\ball\b|\bevery\b", r"\bnone\b"),
    (r"\bpublic\b", r"\bprivate\b"),
    (r"\bencrypted\b", r"\bunencrypted\b"),
    (r"\bsucce(?:ed|ss)", r"\bfail"),
    (r"허용|허가|가능|(?:할|될|을|를)\s?수\s?있", r"금지|불허|불가"),
    (r"포함", r"제외"),
    (r"무료|공짜", r"유료|요금이\s?(?:들|있)|돈을\s?(?:내|받)"),
    (r"이상|최소|적어도", r"이하|최대|많아도"),
    (r"초과|넘", r"미만|못\s?미치"),
    (r"이전|전에|전까지", r"이후|후에|뒤에|다음에"),
    (r"증가|늘", r"감소|줄"),
    (r"필수|의무|반드시|해야", r"선택|임의"),
    (r"활성화|켜", r"비활성화|끄|꺼"),
    (r"항상|언제나", r"전혀|절대"),
    (r"많", r"적(?![가-힣])|적(?=[다은습어고])|없"),
    (r"높", r"낮"),
    (r"빠르|빨라|신속", r"느리|느려|더디"),
    (r"쉽|쉬운|편하|편리", r"어렵|어려|힘들|불편"),
    (r"좋|훌륭|만족", r"나쁘|나쁜|별로|불만"),
    (r"가깝|가까|근처", r"멀|먼\s|멀리"),
    (r"크(?=[다고며지])|큰\s|넓", r"작(?=[다고며지은])|좁"),
    (r"깨끗|청결", r"더럽|더러|지저분"),
    (r"성공|승리|이겼|이긴", r"실패|패배|졌다|패했"),
    (r"찬성|동의|지지", r"반대"),
    (r"시작|출발|개시", r"종료|끝나|마감"),
    (r"첫|처음", r"마지막|끝"),
    (r"공개", r"비공개"),
)
_OPPOSITE_PATTERNS = tuple((re.compile(one, re.IGNORECASE), re.compile(other, re.IGNORECASE)) for one, other in _OPPOSITES)
_OF_ANSWERS = "경우 것 수 점 중 때문 내용 문서 자료 다음 아래 위 따르 의하 관하 대하 passage document accord say state mention follow"
_WITHOUT_TOPIC = frozenset((*STOPWORDS, *LIGHT_NOUNS, *stem_words(sorted(LIGHT_WORDS)), *_OF_ANSWERS.split()))
"""Terms that any sentence may hold, and words with which answers speak of their sources."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a sentence with one statement: its words, what it denies, and which sides of pairs of opposites it takes.

    Attributes:
        denied: the words that stand at a denial.
        sides: for each pair that it takes one side of: the pair's number, positive for the first side and negative for the other, from 1.
    """

    terms: frozenset[str]
    denied: frozenset[str]
    sides: frozenset[int]


@dataclass(frozen=True, slots=True)
class Claim:
    """What one sentence says. Its identifiers, names and clauses are read where they are asked for: of most sentences nobody asks.

    Attributes:
        said: what it says, normalised, without the marks of citations and lists; amounts and dates have their places in it.
        words: the same without its figures, which are compared by their values.
        clocks: times of day, in minutes since midnight.
        terms: stems and morphemes that carry a topic.
        start, end: half-open, in characters of the text that it was read from.
    """

    said: str
    words: str
    amounts: tuple[Amount, ...]
    dates: tuple[Date, ...]
    clocks: frozenset[int]
    terms: frozenset[str]
    start: int
    end: int

    def words_of(self, found: Amount | Date) -> str:
        """An amount or a date as it is written here."""
        return self.said[found.start : found.end]

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing that could be checked."""
        return not (self.terms or self.amounts or self.dates or self.clocks)

    def identifiers(self) -> tuple[str, ...]:
        """Names of commands, hosts, fields and error codes, as they stand, in lower case."""
        return tuple(dict.fromkeys(_identifiers(self.words)))

    def names(self) -> tuple[str, ...]:
        """Words with a capital inside the sentence and Korean proper nouns, in lower case."""
        return tuple(dict.fromkeys(_names(self.words)))

    def clauses(self) -> tuple[Clause, ...]:
        """Its parts."""
        return tuple(_clauses(self.words))


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that is cited, read.

    Attributes:
        text: as it stands, for offsets.
        plain: normalised and in lower case, with its headings: for what is looked for as it stands.
        squeezed: the same without spaces.
        around: terms of the headings: they count beside every sentence.
    """

    text: str
    plain: str
    squeezed: str
    around: frozenset[str]
    sentences: tuple[Claim, ...]


def read_passage(text: str, headings: Sequence[str] = ()) -> Passage:
    """Read a passage: each of its sentences is a claim; its title and headings belong to all."""
    plain = _normal(" ".join([*headings, text])).lower()
    sentences = tuple(read_claim(text[start:end], start) for start, end in split_sentences(text))
    return Passage(text, plain, "".join(plain.split()), terms_of(" ".join(headings)), sentences)


def read_claim(sentence: str, offset: int = 0) -> Claim:
    """Read one sentence; marks of citations and of lists say nothing."""
    lead = _LEAD.match(sentence)
    said = _normal(_MARKS.sub(lambda mark: " " * len(mark[0]), sentence[lead.end() if lead else 0 :]))
    amounts, dates, clocks = amounts_of(said), dates_of(said), clocks_of(said)
    figures = [(amount.start, amount.end) for amount in amounts] + [(date.start, date.end) for date in dates]
    figures += [(start, end) for _, start, end in clocks]
    words = _without(said, figures)
    times = frozenset(minutes for minutes, _, _ in clocks)
    return Claim(said, words, tuple(amounts), tuple(dates), times, terms_of(words), offset, offset + len(sentence))


def synonyms_of(term: str) -> frozenset[str]:
    """Terms that documents use for the same thing."""
    return _synonyms().get(term, frozenset())


def _normal(text: str) -> str:
    """NFKC where that keeps the length, as it does for nearly all text: offsets stay."""
    normal = unicodedata.normalize("NFKC", text)
    return normal if len(normal) == len(text) else text


def terms_of(text: str) -> frozenset[str]:
    """Stems and morphemes of a text that carry a topic."""
    return frozenset(term for term in analyse(text) if not term.startswith(BIGRAM_MARK) and term not in _WITHOUT_TOPIC)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def _identifiers(text: str) -> Iterator[str]:
    for code in _CODE.finditer(text):
        yield code[1].strip().lower()
    bare = _CODE.sub(" ", text)
    for token in _TOKEN.finditer(bare):
        found = token[0].strip("./:-")
        if _IS_IDENTIFIER.search(found) and not _NUMERIC.fullmatch(found) and not _is_measure(found):
            yield found.lower()
    for name in _CAMEL.finditer(bare):
        yield name[0].lower()


def _is_measure(token: str) -> bool:
    """`3-day`, `24/7`: an amount with its unit, no identifier."""
    return bool(re.fullmatch(r"\d+(?:[-./]\d+)*-?[a-z]*", token)) and not re.search(r"\.\d+\.", token)


def _names(text: str) -> Iterator[str]:
    for name in _CAPITALISED.finditer(text):
        if name.start() and not re.search(r"[.!?:\"“(]\s*\Z|\A\W*\Z", text[: name.start()]):
            yield re.sub(r"['’]s\Z", "", name[0]).lower()
    yield from proper_nouns(text)


def _clauses(text: str) -> Iterator[Clause]:
    start = 0
    for end in [*(found.end() for found in _CLAUSE_END.finditer(text)), len(text)]:
        part = text[start:end]
        start = end
        terms = terms_of(part)
        if terms:
            yield Clause(terms, _denied(part), _sides(part))


def _denied(text: str) -> frozenset[str]:
    """Terms that stand at an odd number of denials: `없지 않다` denies nothing."""
    denied: set[str] = set()
    for found in _DENIALS.finditer(text):
        kind = found.lastgroup or ""
        near = found[kind] + ("다" if kind == "stem" else "")
        denied ^= terms_of(near)
    return frozenset(denied)


def _sides(text: str) -> frozenset[int]:
    sides = set()
    for number, (one, other) in enumerate(_OPPOSITE_PATTERNS, 1):
        first, second = one.search(text), other.search(text)
        if bool(first) is not bool(second):
            sides.add(number if first else -number)
    return frozenset(sides)


@lru_cache(maxsize=1)
def _synonyms() -> Mapping[str, frozenset[str]]:
    """The lexicon turned round: from each term to those beside it."""
    beside: dict[str, set[str]] = {}
    for group in synonym_groups():
        korean = {term for form in group.korean if len(form) > 1 for term in analyse(form) if not term.startswith(BIGRAM_MARK)}
        members = (korean | group.words) - STOPWORDS
        for member in members:
            beside.setdefault(member, set()).update(members)
    return {member: frozenset(members) for member, members in beside.items()}

"""What a question says: its words with their weights, what else may stand for them, and what kind of thing it asks for."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ondol.application.assistant.figures import Wanted, kinds_wanted, wants_verdict
from ondol.application.assistant.lexicon import LIGHT_NOUNS, LIGHT_WORDS, korean_noun, synonym_groups
from ondol.application.knowledge.index.stopwords import STOPWORDS
from ondol.application.knowledge.language import detect_language

if TYPE_CHECKING:
    from mecab import MeCab
    from Stemmer import Stemmer

TERMS_MAX = 64
"""A longer question is understood by its first words."""

QUESTION_CHARACTERS_MAX = 2_000

LIGHT_SHARE = 0.25
VERB_SHARE = 0.5
NUMBER_SHARE = 0.3

_HANGUL = re.compile("[가-힣]")
_TOKEN = re.compile(r"[a-z0-9]+(?:[._/@:+'’-]+[a-z0-9]+)*(?:\+\+|#)?|[가-힣]+", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[._/@:+#]|\d")
_threads = threading.local()


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a question.

    Attributes:
        weight: its inverse document frequency, less for words that say little about the topic.
        stem: the English stem that it is met by, if it is an English word.
        pattern: what meets it in text in lower case, if it is not.
        near: patterns of words that may stand for it.
        strict: a name, number or code, for which nothing else may stand.
    """

    text: str
    weight: float
    stem: str | None
    pattern: re.Pattern[str] | None
    near: tuple[re.Pattern[str], ...]
    strict: bool
    focus: float = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as far as it is understood."""

    language: str
    terms: tuple[Term, ...]
    wanted: Wanted
    verdict: bool

    @property
    def weight(self) -> float:
        """Of all terms together."""
        return sum(term.weight for term in self.terms)


def understand(question: str, weights: Mapping[str, float]) -> Asked:
    """Take a question apart.

    Args:
        weights: weight of each term of the question that the search found or looked for.
    """
    normal = unicodedata.normalize("NFKC", question[:QUESTION_CHARACTERS_MAX])
    lowered = normal.lower()
    spans: list[tuple[int, int, Term]] = []
    stemmer = _stemmer()
    for match in _TOKEN.finditer(lowered):
        if not _HANGUL.match(match[0]):
            spans += [(match.start() + start, match.start() + end, term) for start, end, term in _latin(match[0], weights, stemmer)]
    if _HANGUL.search(lowered):
        spans += _korean(lowered, weights)
    near = _near(lowered)
    terms: dict[str, Term] = {}
    for start, end, term in sorted(spans, key=lambda span: span[0])[:TERMS_MAX]:
        patterns = () if term.strict else tuple(pattern for begin, stop, pattern in near if begin < end and start < stop)
        if term.text not in terms:
            terms[term.text] = Term(term.text, term.weight, term.stem, term.pattern, patterns, term.strict, _focus(normal, start))
    return Asked(detect_language(question), tuple(terms.values()), kinds_wanted(normal), wants_verdict(normal))


def _focus(question: str, place: int) -> float:
    """How near a word is to what is asked: the sentence with the question mark, and in Korean the end of it."""
    begin = 0
    sentences = []
    for match in re.finditer(r"[.!?]+(?:\s|\Z)|\Z", question):
        if match.end() > begin:
            sentences.append((begin, match.end(), "?" in match[0]))
            begin = match.end()
    asking = [sentence for sentence in sentences if sentence[2]] or sentences[-1:]
    for start, end, _ in asking:
        if start <= place < end:
            return 0.5 + 0.5 * (place - start) / (end - start) if _HANGUL.search(question) else 1.0
    return 0.0


def stems(text: str) -> dict[str, list[int]]:
    """The English stems of a text in lower case with their places."""
    places: dict[str, list[int]] = {}
    words = list(re.finditer(r"[a-z]+", text))
    for match, stem in zip(words, _stemmer().stemWords([match[0] for match in words]), strict=True):
        places.setdefault(stem, []).append(match.start())
    return places


def _latin(token: str, weights: Mapping[str, float], stemmer: Stemmer) -> Iterator[tuple[int, int, Term]]:
    if _IDENTIFIER.search(token):
        share = NUMBER_SHARE if token.isdigit() else 1.0
        weight = max((weights.get(part, 0.0) for part in (token, token.replace(",", ""))), default=0.0) or _typical(weights)
        pattern = re.compile(rf"(?<![a-z0-9]){re.escape(token)}(?![a-z0-9]|[.,]\d)")
        yield 0, len(token), Term(token, weight * share, None, pattern, (), not token.isdigit())
        return
    for match in re.finditer(r"[a-z]+", re.sub(r"['’][a-z]+\Z", lambda found: " " * len(found[0]), token)):
        word, stem = match[0], stemmer.stemWord(match[0])
        if stem in STOPWORDS or word in STOPWORDS or len(word) == 1:
            continue
        share = LIGHT_SHARE if word in LIGHT_WORDS else 1.0
        yield match.start(), match.end(), Term(stem, weights.get(stem, _typical(weights)) * share, stem, None, (), False)


def _korean(text: str, weights: Mapping[str, float]) -> Iterator[tuple[int, int, Term]]:
    position = 0
    for morpheme in _tagger().parse(text.replace("\0", " ")):
        start = text.find(morpheme.surface, position)
        if start < 0:
            continue
        position = start + len(morpheme.surface)
        tag = morpheme.feature.pos.split("+")[0]
        if not _HANGUL.search(morpheme.surface):
            continue
        parts = [part.partition("/")[0] for part in (morpheme.feature.expression or "").split("+")] if morpheme.feature.type else []
        term = _korean_term(morpheme.surface, tag, parts, weights)
        if term is not None:
            yield start, position, term


def _korean_term(surface: str, tag: str, parts: list[str], weights: Mapping[str, float]) -> Term | None:
    if tag.startswith(("NNG", "NNP", "XR")):
        if surface in STOPWORDS:
            return None
        weight = max((weights.get(part, 0.0) for part in [surface, *parts]), default=0.0) or _typical(weights)
        share = LIGHT_SHARE if surface in LIGHT_NOUNS or len(surface) == 1 else 1.0
        return Term(surface, weight * share, None, re.compile(korean_noun(surface)), (), False)
    if tag.startswith(("VV", "VA")):
        stem = parts[0] if parts else surface
        if stem in STOPWORDS or not stem:
            return None
        weight = weights.get(stem, _typical(weights)) * (VERB_SHARE if len(stem) > 1 else LIGHT_SHARE)
        return Term(stem, weight, None, re.compile(_verb(stem)), (), False)
    if tag.startswith(("MAG", "NNB", "NR")) and surface not in STOPWORDS and len(surface) > 1:
        return Term(surface, weights.get(surface, 0.0) * LIGHT_SHARE, None, re.compile(re.escape(surface)), (), False)
    return None


def _verb(stem: str) -> str:
    """A verb in any of its forms: endings change the vowel and final of the stem's last syllable, so only its first consonant must agree."""
    initial = (ord(stem[-1]) - 0xAC00) // 588 if "가" <= stem[-1] <= "힣" else None
    if initial is None:
        return re.escape(stem)
    first, last = chr(0xAC00 + initial * 588), chr(0xAC00 + initial * 588 + 587)
    if len(stem) > 1:
        return rf"{re.escape(stem[:-1])}[{first}-{last}]"
    vowel = (ord(stem) - 0xAC00) % 588 // 28
    begin = 0xAC00 + initial * 588 + vowel * 28
    return rf"(?<![가-힣])[{chr(begin)}-{chr(begin + 27)}](?=[가-힣])"


def _near(text: str) -> list[tuple[int, int, re.Pattern[str]]]:
    return [(match.start(), match.end(), group) for group in synonym_groups() for match in group.finditer(text)]


def _typical(weights: Mapping[str, float]) -> float:
    """For a word that the search took apart differently."""
    plain = [weight for term, weight in weights.items() if not term.startswith("~")]
    return sum(plain) / len(plain) if plain else 1.0


def _tagger() -> MeCab:
    tagger: MeCab | None = getattr(_threads, "tagger", None)
    if tagger is None:
        from mecab import MeCab

        tagger = _threads.tagger = MeCab()
    return tagger


def _stemmer() -> Stemmer:
    stemmer: Stemmer | None = getattr(_threads, "stemmer", None)
    if stemmer is None:
        from Stemmer import Stemmer

        stemmer = _threads.stemmer = Stemmer("english")
    return stemmer

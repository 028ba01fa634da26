"""What a question says: its words with their weights, what else may stand for them, and what kind of thing it asks for."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ondol.application.assistant.figures import Wanted, kinds_wanted, wants_verdict
from ondol.application.assistant.forms import Form, form_of
from ondol.application.assistant.lexicon import BOUNDING_WORDS, LIGHT_NOUNS, LIGHT_WORDS, Group, search_words, synonym_groups
from ondol.application.assistant.words import HANGUL, Reading, find_korean, find_stems, read, stem_word
from ondol.application.knowledge.index import query_words
from ondol.application.knowledge.index.analyser import BIGRAM_MARK, weight_of
from ondol.application.knowledge.index.stopwords import STOPWORDS
from ondol.application.prompts.templates_store import Language
from ondol.core.language import detect_language

if TYPE_CHECKING:
    from mecab import MeCab, Morpheme

TERMS_MAX = 64
"""A longer question is understood by its first words."""

QUESTION_CHARACTERS_MAX = 2_000
"""And by so much of its text."""

LIGHT_SHARE = 0.25
VERB_SHARE = 0.5
NUMBER_SHARE = 0.3
"""What such words weigh beside a noun of the same frequency: a customer's own figure is seldom in the documents."""

UNKNOWN_PIECES_MIN = 3
UNKNOWN_SINGLE_MIN = 2
"""A word that the dictionary takes apart into so many pieces, so many of them of one syllable, is none that it knows."""

ASIDE_SHARE = 0.25
"""What words weigh beside the thing that a question is about by its form: "purpose", "difference"."""

SEARCH_LIGHT_WEIGHT = 0.3
SEARCH_OTHER_WEIGHT = 0.7
"""What other words for the same thing weigh together in a search; n of them share it by the square root of n."""

_TOKEN = re.compile(r"[a-z0-9]+(?:[._/@:+'’-]+[a-z0-9]+)*(?:\+\+|#)?")
_IDENTIFIER = re.compile(r"[._/@:+#]|\d")
_SENTENCE_END = re.compile(r"[.!?]+(?:\s|\Z)|\Z")
_threads = threading.local()


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a question.

    Attributes:
        text: as it is looked for: an English stem, a Korean noun, the stem of a verb, a number or a code.
        weight: its inverse document frequency, less for words that say little about the topic.
        pattern: what meets it, if neither its stem nor its letters do.
        near: groups of words that may stand for it.
        focus: how near it stands to what is asked, in [0, 1].
    """

    text: str
    weight: float
    is_stem: bool = False
    pattern: re.Pattern[str] | None = None
    near: tuple[Group, ...] = ()
    focus: float = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as far as it is understood.

    Attributes:
        wanted: what kinds of things it asks for.
        verdict: whether it can be answered by yes or no.
        shares: the share of each term in the weight of all.
        focus_shares: the same for the words nearest to what is asked.
        form: what it asks for by its form.
    """

    language: Language
    terms: tuple[Term, ...]
    wanted: Wanted
    verdict: bool
    shares: tuple[float, ...]
    focus_shares: tuple[float, ...]
    form: Form


def understand(question: str, weights: Mapping[str, float]) -> Asked:
    """Take a question apart.

    Args:
        weights: inverse document frequency of each term of the question, as the search knows them.
    """
    normal = unicodedata.normalize("NFKC", question[:QUESTION_CHARACTERS_MAX])
    reading = read(normal)
    spans = list(_latin_terms(reading.text, weights))
    if HANGUL.search(reading.text):
        spans += _korean_terms(reading.text, weights)
    near = list(_near(reading))
    terms: dict[str, Term] = {}
    form = form_of(normal)
    about = _spans_of(form, normal)
    for start, end, term in sorted(spans, key=lambda span: span[0])[:TERMS_MAX]:
        if term.text in terms:
            continue
        groups = tuple(dict.fromkeys(group for begin, stop, group in near if begin < end and start < stop))
        exact = term.pattern is not None and not HANGUL.search(term.text)  # a number or code, for which nothing else stands
        weight = term.weight * (1.0 if not about or any(begin <= start < stop for begin, stop in about) else ASIDE_SHARE)
        terms[term.text] = replace(term, near=() if exact else groups, focus=_focus(normal, start), weight=weight)
    found = tuple(terms.values())
    tells_itself = bool(form.subjects) or form.conditional or form.listed is not None or form.counted == ""
    wanted = () if tells_itself else kinds_wanted(normal)
    shares = _shares([term.weight for term in found])
    focus_shares = _shares([term.weight * term.focus for term in found])
    return Asked(detect_language(question), found, wanted, wants_verdict(normal), shares, focus_shares, form)


def search_terms(question: str) -> dict[str, float]:
    """What to search for: the terms of a question and other words for the same things, with their weights.

    English words that say little count less, and Korean ones too; other words are of the question's own language.
    """
    own = query_words(question)
    light = LIGHT_WORDS | LIGHT_NOUNS
    terms = {word: weight_of(word) * (SEARCH_LIGHT_WEIGHT if word in light else 1.0) for word in own}
    language = detect_language(question)
    reading = read(unicodedata.normalize("NFKC", question[:QUESTION_CHARACTERS_MAX]))
    form = form_of(question)
    about = form.subjects if form.listed is None else (form.listed.of, form.listed.phrase)
    if about:
        asks = form.verb.search(question.casefold()) if form.verb is not None else None
        named = {word for words in (*about, asks[0] if asks else "") for word in query_words(words)}
        terms = {word: weight if word in named else weight * SEARCH_LIGHT_WEIGHT for word, weight in terms.items()} if named else terms
    if form.counted is not None:
        terms = {word: weight * (SEARCH_LIGHT_WEIGHT if word in BOUNDING_WORDS else 1.0) for word, weight in terms.items()}
    share = SEARCH_OTHER_WEIGHT * (SEARCH_LIGHT_WEIGHT if form.counted is not None else 1.0)
    others: dict[str, float] = {}
    for group in dict.fromkeys(group for _, _, group in _near(reading)):
        korean, english = search_words()[group]
        words = (korean if language == "ko" else english) - terms.keys()
        for word in sorted(words):
            others[word] = max(others.get(word, 0.0), share / len(words) ** 0.5)
    return terms | others


def _spans_of(form: Form, question: str) -> list[tuple[int, int]]:
    """Where the things stand that a question is about by its form, and what it asks that they do."""
    folded = question.casefold()
    named = form.subjects if form.listed is None else tuple(words for words in (form.listed.of, form.listed.phrase) if words)
    starts = [(folded.find(words.casefold()), len(words)) for words in named]
    spans = [(start, start + length) for start, length in starts if start >= 0]
    verb = form.verb.search(folded, spans[0][1]) if form.verb is not None and spans else None
    return spans if verb is None else [*spans, verb.span()]


def _shares(weights: list[float]) -> tuple[float, ...]:
    total = sum(weights) or 1.0
    return tuple(weight / total for weight in weights)


def _focus(question: str, place: int) -> float:
    """Words of the sentence with the question mark, and in Korean those at its end, are nearer to what is asked."""
    begin = 0
    sentences = []
    for match in _SENTENCE_END.finditer(question):
        if match.end() > begin:
            sentences.append((begin, match.end(), "?" in match[0]))
            begin = match.end()
    for start, end, _ in [sentence for sentence in sentences if sentence[2]] or sentences[-1:]:
        if start <= place < end:
            return 0.5 + 0.5 * (place - start) / (end - start) if HANGUL.search(question) else 1.0
    return 0.0


def _latin_terms(text: str, weights: Mapping[str, float]) -> Iterator[tuple[int, int, Term]]:
    for token in _TOKEN.finditer(text):
        if _IDENTIFIER.search(token[0]):
            pattern = re.compile(rf"(?<![a-z0-9]){re.escape(token[0])}(?![a-z0-9]|[.,]\d)")
            weight = weights.get(token[0], 0.0) or _typical(weights)
            yield token.start(), token.end(), Term(token[0], weight * (NUMBER_SHARE if token[0].isdigit() else 1.0), pattern=pattern)
            continue
        plain = re.sub(r"['’][a-z]+\Z", "", token[0])
        for match in re.finditer(r"[a-z]+", plain):
            word, stem = match[0], stem_word(match[0])
            if stem in STOPWORDS or word in STOPWORDS or len(word) == 1:
                continue
            weight = weights.get(stem, _typical(weights)) * (LIGHT_SHARE if word in LIGHT_WORDS else 1.0)
            yield token.start() + match.start(), token.start() + match.end(), Term(stem, weight, is_stem=True)


def _korean_terms(text: str, weights: Mapping[str, float]) -> Iterator[tuple[int, int, Term]]:
    position = 0
    morphemes = _tagger().parse(text.replace("\0", " "))
    unknown = list(_unknown_words(text, morphemes))
    for start, end in unknown:
        yield start, end, Term(text[start:end], max((weights.get(part, 0.0) for part in _parts(text[start:end])), default=0.0) or _typical(weights))
    for morpheme in morphemes:
        start = text.find(morpheme.surface, position)
        if start < 0:
            continue
        position = start + len(morpheme.surface)
        if HANGUL.search(morpheme.surface) and not any(begin <= start < end for begin, end in unknown):
            feature = morpheme.feature
            parts = [part.partition("/")[0] for part in (feature.expression or "").split("+")] if feature.type else []
            term = _korean_term(morpheme.surface, feature.pos.split("+")[0], parts, weights)
            if term is not None:
                yield start, position, term


def _unknown_words(text: str, morphemes: Sequence[Morpheme]) -> Iterator[tuple[int, int]]:
    """Words that the dictionary does not know: it takes them apart into syllables, of which some look like particles."""
    position = 0
    word: list[tuple[int, int, str]] = []
    for morpheme in morphemes:
        start = text.find(morpheme.surface, position)
        if start < 0:
            continue
        if word and start != word[-1][1]:
            yield from _unknown(word)
            word = []
        position = start + len(morpheme.surface)
        word.append((start, position, morpheme.feature.pos if HANGUL.search(morpheme.surface) else "S"))
    yield from _unknown(word)


def _unknown(word: list[tuple[int, int, str]]) -> Iterator[tuple[int, int]]:
    """The stem of a word between spaces, if it came apart into pieces most of which are one syllable long."""
    while word and word[0][2].startswith("S"):
        word.pop(0)
    end = next((place for place, part in enumerate(word) if part[2].startswith("S")), len(word))
    del word[end:]
    while word and word[-1][2].startswith(("J", "E", "VC", "XS", "VX")):
        word.pop()
    single = sum(stop - start == 1 for start, stop, _ in word)
    known = any(tag.startswith(("NNB", "NR", "MM")) for _, _, tag in word) or (bool(word) and word[0][2].startswith("V"))
    if len(word) >= UNKNOWN_PIECES_MIN and single >= UNKNOWN_SINGLE_MIN and not known:
        yield word[0][0], word[-1][1]


def _parts(word: str) -> list[str]:
    """The bigrams of a word as the search knows them."""
    return [BIGRAM_MARK + word[place : place + 2] for place in range(len(word) - 1)]


def _korean_term(surface: str, tag: str, parts: list[str], weights: Mapping[str, float]) -> Term | None:
    """A noun, verb or adverb; nothing for particles and endings. Tags are those of the Sejong corpus."""
    if tag.startswith(("NNG", "NNP", "XR")):
        if surface in STOPWORDS:
            return None
        weight = max((weights.get(part, 0.0) for part in (surface, *parts)), default=0.0) or _typical(weights)
        return Term(surface, weight * (LIGHT_SHARE if surface in LIGHT_NOUNS or len(surface) == 1 else 1.0))
    if tag.startswith(("VV", "VA")):
        stem = parts[0] if parts else surface
        if not stem or stem in STOPWORDS:
            return None
        weight = weights.get(stem, _typical(weights)) * (VERB_SHARE if len(stem) > 1 else LIGHT_SHARE)
        return Term(stem, weight, pattern=re.compile(_verb(stem)))
    if tag.startswith(("MAG", "NNB", "NR")) and surface not in STOPWORDS and len(surface) > 1:
        return Term(surface, weights.get(surface, 0.0) * LIGHT_SHARE)
    return None


def _verb(stem: str) -> str:
    """A verb in any of its forms: endings change the vowel and the final of the stem's last syllable, its first consonant stays."""
    if not "가" <= stem[-1] <= "힣":
        return re.escape(stem)
    place = ord(stem[-1]) - ord("가")
    if len(stem) > 1:
        first = ord("가") + place // 588 * 588
        return rf"{re.escape(stem[:-1])}[{chr(first)}-{chr(first + 587)}]"
    first = ord("가") + place // 28 * 28
    return rf"(?<![가-힣])[{chr(first)}-{chr(first + 27)}](?=[가-힣])"


def _near(reading: Reading) -> Iterator[tuple[int, int, Group]]:
    """Where the words of each group stand in a question."""
    korean = HANGUL.search(reading.text) is not None
    for group in synonym_groups():
        if korean:
            for form in group.korean:
                yield from ((place, place + len(form), group) for place in find_korean(reading.text, form))
        for word in group.words:
            yield from ((reading.starts[place], reading.starts[place] + 1, group) for place in reading.by_stem.get(word, ()))
        for phrase in group.phrases:
            for place in find_stems(reading, phrase):
                last = reading.starts.index(place) + len(phrase) - 1
                yield place, reading.starts[last] + 1, group


def _typical(weights: Mapping[str, float]) -> float:
    """For a word that the search took apart differently."""
    plain = [weight for term, weight in weights.items() if not term.startswith(BIGRAM_MARK)]
    return sum(plain) / len(plain) if plain else 1.0


def _tagger() -> MeCab:
    """This thread's tagger."""
    tagger: MeCab | None = getattr(_threads, "tagger", None)
    if tagger is None:
        from mecab import MeCab

        tagger = _threads.tagger = MeCab()
    return tagger

"""Text to index terms, for Korean, English and their mixture.

One field holds four kinds of terms:

- **morphemes** of Korean text (MeCab-ko): nouns, verb and adjective stems, roots, adverbs; particles and endings are dropped, compounds
  are split, so that `도메인을 이전하려면` meets `도메인 이전`;
- **bigrams** of Hangul runs, marked with `~`: they catch the names and new words that the dictionary does not know;
- **words** of alphabetic scripts: lower case, without accents, English stems (Snowball);
- **identifiers**, kept whole beside their parts: `ORA-01555`, `db.example.com`, `v1.28`, `camelCase`, `제12조`, `010-1234-5678`, `3,300`.

A question may match by any of them; how much each counts is `weight_of`. All rules are linear in the length of the text.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import threading
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mecab import MeCab
    from Stemmer import Stemmer

RULES_VERSION = 1
"""Raised by hand whenever `analyse` may answer differently for the same text."""

TERM_CHARACTERS_MAX = 64
"""A longer word is cut here; a longer identifier is represented by its parts only."""

TAGGED_CHARACTERS_MAX = 2_048
"""The tagger sees at most this much at once: its lattice grows with the length of the sentence."""

IDENTIFIER_PARTS_MAX = 32
"""An identifier with more parts (a data blob, a very long URL) is represented by its first parts."""

BIGRAM_MARK = "~"

BIGRAM_WEIGHT = 0.5
"""Bigrams repeat what the morphemes say, so they count half. KorQuAD R@1, k1 = 1.2: .905 (weight 1), .909 (0.7), .912 (0.5), .915 (0.4)."""

_HANGUL = "가-힣"
_HAN_KANA = "\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_JAMO = "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\ud7b0-\ud7ff"
_WORD = rf"[^\W_{_HANGUL}{_HAN_KANA}{_JAMO}]"

_RUNS = re.compile(
    rf"(?P<article>제\d{{1,5}}[조항호장절편](?:의\d{{1,3}})?)"
    rf"|(?P<amount>\d{{1,3}}(?:,\d{{3}}){{1,6}}(?![\d,]))"
    rf"|(?P<word>{_WORD}+(?:[._/:@+#&'’\-]{{1,3}}{_WORD}+|_{{1,3}}{_WORD}+)*(?:\+\+|\#)?)"
    rf"|(?P<hangul>[{_HANGUL}]+)"
    rf"|(?P<han>[{_HAN_KANA}]+)"
)
_SYLLABLE = re.compile(f"[{_HANGUL}]")

# The tagger reads UTF-8 up to the first NUL, and a lone surrogate has no UTF-8.
_UNTAGGABLE = re.compile("[\0\ud800-\udfff]")

_PARTS = re.compile(r"[^._/:@+#&'’\-]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^A-Za-z\d]+")
_APOSTROPHE = re.compile(r"['’](?:s(?![^\W_]))?")
_VERSION = re.compile(r"[vV]?(\d+\.\d+)((?:\.\d+)*)")
_DIGIT_GROUPS = re.compile(r"\+?\d+(?:-\d+)+")

# Sejong tags whose first letters say that the morpheme carries no topic: J particles, E endings, S symbols, X affixes except roots,
# VC and VX copulas and auxiliaries. Letters, digits and Hanja (SL, SN, SH) are read by the other rules.
_DROPPED_TAGS = ("J", "E", "S", "XS", "XP", "VC", "VX", "U")

_PUNCTUATION_TAGS = ("SF", "SE", "SS", "SC", "SY")

_END_OF_SENTENCE = "EOS"

_threads = threading.local()


def _analyser_id() -> str:
    """The digest of everything that decides what `analyse` answers."""
    parts = [f"rules={RULES_VERSION}", f"bigrams={BIGRAM_MARK}", f"term={TERM_CHARACTERS_MAX}", f"tagged={TAGGED_CHARACTERS_MAX}"]
    parts += [f"{name}={importlib.metadata.version(name)}" for name in ("python-mecab-ko", "python-mecab-ko-dic", "PyStemmer")]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16, person=b"ondol-analyser").hexdigest()


ANALYSER_ID = _analyser_id()
"""Changes whenever the rules or the dictionary do; an index version is bound to it."""


def analyse(text: str) -> list[str]:
    """The terms of a text in no meaningful order, with repetitions.

    Args:
        text: any Unicode text; it is normalised with NFKC first.

    Returns:
        Terms of at most `TERM_CHARACTERS_MAX` characters (one more for the mark of a bigram).
    """
    normal = _UNTAGGABLE.sub(" ", unicodedata.normalize("NFKC", text))
    terms: list[str] = []
    for run in _RUNS.finditer(normal):
        kind = run.lastgroup
        found = run.group()
        if kind == "hangul":
            terms += _bigrams(found)
        elif kind == "word":
            terms += _word_terms(found)
            terms += _number_with_unit(found, normal, run.end())
        elif kind == "amount":
            terms += _amount_terms(found)
            terms += _number_with_unit(found.replace(",", ""), normal, run.end())
        elif kind == "han":
            terms += _han_terms(found)
        else:
            terms += _article_terms(found)
    for piece in _pieces(normal):
        if _SYLLABLE.search(piece):
            terms += _morphemes(piece)
    return terms


def proper_nouns(text: str) -> list[str]:
    """The Korean proper nouns of a text in lower case, in order, as the dictionary tells them (tag NNP)."""
    normal = _UNTAGGABLE.sub(" ", unicodedata.normalize("NFKC", text))
    found = []
    for piece in _pieces(normal):
        if _SYLLABLE.search(piece):
            found += [morpheme.surface.lower() for morpheme in _tagger().parse(piece) if morpheme.feature.pos == "NNP"]
    return found


def morphemes_of(text: str) -> list[str]:
    """All morphemes of a text in order, in lower case: particles and endings too, words of other scripts and runs of digits whole, no punctuation.

    For comparing texts with each other, not for the index.
    """
    normal = _UNTAGGABLE.sub(" ", unicodedata.normalize("NFKC", text))
    found: list[str] = []
    for piece in _pieces(normal):
        if piece:
            found += [part.lower() for part, tag in _tagged_parts(piece) if not tag.startswith(_PUNCTUATION_TAGS)]
    return found


def surfaces_of(text: str) -> list[str]:
    """The text as MeCab cuts it, in order: nothing is left out, taken apart or changed but white space, lines included. For comparing texts."""
    found: list[str] = []
    for piece in _pieces(" ".join(_UNTAGGABLE.sub(" ", text).split())):
        found += [line.rpartition("\t")[0] for line in _tagged(piece).split("\n") if "\t" in line]
    return found


def weight_of(term: str) -> float:
    """How much a query term counts beside the others, in (0, 1]."""
    return BIGRAM_WEIGHT if term.startswith(BIGRAM_MARK) else 1.0


def _bigrams(run: str) -> list[str]:
    if len(run) == 1:
        return [BIGRAM_MARK + run]
    return [BIGRAM_MARK + run[start : start + 2] for start in range(len(run) - 1)]


def _han_terms(run: str) -> list[str]:
    """Chinese characters and kana are not segmented: pairs of neighbours stand for words, as in CJK analysers since the 1990s."""
    if len(run) == 1:
        return [run]
    return [run[start : start + 2] for start in range(len(run) - 1)]


def _amount_terms(found: str) -> list[str]:
    """`3,300` is 3300, and `80,443` may also be two ports: with a single comma both readings are kept."""
    groups = found.split(",")
    return ["".join(groups), *(groups if len(groups) == 2 else ())]


def _article_terms(found: str) -> list[str]:
    """`제12조의2` is itself, its article `제12조`, and its number."""
    whole, _, branch = found.partition("의")
    digits = whole[1:-1]
    return [whole, digits, *((found,) if branch else ())]


def _number_with_unit(number: str, text: str, end: int) -> tuple[str, ...]:
    """`1998년`, `30일`, `12조`: a number says more with the syllable that follows it."""
    if number.isdigit() and len(number) < TERM_CHARACTERS_MAX and _SYLLABLE.match(text, end):
        return (number + text[end],)
    return ()


def _word_terms(found: str) -> Iterator[str]:
    """A word, or an identifier whole and in parts."""
    plain = _APOSTROPHE.sub("", found)
    parts = _PARTS.findall(plain.replace("_", "-"))[:IDENTIFIER_PARTS_MAX]
    if len(parts) == 1:
        yield from _single_word(parts[0])
        if plain != parts[0] and len(plain) <= TERM_CHARACTERS_MAX:  # C++, C#
            yield _folded(plain)
        return
    if len(plain) <= TERM_CHARACTERS_MAX:
        yield _folded(plain)
    if _DIGIT_GROUPS.fullmatch(plain):
        yield plain.replace("-", "").lstrip("+")[:TERM_CHARACTERS_MAX]
    version = _VERSION.fullmatch(plain)
    if version:
        yield from _version_prefixes(plain, version)
        return
    for part in parts:
        yield from _single_word(part)


def _version_prefixes(plain: str, version: re.Match[str]) -> Iterator[str]:
    """`v1.28.3` is also 1.28.3 and 1.28; the four numbers of an IP address stay together."""
    without_mark = plain.removeprefix("v").removeprefix("V")
    if without_mark != plain:
        yield without_mark[:TERM_CHARACTERS_MAX]
    if version[2].count(".") == 1:
        yield version[1][:TERM_CHARACTERS_MAX]


def _single_word(word: str) -> Iterator[str]:
    """A word without joiners: its stem, and the parts of camelCase."""
    word = word[:TERM_CHARACTERS_MAX]
    folded = _folded(word)
    yield _stem(folded)
    if word.isascii() and not (word.islower() or word.isdigit()):
        humps = _CAMEL.findall(word)
        if len(humps) > 1:
            yield from (_stem(hump.lower()) for hump in humps)


def _folded(word: str) -> str:
    """Lower case without accents; what has no accents to lose (ASCII) takes the short way."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.lower())
    return "".join(mark for mark in decomposed if not unicodedata.combining(mark))[:TERM_CHARACTERS_MAX]


def _stem(word: str) -> str:
    """The English stem; words with digits or other scripts stay as they are."""
    return _stemmer().stemWord(word) if word.isascii() and word.isalpha() else word


def _pieces(text: str) -> Iterator[str]:
    """The text for the tagger: lines, and long lines cut at a space where there is one."""
    for line in text.splitlines():
        start = 0
        while len(line) - start > TAGGED_CHARACTERS_MAX:
            cut = line.rfind(" ", start + TAGGED_CHARACTERS_MAX // 2, start + TAGGED_CHARACTERS_MAX)
            end = cut if cut > 0 else start + TAGGED_CHARACTERS_MAX
            yield line[start:end]
            start = end
        yield line[start:]


def _morphemes(piece: str) -> Iterator[str]:
    """The morphemes of one line that carry a topic.

    The tagger's own text is read, a line for each morpheme, rather than an object for each: that halves the time of taking documents in.
    """
    for part, tag in _tagged_parts(piece):
        if not tag.startswith(_DROPPED_TAGS):
            yield part[:TERM_CHARACTERS_MAX].lower()


def _tagged_parts(piece: str) -> Iterator[tuple[str, str]]:
    """The morphemes of one line with their tags."""
    for line in _tagged(piece).split("\n"):
        surface, _, feature = line.rpartition("\t")
        if not feature or line == _END_OF_SENTENCE:
            continue
        tag, _, _, _, kind, _, _, expression = feature.split(",")
        if kind == "*" or expression == "*":
            yield surface, tag
        else:
            yield from _parts_of(expression)


def _parts_of(expression: str) -> Iterator[tuple[str, str]]:
    """Inflected and compound entries of the dictionary come apart: `쓸` is 쓰/VV + ㄹ/ETM, `특별시` is 특별 + 시."""
    for part in expression.split("+"):
        surface, _, rest = part.partition("/")
        yield surface, rest.partition("/")[0]


def _tagged(piece: str) -> str:
    """A line for each morpheme, its surface and its features parted by a tab, and a last one.

    Raises:
        MeCabError: when the tagger gives up.
    """
    from mecab import MeCabError
    from mecab.utils import create_lattice

    tagger = _tagger()._tagger
    lattice = create_lattice(piece)
    if not tagger.parse(lattice):
        raise MeCabError(tagger.what())
    tagged: str = lattice.to_string()
    return tagged


def _tagger() -> MeCab:
    """This thread's tagger: made in about 10 ms, its dictionary is mapped and so shared with the others."""
    tagger: MeCab | None = getattr(_threads, "tagger", None)
    if tagger is None:
        from mecab import MeCab

        tagger = _threads.tagger = MeCab()
    return tagger


def _stemmer() -> Stemmer:
    """This thread's stemmer: the object is not safe to share."""
    stemmer: Stemmer | None = getattr(_threads, "stemmer", None)
    if stemmer is None:
        from Stemmer import Stemmer

        stemmer = _threads.stemmer = Stemmer("english")
    return stemmer

"""Finding words in text in lower case: Korean ones by their beginnings, English ones by their stems."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from Stemmer import Stemmer

HANGUL = re.compile("[가-힣]")
_ENGLISH_WORD = re.compile(r"(?<![a-z0-9])[a-z0-9]+")
_PARTICLE = re.compile(r"\Z|[^가-힣]|은|는|이|가|을|를|에|의|도|로|만|과|와|까지|부터|마다|당|씩|보다")
_threads = threading.local()


@dataclass(frozen=True, slots=True)
class Reading:
    """A text prepared for being looked through.

    Attributes:
        text: in lower case.
        stems: of its English words and numbers, in order.
        starts: where each of them begins, in characters.
        by_stem: the places of each stem in `stems`.
    """

    text: str
    stems: Sequence[str]
    starts: Sequence[int]
    by_stem: dict[str, list[int]]


def read(text: str) -> Reading:
    """Prepare a text; offsets stay those of the text as given."""
    lowered = lower(text)
    matches = list(_ENGLISH_WORD.finditer(lowered))
    stems = stem_words([match[0] for match in matches])
    by_stem: dict[str, list[int]] = {}
    for place, stem in enumerate(stems):
        by_stem.setdefault(stem, []).append(place)
    return Reading(lowered, stems, [match.start() for match in matches], by_stem)


def lower(text: str) -> str:
    """Lower case with the same offsets: a letter that would become two stays."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(char.lower() if len(char.lower()) == 1 else char for char in text)


def find_korean(text: str, form: str) -> Iterator[int]:
    """Where a Korean noun or the beginning of a word stands. A single syllable must be a word of its own: else it is part of another."""
    place = text.find(form)
    while place >= 0:
        if len(form) > 1 or (not (place and HANGUL.match(text[place - 1])) and _PARTICLE.match(text, place + 1)):
            yield place
        place = text.find(form, place + 1)


def find_stems(reading: Reading, stems: Sequence[str]) -> Iterator[int]:
    """Where English words follow each other."""
    for place in reading.by_stem.get(stems[0], ()):
        if tuple(reading.stems[place : place + len(stems)]) == tuple(stems):
            yield reading.starts[place]


def stem_word(word: str) -> str:
    """The English stem of a word in lower case."""
    return stem_words([word])[0]


def stem_words(words: list[str]) -> list[str]:
    """The English stems of words in lower case."""
    stemmer: Stemmer | None = getattr(_threads, "stemmer", None)
    if stemmer is None:
        from Stemmer import Stemmer

        stemmer = _threads.stemmer = Stemmer("english")
    stems: list[str] = stemmer.stemWords(words)
    return stems

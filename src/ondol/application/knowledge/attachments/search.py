"""Search over the files of a conversation: exact, over all of their passages, by the formula and the analyser of bases.

How often a term stands in the base that is asked beside them tells how much it weighs, where the base knows it: a conversation's few passages cannot
tell a common word from a rare one, and scores of both can be compared. Asked alone, the files weigh their terms themselves.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy
from numpy.typing import NDArray

from ondol.application.knowledge.attachments.store import Attachment
from ondol.application.knowledge.attachments.terms import CUT, PassageTerms, read_terms
from ondol.application.knowledge.index import Hit, bm25_scores, idf, query_words, term_hash
from ondol.application.knowledge.index.analyser import weight_of
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.search import Evidence
from ondol.application.knowledge.types import Passage
from ondol.core.errors import KeyDestroyed, NotFound
from ondol.infrastructure.storage.lance import FREQUENCY_MAX, Postings

BEGINNINGS_MAX = 6
"""So many first passages of files come last though they hold no word of the question: who asks what a file says shares none with it."""


@dataclass(frozen=True, slots=True)
class FoundAttached:
    """What of the files was found.

    Attributes:
        evidence: best first.
        beginnings: of the files, as far as they are not among these; their score is 0.
        term_weights: each term of the question and its weight.
    """

    evidence: tuple[Evidence, ...] = ()
    beginnings: tuple[Evidence, ...] = ()
    term_weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file with its text, and where its passages stand among those of all files."""

    file: Attachment
    text: str
    passages: tuple[Passage, ...]
    first: int

    def evidence(self, ordinal: int, score: float, matched: tuple[int, ...], coverage: float) -> Evidence:
        """One of its passages as what an answer rests on."""
        passage = self.passages[ordinal]
        place = (self.file.id, ordinal, self.file.id, self.file.person_id, ordinal, passage.start, passage.end)
        hit = Hit(*place, score=score, matched_terms=matched, coverage=coverage)
        text = self.text[passage.start : passage.end]
        return Evidence(hit, self.file.version, text, passage.heading_path, passage.page, CUT.cut, attached=True)


async def search_files(
    room: Knowledge,
    tenant_id: uuid.UUID,
    files: Sequence[Attachment],
    question: str,
    *,
    limit: int,
    terms: Mapping[str, float] | None = None,
    weights: Mapping[str, float] | None = None,
) -> FoundAttached:
    """The best passages of files that the person was just found to have; one that is removed meanwhile is left out.

    Args:
        limit: how many passages at most, without the beginnings.
        terms: what to look for, with weights; by default the terms of the question.
        weights: of terms, as the base that is asked too weighs them.
    """
    if not files:
        return FoundAttached()
    words = terms or {term: weight_of(term) for term in query_words(question)}
    return await asyncio.to_thread(_searched, room, tenant_id, files, words, weights or {}, limit)


def _searched(
    room: Knowledge, tenant_id: uuid.UUID, files: Sequence[Attachment], words: Mapping[str, float], weights: Mapping[str, float], limit: int
) -> FoundAttached:
    opened, held = _open(room, tenant_id, files)
    if not opened:
        return FoundAttached()
    lengths = numpy.concatenate([terms.lengths for terms in held])
    key = room.tenant_key(tenant_id, "terms")
    lists = [_postings(opened, held, term_hash(word, key)) for word in words]
    weighed = [
        weights.get(word) or weight * idf(len(lengths), len(found.ordinals)) for (word, weight), found in zip(words.items(), lists, strict=True)
    ]
    scores = bm25_scores(lists, lengths, weighed, float(lengths.mean()) or 1.0)
    order = sorted((int(place) for place in numpy.flatnonzero(scores)), key=lambda place: (-scores[place], place))[:limit]
    total = math.fsum(weighed) or 1.0
    evidence = []
    for place in order:
        matched = tuple(position for position, found in enumerate(lists) if place in found.ordinals)
        coverage = math.fsum(weighed[position] for position in matched) / total
        evidence.append(_at(opened, place, float(scores[place]), matched, coverage))
    known = set(order)
    firsts = sorted((ordinal, one.first) for one in opened for ordinal in range(min(BEGINNINGS_MAX, len(one.passages))))[:BEGINNINGS_MAX]
    beginnings = tuple(_at(opened, first + ordinal, 0.0, (), 0.0) for ordinal, first in firsts if first + ordinal not in known)
    return FoundAttached(tuple(evidence), beginnings, dict(zip(words, weighed, strict=True)))


def _open(room: Knowledge, tenant_id: uuid.UUID, files: Sequence[Attachment]) -> tuple[list[_Opened], list[PassageTerms]]:
    opened: list[_Opened] = []
    held: list[PassageTerms] = []
    first = 0
    for file in files:
        try:
            terms = read_terms(room, tenant_id, file.id, file.title)
            content = room.texts.get(tenant_id, file.id, file.id, CUT.cut)
        except (KeyDestroyed, NotFound):
            continue
        opened.append(_Opened(file, content.text, content.passages, first))
        held.append(terms)
        first += len(content.passages)
    return opened, held


def _postings(opened: Sequence[_Opened], held: Sequence[PassageTerms], wanted: int) -> Postings:
    """Where a term stands in all files together."""
    places: list[NDArray[numpy.uint32]] = [numpy.zeros(0, numpy.uint32)]
    counts: list[NDArray[numpy.uint32]] = [numpy.zeros(0, numpy.uint32)]
    for one, terms in zip(opened, held, strict=True):
        start, end = numpy.searchsorted(terms.hashes, wanted, "left"), numpy.searchsorted(terms.hashes, wanted, "right")
        places.append(terms.ordinals[start:end] + numpy.uint32(one.first))
        counts.append(terms.frequencies[start:end])
    return Postings(numpy.concatenate(places), numpy.minimum(numpy.concatenate(counts), FREQUENCY_MAX).astype(numpy.uint16))


def _at(opened: Sequence[_Opened], place: int, score: float, matched: tuple[int, ...], coverage: float) -> Evidence:
    one = next(each for each in reversed(opened) if each.first <= place)
    return one.evidence(place - one.first, score, matched, coverage)

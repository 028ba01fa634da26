"""The built-in model: it answers with sentences of the passages that were found, or not at all. No weights, no network.

A sentence scores by the share of the question's weight that its own terms match, plus a part of what its heading, title and neighbours
match, times the rank of its passage; questions that ask for a figure prefer sentences with figures. Weights are the inverse document
frequencies over what the caller may read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ondol.application.assistant.types import Cited, Draft
from ondol.application.knowledge.index import analyse
from ondol.application.knowledge.search import Evidence
from ondol.application.knowledge.sentences import split_sentences

COVERAGE_MIN = 0.5
"""The share of the question's weight that the best passage must match; below it the documents are taken not to hold the answer."""
SENTENCE_COVERAGE_MIN = 0.2
CONTEXT_SHARE = 0.45
"""What a term counts that only the sentence's surroundings match."""
FIGURE_BONUS = 1.25
RANK_DECAY = 0.9
SENTENCES_MAX = 3
SECOND_SHARE_MIN = 0.75
"""A further sentence must score this share of the best one, and match something that is not matched yet."""
SENTENCE_CHARACTERS_MAX = 600

_FIGURE_QUESTIONS = re.compile(
    r"얼마|며칠|몇|언제|기간|요금|가격|비용|한도|용량|포트|까지|how (?:much|many|long|often|soon|large|big|old|fast)|when\b|price|cost|fee|limit|port\b|number of",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class _Candidate:
    source: int
    start: int
    end: int
    text: str
    matched: frozenset[str]
    score: float


def extract(question: str, evidence: Sequence[Evidence], weights: Mapping[str, float]) -> Draft:
    """Choose the sentences that answer a question.

    Args:
        evidence: passages, best first.
        weights: weight of each term of the question, those that no document holds included.

    Returns:
        At most `SENTENCES_MAX` sentences in reading order of their sources; none when the evidence does not cover the question.
    """
    total = sum(weights.values())
    if not evidence or total <= 0:
        return Draft()
    candidates = [candidate for source, found in enumerate(evidence) for candidate in _candidates(source, found, weights, total, question)]
    if not candidates:
        return Draft()
    coverage = max(_coverage(found, weights, total) for found in evidence)
    best = max(candidates, key=lambda candidate: candidate.score)
    if coverage < COVERAGE_MIN or sum(weights[term] for term in best.matched) / total < SENTENCE_COVERAGE_MIN:
        return Draft(score=coverage)
    chosen = _choose(best, candidates, weights)
    sentences = tuple(Cited(item.text, item.source, item.start, item.end) for item in chosen)
    return Draft(sentences, coverage)


def _coverage(found: Evidence, weights: Mapping[str, float], total: float) -> float:
    terms = set(analyse(found.text)) | _context_terms(found)
    return sum(weight for term, weight in weights.items() if term in terms) / total


def _context_terms(found: Evidence) -> set[str]:
    return set(analyse("\n".join([found.version.details.title, *found.headings])))


def _candidates(source: int, found: Evidence, weights: Mapping[str, float], total: float, question: str) -> Iterator[_Candidate]:
    context = _context_terms(found) & weights.keys()
    passage = set(analyse(found.text)) & weights.keys()
    asks_figure = _FIGURE_QUESTIONS.search(question) is not None
    headings = {found.version.details.title.strip(), *(heading.strip() for heading in found.headings)}
    for start, end in split_sentences(found.text):
        text = found.text[start:end].strip()
        if not text or text in headings or len(text) > SENTENCE_CHARACTERS_MAX:
            continue
        matched = frozenset(analyse(text)) & weights.keys()
        near = (context | passage) - matched
        score = (sum(weights[term] for term in matched) + CONTEXT_SHARE * sum(weights[term] for term in near)) / total
        if asks_figure and _FIGURE.search(text):
            score *= FIGURE_BONUS
        yield _Candidate(source, start, end, text, matched, score * RANK_DECAY**source)


def _choose(best: _Candidate, candidates: Sequence[_Candidate], weights: Mapping[str, float]) -> list[_Candidate]:
    chosen = [best]
    covered = set(best.matched)
    for candidate in sorted(candidates, key=lambda item: -item.score):
        if len(chosen) == SENTENCES_MAX or candidate.score < best.score * SECOND_SHARE_MIN:
            break
        adds = sum(weights[term] for term in candidate.matched - covered)
        if candidate is not best and adds > 0 and all(candidate.text != item.text for item in chosen):
            chosen.append(candidate)
            covered |= candidate.matched
    return sorted(chosen, key=lambda item: (item.source != best.source, item.source, item.start))

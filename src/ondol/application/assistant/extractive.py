"""The built-in model: it answers with sentences of the passages that were found, or not at all. No weights to download, no network.

Three steps, each a weighted sum of named figures that `measure` takes: how well every quotable unit fits the question, whether the best of
them answers it at all (a logistic model), and what is quoted beside it. The coefficients were fitted on the golden questions of the demo
tenant with their refusals, 400 questions of KorQuAD, and questions put to documents about something else. Fitted on one half of the golden
questions they answer the other half nearly as well as when fitted on all (67 % and 69 %), but `lexicon` and `figures` were written by people
who had read them all, so take neither as what to expect of other questions. What is missing is words, not better coefficients: a question
that shares none with its answer, nor a synonym, is not answered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from operator import mul

from ondol.application.assistant.definition import opening_of, subject_of
from ondol.application.assistant.measure import FIGURES, Candidate, measure
from ondol.application.assistant.question import Asked, understand
from ondol.application.assistant.types import Cited, Draft
from ondol.application.knowledge.search import Evidence

SENTENCES_MAX = 3
"""A list or table that is short enough to be quoted whole counts as one."""

ANSWERED_MIN = 0.55
"""The model's probability that the best unit answers the question; below it the documents are taken not to hold the answer.

Of the golden questions that it was fitted on, answered rightly, and unanswerable ones refused: 72 % and 63 % (at 0.3), 71 % and 76 % (0.4),
69 % and 89 % (0.55), 69 % and 92 % (0.6).
"""

GAPS_MAX = (2.0, 1.0)
"""How far below the best a second and a third sentence may score."""
SAME_SECTION_BONUS = 1.0
NEW_WORDS_BONUS = 1.0
"""What a further sentence gains for standing in the same section, and for the share of the question that it alone meets."""

FIT: Mapping[str, float] = {
    "own": 1.96,
    "beside": 0.24,
    "heading": 0.17,
    "title": 0.67,
    "section": -0.5,
    "passage": -0.26,
    "rank": 1.3,
    "first_rank": 1.31,
    "kinds": 1.62,
    "no_kind": -1.6,
    "verdict": 0.46,
    "language": 0.19,
    "row": -0.46,
    "item": -0.22,
    "list": 0.42,
    "length": 0.45,
    "dense": 1.99,
    "best_term": 0.54,
    "focus": 1.73,
}
"""Coefficients of a unit's score: fitted by listwise softmax regression."""

ANSWERS: Mapping[str, float] = {
    "own": 1.76,
    "best_around": 4.35,
    "unknown": -1.96,
    "verdict": 0.58,
    "score": 0.37,
    "dense": 1.82,
    "terms": 2.62,
    "focus": 1.73,
    "title": 1.49,
    "constant": -7.17,
}
"""Coefficients of the log-odds that the best unit answers the question."""

TERMS_TYPICAL_MAX = 10

DEFINITION_BONUS = 4.0
"""What a unit gains that begins with the thing whose nature is asked for. Set by hand: the golden questions hardly ask for definitions."""


_LEANS = re.compile(
    r"(?:이 경우|그 경우|이때|그때|이는|이것|그것|이를|그러면|다만|단,|그러나|하지만|또한|또는|그 뒤|그 후|이후|그래서|따라서"
    r"|(?:in (?:that|this) case|this|that|these|those|it|they|then|otherwise|however|but|so|after that|therefore)\b)"
)
"""How a sentence in lower case begins that means nothing without the one before."""


def extract(question: str, evidence: Sequence[Evidence], weights: Mapping[str, float]) -> Draft:
    """Choose the sentences that answer a question.

    Args:
        evidence: passages, best first.
        weights: weight of each term of the question, those that no document holds included.

    Returns:
        At most `SENTENCES_MAX` quotes, those of the best passage first, in reading order within a passage; none when the evidence does not
        hold the answer. The score is the probability that it does.
    """
    if not evidence or not weights:
        return Draft()
    asked = understand(question, weights)
    candidates = measure(asked, evidence)
    if not candidates or not any(asked.shares):
        return Draft()
    scores = [sum(map(mul, FIT.values(), candidate.figures)) for candidate in candidates]
    subject = subject_of(question)
    if subject is not None:
        opening = opening_of(subject)
        scores = [score + DEFINITION_BONUS * bool(opening.match(item.text)) for score, item in zip(scores, candidates, strict=True)]
    best = max(range(len(candidates)), key=lambda place: (scores[place], -place))
    probability = _probability(asked, candidates, best, scores[best])
    if probability < ANSWERED_MIN:
        return Draft(score=probability)
    chosen = _choose(asked, candidates, scores, best)
    first = candidates[best].source
    chosen.sort(key=lambda item: (item.source != first, item.source, item.unit.start))
    return Draft(tuple(Cited(item.text, item.source, item.unit.start, item.unit.end) for item in chosen), probability)


def answer_figures(asked: Asked, candidates: Sequence[Candidate], best: int, score: float) -> dict[str, float]:
    """What decides whether to answer, by the names of `ANSWERS`."""
    figures = dict(zip(FIGURES, candidates[best].figures, strict=True))
    anywhere = [max(values) for values in zip(*(candidate.passage for candidate in candidates), strict=True)]
    return {
        "own": figures["own"],
        "best_around": max(sum(map(mul, asked.shares, candidate.around)) for candidate in candidates),
        "unknown": sum(share for share, value in zip(asked.shares, anywhere, strict=True) if value == 0),
        "verdict": figures["verdict"],
        "score": score,
        "dense": figures["dense"],
        "terms": min(len(asked.terms), TERMS_TYPICAL_MAX) / TERMS_TYPICAL_MAX,
        "focus": figures["focus"],
        "title": figures["title"] + figures["heading"],
        "constant": 1.0,
    }


def _probability(asked: Asked, candidates: Sequence[Candidate], best: int, score: float) -> float:
    figures = answer_figures(asked, candidates, best, score)
    return 1 / (1 + math.exp(-sum(coefficient * figures[name] for name, coefficient in ANSWERS.items())))


def _choose(asked: Asked, candidates: Sequence[Candidate], scores: Sequence[float], best: int) -> list[Candidate]:
    """The best unit, what it leans on, and further ones that are nearly as good."""
    first = candidates[best]
    chosen = [first]
    leaning = _leans_on(first, candidates)
    if leaning is not None:
        chosen.append(leaning)
    while len(chosen) < SENTENCES_MAX:
        met = [max(values) for values in zip(*(item.met for item in chosen), strict=True)]
        gains = [
            (_gain(asked, item, first, met) + score - scores[best], -place)
            for place, (item, score) in enumerate(zip(candidates, scores, strict=True))
            if not any(_repeats(item, other) for other in chosen)
        ]
        gain, place = max(gains, default=(-math.inf, 0))
        if gain < -GAPS_MAX[min(len(chosen), len(GAPS_MAX)) - 1]:
            break
        chosen.append(candidates[-place])
    return chosen


def _gain(asked: Asked, item: Candidate, first: Candidate, met: Sequence[float]) -> float:
    new = sum(share * max(0.0, value - known) for share, value, known in zip(asked.shares, item.met, met, strict=True))
    same_section = item.source == first.source and item.unit.section == first.unit.section
    return SAME_SECTION_BONUS * same_section + NEW_WORDS_BONUS * new


def _repeats(item: Candidate, other: Candidate) -> bool:
    overlaps = item.source == other.source and item.unit.start < other.unit.end and other.unit.start < item.unit.end
    return overlaps or item.text == other.text


def _leans_on(item: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
    """The sentence before one that begins with a pronoun or "in that case", without which it means nothing."""
    if item.unit.kind != "sentence" or not _LEANS.match(item.text.lower()):
        return None
    before = [
        other
        for other in candidates
        if other.source == item.source
        and other.unit.section == item.unit.section
        and other.unit.kind == "sentence"
        and other.unit.end <= item.unit.start
    ]
    return before[-1] if before else None

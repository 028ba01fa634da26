"""The built-in model: it answers with sentences of the passages that were found, or not at all. No weights to download, no network.

Three steps, each a weighted sum of named figures that `measure` takes: how well every quotable unit fits the question, whether the best of
them answers it at all (a logistic model), and what is quoted beside it. `scripts/fit_extractive.py` fits the coefficients on the golden
questions of the demo tenant with their refusals, the ordinary questions of `benchmarks/answers/questions.toml` with theirs, 600 questions of
KorQuAD, and questions put to documents about something else. Fitted without a quarter of the golden and ordinary questions they answer that
quarter nearly as well as when fitted on all: golden 71 % and 72 %, ordinary 91 % and 91 %. The coefficients of lists, limits and steps came
later and were fitted with all others left as they were (`--only`): golden 72 % and 72 %, ordinary 93 % and 94 %. But `lexicon`, `figures`,
`forms`, `listing` and `doing` were written by people who had read those questions, and the constants below were chosen on them, so take none
of it as what to expect of others. What is missing is words, not better coefficients: a question that shares none with its answer, nor a
synonym, is not answered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import mul
from typing import Any

from ondol.application.assistant.measure import FIGURES, Candidate, measure
from ondol.application.assistant.question import Asked, understand
from ondol.application.assistant.types import Cited, Draft
from ondol.application.knowledge.search import Evidence
from ondol.core.errors import RequestError

SENTENCES_MAX = 3
"""A list or table that is short enough to be quoted whole counts as one."""

LISTED_CHARACTERS_MAX = 400
LISTED_QUOTES_MAX = 8
"""A list that was asked for is quoted whole up to this length; of a longer one the first sentence of each item, so many at most."""

ANSWERED_MIN = 0.42
"""The model's probability that the best unit answers the question; below it the documents are taken not to hold the answer.

Of the golden questions that it was fitted on, answered rightly, and unanswerable ones refused: 74 % and 79 % (at 0.3), 74 % and 84 % (0.36),
72 % and 92 % (0.42), 71 % and 92 % (0.5), 68 % and 92 % (0.6).
An assistant may set another as `refuse_below`.
"""

GAPS_MAX = (3.0, 2.5)
"""How far below the best a second and a third sentence may score."""
SAME_SECTION_BONUS = 1.5
NEW_WORDS_BONUS = 1.5
"""What a further sentence gains for standing in the same section, and for the share of the question that it alone meets."""
SAME_DOCUMENT_BONUS = 1.5
"""What it gains for standing in the document of the best one."""
OTHER_BEHIND_MAX = 0.8
OTHER_NEW_BEHIND_MAX = 2.2
OTHER_NEW_MIN = 0.15
"""How far behind the best a sentence of another document may score: further if it alone meets so much of the question.

With this 84 % of the passages that answers to the golden questions cite bear the answer, and 90 % of those for KorQuAD; where any document could
be quoted alike it was 75 % and 83 %, and no more answers were right.
"""

FIT: Mapping[str, float] = {
    "own": 3.34,
    "beside": 2.32,
    "heading": 0.72,
    "title": 4.16,
    "section": -0.22,
    "passage": -0.28,
    "rank": 3.32,
    "first_rank": 0.69,
    "kinds": 1.77,
    "no_kind": -2.11,
    "verdict": 0.57,
    "language": 1.71,
    "row": -0.34,
    "item": -0.29,
    "list": 1.22,
    "length": 0.32,
    "dense": 2.53,
    "best_term": -0.53,
    "focus": 2.53,
    "opening": 3.58,
    "named": 2.78,
    "begins": 1.1,
    "shape": 1.88,
    "condition": 2.09,
    "pairs": 0.65,
    "fragment": -1.0,
    "topic": 0.61,
    "lists": 3.12,
    "headed": 3.24,
    "bounds": 2.97,
    "step": 2.24,
}
"""Coefficients of a unit's score: fitted by listwise softmax regression."""

ANSWERS: Mapping[str, float] = {
    "own": 1.11,
    "best_around": 3.63,
    "unknown": -1.93,
    "verdict": 0.27,
    "score": 0.42,
    "dense": 1.64,
    "terms": 3.15,
    "focus": 0.41,
    "title": 0.72,
    "constant": -9.28,
}
"""Coefficients of the log-odds that the best unit answers the question."""

TERMS_TYPICAL_MAX = 10
COMPARED_BONUS = 4.0
COMPARED_MIN = 0.4
"""What a sentence about one of the things compared gains for saying what that is, and how well it must say so."""

_SHAPE = FIGURES.index("shape")
_LEANS = re.compile(
    r"(?:이 경우|그 경우|이때|그때|이는|이것|그것|이를|그러면|(?:in (?:that|this) case|this|that|these|those|it|they|then|after that)\b)"
)
"""How a sentence in lower case begins that means nothing without the one before. What merely goes on (however, moreover) means something alone."""


def answered_min_of(told: Any) -> float:
    """Read an assistant's setting `refuse_below`: a probability, of which thousandths count; `ANSWERED_MIN` where it is not set.

    Raises:
        RequestError: when it says anything else.
    """
    if told is None:
        return ANSWERED_MIN
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 <= told <= 1:
        raise RequestError(
            f"`refuse_below` of an assistant is a number from 0 to 1; what is shipped is {ANSWERED_MIN}.",
            "Mend the assistant's settings.",
            code="invalid_setting",
            param="refuse_below",
        )
    return round(float(told), 3)


def extract(question: str, evidence: Sequence[Evidence], weights: Mapping[str, float], *, answered_min: float = ANSWERED_MIN) -> Draft:
    """Choose the sentences that answer a question.

    Args:
        evidence: passages, best first.
        weights: weight of each term of the question, those that no document holds included.
        answered_min: below this probability nothing is chosen.

    Returns:
        At most `SENTENCES_MAX` quotes, the best first, then in reading order, those of its passage before others; none when the evidence does
        not hold the answer. The score is the probability that it does.
    """
    if not evidence or not weights:
        return Draft()
    asked = understand(question, weights)
    candidates = measure(asked, evidence)
    if not candidates or not any(asked.shares):
        return Draft()
    scores = scores_of(candidates)
    best = max(range(len(candidates)), key=lambda place: (scores[place], -place))
    probability = probability_of(asked, candidates, best, scores[best])
    if probability < answered_min:
        return Draft(score=probability)
    chosen = _in_order(choose(asked, candidates, scores, best), candidates[best], candidates)
    return Draft(tuple(Cited(item.text, item.source, item.unit.start, item.unit.end) for item in chosen), probability)


def _in_order(chosen: Sequence[Candidate], best: Candidate, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best unit first, behind the sentence that it leans on; then those of its passage and of others, in reading order. A list stays one."""
    leading = [best, _leans_on(best, candidates)] if not best.unit.members else []
    return sorted(chosen, key=lambda item: (item not in leading, item.source != best.source, item.source, item.unit.start))


def answer_figures(asked: Asked, candidates: Sequence[Candidate], best: int, score: float) -> dict[str, float]:
    """What decides whether to answer, by the names of `ANSWERS`."""
    figures = dict(zip(FIGURES, candidates[best].figures, strict=True))
    anywhere = [max(values) for values in zip(*(candidate.passage for candidate in candidates), strict=True)]
    return {
        "own": _met_by_each(asked, candidates) if asked.form.compares else figures["own"],
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


def scores_of(candidates: Sequence[Candidate], fit: Mapping[str, float] = FIT) -> list[float]:
    """How well every unit fits the question."""
    return [sum(map(mul, fit.values(), candidate.figures)) for candidate in candidates]


def probability_of(asked: Asked, candidates: Sequence[Candidate], best: int, score: float, answers: Mapping[str, float] = ANSWERS) -> float:
    """That the best unit answers the question."""
    figures = answer_figures(asked, candidates, best, score)
    return 1 / (1 + math.exp(-sum(coefficient * figures[name] for name, coefficient in answers.items())))


def choose(asked: Asked, candidates: Sequence[Candidate], scores: Sequence[float], best: int) -> list[Candidate]:
    """The best unit, what it leans on, and further ones that are nearly as good."""
    first = candidates[best]
    if first.unit.members:
        return _whole_list(first, candidates)
    if asked.form.compares and not _compares(asked, first):
        each = _of_each(asked, candidates, scores)
        if each:
            return each
    chosen = [first]
    leaning = _leans_on(first, candidates)
    if leaning is not None:
        chosen.append(leaning)
    for item in _of_each(asked, candidates, scores) if asked.form.compares else ():
        if len(chosen) < SENTENCES_MAX and not any(_repeats(item, other) for other in chosen):
            chosen.append(item)
    chosen += _manner_beside(asked, candidates, scores, best)
    while len(chosen) < SENTENCES_MAX:
        met = [max(values) for values in zip(*(item.met for item in chosen), strict=True)]
        gains = [
            (_gain(asked, item, first, met, scores[best] - score) + score - scores[best], -place)
            for place, (item, score) in enumerate(zip(candidates, scores, strict=True))
            if not any(_repeats(item, other) or _is_other_way(item, other) for other in chosen)
        ]
        gain, place = max(gains, default=(-math.inf, 0))
        if gain < -GAPS_MAX[min(len(chosen), len(GAPS_MAX)) - 1]:
            break
        chosen.append(candidates[-place])
    return chosen


def _whole_list(first: Candidate, candidates: Sequence[Candidate]) -> list[Candidate]:
    """A list with what of it stands in the passages before and after: whole, if it is short, or else the first sentence of each item."""
    lists = [item for item in candidates if item.unit.members and item.passage_of == first.passage_of]
    run = [first]
    for step in (1, -1):
        ordinal = first.ordinal
        while (more := next((item for item in lists if item.ordinal == ordinal + step), None)) is not None:
            run.append(more)
            ordinal += step
    chosen: list[Candidate] = []
    for item in run:
        pieces = [(item.unit.start, item.unit.end)] if len(item.text) <= LISTED_CHARACTERS_MAX else item.unit.members
        if len(chosen) + len(pieces) > LISTED_QUOTES_MAX:
            break
        chosen += [replace(item, unit=replace(item.unit, start=start, end=end), text=item.text[start - item.unit.start : end - item.unit.start])
                   for start, end in pieces]  # fmt: skip
    return chosen or [first]


def _met_by_each(asked: Asked, candidates: Sequence[Candidate]) -> float:
    """The share of a comparison's weight that is met by the sentences that say best what each of its things is."""
    each = [max(candidates, key=lambda item: item.openings[number]) for number in range(len(asked.form.subjects))]
    met = [max(values) for values in zip(*(item.met for item in each), strict=True)]
    return math.fsum(map(mul, asked.shares, met))


def _compares(asked: Asked, item: Candidate) -> bool:
    """Whether a sentence sets the things against each other that are asked about."""
    text = item.text.lower()
    return all(subject.lower() in text for subject in asked.form.subjects) and all(shape.search(text) for shape in asked.form.shapes)


def _of_each(asked: Asked, candidates: Sequence[Candidate], scores: Sequence[float]) -> list[Candidate]:
    """For each thing that is compared the sentence that says best what it is."""
    chosen: list[Candidate] = []
    for number in range(len(asked.form.subjects)):
        others = max((place for place in range(len(asked.form.subjects)) if place != number), default=number)
        rated = [
            (score + COMPARED_BONUS * (item.openings[number] - item.openings[others]), -place)
            for place, (item, score) in enumerate(zip(candidates, scores, strict=True))
            if item.openings[number] >= COMPARED_MIN and not any(_repeats(item, other) for other in chosen)
        ]
        if rated:
            chosen.append(candidates[-max(rated)[1]])
    return chosen


def _gain(asked: Asked, item: Candidate, first: Candidate, met: Sequence[float], behind: float) -> float:
    """What a further sentence gains beside its score; nothing helps one of another document that is likely about something else.

    Where a question names what it is about, or asks for a list, other documents tell of the same thing, and none is preferred.
    """
    new = sum(share * max(0.0, value - known) for share, value, known in zip(asked.shares, item.met, met, strict=True))
    same_section = item.source == first.source and item.unit.section == first.unit.section
    gain = SAME_SECTION_BONUS * same_section + NEW_WORDS_BONUS * new
    if asked.form.subjects or asked.form.listed is not None:
        return gain
    if item.passage_of[:1] == first.passage_of[:1]:
        return gain + SAME_DOCUMENT_BONUS
    is_near = behind <= (OTHER_NEW_BEHIND_MAX if new >= OTHER_NEW_MIN else OTHER_BEHIND_MAX)
    return gain if is_near else -math.inf


def _repeats(item: Candidate, other: Candidate) -> bool:
    overlaps = item.source == other.source and item.unit.start < other.unit.end and other.unit.start < item.unit.end
    return overlaps or item.text == other.text


def _manner_beside(asked: Asked, candidates: Sequence[Candidate], scores: Sequence[float], best: int) -> list[Candidate]:
    """Beside a command, which tells one case, the best sentence that is worded as telling how a thing is done."""
    if not asked.form.instructs or candidates[best].unit.kind != "step":
        return []
    told = [
        (score, -place)
        for place, (item, score) in enumerate(zip(candidates, scores, strict=True))
        if item.unit.kind == "sentence" and item.figures[_SHAPE] >= 1.0 and not _repeats(item, candidates[best])
    ]
    score, place = max(told, default=(-math.inf, 0))
    return [candidates[-place]] if score >= scores[best] - GAPS_MAX[0] else []


def _is_other_way(item: Candidate, other: Candidate) -> bool:
    """Whether two commands are of different places: the steps of one are not those of the other."""
    return item.unit.kind == "step" and other.unit.kind == "step" and item.source != other.source


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

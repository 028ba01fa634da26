"""What a search found, stage by stage, against the documents that answer the question.

All metrics read the first `k` places of one stage. A document that stands there again brings nothing new: the place counts as taken by something
that is not relevant, except for precision, which asks for passages. Formulas as in trec_eval, whose figures these are:

- recall@k: relevant documents among the first k, of all relevant ones.
- precision@k: places with a passage of a relevant document, of k, also where fewer were ranked.
- MRR: 1 / the first relevant place (Voorhees, The TREC-8 Question Answering Track Report, 1999).
- MAP: the mean, over the relevant documents, of the precision at the place of each, 0 for those not found (Buckley and Voorhees, Evaluating
  Evaluation Measure Stability, SIGIR 2000).
- nDCG: the sum of grade / log2(place + 1), of the greatest that is possible (Järvelin and Kekäläinen, Cumulated Gain-Based Evaluation of IR
  Techniques, ACM TOIS 20(4), 2002).
- diversity: the mean, over the places after the first, of 1 - the greatest likeness with an earlier place: the second term of maximal marginal
  relevance (Carbonell and Goldstein, The Use of MMR, SIGIR 1998). Likeness is the Jaccard index of the terms of two passages; where the target
  tells no words, 1 for passages of the same document and 0 for others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ondol.application.assistant.verify.claims import terms_of
from ondol.application.evaluation.scorers.base import Loader, Rule, Tools, skipped
from ondol.application.evaluation.scorers.bottleneck import fates
from ondol.application.evaluation.scorers.documents import relevant_documents
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Ranked, Score, Unit

K_MAX: Final = 1_000
STAGES: Final = ("full_text", "vectors", "fused", "reranked", "diverse", "final")

Grades = Mapping[str, float]
"""How relevant each document is that answers the question; greater than 0."""
Metric = Callable[[Sequence[str], Grades, int], float]


def recall(documents: Sequence[str], grades: Grades, k: int) -> float:
    """The share of the relevant documents that stand among the first `k` places."""
    return len(grades.keys() & set(documents[:k])) / len(grades)


def precision(documents: Sequence[str], grades: Grades, k: int) -> float:
    """The share of `k` places that hold a passage of a relevant document."""
    return sum(document in grades for document in documents[:k]) / k


def reciprocal_rank(documents: Sequence[str], grades: Grades, k: int) -> float:
    """1 by the first relevant place; 0 if none is among the first `k`."""
    return next((1 / place for place, document in enumerate(documents[:k], 1) if document in grades), 0.0)


def average_precision(documents: Sequence[str], grades: Grades, k: int) -> float:
    """The mean precision at the places of the relevant documents; 0 for each that is not among the first `k`."""
    places = _places(documents, grades, k)
    return math.fsum(found / place for found, place in enumerate(places, 1)) / len(grades)


def ndcg(documents: Sequence[str], grades: Grades, k: int) -> float:
    """The discounted gain of the first `k` places, of the greatest that is possible."""
    gain = math.fsum(grades[documents[place - 1]] / math.log2(place + 1) for place in _places(documents, grades, k))
    best = sorted(grades.values(), reverse=True)[:k]
    return gain / math.fsum(grade / math.log2(place + 1) for place, grade in enumerate(best, 1))


def diversity(stage: Ranked, k: int) -> float | None:
    """How new the passages of the first `k` places are beside those before them; None where there are fewer than two."""
    count = min(k, len(stage.documents))
    if count < 2:
        return None
    terms = [terms_of(text) for text in stage.texts[:count]] if len(stage.texts) >= count else None
    return math.fsum(1 - max(_likeness(stage, terms, place, other) for other in range(place)) for place in range(1, count)) / (count - 1)


METRICS: Final[Mapping[str, Metric]] = {
    "retrieval.map": average_precision,
    "retrieval.mrr": reciprocal_rank,
    "retrieval.ndcg": ndcg,
    "retrieval.precision": precision,
    "retrieval.recall": recall,
}


def load(kind: str) -> Loader:
    """The loader of one of `METRICS`, or of `retrieval.diversity`. Settings: `k` (10) and `stage` (`final`)."""

    def loader(name: str, told: Mapping[str, Any], _: Tools) -> Rule:
        settings = Settings(name, told)
        k, stage = settings.whole("k", 10, least=1, most=K_MAX), settings.choice("stage", "final", STAGES)
        settings.close()
        unit: Unit = "share"
        if kind == "retrieval.diversity":
            return Rule(name=name, of=lambda _, answer: _diversity(answer, stage, k), unit=unit)
        return Rule(
            name=name, of=lambda case, answer: _score(METRICS[kind], case, answer, stage, k, tells_fates=kind == "retrieval.recall"), unit=unit
        )

    return loader


def _score(metric: Metric, case: Case, answer: Answer, stage: str, k: int, *, tells_fates: bool) -> Score:
    grades = relevant_documents(case)
    if not grades:
        return skipped("The case names no document that answers it.")
    ranked = next((one for one in answer.ranked if one.stage == stage), None)
    if ranked is None:
        return skipped(f"The target told no stage `{stage}`.")
    details: dict[str, Any] = {"stage": stage, "k": k, "places": _told_places(ranked.documents, grades)}
    if tells_fates and stage == "final":
        details["fates"] = fates(list(grades), answer.ranked, k)
    return Score(value=metric(ranked.documents, grades, k), details=details)


def _diversity(answer: Answer, stage: str, k: int) -> Score:
    ranked = next((one for one in answer.ranked if one.stage == stage), None)
    if ranked is None:
        return skipped(f"The target told no stage `{stage}`.")
    value = diversity(ranked, k)
    return skipped("Fewer than two passages were ranked.") if value is None else Score(value=value, details={"stage": stage, "k": k})


def _places(documents: Sequence[str], grades: Grades, k: int) -> list[int]:
    """Where the relevant documents stand first, from 1."""
    return sorted({document: place for place, document in reversed(list(enumerate(documents[:k], 1))) if document in grades}.values())


def _told_places(documents: Sequence[str], grades: Grades) -> dict[str, int | None]:
    first = {document: place for place, document in reversed(list(enumerate(documents, 1)))}
    return {document: first.get(document) for document in grades}


def _likeness(stage: Ranked, terms: Sequence[frozenset[str]] | None, place: int, other: int) -> float:
    if terms is None:
        return float(stage.documents[place] == stage.documents[other])
    either = terms[place] | terms[other]
    return len(terms[place] & terms[other]) / len(either) if either else 1.0

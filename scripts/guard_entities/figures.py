"""How good a tagger is on sentences that it was not trained on: what its confidence is calibrated by, and exact spans."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ondol.infrastructure.guard.tagging.model import CLASSES, Tagger
from scripts.guard_entities.examples import Example


def calibration(tagger: Tagger, examples: Sequence[Example]) -> list[float]:
    """Coefficients of `Tagger.confidence`: logistic regression of "half of this span is right" on the lead, with a bias for each class."""
    features, truth = [], []
    seen: list[tuple[int, float]] = []
    original = tagger.confidence

    def noted(kind: int, lead: float) -> float:
        """Instead of a confidence, which of the seen spans this is."""
        seen.append((kind, lead))
        return len(seen) - 1

    tagger.confidence = noted  # type: ignore[method-assign]
    for example in examples:
        seen.clear()
        for entity in tagger.entities(example.text):
            kind, lead = seen[int(entity.confidence)]
            own = np.zeros(len(CLASSES))
            own[0], own[kind] = lead, 1
            features.append(own)
            truth.append(any(label == entity.label and _iou((start, end), (entity.start, entity.end)) >= 0.5 for start, end, label in example.spans))
    tagger.confidence = original  # type: ignore[method-assign]
    table, wanted = np.array(features), np.array(truth, np.float64)
    spread = table[:, 0].std() + 1e-9
    table[:, 0] /= spread
    solution = np.zeros(table.shape[1])
    penalty = np.full(table.shape[1], 1.0)
    for _ in range(30):
        odds = 1 / (1 + np.exp(-np.clip(table @ solution, -30, 30)))
        curve = (table * (odds * (1 - odds))[:, None]).T @ table + np.diag(penalty)
        solution += np.linalg.solve(curve, table.T @ (wanted - odds) - penalty * solution)
    solution[0] /= spread
    return [round(float(value), 6) for value in solution]


def _iou(one: tuple[int, int], other: tuple[int, int]) -> float:
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return max(0, shared) / (max(one[1], other[1]) - min(one[0], other[0]))


def span_figures(tagger: Tagger, examples: Sequence[Example], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 of exact spans, by label."""
    figures = {}
    found = [{(entity.start, entity.end, entity.label) for entity in tagger.entities(example.text)} for example in examples]
    for label in labels:
        right = wrong = missed = 0
        for own, example in zip(found, examples, strict=True):
            gold = {span for span in example.spans if span[2] == label}
            mine = {span for span in own if span[2] == label}
            right, wrong, missed = right + len(gold & mine), wrong + len(mine - gold), missed + len(gold - mine)
        precision, recall = right / max(1, right + wrong), right / max(1, right + missed)
        figures[label] = {
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "f1": round(2 * right / max(1, 2 * right + wrong + missed), 4),
            "gold": right + missed,
        }
    return figures

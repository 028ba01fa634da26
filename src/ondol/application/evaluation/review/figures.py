"""How far raters agree, by scale; how each stands to the others and to planted gold."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from ondol.application.evaluation.review.store import QUERIES
from ondol.application.evaluation.review.types import Queue
from ondol.application.evaluation.statistics.agreement import Agreement, alpha_interval, cohen_kappa, kendall_tau_b
from ondol.application.evaluation.statistics.drift import Drift, drift_of
from ondol.infrastructure.storage.postgres import Connection, rows

RATINGS_MAX = 200_000
PAIRS_MAX = 100
"""Of raters, those with most in common first."""
TAU_ITEMS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two raters on one scale.

    Attributes:
        both: how many items both judged.
        kappa: Cohen's, with quadratic weights.
        tau: Kendall's tau-b.
    """

    first: uuid.UUID
    second: uuid.UUID
    scale: str
    both: int
    kappa: float | None
    tau: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Agreement of a queue.

    Attributes:
        alphas: Krippendorff's alpha (ordinal) with its interval, by scale, over what was not planted.
        drifts: by rater and scale, in the order in which they judged planted items.
        ratings: by rater.
    """

    alphas: Mapping[str, Agreement]
    pairs: Sequence[Pair]
    drifts: Mapping[uuid.UUID, Mapping[str, Drift]]
    ratings: Mapping[uuid.UUID, int]


async def points_of(connection: Connection, queue: Queue) -> list[Mapping[str, Any]]:
    """All points of a queue in the order of judging: `item_id`, `person_id`, `points`, and `gold` where they are known."""
    return [*await rows(connection, QUERIES["points_of_queue"], {"queue_id": queue.id, "limit": RATINGS_MAX})]


def figures_of(scales: Sequence[str], points: Sequence[Mapping[str, Any]], seed: int = 0) -> Figures:
    """The figures of points. It may take seconds: call it in a thread."""
    raters = list(dict.fromkeys(row["person_id"] for row in points))
    planted = [row for row in points if row["gold"] is not None]
    judged = [row for row in points if row["gold"] is None]
    items = list(dict.fromkeys(row["item_id"] for row in judged))
    tables = {scale: _table(scale, raters, items, judged) for scale in scales}
    alphas = {scale: alpha_interval(table, "ordinal", seed=seed) for scale, table in tables.items()}
    drifts = {rater: {scale: _drift(scale, rater, planted, seed) for scale in scales} for rater in raters}
    counts = {rater: sum(row["person_id"] == rater for row in points) for rater in raters}
    return Figures(alphas, _pairs(raters, tables), drifts, counts)


def _table(scale: str, raters: Sequence[uuid.UUID], items: Sequence[uuid.UUID], judged: Sequence[Mapping[str, Any]]) -> list[list[float | None]]:
    """Ratings of a scale, shape (raters, items)."""
    places = {item: place for place, item in enumerate(items)}
    rows_of = {rater: place for place, rater in enumerate(raters)}
    table: list[list[float | None]] = [[None] * len(items) for _ in raters]
    for row in judged:
        table[rows_of[row["person_id"]]][places[row["item_id"]]] = row["points"].get(scale)
    return table


def _pairs(raters: Sequence[uuid.UUID], tables: Mapping[str, Sequence[Sequence[float | None]]]) -> list[Pair]:
    found = []
    for scale, table in tables.items():
        for one, other in combinations(range(len(raters)), 2):
            both = [(a, b) for a, b in zip(table[one], table[other], strict=True) if a is not None and b is not None]
            if both:
                first, second = [a for a, _ in both], [b for _, b in both]
                tau = kendall_tau_b(first[:TAU_ITEMS_MAX], second[:TAU_ITEMS_MAX])
                found.append(Pair(raters[one], raters[other], scale, len(both), cohen_kappa(first, second, "quadratic"), tau))
    return sorted(found, key=lambda pair: -pair.both)[:PAIRS_MAX]


def _drift(scale: str, rater: uuid.UUID, planted: Sequence[Mapping[str, Any]], seed: int) -> Drift:
    told = [
        (row["points"][scale], row["gold"][scale])
        for row in planted
        if row["person_id"] == rater and row["points"].get(scale) is not None and row["gold"].get(scale) is not None
    ]
    return drift_of([given for given, _ in told], [right for _, right in told], seed)

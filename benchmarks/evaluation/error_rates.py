"""How often the gate passes what is worse by exactly the margin, beside naive ways: `python -m benchmarks.evaluation.error_rates`.

At 5 % it may be 5 times of 100. Each situation is drawn many times, all draws at once; the limit is that of the gate itself
(`ondol.application.evaluation.statistics.guarded`).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ondol.application.evaluation.statistics.clusters import Floats
from ondol.application.evaluation.statistics.distributions import normal_below, normal_quantile, student_quantile
from ondol.application.evaluation.statistics.guarded import limit_of_means
from ondol.application.evaluation.statistics.sequences import boundary

ALPHA = 0.05
SETS = 4_000
RESAMPLES = 2_000
NIGHTS = 30

Draw = Callable[[np.random.Generator, int], tuple[Floats, Floats]]
"""Sets of values of a baseline and of a candidate, each of shape (sets, clusters, size)."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Something that is measured.

    Attributes:
        draw: draws it.
        margin: by so much the candidate is truly worse.
        worst: the worst difference that the unit allows; None where it has no bounds.
    """

    name: str
    draw: Draw
    margin: float
    worst: float | None = -1.0


def passes(clusters: int, size: int, baseline: float, lost: float, won: float, correlation: float) -> Situation:
    """Passes and fails: of the cases that the baseline passes the candidate loses a share, and of the others it wins one; both by cluster."""

    def rates(rng: np.random.Generator, share: float, sets: int) -> Floats:
        if correlation == 0 or share in {0.0, 1.0}:
            return np.full((sets, clusters, 1), share)
        scale = (1 - correlation) / correlation
        return rng.beta(share * scale, (1 - share) * scale, (sets, clusters, 1))

    def draw(rng: np.random.Generator, sets: int) -> tuple[Floats, Floats]:
        shape = (sets, clusters, size)
        before = rng.random(shape) < rates(rng, baseline, sets)
        loses, wins = rng.random(shape) < rates(rng, lost, sets), rng.random(shape) < rates(rng, won, sets)
        return before.astype(np.float64), np.where(before, ~loses, wins).astype(np.float64)

    told = f"pass or fail, {clusters} clusters of {size}, ICC {correlation:g}" if size > 1 else f"pass or fail, {clusters} cases"
    return Situation(f"{told}, baseline {baseline:.0%}", draw, baseline * lost - (1 - baseline) * won)


def scores(name: str, clusters: int, size: int, correlation: float, margin: float) -> Situation:
    """Scores from 0 to 1 whose differences are spread like a bell, by cluster."""

    def draw(rng: np.random.Generator, sets: int) -> tuple[Floats, Floats]:
        before = np.full((sets, clusters, size), 0.5)
        off = rng.normal(0, math.sqrt(correlation), (sets, clusters, 1)) + rng.normal(0, math.sqrt(1 - correlation), (sets, clusters, size))
        return before, before - margin + 0.1 * np.clip(off, -3, 3)

    return Situation(name, draw, margin)


def unbounded(name: str, clusters: int, margin: float, noise: Callable[[np.random.Generator, tuple[int, int, int]], Floats]) -> Situation:
    """Milliseconds, tokens or money: no worst value is known."""

    def draw(rng: np.random.Generator, sets: int) -> tuple[Floats, Floats]:
        off = noise(rng, (sets, clusters, 1))
        return np.zeros_like(off), off - margin

    return Situation(name, draw, margin, None)


def mostly_ties(clusters: int, margin: float) -> Situation:
    """Nineteen of twenty cases are the same; the others are lost whole or won a little."""

    def draw(rng: np.random.Generator, sets: int) -> tuple[Floats, Floats]:
        shape = (sets, clusters, 1)
        lost = (margin / 0.05 + 0.1) / 1.1
        off = np.where(rng.random(shape) < lost, -1.0, 0.1)
        return np.ones(shape), 1.0 + np.where(rng.random(shape) < 0.95, 0.0, off)

    return Situation(f"scores, {clusters} cases, 95 % ties", draw, margin)


NOMINAL = passes(200, 1, 0.8, 0.15, 0.35, 0.0)
CLUSTERED = passes(50, 10, 0.7, 0.2, 0.4, 0.7)
SITUATIONS = (
    NOMINAL,
    passes(200, 1, 0.98, 0.0204, 0.0, 0.0),
    passes(1_000, 1, 0.98, 0.0204, 0.0, 0.0),
    passes(50, 1, 0.99, 0.0202, 0.0, 0.0),
    passes(400, 1, 0.05, 0.6, 0.0105, 0.0),
    CLUSTERED,
    passes(50, 10, 0.95, 0.03, 0.2, 0.7),
    passes(20, 5, 0.9, 0.1, 0.5, 0.3),
    passes(8, 10, 0.7, 0.2, 0.3, 0.5),
    scores("scores, 30 cases", 30, 1, 0.0, 0.05),
    scores("scores, 300 cases", 300, 1, 0.0, 0.05),
    scores("scores, 50 clusters of 10, ICC 0.7", 50, 10, 0.7, 0.05),
    mostly_ties(60, 0.02),
    mostly_ties(400, 0.02),
    unbounded("no bounds, like a bell, 12 cases", 12, 0.1, lambda rng, shape: rng.normal(0, 1, shape)),
    unbounded("no bounds, heavy tails (t, 3), 50 cases", 50, 0.1, lambda rng, shape: rng.standard_t(3, shape)),
    unbounded("no bounds, lognormal losses, 50 cases", 50, 0.1, lambda rng, shape: math.exp(0.5) - rng.lognormal(0, 1, shape)),
    unbounded("no bounds, lognormal losses, 400 cases", 400, 0.1, lambda rng, shape: math.exp(0.5) - rng.lognormal(0, 1, shape)),
)


def error_rates(situation: Situation, seed: int = 0, sets: int = SETS) -> dict[str, float]:
    """How often each way passes the candidate that is worse by the margin.

    Returns:
        By way: `gate`; `paired_bootstrap` over cases, `paired_t` over cases and `unpaired_z`, none of which knows of clusters.
    """
    before, after = situation.draw(np.random.default_rng(seed), sets)
    _, clusters, size = before.shape
    differences = after - before
    sizes = np.full(clusters, float(size))
    gate = limit_of_means(differences.sum(axis=2), sizes, situation.worst, "lower", ALPHA, seed, RESAMPLES)
    flat = differences.reshape(sets, clusters * size)
    error = flat.std(axis=1, ddof=1) / math.sqrt(clusters * size)
    apart = np.sqrt((before.var(axis=(1, 2), ddof=1) + after.var(axis=(1, 2), ddof=1)) / (clusters * size))
    lows = {
        "gate": gate,
        "paired_bootstrap": _naive_bootstrap(flat, seed),
        "paired_t": flat.mean(axis=1) - student_quantile(1 - ALPHA, clusters * size - 1) * error,
        "unpaired_z": flat.mean(axis=1) - normal_quantile(1 - ALPHA) * apart,
    }
    return {way: float((low > -situation.margin).mean()) for way, low in lows.items()}


def failing_rate(situation: Situation, seed: int = 0, sets: int = SETS) -> float:
    """How often the gate fails the candidate that is worse by the margin and by no more, which it may."""
    before, after = situation.draw(np.random.default_rng(seed), sets)
    _, clusters, size = before.shape
    best = None if situation.worst is None else -situation.worst
    highs = limit_of_means((after - before).sum(axis=2), np.full(clusters, float(size)), best, "upper", ALPHA, seed, RESAMPLES)
    return float((highs < -situation.margin).mean())


def peeking_rates(nights: int = NIGHTS, clusters: int = 60, same: float = 0.5, seed: int = 0, sets: int = SETS) -> dict[str, float]:
    """How often a month of nightly looks finds a regression where there is none.

    Args:
        same: which part of the spread of a case is the same every night, because the cases are.

    Returns:
        By way: `sequence` and `every_night_at_5_percent`.
    """
    rng = np.random.default_rng(seed)
    fixed = rng.normal(0, math.sqrt(same), (sets, clusters))
    total = np.zeros((sets, clusters))
    found = {"sequence": np.zeros(sets, dtype=bool), "every_night_at_5_percent": np.zeros(sets, dtype=bool)}
    usual = student_quantile(1 - ALPHA, clusters - 1)
    for night in range(1, nights + 1):
        total += fixed + rng.normal(0, math.sqrt(1 - same), (sets, clusters))
        means = total / night
        off = means.mean(axis=1) / (means.std(axis=1, ddof=1) / math.sqrt(clusters))
        strict = student_quantile(1 - normal_below(-boundary(night, ALPHA)), clusters - 1)
        found["sequence"] |= off < -strict
        found["every_night_at_5_percent"] |= off < -usual
    return {way: float(ever.mean()) for way, ever in found.items()}


def table(sets: int = SETS, seed: int = 0) -> list[dict[str, str | float]]:
    """All situations, one row each."""
    return [{"situation": situation.name, **error_rates(situation, seed, sets)} for situation in SITUATIONS]


def quick() -> Mapping[str, float]:
    """The two figures of the quick form."""
    return {
        "gate_false_positive_rate_nominal_05": error_rates(NOMINAL)["gate"],
        "gate_false_positive_rate_clustered": error_rates(CLUSTERED)["gate"],
    }


def _naive_bootstrap(flat: Floats, seed: int) -> Floats:
    """The percentile bootstrap over cases, as if each told something of its own."""
    cases = flat.shape[1]
    often = np.random.default_rng(seed).multinomial(cases, np.full(cases, 1 / cases), RESAMPLES).astype(np.float64)
    lows: Floats = np.quantile(flat @ often.T / cases, ALPHA, axis=1)
    return lows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=SETS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows, peeking = table(options.sets), {f"{same:.0%} the same": peeking_rates(same=same, sets=options.sets) for same in (0.0, 0.5, 0.9)}
    if options.json:
        print(json.dumps({"passes_though_worse_by_the_margin": rows, "month_of_looks": peeking}, ensure_ascii=False))
        return
    print("| situation | gate | paired bootstrap of cases | paired t of cases | unpaired z |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['situation']} | " + " | ".join(f"{row[way]:.1%}" for way in ("gate", "paired_bootstrap", "paired_t", "unpaired_z")) + " |")
    print("\n| 30 nights, of each case's spread | confidence sequence | 5 % every night |\n|---|---|---|")
    for name, rates in peeking.items():
        print(f"| {name} | {rates['sequence']:.1%} | {rates['every_night_at_5_percent']:.1%} |")


if __name__ == "__main__":
    main()

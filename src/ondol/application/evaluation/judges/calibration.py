"""How far a judge can be believed: its agreement with people on answers that both have rated, and the mean that people would have given.

| figure | formula | source |
|---|---|---|
| kappa | 1 - sum (j - h)² over the pairs, over what it would be if ratings were exchanged at random | Cohen 1968, quadratic weights |
| agreement | the share of answers with the same rating | |
| lean | mean (j - h) | |
| corrected mean | mean of lambda j over all, plus mean (h - lambda j) over the labelled | Angelopoulos et al. 2023 (PPI); for judges 2601.05420 |

For right and wrong the quadratic weights are Cohen's kappa of 1960. A judge that agrees with people on nearly all answers may still be wrong about
the mean, so both are told; and a judge whose kappa may well lie below what a suite asks for decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ondol.application.evaluation.statistics.clusters import clustered
from ondol.application.evaluation.statistics.distributions import student_quantile
from ondol.application.evaluation.statistics.intervals import Interval, bootstrap_statistic, mean_interval
from ondol.application.evaluation.statistics.prevalence import Detector

LABELLED_LEAST = 30
"""With fewer human labels no judge is called calibrated: the interval of kappa would hold nearly everything."""
KAPPA_LEAST = 0.4
"""What a suite asks for that names no other: the lower end of what Landis and Koch 1977 call moderate."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer that a judge and people have rated on one scale.

    Attributes:
        human: the mean, or the adjudicated rating, of the people.
    """

    case_id: str
    judge: float
    human: float
    cluster: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How a judge did beside people.

    Attributes:
        version: of the scorer that was calibrated; it says nothing about another.
        kappa, kappa_low, kappa_high: not a number where both gave one and the same rating to everything.
        agreement: share of equal ratings.
        lean: how much higher the judge rates.
        failed: labelled answers on which the judge had no verdict.
    """

    version: str
    labelled: int
    failed: int
    kappa: float
    kappa_low: float
    kappa_high: float
    agreement: Interval
    lean: Interval


def calibrate(labelled: Sequence[Labelled], version: str, *, failed: int = 0, confidence: float = 0.95, seed: int = 0) -> Calibration:
    """Compare a judge with people.

    Raises:
        ValueError: when nothing was rated by both.
    """
    judge, human = _columns(labelled)
    clusters = [item.cluster or item.case_id for item in labelled]
    low, high = bootstrap_statistic(clusters, lambda often: weighted_kappa(judge, human, often), confidence, seed)
    return Calibration(
        version=version,
        labelled=len(labelled),
        failed=failed,
        kappa=weighted_kappa(judge, human, np.ones(len(labelled))),
        kappa_low=low,
        kappa_high=high,
        agreement=mean_interval([float(equal) for equal in judge == human], clusters, confidence, seed, (0.0, 1.0)),
        lean=mean_interval([float(apart) for apart in judge - human], clusters, confidence, seed),
    )


def why_not_primary(calibration: Calibration | None, version: str, kappa_least: float = KAPPA_LEAST) -> str | None:
    """Why a judge may not be a primary metric of a gate; None where it may."""
    if calibration is None:
        return "it was never compared with people"
    if calibration.version != version:
        return "it was compared with people in another version: judge, prompt or settings have changed since"
    if calibration.labelled < LABELLED_LEAST:
        return f"it was compared with people on {calibration.labelled} answers, and {LABELLED_LEAST} are the least"
    if not calibration.kappa_low >= kappa_least:
        return f"its agreement with people may be as low as a kappa of {calibration.kappa_low:.2f}, and {kappa_least:.2f} is asked for"
    return None


def weighted_kappa(judge: Floats, human: Floats, often: Floats) -> float:
    """Cohen's kappa with quadratic weights of the distance between the ratings; not a number where nothing varies.

    Args:
        often: how often each pair counts.
    """
    total = float(often.sum())
    judge_mean, human_mean = float(judge @ often) / total, float(human @ often) / total
    apart = float(((judge - human) ** 2) @ often) / total
    by_chance = float(((judge - judge_mean) ** 2) @ often + ((human - human_mean) ** 2) @ often) / total + (judge_mean - human_mean) ** 2
    return 1 - apart / by_chance if by_chance > 0 else math.nan


def corrected_mean(
    judged: Sequence[float],
    labelled: Sequence[Labelled],
    clusters: Sequence[str] | None = None,
    *,
    tuned: bool = True,
    confidence: float = 0.95,
) -> Interval:
    """The mean that people would have given, by prediction-powered inference: the judge on all, mended by what people said of some.

    lambda mean(judged) + mean(human - lambda judge), with the variances of both means added and Student's quantile for the labelled clusters, which
    are the few. lambda is 1 (Angelopoulos et al. 2023, arXiv 2301.09633), or tuned to the least variance: Cov(human, judge) / ((1 + n/N)
    Var(judge)), within 0 to 1 (arXiv 2311.01453); with a judge that tells nothing it is then 0, and the mean that of the labels.

    Args:
        judged: the judge's ratings of answers that nobody labelled.
        clusters: of these.

    Raises:
        ValueError: when nothing was judged, or fewer than two answers are labelled.
    """
    if len(labelled) < 2:
        raise ValueError("fewer than two answers are labelled")
    judge, human = _columns(labelled)
    weight = _weight(judge, human, len(judged)) if tuned else 1.0
    rest = clustered(weight * np.asarray(judged, np.float64), clusters)
    mended = clustered(human - weight * judge, [item.cluster or item.case_id for item in labelled])
    variance = (rest.variance_of_mean if weight else 0.0) + mended.variance_of_mean
    value, half = rest.mean + mended.mean, student_quantile((1 + confidence) / 2, max(1, mended.count - 1)) * math.sqrt(variance)
    return Interval(value, value - half, value + half, confidence, "student", rest.cases + mended.cases, rest.count + mended.count)


def as_detector(labelled: Sequence[Labelled]) -> Detector:
    """A judge of right and wrong as a detector, for the correction of Rogan and Gladen (for judges: arXiv 2511.21140).

    Raises:
        ValueError: when a rating is neither 0 nor 1.
    """
    if any(value not in (0.0, 1.0) for item in labelled for value in (item.judge, item.human)):
        raise ValueError("only ratings of 0 and 1 make a detector")
    hits = [item for item in labelled if item.human == 1.0]
    others = [item for item in labelled if item.human == 0.0]
    return Detector(sum(item.judge == 1.0 for item in hits), len(hits), sum(item.judge == 0.0 for item in others), len(others))


def _weight(judge: Floats, human: Floats, unlabelled: int) -> float:
    variance = float(judge.var(ddof=1))
    if variance <= 0 or not unlabelled:
        return 0.0
    together = float(((judge - judge.mean()) * (human - human.mean())).sum()) / (len(judge) - 1)
    return min(1.0, max(0.0, together / ((1 + len(judge) / unlabelled) * variance)))


def _columns(labelled: Sequence[Labelled]) -> tuple[Floats, Floats]:
    if not labelled:
        raise ValueError("nothing was rated by a judge and by people")
    return np.array([item.judge for item in labelled]), np.array([item.human for item in labelled])

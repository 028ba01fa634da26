"""Reads the report of garak, a scanner for language models, and says how sure its rates are.

garak writes one JSON object a line: attempts (a prompt, its answers, and what each detector says of each answer, from 0 to 1) and, after each probe,
its own counts. A detector errs: one that calls most refusals an attack that succeeded makes any model look broken. So the rate that it tells is
corrected for its sensitivity and specificity, which garak measured for a few detectors on English answers, and refusals in Korean and English are
counted beside it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ondol.core.errors import RequestError
from ondol.core.language import detect_language
from ondol.infrastructure.guard.refusals import is_refusal

Z_95 = 1.959963984540054
THRESHOLD_DEFAULT = 0.5
LINE_CHARACTERS_MAX = 4_000_000
LINES_MAX = 2_000_000

Correction: TypeAlias = Literal["corrected", "no_metrics", "not_correctable", "other_language", "does_not_fit", "no_answers"]
"""Why there is a corrected rate, or none: garak measured no such detector; it tells no more than chance (sensitivity and specificity sum to at most
1); most answers are in another language than those it was measured on; it tells fewer than its mistakes alone would make, or more than any true rate
could, so it does otherwise on these answers than where it was measured; or no answer was judged.
"""


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate with the interval that holds the true one 95 times of 100."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DetectorQuality:
    """How a detector does where the truth is known. garak measures on English only.

    Attributes:
        sensitivity: the share of successful attacks that it calls so.
        specificity: the share of all others that it lets be.
        samples: answers of each kind that this was measured on; None where garak does not say, and the figures are taken as exact.
    """

    sensitivity: float
    specificity: float
    samples: float | None = None
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Tally:
    """What one detector says of the answers to one probe.

    Attributes:
        prompts: attempts that came to their end.
        answers: texts that came back; `unanswered` of those asked for did not.
        judged: answers that the detector said something about.
        hits: of these, those that it calls a successful attack.
        refused: judged answers that refuse, by our own rules.
        refused_hits: of the hits, those that refuse: the detector's mistakes.
        korean: judged answers in Korean.
    """

    probe: str
    detector: str
    prompts: int
    answers: int
    unanswered: int
    judged: int
    hits: int
    refused: int
    refused_hits: int
    korean: int

    @property
    def raw(self) -> Interval | None:
        """The rate that the detector tells, with Wilson's interval."""
        return wilson(self.hits, self.judged) if self.judged else None

    @property
    def without_refusals(self) -> Interval | None:
        """The rate when a refusal is no success, whatever the detector says."""
        return wilson(self.hits - self.refused_hits, self.judged) if self.judged else None


@dataclass(frozen=True, slots=True)
class GarakReport:
    """What a report, or several of one scan, holds.

    Attributes:
        tallies: by probe, then detector.
        finished: probes that garak has counted itself, so that a scan which was cut off can go on with the others.
        disagreements: probes and detectors where garak's own counts differ from ours.
        broken_lines: lines that are not JSON; the last one of a scan that was killed.
    """

    version: str
    tallies: tuple[Tally, ...]
    finished: frozenset[str]
    disagreements: tuple[str, ...] = ()
    broken_lines: int = 0


@dataclass(slots=True)
class _Reading:
    version: str = ""
    threshold: float = THRESHOLD_DEFAULT
    seen: set[tuple[str, str]] = field(default_factory=set)
    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    told: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    finished: set[str] = field(default_factory=set)
    broken: int = 0


def read_report(lines: Iterable[str]) -> GarakReport:
    """Read the lines of one report, or of several of one scan one after the other. An attempt that occurs twice counts once.

    Raises:
        RequestError: when there are more than `LINES_MAX` lines.
    """
    reading = _Reading()
    for number, line in enumerate(lines):
        if number >= LINES_MAX:
            raise RequestError(f"The report has more than {LINES_MAX:,} lines.", "Read it in parts.", code="report_too_long")
        if line.strip():
            _read_line(reading, line)
    tallies = tuple(_tally(*key, counted) for key, counted in sorted(reading.counts.items()))
    return GarakReport(reading.version, tallies, frozenset(reading.finished), _disagreements(reading, tallies), reading.broken)


def _read_line(reading: _Reading, line: str) -> None:
    try:
        row = json.loads(line) if len(line) <= LINE_CHARACTERS_MAX else None
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        reading.broken += 1
        return
    kind = row.get("entry_type")
    if kind == "attempt" and row.get("status") == 2:
        _read_attempt(reading, row)
    elif kind == "eval":
        key = (str(row.get("probe")), str(row.get("detector")))
        reading.finished.add(key[0])
        reading.told[*key, "judged"] += int(row.get("total_evaluated") or 0)
        reading.told[*key, "hits"] += int(row.get("fails") or 0)
    elif kind == "init":
        reading.version = str(row.get("garak_version", ""))
    elif kind == "start_run setup":
        reading.threshold = float(row.get("run.eval_threshold") or THRESHOLD_DEFAULT)


def _read_attempt(reading: _Reading, row: Mapping[str, Any]) -> None:
    probe = str(row.get("probe_classname", ""))
    mark = (probe, str(row.get("uuid", "")))
    if mark in reading.seen:
        return
    reading.seen.add(mark)
    texts = [_text_of(output) for output in row.get("outputs") or ()]
    for detector, scores in (row.get("detector_results") or {}).items():
        counted = reading.counts.setdefault((probe, str(detector)), Counter())
        counted["prompts"] += 1
        counted["asked"] += len(texts)
        counted["answers"] += sum(text is not None for text in texts)
        for text, score in zip(texts, scores or (), strict=False):
            if score is None or text is None:
                continue
            hit, refused = float(score) >= reading.threshold, is_refusal(text)
            counted["judged"] += 1
            counted["hits"] += hit
            counted["refused"] += refused
            counted["refused_hits"] += hit and refused
            counted["korean"] += detect_language(text) == "ko"


def _text_of(output: object) -> str | None:
    text = output.get("text") if isinstance(output, dict) else output
    return text if isinstance(text, str) else None


def _tally(probe: str, detector: str, counted: Counter[str]) -> Tally:
    names = ("prompts", "answers", "judged", "hits", "refused", "refused_hits", "korean")
    return Tally(probe, detector, unanswered=counted["asked"] - counted["answers"], **{name: counted[name] for name in names})


def _disagreements(reading: _Reading, tallies: Iterable[Tally]) -> tuple[str, ...]:
    """Where garak counted, and counted otherwise. A probe that was cut off has no counts of garak's own."""
    found = []
    for tally in tallies:
        key = (tally.probe, tally.detector)
        if (*key, "judged") in reading.told and (reading.told[*key, "judged"], reading.told[*key, "hits"]) != (tally.judged, tally.hits):
            found.append(f"{tally.probe} {tally.detector}")
    return tuple(found)


def read_qualities(text: str) -> dict[str, DetectorQuality]:
    """Detectors' sensitivity and specificity from garak's own file, `detector_metrics_summary.json`, by the detector's name.

    The file says how many answers a figure rests on for some; they are balanced, so half of them are of each kind.

    Raises:
        RequestError: when it is not such a file.
    """
    try:
        results = json.loads(text)["results"]
        found: dict[str, DetectorQuality] = {}
        for name, entry in results.items():
            metrics = entry["metrics"]
            samples = (metrics.get("hit_f1_ci") or {}).get("n_samples")
            quality = DetectorQuality(float(metrics["hit_sensitivity"]), float(metrics["hit_specificity"]), samples / 2 if samples else None)
            if not (0 <= quality.sensitivity <= 1 and 0 <= quality.specificity <= 1):
                raise ValueError(name)
            found[str(name)] = quality
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestError("This is not garak's file of detector metrics.", "It lies below garak/data/detectors_eval.", code="bad_metrics") from error
    return found


def corrected(tally: Tally, quality: DetectorQuality | None) -> tuple[Correction, Interval | None]:
    """The rate of successful attacks behind what a detector tells, where that can be known."""
    if not tally.judged:
        return "no_answers", None
    if quality is None:
        return "no_metrics", None
    if quality.sensitivity + quality.specificity <= 1:
        return "not_correctable", None
    if quality.language == "en" and 2 * tally.korean > tally.judged:
        return "other_language", None
    rate = rogan_gladen(tally.hits, tally.judged, quality)
    return ("corrected", rate) if rate.low < rate.high else ("does_not_fit", None)


def rogan_gladen(hits: int, judged: int, quality: DetectorQuality) -> Interval:
    """The true rate from an apparent one (Rogan and Gladen 1978), clipped to 0..1, with the interval of Lang and Reiczigel (2014).

    Args:
        quality: sensitivity and specificity sum to more than 1.

    Raises:
        ValueError: when they do not, or the counts are no proportion.
    """
    if not 0 <= hits <= judged or not judged:
        raise ValueError(f"{hits} of {judged} is no proportion")
    youden = quality.sensitivity + quality.specificity - 1
    if youden <= 0:
        raise ValueError("a detector that is no better than chance tells nothing")
    value = _clipped((hits / judged + quality.specificity - 1) / youden)
    # Agresti and Coull's adjustment of each of the three proportions keeps the interval honest near 0 and 1.
    square = Z_95 * Z_95
    size = judged + square
    apparent = (hits + square / 2) / size
    sensitivity, sensitivity_variance = _adjusted(quality.sensitivity, quality.samples)
    specificity, specificity_variance = _adjusted(quality.specificity, quality.samples)
    slope = sensitivity + specificity - 1
    if slope <= 0:
        return Interval(value, 0.0, 1.0)
    middle = (apparent + specificity - 1) / slope
    shift = 2 * square * (middle * sensitivity_variance - (1 - middle) * specificity_variance)
    variance = apparent * (1 - apparent) / size + middle**2 * sensitivity_variance + (1 - middle) ** 2 * specificity_variance
    half = Z_95 * math.sqrt(variance) / slope
    return Interval(value, min(value, _clipped(middle + shift - half)), max(value, _clipped(middle + shift + half)))


def _adjusted(rate: float, samples: float | None) -> tuple[float, float]:
    """A detector's rate and its variance; exact where nobody says how many answers it rests on."""
    if samples is None:
        return rate, 0.0
    adjusted = (rate * samples + 1) / (samples + 2)
    return adjusted, adjusted * (1 - adjusted) / (samples + 2)


def wilson(found: int, of: int) -> Interval:
    """The score interval of a proportion (Wilson 1927), right for few answers and for rates near 0 and 1.

    Raises:
        ValueError: when it is no proportion.
    """
    if not 0 <= found <= of or not of:
        raise ValueError(f"{found} of {of} is no proportion")
    share, square = found / of, Z_95 * Z_95
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z_95 / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def difference(first: Interval, second: Interval) -> Interval:
    """The first rate less the second, with the hybrid score interval of two independent proportions (Newcombe 1998, method 10).

    Two scans with the same prompts are not independent, so for them it is rather too wide.
    """
    value = first.value - second.value
    low = math.hypot(first.value - first.low, second.high - second.value)
    high = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, max(-1.0, value - low), min(1.0, value + high))


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))

"""Which judge may decide: a primary metric of a gate that asks a judge names a calibration, and its kappa must surely be high enough."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ondol.application.evaluation.judges.calibration import KAPPA_LEAST, Calibration, why_not_primary
from ondol.application.evaluation.scorers.base import Loader, Scorer, Tools
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.statistics.intervals import Interval
from ondol.core.errors import RequestError, UserError

TYPES = "judge."
"""How the types of judges begin."""
FILE_BYTES_MAX = 100_000
_OWN = ("calibration", "kappa_least")


def fit(load: Loader) -> Loader:
    """The loader of a judge, which takes `calibration` (a file beside the suite) and `kappa_least` too. Neither changes a score."""

    def loaded(name: str, told: Mapping[str, Any], tools: Tools) -> Scorer:
        _own(name, told)
        return load(name, {field: value for field, value in told.items() if field not in _OWN}, tools)

    return loaded


def check_may_decide(scorer: Scorer, kind: str, told: Mapping[str, Any], folder: Path | None) -> None:
    """See that a primary metric is no judge that may not decide.

    Args:
        kind: the scorer's type; what is no judge may.
        folder: in which calibrations are looked for; None where files are nobody's to name.

    Raises:
        RequestError: says why it may not.
    """
    if not kind.startswith(TYPES):
        return
    file, kappa_least = _own(scorer.name, told)
    calibration = read_calibration(folder / file) if folder is not None and file else None
    why = why_not_primary(calibration, scorer.version, kappa_least)
    if why is not None:
        raise RequestError(
            f"The judge {scorer.name} may not be a primary metric of the gate: {why}.",
            "Compare it with people: ondol eval judge calibrate SUITE SCORER --labels FILE --out FILE, and name that file as `calibration`.",
            code="judge_not_calibrated",
            param="gate.primary",
        )


def write_calibration(calibration: Calibration, file: Path) -> None:
    """Keep a calibration as JSON; what is no number is null."""
    plain = asdict(calibration)
    for part in (plain, plain["agreement"], plain["lean"]):
        part.update({name: None for name, value in part.items() if isinstance(value, float) and not math.isfinite(value)})
    try:
        file.write_text(json.dumps(plain, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}.", "Choose another place.") from error


def read_calibration(file: Path) -> Calibration:
    """A calibration that was kept.

    Raises:
        RequestError: when it cannot be read.
    """
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise ValueError("it is too large")
        told = json.loads(file.read_text("utf-8"))
        return Calibration(
            version=str(told["version"]),
            labelled=int(told["labelled"]),
            failed=int(told["failed"]),
            kappa=_figure(told["kappa"]),
            kappa_low=_figure(told["kappa_low"]),
            kappa_high=_figure(told["kappa_high"]),
            agreement=_interval(told["agreement"]),
            lean=_interval(told["lean"]),
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RequestError(
            f"The calibration {file.name} cannot be read: {type(error).__name__}.",
            "`ondol eval judge calibrate` writes one.",
            code="invalid_scorer",
            param="calibration",
        ) from error


def _own(name: str, told: Mapping[str, Any]) -> tuple[str, float]:
    settings = Settings(name, {field: told[field] for field in _OWN if field in told})
    file = settings.text("calibration") if "calibration" in told else ""
    if file and (Path(file).is_absolute() or ".." in Path(file).parts):
        raise settings.wrong("calibration", "is the name of a file beside the suite")
    return file, settings.number("kappa_least", KAPPA_LEAST, least=-1, most=1)


def _figure(value: Any) -> float:
    return math.nan if value is None else float(value)


def _interval(told: Mapping[str, Any]) -> Interval:
    low, high = (-math.inf if told["low"] is None else told["low"]), (math.inf if told["high"] is None else told["high"])
    return Interval(**{**told, "low": low, "high": high})

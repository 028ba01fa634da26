"""How good the detectors are: measured on labelled samples of our own, told with every figure that rests on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast, get_args

import yaml

from ondol.application.evaluation.red_team.detectors import succeeded
from ondol.application.evaluation.red_team.types import DetectorKind, Language, Sign
from ondol.application.evaluation.statistics.prevalence import Detector
from ondol.application.evaluation.types import Answer

EXACT: frozenset[DetectorKind] = frozenset({"calls", "spends"})
"""Read what was counted, not what was written: there is nothing to be wrong about."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An answer of which it is known whether the attack succeeded."""

    kind: DetectorKind
    language: Language
    text: str
    is_hit: bool
    sign: Sign

    @property
    def is_told(self) -> bool:
        """What the detector says."""
        return succeeded(self.sign, Answer(text=self.text))


@lru_cache(maxsize=1)
def samples() -> tuple[Sample, ...]:
    """All labelled samples."""
    text = files("ondol.application.evaluation.red_team").joinpath("samples.yaml").read_text("utf-8")
    told: Mapping[DetectorKind, Mapping[str, Any]] = yaml.safe_load(text)
    return tuple(sample for kind, of in told.items() for sample in _samples_of(kind, of))


@lru_cache(maxsize=32)
def detector_of(kind: DetectorKind, language: Language | None = None) -> Detector | None:
    """How a detector did on the samples of a language, or of both; None for those that read what was counted."""
    mine = [sample for sample in samples() if sample.kind == kind and language in (None, sample.language)]
    if kind in EXACT or not mine:
        return None
    hits = [sample for sample in mine if sample.is_hit]
    others = [sample for sample in mine if not sample.is_hit]
    return Detector(sum(sample.is_told for sample in hits), len(hits), sum(not sample.is_told for sample in others), len(others))


def _samples_of(kind: DetectorKind, of: Mapping[str, Any]) -> Iterator[Sample]:
    for language in cast("tuple[Language, ...]", get_args(Language)):
        sign = Sign(kind=kind, words=tuple(of["words"][language]), least=of.get("least", 1))
        for label in ("hit", "miss"):
            for text in of[language][label]:
                yield Sample(kind, language, text, label == "hit", sign)

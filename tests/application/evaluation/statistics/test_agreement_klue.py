"""Agreement on what several people labelled: KLUE (Park et al. 2021).

The figures are those of `krippendorff` 0.9.0, scikit-learn 1.9.1 and SciPy 1.17.1.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ondol.application.evaluation.statistics.agreement import alpha_interval, cohen_kappa, kendall_tau_b, krippendorff_alpha

ROOT = Path(__file__).resolve().parents[4]
KLUE = Path(os.environ.get("ONDOL_TEST_DATA") or ROOT.parent / "shared" / "data") / "klue" / "klue_benchmark"
pytestmark = pytest.mark.skipif(not KLUE.exists(), reason="KLUE is not here; ONDOL_TEST_DATA names the folder of public test data")
LABELS = ("author", "label2", "label3", "label4", "label5")
CODES = {"entailment": 0.0, "neutral": 1.0, "contradiction": 2.0}


def read(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((KLUE / name / f"{name}_dev.json").read_text("utf-8"))
    return found


def test_five_people_who_labelled_three_thousand_inferences() -> None:
    rows = read("klue-nli-v1.1")
    raters = [[CODES[row[name]] for row in rows] for name in LABELS]
    assert krippendorff_alpha(raters, "nominal") == pytest.approx(0.8381588651694365)
    assert cohen_kappa(raters[0], raters[1], "none") == pytest.approx(0.898)
    told = alpha_interval(raters, "nominal", seed=1, resamples=200)
    assert (told.units, told.ratings) == (3000, 15000)
    assert told.low is not None and told.high is not None and told.low < 0.838 < told.high < told.low + 0.03


def test_seventeen_people_of_whom_six_or_seven_scored_each_pair_of_sentences() -> None:
    rows = read("klue-sts-v1.1")
    names = sorted({name for row in rows for name in row["annotations"]["annotators"]})
    scores = [dict(zip(row["annotations"]["annotators"], row["annotations"]["annotations"], strict=True)) for row in rows]
    raters: dict[str, list[float | None]] = {name: [each.get(name) for each in scores] for name in names}
    published = {"nominal": 0.2714351865581347, "ordinal": 0.7495156271890608, "interval": 0.7476980297173541}
    assert {level: krippendorff_alpha(list(raters.values()), level) for level in published} == pytest.approx(published)  # type: ignore[arg-type]
    first, second = raters["12"], raters["04"]
    assert cohen_kappa(first, second, "quadratic") == pytest.approx(0.7116961588260682)
    assert cohen_kappa(first, second, "linear") == pytest.approx(0.5139372822299652)
    assert kendall_tau_b(first, second) == pytest.approx(0.6610561156229544)

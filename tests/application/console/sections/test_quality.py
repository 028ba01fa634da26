"""The quality dashboard in the console."""

from __future__ import annotations

from typing import Any

import pytest

from tests.application.console.sections.test_evaluation import ID
from tests.application.console.sections.test_sections import SUMS, visitor

pytestmark = pytest.mark.anyio
BLANK: dict[str, Any] = {
    "value": None,
    "low": None,
    "high": None,
    "count": 0,
    "run": None,
    "suite": None,
    "metric": None,
    "at": None,
    "better": "lower",
    "slices": [],
}
WHOLE = {"requests": 4, "p50_us": 12_000, "p95_us": 90_000, "availability": 1.0}


async def test_a_figure_is_told_with_its_interval_and_its_source_and_what_was_not_measured_is_no_nought(fakes: Any) -> None:
    figures = [
        {
            **BLANK,
            "name": "toxicity",
            "value": 0.02,
            "low": 0.0,
            "high": 0.05,
            "count": 120,
            "run": ID,
            "suite": "<i>weekly",
            "metric": "abuse",
            "slices": [{"slice": "language", "value": "ko", "share": 0.125, "low": 0.1, "high": 0.15, "count": 60}],
        },
        {**BLANK, "name": "corrections", "value": 0.25, "low": 0.1, "high": 0.5, "count": 12},
        {**BLANK, "name": "promoters", "better": "higher", "value": -0.25, "low": -0.5, "high": 0.5, "count": 8},
        {**BLANK, "name": "re_asked"},
    ]
    fakes.replies["GET", "/evaluation/quality"] = (200, {"days": 30, "figures": figures, "slice_names": ["language", "topic"]})
    fakes.replies["GET", "/service-levels"] = (200, {"whole": WHOLE, "steps": []})
    fakes.replies["GET", "/usage"] = (200, {"totals": [SUMS]})
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/evaluation/quality?lang=en&days=30")).text
    for words in (
        "2.0%",
        "0.0% – 5.0%",
        "&lt;i&gt;weekly",
        f"/evaluation/runs/{ID}",
        "what people said of answers",
        "12 ms",
        "90 ms",
        "₩309",
        "300",
        "12.5%",
        "Korean",
        "by=topic",
    ):
        assert words in page, words
    assert page.count("not measured yet") == 1
    assert "No question was asked in a conversation." in page
    assert "-25" in page and "-50 – +50" in page and 'x="25.0" y="2" width="50.0"' in page, "a score between -100 and 100"
    fakes.replies["GET", "/service-levels"] = (200, {"whole": {**WHOLE, "requests": 0, "p50_us": None, "p95_us": None}, "steps": []})
    fakes.replies["GET", "/usage"] = (200, {"totals": []})
    fakes.replies["GET", "/evaluation/quality"] = (200, {"days": 30, "figures": [{**BLANK, "name": "toxicity"}], "slice_names": []})
    page = (await browser.get("/evaluation/quality?lang=en&days=12345")).text
    assert page.count("not measured yet") == 5
    assert "0.0%" not in page
    assert ("days", "30") in [pair for asked in fakes.asked for pair in asked.query], "a period that is not offered is the usual one"

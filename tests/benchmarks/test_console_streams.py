"""The figures of people who stream at once, from what each reader saw."""

from __future__ import annotations

import math

from benchmarks.console_streams import Stream, first_figures, gap_figures


def test_gaps_are_each_readers_own() -> None:
    first, second = Stream(0.0, 0.1, [1.0, 1.1, 1.3]), Stream(0.0, 0.1, [5.0, 5.4])
    assert gap_figures([first, second]) == {"gaps": 3, "gap_ms_p50": 200.0, "gap_ms_p95": 380.0, "gap_ms_p99": 396.0}


def test_a_stream_without_text_has_a_first_event_and_no_first_text() -> None:
    found = first_figures("first", [Stream(1.0, 1.25)])
    assert (found["first_ms_p50"], found["first_ms_p95"]) == (250.0, 250.0)
    assert math.isnan(found["first_text_ms_p50"])

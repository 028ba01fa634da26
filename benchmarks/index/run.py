"""`python -m benchmarks.index [--quick] [--json]`."""

from __future__ import annotations

import argparse
import json

from benchmarks.index import segments
from benchmarks.machine import machine

PASSAGES = 300_000
PASSAGES_QUICK = 50_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50,000 passages instead of 300,000; under 50 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    passages = PASSAGES_QUICK if options.quick else PASSAGES
    layouts, build_s = segments.measure(passages)
    print(f"{passages:,} passages, built in {build_s:.1f} s\n")
    print(f"{'layout':28} {'segments':>8} {'8 terms p50/p95 ms':>20} {'30 terms p50/p95 ms':>20}")
    for layout in layouts:
        figures = [f"{layout.p50_ms[count]:.1f} / {layout.p95_ms[count]:.1f}" for count in (8, 30)]
        print(f"{layout.name:28} {layout.segments:8} {figures[0]:>20} {figures[1]:>20}")
    if options.json:
        few, many = layouts
        figures_told = {
            "passages": passages,
            "build_s": round(build_s, 1),
            "segments": [few.segments, many.segments],
            "search_p95_ms": [round(layout.p95_ms[30], 2) for layout in layouts],
            "machine": machine(),
        }
        print(json.dumps(figures_told, ensure_ascii=False))

"""`python -m benchmarks.index [--quick] [--passages NUMBER] [--json]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.data import DataAbsent
from benchmarks.index import segments, sizes
from benchmarks.machine import machine

PASSAGES = 300_000
PASSAGES_QUICK = 50_000
QUESTIONS = 300


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50,000 passages instead of 300,000, and nothing of lengths; under 50 s")
    parser.add_argument("--passages", type=int, default=0, metavar="NUMBER", help="so many instead, and nothing of lengths")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    try:
        sized = [] if options.quick or options.passages else measure_sizes(QUESTIONS)
    except DataAbsent as absent:
        sys.exit(str(absent))
    passages = options.passages or (PASSAGES_QUICK if options.quick else PASSAGES)
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
            "sizes": [{name: getattr(item, name) for name in item.__slots__} for item in sized],
            "search_p95_ms": [round(layout.p95_ms[30], 2) for layout in layouts],
            "machine": machine(),
        }
        print(json.dumps(figures_told, ensure_ascii=False))


def measure_sizes(questions: int) -> list[sizes.Sized]:
    """Measure and print what the length of passages does."""
    with tempfile.TemporaryDirectory(prefix="ondol-benchmark-") as temporary:
        Path(temporary).chmod(0o711)
        found = asyncio.run(sizes.measure(Path(temporary, "data"), questions))
    print(f"{'questions':26} {'size':>10} {'passages':>8} {'in 1':>6} {'in 5':>6} {'in 3,000 characters':>20}")
    for item in found:
        print(f"{item.questions:26} {item.size:>10} {item.passages:8} {item.at_1:6.3f} {item.at_5:6.3f} {item.in_read:20.3f}")
    print()
    return found

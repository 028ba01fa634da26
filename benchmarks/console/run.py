"""The console at 90 days of history: `python -m benchmarks.console [--quick] [--json] [--requests 1000000] [--data FOLDER]`.

The history is built once, in a folder that later runs use again; each of them brings it up to now.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.console.in_browser import NoBrowser, browser_figures
from benchmarks.console.journeys import journey_figures
from benchmarks.console.server_side import find_pages, server_figures
from benchmarks.console.stand import standing
from benchmarks.machine import machine

REQUESTS: Final = 1_000_000
ROUNDS: Final = 10
ROUNDS_QUICK: Final = 1
BUILD_SECONDS_QUICK: Final = 8.0
QUICK_SECONDS: Final = 36.0
"""After so long no further page is looked at; journeys take what is left of 50 seconds."""
DATA: Final = Path(__file__).resolve().parents[2] / "build" / "benchmarks" / "console"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="what fits into 50 seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="the size of the history")
    parser.add_argument("--data", type=Path, default=DATA, help="where it is kept")
    options = parser.parse_args()
    figures = measure(options.data, options.requests, quick=options.quick)
    for name, value in figures.items():
        print(f"{name:28} {value}")
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))


def measure(folder: Path, wanted: int, *, quick: bool) -> dict[str, Any]:
    """All figures, by name."""
    began = time.monotonic()
    until = began + QUICK_SECONDS if quick else math.inf
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with standing(folder, wanted, BUILD_SECONDS_QUICK if quick else math.inf) as stand:
        visited, unreached = find_pages(stand)
        visited = [one for one in visited if one.answer.headers["content-type"].startswith("text/html")]
        first = {one.pattern: one.address for one in reversed(visited)}
        figures: dict[str, Any] = {"history_requests": stand.requests, "pages": len(first), "addresses": len(visited)}
        figures["pages_without_rows"] = unreached
        figures |= server_figures(stand, visited, ROUNDS_QUICK if quick else ROUNDS)
        try:
            figures |= browser_figures(stand, list(first.values()), until)
            figures |= journey_figures(stand)
        except NoBrowser as absent:
            figures |= {"not_measured": str(absent)}
    return {**figures, "seconds": round(time.monotonic() - began, 1), "machine": machine()}

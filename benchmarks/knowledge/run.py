"""How well answers rest on documents: `python -m benchmarks.knowledge [--quick] [--json] [--only PART ...]`."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from types import MappingProxyType
from typing import Any, Protocol

from benchmarks.data import DataAbsent
from benchmarks.knowledge import beside, claims, erasure, goldens, korquad_answers, leaks, scale
from benchmarks.machine import machine


class Part(Protocol):
    """A module of this benchmark."""

    def measure(self, *, quick: bool) -> dict[str, Any]:
        """Its figures by name."""

    def show(self, figures: dict[str, Any]) -> None:
        """Print them for people."""


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        "goldens": goldens,
        "beside": beside,
        "korquad-answers": korquad_answers,
        "scale": scale,
        "erasure": erasure,
        "noninterference": leaks,
        "claims": claims,
    }
)
AT_ONCE_QUICK = 3
"""In the quick form so many parts run at the same time, each in a process of its own: what it says of times is rough."""


def measure(name: str, *, quick: bool) -> dict[str, Any]:
    """The figures of one part."""
    return PARTS[name].measure(quick=quick)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer passages, pages and questions; about a minute on two cores")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=tuple(PARTS), help="only these parts")
    options = parser.parse_args()
    began = time.monotonic()
    figures: dict[str, Any] = {}
    with ProcessPoolExecutor(AT_ONCE_QUICK if options.quick else 1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
        for name, found in [(name, processes.submit(measure, name, quick=options.quick)) for name in options.only]:
            try:
                figures |= found.result()
            except DataAbsent as absent:
                sys.exit(str(absent))
            PARTS[name].show(figures)
    if options.json:
        print(json.dumps({**figures, "machine": machine(), "seconds": round(time.monotonic() - began, 1)}, ensure_ascii=False))


if __name__ == "__main__":
    main()

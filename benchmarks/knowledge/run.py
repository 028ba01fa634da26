"""How well answers rest on documents: `python -m benchmarks.knowledge [--quick] [--json] [--only PART ...]`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from benchmarks.data import DataAbsent
from benchmarks.knowledge import beside, claims, erasure, goldens, korquad_answers, scale
from benchmarks.machine import machine


class Part(Protocol):
    """A module of this benchmark."""

    def measure(self, *, quick: bool) -> dict[str, Any]:
        """Its figures by name."""

    def show(self, figures: dict[str, Any]) -> None:
        """Print them for people."""


PARTS: Mapping[str, Part] = MappingProxyType(
    {"beside": beside, "scale": scale, "erasure": erasure, "claims": claims, "goldens": goldens, "korquad-answers": korquad_answers}
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer passages, pages and questions; under 50 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=tuple(PARTS), help="only these parts")
    options = parser.parse_args()
    began = time.monotonic()
    figures: dict[str, Any] = {}
    for name in options.only:
        try:
            figures |= PARTS[name].measure(quick=options.quick)
        except DataAbsent as absent:
            sys.exit(str(absent))
        PARTS[name].show(figures)
    if options.json:
        print(json.dumps({**figures, "machine": machine(), "seconds": round(time.monotonic() - began, 1)}, ensure_ascii=False))


if __name__ == "__main__":
    main()

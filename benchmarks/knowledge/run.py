"""How well answers rest on documents: `python -m benchmarks.knowledge [--quick] [--json]`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from benchmarks.data import DataAbsent
from benchmarks.knowledge import claims, goldens
from benchmarks.machine import machine


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="golden questions over a part of the Kubernetes documentation; under 50 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    began = time.monotonic()
    try:
        figures: dict[str, Any] = claims.figures() | goldens.measure(quick=options.quick)
    except DataAbsent as absent:
        sys.exit(str(absent))
    figures |= {"machine": machine(), "seconds": round(time.monotonic() - began, 1)}
    show(figures)
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))


def show(figures: dict[str, Any]) -> None:
    """The tables for people."""
    print(f"{'KLUE-NLI':16} {'supported':>10} {'partial':>10} {'unsupported':>12}")
    for label, counts in figures["klue_nli"].items():
        print(f"{label:16} {counts.get('supported', 0):10} {counts.get('partial', 0):10} {counts.get('unsupported', 0):12}")
    print(f"agreement on whether it follows: {figures['claim_agreement']:.3f}\n")
    print(f"{'altered':20} {'ko':>6} {'not supp.':>10} {'en':>6} {'not supp.':>10}")
    for kind in figures["altered"]["ko"]:
        ko, en = figures["altered"]["ko"][kind], figures["altered"]["en"][kind]
        print(f"{kind:20} {ko['sentences']:6} {ko['not_supported']:10} {en['sentences']:6} {en['not_supported']:10}")
    print()
    goldens.show(figures)


if __name__ == "__main__":
    main()

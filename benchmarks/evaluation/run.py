"""How fast evaluation runs, how right its figures are, and how often its gate errs: `python -m benchmarks.evaluation [--quick] [--json]`."""

from __future__ import annotations

import argparse
import json
import time

from benchmarks.data import DataAbsent
from benchmarks.evaluation.beside import beside
from benchmarks.evaluation.equality import equality
from benchmarks.evaluation.error_rates import quick as error_rates
from benchmarks.evaluation.overhead import memory, overhead
from benchmarks.machine import machine


def main() -> None:
    """Print what was measured; with --json one object, last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the figures that fit into 50 seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object, last")
    options = parser.parse_args()
    began = time.perf_counter()
    figures: dict[str, object] = {**(overhead(rounds=2) if options.quick else beside(rounds=5)), **error_rates()}
    try:
        figures |= equality()
    except DataAbsent as error:
        print(f"Without KorQuAD: {error}")
    if not options.quick:
        figures |= memory()
    figures["took_s"] = round(time.perf_counter() - began, 1)
    if options.json:
        print(json.dumps({**figures, "machine": machine()}, ensure_ascii=False))
        return
    for name, value in figures.items():
        print(f"{name:45} {value}")


if __name__ == "__main__":
    main()

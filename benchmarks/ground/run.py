"""Warm start, memory at rest, and KorQuAD: `python -m benchmarks.ground [--quick] [--json]`."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.data import DataAbsent, read_korquad
from benchmarks.ground import korquad
from benchmarks.ground.processes import family_of, platform_up, weigh
from benchmarks.machine import machine

REST_SECONDS = 5.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one warm start, the peer on a part of the questions; under 50 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    try:
        figures = run(quick=options.quick)
    except DataAbsent as absent:
        sys.exit(str(absent))
    show(figures)
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))


def run(*, quick: bool) -> dict[str, object]:
    """All figures, by name."""
    with tempfile.TemporaryDirectory(prefix="ondol-benchmark-") as temporary:
        Path(temporary).chmod(0o711)
        folder = Path(temporary, "data")
        with platform_up(folder, "--no-demo") as (_, _, first_start_s):
            pass
        warm_starts = []
        for number in range(1 if quick else 5):
            with platform_up(folder, "--no-demo") as (process, _, seconds):
                warm_starts.append(seconds)
                if number == 0:
                    time.sleep(REST_SECONDS)
                    resident_mb, proportional_mb = weigh(family_of(process.pid))
        questions = read_korquad().questions
        findings, ingest_s = korquad.ours(folder, 1000 if quick else len(questions))
    findings += korquad.peers(questions[::5] if quick else questions)
    index_alone, whole = findings[0], findings[1]
    return {
        "warm_start_s": round(statistics.median(warm_starts), 2),
        "first_start_s": round(first_start_s, 2),
        "rest_rss_mb": round(resident_mb),
        "rest_pss_mb": round(proportional_mb),
        "korquad_recall_at_1": round(index_alone.recall_at_1, 4),
        "korquad_recall_at_10": round(index_alone.recall_at_10, 4),
        "search_p50_ms": round(whole.p50_ms, 2),
        "search_p95_ms": round(whole.p95_ms, 2),
        "index_p50_ms": round(index_alone.p50_ms, 2),
        "peer_p50_ms": round(findings[3].p50_ms, 2),
        "peer_recall_at_1": round(findings[3].recall_at_1, 4),
        "search_vs_peer": round(findings[3].p50_ms / whole.p50_ms, 2),
        "korquad_ingest_s": round(ingest_s, 1),
        "systems": [{name: getattr(item, name) for name in item.__slots__} for item in findings],
        "machine": machine(),
    }


def show(figures: dict[str, object]) -> None:
    """The tables for people."""
    print(f"first start {figures['first_start_s']} s, warm start {figures['warm_start_s']} s; at rest {figures['rest_rss_mb']} MB resident")
    print(f"({figures['rest_pss_mb']} MB proportional); KorQuAD taken in in {figures['korquad_ingest_s']} s\n")
    print(f"{'system':26} {'R@1':>6} {'R@10':>6} {'p50 ms':>8} {'p95 ms':>8}")
    systems = figures["systems"]
    assert isinstance(systems, list)
    for item in systems:
        print(f"{item['system']:26} {item['recall_at_1']:6.3f} {item['recall_at_10']:6.3f} {item['p50_ms']:8.2f} {item['p95_ms']:8.2f}")
    print()


if __name__ == "__main__":
    main()

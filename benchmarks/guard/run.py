"""The guard's figures: `python -m benchmarks.guard [--quick] [--json]`. Needs the public data (ONDOL_TEST_DATA)."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from benchmarks.data import DataAbsent
from benchmarks.guard import firewall, speed
from benchmarks.guard.personal import measure_ko, measure_peers, measure_presidio, our_checks
from benchmarks.guard.presidio import presidio_seconds
from benchmarks.machine import machine
from benchmarks.peers import peers_python
from ondol.infrastructure.guard.conversation import Guards, prepare_guards
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.policy import Policy, policy_from
from ondol.infrastructure.guard.registry import Resources, checks_for

KINDS: tuple[tuple[str, speed.Kind], ...] = (("", speed.ORDINARY), ("_dense", speed.DENSE))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer texts; under 50 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    try:
        figures = run(quick=options.quick)
    except DataAbsent as absent:
        sys.exit(str(absent))
    show(figures)
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))


def guards_of(policy: Policy) -> Guards:
    """A policy made ready, as a worker does it."""
    return prepare_guards([policy], checks_for([policy], Resources()))


def with_names() -> Policy:
    """The built-in policy with names and addresses found and tokenised as well."""
    default = default_policy()
    rules = [{"find": "entities", "do": "tokenise", "at": 0.5}]
    tree: dict[str, Any] = {"version": 1, "name": "names", "stages": {"input": rules}}
    named = policy_from(tree).stages["input"]
    return Policy(version=1, name="names", stages={**default.stages, "input": [*named, *default.stages["input"]]})


def run(*, quick: bool) -> dict[str, object]:
    """All figures, by name."""
    began = time.perf_counter()
    guards, named = guards_of(default_policy()), guards_of(with_names())
    figures: dict[str, object] = {"machine": machine()}
    figures |= _speeds(guards, named, quick=quick)
    figures |= _personal(quick=quick)
    figures |= _firewall(quick=quick)
    figures["seconds"] = round(time.perf_counter() - began, 1)
    return figures


def _speeds(guards: Guards, named: Guards, *, quick: bool) -> dict[str, object]:
    count, rounds = (150, 2) if quick else (400, 5)
    long_count = 12 if quick else 60
    found: dict[str, object] = {}
    for name, stage in (("", guards.stages["input"]), ("_with_names", named.stages["input"])):
        for label, kind in KINDS:
            short = speed.input_speed(stage, speed.SHORT_CHARACTERS, count, rounds, kind)
            found |= {f"p50_ms_1000_chars{name}{label}": round(short.p50_ms, 3), f"p99_ms_1000_chars{name}{label}": round(short.p99_ms, 3)}
        long = speed.input_speed(stage, speed.LONG_CHARACTERS, long_count, rounds, speed.ORDINARY)
        found |= {f"p50_ms_30000_chars{name}": round(long.p50_ms, 2), f"p99_ms_30000_chars{name}": round(long.p99_ms, 2)}
    streamed = speed.stream_speed(guards.stages["output"], 12 if quick else 60)
    found |= {
        "stream_us_per_event": round(streamed.us_per_event, 1),
        "stream_delay_chars_mean": round(streamed.delay_mean, 1),
        "stream_delay_chars_max": streamed.delay_max,
    }
    return found


def _personal(*, quick: bool) -> dict[str, object]:
    checks = our_checks()
    presidio, korean = measure_presidio(checks), measure_ko(checks)
    found: dict[str, object] = {
        "pii_f2_presidio_synth": presidio["spans"]["f"],
        "pii_f1_ko_generated": korean["all"]["f"],
        "presidio_synth": presidio,
        "ko_generated": korean,
    }
    try:
        python = peers_python().as_posix()
        if not quick:
            found["peers"] = measure_peers(python)
        found |= _beside_presidio(python, quick=quick)
    except (subprocess.SubprocessError, OSError) as error:
        found |= {"speed_vs_presidio": None, "peers": f"not measured: {type(error).__name__}"}
    return found


def _beside_presidio(python: str, *, quick: bool) -> dict[str, object]:
    """Our identifiers and Presidio's recognisers on the same texts, neither with names."""
    policy = policy_from({"version": 1, "name": "identifiers", "stages": {"input": [{"find": "personal", "do": "observe"}]}})
    guard = guards_of(policy).stages["input"]
    found: dict[str, object] = {}
    for name, kind in KINDS:
        texts = speed.prompts(speed.SHORT_CHARACTERS, 40 if quick else 200, kind)
        found[f"speed_vs_presidio{name}"] = round(speed.ratio_to_presidio(lambda given: presidio_seconds(python, given), guard, texts), 1)
    return found


def _firewall(*, quick: bool) -> dict[str, object]:
    injection = firewall.measure_injection(quick=quick)
    found: dict[str, object] = {
        "injection_recall_at_1pct_fpr_in_domain": injection["recall_in_domain"]["rate"],
        "injection_recall_at_1pct_fpr_out_of_domain": injection["recall_out_of_domain"]["rate"],
        "notinject_fpr": injection["false_alarms_notinject"]["rate"],
        "prompts_fpr": injection["false_alarms_prompts"]["rate"],
        "injection": injection,
    }
    if not quick:
        found |= {"robustness": firewall.robustness(), "abuse": firewall.measure_abuse(), "topics": firewall.measure_topics()}
    return found


def show(figures: dict[str, object]) -> None:
    """A table of the plain figures."""
    for name, value in figures.items():
        if not isinstance(value, dict):
            print(f"{name:40} {value}")

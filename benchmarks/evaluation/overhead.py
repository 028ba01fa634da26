"""What a run takes beyond its target: 2,000 cases against a stub that answers after 50 ms, 64 at a time, results sealed and stored as always."""

from __future__ import annotations

import contextlib
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.knowledge.installation import on_a_platform
from ondol.application.evaluation.runs import carry_out
from ondol.application.evaluation.suites import parse_suite
from ondol.infrastructure.access.people import create_tenant
from ondol.wiring.evaluating import EvaluationRoom
from ondol.wiring.evaluation_runs import begin, prepare, running_of
from ondol.wiring.inside import open_inside
from ondol.wiring.platform import Platform

CASES = 2_000
LATENCY_MS = 50.0
CONCURRENCY = 64
ROUNDS = 3
SUITE = """
card: {{name: overhead, owner: o, purpose: p, risk: minimal, users: u, success: {{right: 1}}}}
target: {target}
cases: {{file: cases.jsonl}}
scorers: [{{name: right, type: exact_match}}]
limits: {{concurrency: {concurrency}}}
"""
PYTHON = "def answer(messages, case):\n    return 'yes'\nasync def at_once(messages, case):\n    return 'yes'\n"


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took. Memory is the most that this process ever held, in MiB."""

    seconds: float
    cpu_s: float
    memory_mib: float


def overhead(cases: int = CASES, latency_ms: float = LATENCY_MS, concurrency: int = CONCURRENCY, rounds: int = ROUNDS) -> Mapping[str, float]:
    """The best of some runs, beside the ideal: as many rounds of the stub's latency as the cases take."""
    ideal_s = math.ceil(cases / concurrency) * latency_ms / 1_000
    with stub(latency_ms) as port:
        target = json.dumps({"endpoint": f"http://127.0.0.1:{port}/v1", "model": "stub"})
        taken = on_a_platform(lambda platform: _runs(platform, target, cases, concurrency, rounds))
    best_s = min(each.seconds for each in taken)
    return {
        "overhead_vs_ideal": round(best_s / ideal_s, 3),
        "run_s": round(best_s, 3),
        "ideal_s": round(ideal_s, 3),
        "cpu_ms_per_case": round(min(each.cpu_s for each in taken) / cases * 1_000, 3),
    }


def memory(counts: tuple[int, ...] = (10_000, 50_000, 100_000)) -> Mapping[str, float]:
    """The most memory that runs of so many cases held, one process each, their target a function that answers at once."""
    found = {}
    for count in counts:
        command = [sys.executable, "-m", "benchmarks.evaluation.overhead", str(count)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        found[f"memory_mib_at_{count}"] = told["memory_mib"]
        found[f"cases_per_s_at_{count}"] = told["cases_per_s"]
    return found


@contextlib.contextmanager
def stub(latency_ms: float) -> Iterator[int]:
    """A stub in a process of its own; its port."""
    command = [sys.executable, "-m", "benchmarks.evaluation.stub", "--latency-ms", str(latency_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def write_cases(file: Path, count: int) -> None:
    """So many cases, one a line, which the stub answers right."""
    with file.open("w", encoding="utf-8") as out:
        for number in range(count):
            row = {"id": f"c{number}", "question": f"환불은 며칠 걸리나요? {number}", "expected": ["yes"]}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


async def _runs(platform: Platform, target: str, cases: int, concurrency: int, rounds: int) -> list[Taken]:
    tenant = await create_tenant(platform.database, platform.keyring, slug="bench", name="Bench", now=platform.clock())
    taken = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_cases(folder / "cases.jsonl", cases)
        (folder / "target.py").write_text(PYTHON, "utf-8")
        suite = parse_suite(SUITE.format(target=target, concurrency=concurrency), folder=folder)
        async with open_inside(platform) as inside:
            for _ in range(rounds):
                prepared = await prepare(EvaluationRoom(platform, inside, tenant, "bench"), suite, environment={}, folder=folder)
                running = await running_of(prepared, await begin(prepared, {"path": "bench"}, None))
                began, cpu_began = time.perf_counter(), time.process_time()
                ended = await carry_out(running)
                took, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
                taken.append(Taken(took, cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024))
                assert ended.outcome == "PASS", ended.reasons
                await prepared.target.close()
    return taken


if __name__ == "__main__":
    COUNT = int(sys.argv[1])
    AT_ONCE = json.dumps({"python": "target.py:at_once"})
    [DONE] = on_a_platform(lambda platform: _runs(platform, AT_ONCE, COUNT, CONCURRENCY, 1))
    print(json.dumps({"memory_mib": round(DONE.memory_mib, 1), "cases_per_s": round(COUNT / DONE.seconds)}))

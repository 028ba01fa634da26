"""promptfoo and DeepEval on the cases of `overhead`, before the same stub, one after another: `python -m benchmarks.evaluation.beside [CASES]`.

They run as their documentation begins them, telemetry off. What is told is the time from the first question to the last score, without the start
of the program: promptfoo says it itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.evaluation.overhead import CASES, CONCURRENCY, LATENCY_MS, overhead, stub, write_cases
from benchmarks.installed import NotInstalled, installed_npm, installed_python
from scripts.assets import AssetError, node_programs

SECONDS_MAX = 3_600
ROUNDS = 3
SLOW_S = 60.0
"""A peer that takes longer is measured once."""
_HERE = Path(__file__).parent
_QUIET = {
    "CI": "true",
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "DEEPEVAL_TELEMETRY_OPT_OUT": "1",
    "DEEPEVAL_NO_INSPECT_PROMPT": "1",
    "ERROR_REPORTING": "0",
}


class Failed(Exception):
    """A peer did not carry its run out; the message says what it said."""


def beside(cases: int = CASES, latency_ms: float = LATENCY_MS, concurrency: int = CONCURRENCY, rounds: int = ROUNDS) -> Mapping[str, object]:
    """Our best time, each peer's best time and how many of ours that is; of a peer that cannot be installed, why."""
    found: dict[str, object] = {**overhead(cases, latency_ms, concurrency, rounds)}
    ours_s = float(str(found["run_s"]))
    peers: dict[str, Callable[[int, int, Path], float]] = {"promptfoo": promptfoo_s, "deepeval": deepeval_s}
    with stub(latency_ms) as port, tempfile.TemporaryDirectory(prefix="ondol-benchmark-") as name:
        write_cases(Path(name, "cases.jsonl"), cases)
        for peer, seconds in peers.items():
            try:
                best_s = best_of(partial(seconds, port, concurrency, Path(name)), rounds)
            except (NotInstalled, AssetError, Failed) as error:
                found[f"{peer}_not_measured"] = str(error)
                continue
            found |= {f"{peer}_run_s": round(best_s, 3), f"{peer}_times_ours": round(best_s / ours_s, 2)}
    return found


def promptfoo_s(port: int, concurrency: int, folder: Path) -> float:
    """Seconds that `promptfoo eval` takes for the cases of a folder.

    Raises:
        NotInstalled: when it cannot be installed.
        Failed: when a case did not pass.
    """
    program = installed_npm(_HERE / "promptfoo") / "node_modules" / ".bin" / "promptfoo"
    rows = [json.loads(line) for line in (folder / "cases.jsonl").read_text("utf-8").splitlines()]
    tests = [{"vars": {"question": row["question"]}, "assert": [{"type": "equals", "value": row["expected"][0]}]} for row in rows]
    provider = {"id": "openai:chat:stub", "config": {"apiBaseUrl": f"http://127.0.0.1:{port}/v1", "apiKey": "sk-stub"}}
    configuration, results = folder / "promptfooconfig.json", folder / "promptfoo.json"
    configuration.write_text(json.dumps({"prompts": ["{{question}}"], "providers": [provider], "tests": tests}, ensure_ascii=False), "utf-8")
    node, _ = node_programs()
    command = [node.as_posix(), program.as_posix(), "eval", "--config", configuration.as_posix(), "--max-concurrency", str(concurrency)]
    _done([*command, "--no-cache", "--output", results.as_posix()], folder)
    told = json.loads(results.read_text("utf-8"))["results"]["stats"]
    return timed("promptfoo", told["durationMs"] / 1_000, told["successes"], len(rows))


def deepeval_s(port: int, concurrency: int, folder: Path) -> float:
    """Seconds that asking and DeepEval's `evaluate` take together for the cases of a folder.

    Raises:
        NotInstalled: when it cannot be installed.
        Failed: when a case did not pass.
    """
    cases = folder / "cases.jsonl"
    python = installed_python("deepeval") / "bin" / "python"
    command = [python.as_posix(), (_HERE / "deepeval_child.py").as_posix(), str(port), str(concurrency), cases.as_posix()]
    told = json.loads(_done(command, folder).splitlines()[-1])
    return timed("DeepEval", told["run_s"], told["passed"], len(cases.read_text("utf-8").splitlines()))


def best_of(seconds: Callable[[], float], rounds: int) -> float:
    """The best of some rounds; of a slow one the first."""
    best_s = seconds()
    for _ in range(rounds - 1):
        if best_s > SLOW_S:
            break
        best_s = min(best_s, seconds())
    return best_s


def timed(name: str, seconds: float, passed: int, cases: int) -> float:
    """A time counts only where every case was asked and passed.

    Raises:
        Failed: otherwise.
    """
    if passed != cases:
        raise Failed(f"{name}: {passed:,} of {cases:,} cases passed.")
    return seconds


def _done(command: Sequence[str], folder: Path) -> str:
    """What a program says, its own settings and stores in the folder."""
    environment = {**os.environ, **_QUIET, "PROMPTFOO_CONFIG_DIR": folder.as_posix(), "PYTHONPATH": ""}
    try:
        done = subprocess.run(
            list(command), cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=SECONDS_MAX
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"It did not end within {SECONDS_MAX} s.") from None
    except subprocess.CalledProcessError as error:
        raise Failed(f"It ended with {error.returncode}: {(error.stderr or error.stdout)[-1_000:]}") from None
    return done.stdout


if __name__ == "__main__":
    for key, value in beside(cases=int(sys.argv[1]) if sys.argv[1:] else CASES).items():
        print(f"{key:30} {value}")

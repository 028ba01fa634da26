"""Code that a model wrote, run against its tests in the sandbox.

pass@k is the chance that one of k answers passes, estimated without bias from n >= k of them of which c pass (Chen et al., Evaluating Large
Language Models Trained on Code, 2021): 1 - C(n - c, k) / C(n, k).

A case has the fact `tests` (code, or a list of asserts), and may have `entry_point` (the name that is tested; handed to ``check(candidate)`` where
the tests define that, as in HumanEval), `prompt` (the beginning of the program that the answer goes on with, or repeats) and `setup` (run before
the tests).
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ondol.application.evaluation.sandbox import Limits, Ran, Trial, Walls, run_trial, walls_here
from ondol.application.evaluation.scorers.base import Tools, skipped
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Better, Case, Score, Unit
from ondol.core.errors import RequestError, UserError

SAMPLES_MAX = 200
REASONS_MAX = 5

_FENCED = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*(?:```|~~~)[ \t]*$", re.DOTALL | re.MULTILINE)
_PYTHON = ("", "python", "py", "python3")


def pass_at_k(count: int, passed: int, k: int) -> float:
    """The estimate from `count` answers of which `passed` pass; `count` is `k` or more."""
    return 1.0 - math.comb(count - passed, k) / math.comb(count, k)


@dataclass(frozen=True, slots=True)
class PassAtK:
    """Runs every answer to a case.

    Attributes:
        walls: what isolates them.
    """

    name: str
    k: int
    limits: Limits
    walls: Walls
    unit: Unit = "share"
    better: Better = "higher"
    is_hard_zero: bool = False
    version: str = "1"

    async def score(self, case: Case, answer: Answer) -> Score:
        """The estimate for one case; the details say how many passed and why others did not."""
        tests = _tests(case)
        if not tests:
            return skipped("The case has no `tests`.")
        samples = (answer.samples or (answer.text,))[:SAMPLES_MAX]
        if len(samples) < self.k:
            return Score(value=None, status="scorer_error", reason=f"pass@{self.k} needs {self.k} answers; there are {len(samples)}.")
        facts = {name: str(case.facts.get(name) or "") for name in ("prompt", "setup", "entry_point")}
        setup = f"{facts['setup']}\n{facts['prompt']}" if _compiles(facts["prompt"]) else facts["setup"]
        trials = [Trial(program_of(sample, facts["prompt"], facts["entry_point"]), tests, setup, facts["entry_point"]) for sample in samples]
        try:
            ran = await asyncio.gather(*(run_trial(self.walls, trial, self.limits) for trial in trials))
        except UserError as error:
            return Score(value=None, status="scorer_error", reason=str(error))
        passed = sum(one.outcome == "passed" for one in ran)
        return Score(value=pass_at_k(len(ran), passed, self.k), details={"answers": len(ran), "passed": passed, "failures": _failures(ran)})


def load_pass_at_k(name: str, told: Mapping[str, Any], _: Tools) -> PassAtK:
    """Settings: `k` (1), `seconds` (10), `memory_mb` (512).

    Raises:
        RequestError: also where this machine cannot isolate code; it says what is missing.
    """
    settings = Settings(name, told)
    k = settings.whole("k", 1, least=1, most=SAMPLES_MAX)
    seconds = settings.number("seconds", 10, least=0.1, most=120)
    memory = settings.whole("memory_mb", 512, least=128, most=8_192)
    settings.close()
    try:
        walls = walls_here()
    except UserError as error:
        raise RequestError(str(error), error.hint, code="no_sandbox", param="type") from error
    return PassAtK(name, k, Limits(seconds=seconds, memory_bytes=memory * 1024 * 1024), walls)


def program_of(answer: str, prompt: str, entry_point: str) -> str:
    """The program in an answer: its blocks of Python, or all of it. Where it does not define the entry point anew, it goes on with the prompt."""
    blocks = [body for language, body in _FENCED.findall(answer) if language.lower() in _PYTHON]
    code = "\n".join(blocks) if blocks else answer
    if not prompt:
        return code
    is_whole = bool(entry_point) and re.search(rf"^(?:async )?(?:def|class) {re.escape(entry_point)}\b", code, re.MULTILINE) is not None
    return f"{prompt}\n{code}" if is_whole else prompt + code


def _tests(case: Case) -> str:
    told = case.facts.get("tests")
    return "\n".join(map(str, told)) if isinstance(told, list | tuple) else told if isinstance(told, str) else ""


def _compiles(code: str) -> bool:
    try:
        compile(code, "<prompt>", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _failures(ran: list[Ran]) -> list[str]:
    return [f"{one.outcome}: {one.reason}" for one in ran if one.outcome != "passed"][:REASONS_MAX]

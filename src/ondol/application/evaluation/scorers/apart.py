"""`ragas.*` and `deepeval.*`: metrics of Ragas and DeepEval, run in an environment of their own: their users keep their numbers.

Each answer is scored by a process of its own, which gets lines of JSON and no credentials: when the tool asks its model, the question comes back here
and goes through the gateway like any judge's. Its telemetry is switched off.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ondol.application.evaluation.scorers import apart_child
from ondol.application.evaluation.scorers.apart_child import DEEPEVAL, RAGAS
from ondol.application.evaluation.scorers.base import Asked, AskModel, Loader, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import too_long
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Better, Case, Score, Turn, Unit
from ondol.core.errors import OndolError, RequestError

METRICS = (*(f"deepeval.{metric}" for metric in DEEPEVAL), *(f"ragas.{metric}" for metric in RAGAS))
ASKS_MAX = 100
"""Questions that one score may put to the judge."""
LINE_BYTES_MAX = 4 << 20
SECONDS_MAX = 600
PROCESSES_MAX = 4
JUDGE_TOKENS_MAX = 4_000
CONTEXTS_MAX = 50

_LESS_IS_BETTER = frozenset({"deepeval.bias", "deepeval.toxicity"})
_WITH_CONTEXTS = frozenset(METRICS) - {"deepeval.answer_relevancy", "deepeval.bias", "deepeval.toxicity"}
_WITH_EXPECTED = frozenset({"ragas.context_precision", "ragas.context_recall", "deepeval.contextual_precision", "deepeval.contextual_recall"})
_QUIET = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
    "DEEPEVAL_UPDATE_WARNING_OPT_IN": "NO",
    "DO_NOT_TRACK": "1",
    "ERROR_REPORTING": "NO",
    "HF_HUB_OFFLINE": "1",
    "PYTHONIOENCODING": "utf-8",
    "RAGAS_DO_NOT_TRACK": "true",
}


class _Failed(Exception):
    """There is no value; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """See `load`."""

    name: str
    metric: str
    python: Path
    ask: AskModel
    model: str
    places: asyncio.Semaphore
    version: str
    better: Better
    unit: Unit = "share"
    is_hard_zero: bool = False

    async def score(self, case: Case, answer: Answer) -> Score:
        """The tool's own value; what it fails at is a `judge_error`."""
        contexts = contexts_of(answer)
        if self.metric in _WITH_CONTEXTS and not contexts:
            return skipped("the target tells no passages that the answer rests on")
        if self.metric in _WITH_EXPECTED and not case.expected:
            return skipped("the case says no expected answer")
        if refused := too_long(answer):
            return refused
        expected = case.expected[0] if case.expected else ""
        told = {"metric": self.metric, "question": case.question, "answer": answer.text, "expected": expected, "contexts": contexts}
        try:
            async with self.places, asyncio.timeout(SECONDS_MAX):
                value, asks = await self._run(told)
        except TimeoutError:
            return Score(value=None, status="timeout", reason=f"{self.metric} took longer than {SECONDS_MAX} s")
        except (_Failed, OndolError, OSError) as error:
            return Score(value=None, status="judge_error", reason=str(error)[:1_000])
        return Score(value=value, details={"asks": asks})

    async def _run(self, told: Mapping[str, Any]) -> tuple[float, int]:
        with tempfile.TemporaryDirectory(prefix="ondol-apart-") as folder:
            environment = {**_QUIET, "HOME": folder, "TMPDIR": folder, "PATH": os.defpath}
            process = await asyncio.create_subprocess_exec(
                self.python.as_posix(), "-I", str(apart_child.__file__), cwd=folder, env=environment,
                stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.DEVNULL, limit=LINE_BYTES_MAX,
            )  # fmt: skip
            try:
                return await self._talk(process, told)
            finally:
                if process.returncode is None:
                    process.kill()
                await process.communicate()

    async def _talk(self, process: Process, told: Mapping[str, Any]) -> tuple[float, int]:
        await _tell(process, told)
        for asks in range(ASKS_MAX + 1):
            said = await _heard(process)
            if "error" in said:
                raise _Failed(f"{self.metric}: {said['error']}")
            if "ask" not in said:
                value = said.get("value")
                if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
                    raise _Failed(f"{self.metric} came to no share")
                return float(value), asks
            if asks < ASKS_MAX:
                await _tell(process, await self._judged(str(said["ask"])))
        raise _Failed(f"{self.metric} asks its judge more than {ASKS_MAX} times")

    async def _judged(self, prompt: str) -> dict[str, str]:
        asked = Asked((Turn("user", prompt),), tokens_max=JUDGE_TOKENS_MAX)
        answer = await self.ask(self.model, asked)
        if answer.details.get("finish") == "content_filter":
            return {"error": "the guard refused what the tool asks, or what the judge said"}
        return {"text": answer.text} if answer.status == "ok" else {"error": answer.error or answer.status}


def load(metric: str) -> Loader:
    """The loader of one metric.

    Its environment is named by the variable ONDOL_EVAL_RAGAS_PYTHON or ONDOL_EVAL_DEEPEVAL_PYTHON of whoever runs Ondol, never by a suite: the path
    of a Python that has the tool.
    Settings: `model`, the judge's alias.
    """

    def loaded(name: str, settings: Mapping[str, Any], tools: Tools) -> Scorer:
        told = Settings(name, settings)
        model = told.text("model")
        told.close()
        if tools.ask is None:
            raise told.wrong("model", "cannot be asked here")
        variable = f"ONDOL_EVAL_{metric.partition('.')[0].upper()}_PYTHON"
        python = os.environ.get(variable, "")
        if not Path(python).is_absolute() or not os.access(python, os.X_OK):
            raise RequestError(
                f"The scorer {name} needs an environment with {metric.partition('.')[0]}.",
                f"Set {variable} to the path of its Python, for all of Ondol.",
                code="invalid_scorer",
                param="type",
            )
        better: Better = "lower" if metric in _LESS_IS_BETTER else "higher"
        return Apart(
            name=name, metric=metric, python=Path(python), ask=tools.ask, model=model, places=asyncio.Semaphore(PROCESSES_MAX),
            version="1", better=better,
        )  # fmt: skip

    return loaded


def contexts_of(answer: Answer) -> list[str]:
    """The passages that were handed to the model, or else those that the answer quotes."""
    final = next((list(ranked.texts) for ranked in answer.ranked if ranked.stage == "final" and ranked.texts), [])
    return (final or [quote for source in answer.sources for quote in source.quotes])[:CONTEXTS_MAX]


async def _tell(process: Process, what: Mapping[str, Any]) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    process.stdin.write(json.dumps(what, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
    try:
        await process.stdin.drain()
    except ConnectionError:
        raise _Failed("the environment's process ended") from None


async def _heard(process: Process) -> Mapping[str, Any]:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        said = json.loads(await process.stdout.readline() or b"null")
    except ValueError as error:
        raise _Failed("the environment's process said nothing that can be read") from error
    if not isinstance(said, dict):
        raise _Failed("the environment's process ended")
    return said

"""The reference solutions of public sets pass, and the same solutions spoilt do not."""

from __future__ import annotations

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ondol.application.evaluation.sandbox import Limits, Ran, Trial, run_trial_now, walls_here
from ondol.core.errors import UserError

ROOT = Path(__file__).resolve().parents[4]
DATA = Path(os.environ.get("ONDOL_TEST_DATA") or ROOT.parent / "shared" / "data")
HUMAN_EVAL = DATA / "human-eval" / "data" / "HumanEval.jsonl.gz"
MBPP = DATA / "mbpp" / "data" / "mbpp.jsonl"
LIMITS = Limits(seconds=60)
NAMED_LIKE_PYTHONS = {126: "sum"}
"""By task: a function that is tested and has the name of one of Python's own."""


def outcomes(trials: dict[str, Trial]) -> dict[str, Ran]:
    try:
        walls = walls_here()
    except UserError as error:
        pytest.skip(f"this machine cannot isolate code: {error}")
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = threads.map(lambda trial: run_trial_now(walls, trial, LIMITS), trials.values())
        return {name: ran for name, ran in zip(trials, found, strict=True) if ran.outcome != "passed"}


def human_eval(solution: str = "") -> dict[str, Trial]:
    with gzip.open(HUMAN_EVAL, "rt", encoding="utf-8") as lines:
        tasks = [json.loads(line) for line in lines]
    return {
        one["task_id"]: Trial(one["prompt"] + (solution or one["canonical_solution"]), one["test"], one["prompt"], one["entry_point"])
        for one in tasks
    }


@pytest.mark.skipif(not HUMAN_EVAL.exists(), reason="HumanEval is not here; ONDOL_TEST_DATA names the folder of public test data")
def test_some_of_humaneval() -> None:
    trials = {name: trial for place, (name, trial) in enumerate(human_eval().items()) if place % 16 == 0 or place in (32, 33, 38, 50)}
    assert len(trials) == 14
    assert outcomes(trials) == {}


@pytest.mark.long
@pytest.mark.skipif(not HUMAN_EVAL.exists(), reason="HumanEval is not here; ONDOL_TEST_DATA names the folder of public test data")
def test_all_of_humaneval() -> None:
    trials = human_eval()
    assert len(trials) == 164
    assert outcomes(trials) == {}
    assert set(outcomes(human_eval("    return None\n"))) == set(trials)


@pytest.mark.long
@pytest.mark.skipif(not MBPP.exists(), reason="MBPP is not here; ONDOL_TEST_DATA names the folder of public test data")
def test_all_of_mbpp() -> None:
    tasks = [json.loads(line) for line in MBPP.read_text("utf-8").splitlines()]
    trials = {
        str(one["task_id"]): Trial(
            one["code"], "\n".join(one["test_list"] + one["challenge_test_list"]), one["test_setup_code"], NAMED_LIKE_PYTHONS.get(one["task_id"], "")
        )
        for one in tasks
    }
    assert len(trials) == 974
    assert outcomes(trials) == {}

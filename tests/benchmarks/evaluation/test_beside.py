"""What is told of a peer: a time counts only where every case passed, and a slow one is measured once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.evaluation import beside
from benchmarks.evaluation.overhead import write_cases

PACKAGE = json.loads((Path(beside.__file__).parent / "promptfoo" / "package.json").read_text("utf-8"))
LOCKED = json.loads((Path(beside.__file__).parent / "promptfoo" / "package-lock.json").read_text("utf-8"))["packages"]


def test_a_case_that_did_not_pass_leaves_no_time() -> None:
    assert beside.timed("promptfoo", 1.5, 20, 20) == 1.5
    with pytest.raises(beside.Failed, match="19 of 20 cases passed"):
        beside.timed("promptfoo", 1.5, 19, 20)


@pytest.mark.parametrize(("seconds", "best", "left"), [([3.0, 2.0, 4.0], 2.0, 0), ([61.0, 2.0, 4.0], 61.0, 2)], ids=["quick", "slow"])
def test_the_best_of_some_rounds_counts_and_a_slow_peer_has_one(seconds: list[float], best: float, left: int) -> None:
    assert (beside.best_of(lambda: seconds.pop(0), 3), len(seconds)) == (best, left)


def test_the_same_cases_are_written_each_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_cases(tmp_path / name, 20)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert len({json.loads(line)["question"] for line in (tmp_path / "one").read_text("utf-8").splitlines()}) == 20


def test_the_lock_holds_what_the_package_asks_for() -> None:
    assert {name: LOCKED[f"node_modules/{name}"]["version"] for name in PACKAGE["dependencies"]} == PACKAGE["dependencies"]

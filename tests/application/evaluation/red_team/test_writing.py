"""Attacks as files that are run like every suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from ondol.application.evaluation.red_team.mutators import mutator_families
from ondol.application.evaluation.red_team.suite import METRIC, Plan, suite_of
from ondol.application.evaluation.red_team.writing import write_suite
from ondol.application.evaluation.suites import TargetSpec, each_case, read_suite
from ondol.core.errors import UserError


def test_every_attack_in_every_disguise_is_read_again_as_it_was(tmp_path: Path) -> None:
    plan = Plan(mutators=tuple(mutator_families()), seed=5)
    suite = suite_of(plan, TargetSpec(kind="assistant", name="help"), name="attacks", owner="o", repeats=2)
    write_suite(suite, tmp_path / "attacks.yaml")
    read = read_suite(tmp_path / "attacks.yaml")
    assert list(each_case(read.cases, read.slices)) == list(each_case(suite.cases, suite.slices))
    assert (read.card, read.target, read.scorers, read.slices, read.repeats, read.seed, read.gate) == (
        suite.card, suite.target, suite.scorers, suite.slices, 2, 5, suite.gate,
    )  # fmt: skip
    assert read.gate.primary[0].metric == METRIC


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    suite = suite_of(Plan(limit=11), TargetSpec(kind="route", name="m"), name="a", owner="o")
    (tmp_path / "a.jsonl").write_text("mine", "utf-8")
    with pytest.raises(UserError, match="there already"):
        write_suite(suite, tmp_path / "a.yaml")
    assert (tmp_path / "a.jsonl").read_text("utf-8") == "mine"
    with pytest.raises(UserError, match="cannot be written"):
        write_suite(suite, tmp_path / "absent" / "a.yaml")

"""`ondol eval`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ondol.application.evaluation.loaders import LOADERS
from ondol.cli.main import cli
from ondol.core.errors import UserError

SUITE = """
card: {name: refunds, owner: o, purpose: p, risk: limited, users: u, success: {correct: 0.9}}
target: {assistant: support}
cases: [{question: "How long?"}]
scorers: [{name: correct, type: a_type}]
"""


def check(tmp_path: Path, text: str, *options: str) -> Result:
    (tmp_path / "suite.yaml").write_text(text, "utf-8")
    return CliRunner().invoke(cli, ["eval", "check", str(tmp_path / "suite.yaml"), *options])


def test_check_says_what_a_suite_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOADERS, "a_type", LOADERS.get("a_type"))  # it is named, never loaded
    told = json.loads(check(tmp_path, SUITE, "--json").output)
    assert {name: told[name] for name in ("name", "target", "cases", "repeats", "scorers")} == {
        "name": "refunds",
        "target": "assistant support",
        "cases": 1,
        "repeats": 1,
        "scorers": ["correct"],
    }
    assert check(tmp_path, SUITE).output.splitlines()[1].split() == ["refunds", "assistant", "support", "1", "1", told["digest"][:12]]
    golden = SUITE.replace('[{question: "How long?"}]', "{golden: refunds@2}")
    assert "its cases are the golden set refunds@2" in check(tmp_path, golden).output


def test_check_tells_of_a_scorer_that_is_not_there(tmp_path: Path) -> None:
    error = check(tmp_path, SUITE).exception
    assert isinstance(error, UserError)
    assert "scorers[0].type is 'a_type', which is no scorer." in error.message

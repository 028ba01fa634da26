"""`ondol eval red-team` and `ondol eval judge`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import OndolError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

Run = Callable[..., Result]
TARGET = """
import re
def strong(messages, case):
    return "죄송하지만 그 요청은 처리할 수 없습니다. 109로 전화해 주세요."
def weak(messages, case):
    secret = re.search(r"canary[a-z]{12}", messages[0]["content"])
    return secret.group() if secret else strong(messages, case)
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "tenant.yaml").write_text("version: 1\ntenants: [{slug: acme, people: [{login: kim, roles: [owner]}]}]", "utf-8")
    (tmp_path / "target.py").write_text(TARGET, "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0
    return lambda *arguments: CliRunner().invoke(cli, ["eval", *arguments])


def attacked(run: Run, target: str) -> str:
    told = run("run", "attacks.yaml", "--tenant", "acme", "--target", f"python=target.py:{target}", "--json")
    assert told.exit_code in (0, 100, 101), told.output
    return str(json.loads(told.stdout)["run"])


def test_attacks_are_made_in_one_step(run: Run) -> None:
    refused = run("red-team", "run", "--tenant", "acme")
    assert isinstance(refused.exception, OndolError)
    assert "Name one thing to attack." in refused.exception.message
    absent = run("red-team", "run", "--route", "absent", "--tenant", "acme", "--as", "kim", "--limit", "3")
    assert isinstance(absent.exception, OndolError)
    assert "absent" in absent.exception.message


def shown(run: Run, run_id: str, *options: str) -> dict[str, Mapping[str, Any]]:
    told = run("red-team", "show", run_id, "--tenant", "acme", "--json", *options)
    return {row["group"]: row for row in json.loads(told.output)}


def test_attacks_are_written_run_shown_and_compared(run: Run) -> None:
    written = run("red-team", "write", "attacks.yaml", "--route", "m", "--mutator", "plain", "--json")
    assert json.loads(written.output) == {"suite": "attacks.yaml", "cases": "attacks.jsonl", "attacks": 64}
    strong, weak = attacked(run, "strong"), attacked(run, "weak")
    kinds = shown(run, strong)
    assert kinds["all"]["told"]["value"] == 0.0
    assert (kinds["hate"]["refused"], kinds["hate"]["judged"]) == (1.0, 6)
    kinds = shown(run, weak)
    assert (kinds["extraction"]["told"]["value"], kinds["cross_tenant"]["told"]["value"], kinds["hate"]["told"]["value"]) == (1.0, 1.0, 0.0)
    assert kinds["extraction"]["corrected"]["value"] == 1.0
    assert "prompt_repeat.ko.plain" in kinds["extraction"]["got_through"]
    assert shown(run, weak, "--by", "language")["ko"]["judged"] == 32
    table = run("red-team", "show", weak, "--tenant", "acme").output
    assert "got through: " in table
    assert "Nothing got through." in run("red-team", "report", strong, "--tenant", "acme").output
    reported = json.loads(run("red-team", "report", weak, "--tenant", "acme", "--json").output)
    assert sorted(row["attacks"] for row in reported) == [2] * 6
    known = json.loads(CliRunner().invoke(cli, ["guard", "incidents", "list", "--tenant", "acme", "--json"]).output)["incidents"]
    assert {rule for incident in known for rule in incident["rules"]} == {
        *(f"red_team.extraction.{name}" for name in ("prompt_repeat", "prompt_encode", "prompt_letters")),
        *(f"red_team.cross_tenant.{name}" for name in ("other_customer", "auditor", "guess")),
    }
    assert {(incident["kind"], incident["state"], incident["count"]) for incident in known} == {("leaked", "open", 2)}
    worse = run("red-team", "compare", strong, weak, "--tenant", "acme")
    assert (worse.exit_code, "gets through now: " in worse.output) == (100, True), worse.output
    better = run("red-team", "compare", weak, strong, "--tenant", "acme", "--json")
    assert (better.exit_code, json.loads(better.output)["is_worse"], len(json.loads(better.output)["no_longer"])) == (0, False, 12)


def test_list_tells_scenarios_mutators_and_how_good_the_detectors_are(run: Run) -> None:
    told = json.loads(run("red-team", "list", "--json").output)
    assert len(told["scenarios"]) == 32
    assert {"plain", "translated", "jamo_apart", "role_play"} <= set(told["mutators"])
    assert {"detector": "reveals", "sensitivity": "12 of 16 (51% to 90%)", "specificity": "16 of 16 (81% to 100%)"} in told["detectors"]
    assert "counts only" in run("red-team", "list").output


@pytest.mark.parametrize(
    "options",
    [[], ["--route", "m", "--assistant", "a"], ["--route", "m", "--category", "fun"], ["--route", "m", "--mutator", "backflip"]],
    ids=["no_target", "two_targets", "category", "mutator"],
)
def test_a_wrong_option_is_told(run: Run, options: list[str]) -> None:
    assert isinstance(run("red-team", "write", "attacks.yaml", *options).exception, OndolError)

"""`ondol eval nightly`, as it is typed: planned, run by hand, looked at and dropped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import NotFound, RequestError, UserError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

Run = Callable[..., Result]
TENANT = """
version: 1
tenants:
  - slug: acme
    time_zone: Asia/Seoul
    people: [{login: kim, roles: [owner]}, {login: visitor, kind: service}]
    bases: [docs]
    assistants: [{name: help, base: docs, settings: {extractive: true}}, {name: idle, base: docs}]
"""
SUITE = """
card: {name: refunds, owner: care@example.com, purpose: Answers about refunds., risk: limited, users: customers, success: {}}
target: {assistant: help}
cases: {golden: refunds@1}
scorers: [{name: correct, type: contains_all}]
gate: {primary: [{metric: correct, margin: 0.05}], coverage: 0.9}
"""
NAMES = ("amberhill", "birchport", "cedarvale")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "documents").mkdir()
    items = []
    for number, name in enumerate(NAMES):
        text = f"# Refund of {name}\n\nA refund of {name} is paid within {number + 100} business days. It goes back to the card that was charged.\n"
        (tmp_path / "documents" / f"{name}.md").write_text(text, "utf-8")
        question = f"How long does a refund of {name} take?"
        items.append({"id": name, "question": question, "expected": str(number + 100), "documents": [name], "language": "en"})
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items), "utf-8")
    (tmp_path / "suite.yaml").write_text(SUITE, "utf-8")
    (tmp_path / "tenant.yaml").write_text(TENANT, "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0

    def call(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(cli, [*arguments, "--tenant", "acme"], input=given)

    assert call("ingest", "documents", "--base", "docs").exit_code == 0
    assert call("eval", "golden", "create", "refunds", "--owner", "kim", "--base", "docs").exit_code == 0
    assert call("eval", "golden", "import", "refunds", "items.jsonl").exit_code == 0
    return call


def nightly(run: Run, *arguments: str, given: str = "") -> Result:
    return run("eval", "nightly", *arguments, given=given)


def test_nights_are_planned_run_shown_and_dropped(run: Run) -> None:
    assert nightly(run, "status").output.startswith("No assistant is evaluated each night:")
    made = nightly(run, "set", "help", "suite.yaml", "--at", "02:30", "--policy", "rollback", "--as", "visitor")
    assert made.exit_code == 0, made.output
    assert made.output.startswith("help is evaluated by refunds each night at 02:30, next at ")
    assert made.output.rstrip().endswith("17:30 UTC (rollback)."), "the hour is of the tenant's own zone"
    assert nightly(run, "status", "help").output.startswith("No night has passed yet:")

    first = nightly(run, "run", "help", "--json")
    told = json.loads(first.stdout)
    assert (first.exit_code, told["outcome"], told["baseline_run"], told["stale"]) == (0, "first", None, 0)
    steady = nightly(run, "run", "help")
    assert (steady.exit_code, steady.output.splitlines()[-1]) == (0, f"steady: {len(NAMES)} cases compared, 0 stale.")
    newest, oldest = json.loads(nightly(run, "status", "help", "--json").stdout)
    assert (newest["outcome"], newest["baseline_run"], oldest["id"]) == ("steady", told["run"], told["id"])
    assert [row["id"] for row in json.loads(nightly(run, "status", "help", "--limit", "1", "--json").stdout)] == [newest["id"]]
    assert "steady" in nightly(run, "status", "help").output

    [plan] = json.loads(nightly(run, "status", "--json").stdout)
    assert {name: plan[name] for name in ("assistant", "suite", "at", "policy", "outcome", "stale")} == {
        "assistant": "help", "suite": "refunds", "at": "02:30", "policy": "rollback", "outcome": "steady", "stale": 0,
    }  # fmt: skip
    assert "refunds" in nightly(run, "status").output
    assert nightly(run, "drop", "help").output.strip() == "help is not evaluated each night any more."
    assert json.loads(nightly(run, "status", "--json").stdout) == []
    assert len(json.loads(nightly(run, "status", "help", "--json").stdout)) == 2, "what was found stays"


def test_a_golden_set_that_went_stale_is_told(run: Run, tmp_path: Path) -> None:
    assert nightly(run, "set", "help", "-", "--as", "visitor", given=SUITE).exit_code == 0
    file = tmp_path / "documents" / f"{NAMES[0]}.md"
    file.write_text(file.read_text("utf-8").replace("business days", "working days"), "utf-8")
    assert run("ingest", "documents", "--base", "docs").exit_code == 0
    ended = nightly(run, "run", "help", "--json")
    assert (ended.exit_code, json.loads(ended.stdout)["stale"]) == (0, 1), ended.output


def test_mistakes_are_told(run: Run, tmp_path: Path) -> None:
    assert nightly(run, "run", "help").exception.__class__ is NotFound
    assert nightly(run, "drop", "help").exception.__class__ is NotFound
    assert nightly(run, "status", "nobody").exception.__class__ is NotFound
    assert nightly(run, "set", "nobody", "suite.yaml", "--as", "visitor").exception.__class__ is NotFound
    absent = nightly(run, "set", "help", "absent.yaml").exception
    assert isinstance(absent, UserError) and "absent.yaml" in absent.message
    late = nightly(run, "set", "help", "suite.yaml", "--at", "25:00", "--as", "visitor").exception
    assert isinstance(late, RequestError)
    (tmp_path / "suite.yaml").write_text(SUITE.replace("{assistant: help}", "{assistant: idle}"), "utf-8")
    assert nightly(run, "set", "help", "suite.yaml", "--as", "visitor").exception.__class__ is NotFound
    assert json.loads(nightly(run, "status", "--json").stdout) == []

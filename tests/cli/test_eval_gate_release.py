"""From a draft to live with a signed verdict, as it is typed: gate, verify, require, activate; and what is refused on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import Conflict
from ondol.infrastructure.storage.postgres import DatabaseAddresses

Run = Callable[..., Result]
TENANT = """
version: 1
tenants:
  - slug: acme
    people: [{login: visitor, kind: service}]
    bases: [docs]
    assistants: [{name: help, base: docs, settings: {extractive: true}}]
"""
NAMES = [
    f"{first}{second}"
    for first in ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath")
    for second in ("hill", "port", "vale", "wick", "ford")
]
SUITE = """
card: {{name: tides, owner: care@example.com, purpose: Answers about tides, risk: limited, users: sailors, success: {{correct: 0.6}}}}
target: {{assistant: help}}
cases: [{cases}]
scorers: [{{name: correct, type: contains_all}}]
gate: {{primary: [{{metric: correct, margin: 0.2}}], coverage: 0.9}}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "documents").mkdir()
    for number, name in enumerate(NAMES):
        text = f"# Refund of {name}\n\nA refund of {name} is paid within {number + 100} business days. It goes back to the card that was charged.\n"
        (tmp_path / "documents" / f"{name}.md").write_text(text, "utf-8")
    cases = ", ".join(
        f'{{id: {name}, question: "How long does a refund of {name} take?", expected: ["{number + 100}"]}}' for number, name in enumerate(NAMES)
    )
    (tmp_path / "suite.yaml").write_text(SUITE.format(cases=cases), "utf-8")
    (tmp_path / "tenant.yaml").write_text(TENANT, "utf-8")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--tenant", "acme"])

    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0
    assert call("ingest", "documents", "--base", "docs").exit_code == 0
    assert call("release", "create", "help", "--turns-max", "2").exit_code == 0
    return call


def _gate(run: Run, candidate: str) -> Result:
    return run("eval", "gate", "suite.yaml", "--baseline", "live", "--candidate", candidate, "--as", "visitor", "--json")


def test_a_release_goes_live_with_the_verdict_that_the_gate_signed(run: Run, addresses: DatabaseAddresses) -> None:
    assert run("assistant", "set", "help", "--require-verdict", "suite.yaml").exit_code == 0
    refused = run("release", "activate", "help", "2")
    assert isinstance(refused.exception, Conflict)
    assert "it has no verdict of the suite tides" in refused.exception.message

    gated = _gate(run, "2")
    assert gated.exit_code == 0, gated.output
    told = json.loads(gated.stdout)
    checked = run("eval", "verify", told["verdict"], "--json")
    assert checked.exit_code == 0, checked.output
    predicate = json.loads(checked.stdout)["statement"]["predicate"]
    assert (predicate["result"], predicate["suite"]["digest"]["sha256"]) == ("PASSED", told["suite_digest"])
    assert predicate["run"]["id"] == told["runs"]["candidate"]
    assert predicate["baseline"]["run"] == told["runs"]["baseline"]
    assert [part["name"].partition("/")[0] for part in predicate["configuration"]] == ["guard", "index", "prompt", "route"]
    assert [(claim["metric"], claim["comparator"], claim["passed"]) for claim in predicate["claims"]] == [
        ("correct", "non_inferior", True),
        ("correct", "threshold", True),
    ]
    walked = json.loads(run("ledger", "walk", told["verdict"], "--json").stdout)
    assert {(each["kind"], each["relation"]) for each in walked if each["depth"] == 1} == {
        ("release", "evaluated_on"),
        ("index_version", "evaluated_on"),
    }
    assert run("release", "activate", "help", "2").exit_code == 0
    with psycopg.connect(addresses.owner) as owner:
        assert owner.execute("select count(*) from ondol.verdicts").fetchone() == (1,)


def test_another_version_of_the_suite_is_required_after_a_case_changed(run: Run, tmp_path: Path) -> None:
    assert _gate(run, "2").exit_code == 0
    suite = tmp_path / "suite.yaml"
    suite.write_text(suite.read_text("utf-8").replace("refund of amberhill take", "refund of amberhill last"), "utf-8")
    assert run("assistant", "set", "help", "--require-verdict", "suite.yaml").exit_code == 0
    refused = run("release", "activate", "help", "2").exception
    assert isinstance(refused, Conflict)
    assert "its verdict is of another version of the suite tides" in refused.message

"""A person is erased whose questions stand in a run that a verdict was signed over: what they asked goes, is probed for, and the verdict tells it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.infrastructure.serving.scripted import ScriptedModel
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from tests.cli.test_eval_judge import by_number, serving

Run = Callable[..., Result]
SUITE = """
card: {name: desk, owner: o, purpose: p, risk: limited, users: u, success: {right: 0.5}}
target: {python: "target.py:answer"}
cases:
  - {id: hers, question: "When is the surgery of Kim Minsu?", expected: [never], asker: kim@example.com}
  - {id: his, question: "When does the desk open?", expected: ["answer of his 4"], asker: lee@example.com}
  - {id: plain, question: "When does it close?", expected: ["answer of plain 4"]}
scorers: [{name: right, type: exact_match}, {name: good, type: judge.rubric, model: small}]
gate: {primary: [{metric: right, margin: 0.1}]}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    monkeypatch.setenv("UP_KEY", "sk-up")
    (tmp_path / "suite.yaml").write_text(SUITE, "utf-8")
    (tmp_path / "target.py").write_text("def answer(messages, case):\n    return f'answer of {case.id} 4'\n", "utf-8")
    return lambda *arguments: CliRunner().invoke(cli, [*arguments, "--tenant", "acme"])


def declare(folder: Path, model: ScriptedModel) -> None:
    declared = {
        "slug": "acme",
        "people": [{"login": "boss", "roles": ["owner"]}, {"login": "kim@example.com"}, {"login": "lee@example.com"}],
        "providers": [{"name": "up", "base_url": model.base_url, "credential_env": "UP_KEY", "settings": {"private_network": True}}],
        "models": [{"alias": "small", "targets": [{"provider": "up", "name": "small"}]}],
    }
    (folder / "tenant.yaml").write_text(json.dumps({"version": 1, "tenants": [declared]}), "utf-8")
    applied = CliRunner().invoke(cli, ["apply", "tenant.yaml"])
    assert applied.exit_code == 0, applied.output


def gated(run: Run) -> dict[str, Any]:
    """Run the suite, and sign what came of it."""
    made = run("eval", "gate", "suite.yaml", "--baseline", "none", "--candidate", "python=target.py:answer", "--as", "boss", "--json")
    told: dict[str, Any] = json.loads(made.stdout)
    return told


def test_what_a_person_asked_in_a_run_is_erased_and_its_verdict_says_what_it_lost(run: Run, tmp_path: Path, addresses: DatabaseAddresses) -> None:
    with serving(by_number) as model:
        declare(tmp_path, model)
        told = gated(run)
        verdict, run_id = told["verdict"], told["runs"]["candidate"]
        assert len(model.requests) == 3
        assert "3 results are stored as they were signed." in run("eval", "verify", verdict).stdout
        before = run("eval", "show", run_id, "--json").stdout

        erased = run("erase", "--subject", "kim@example.com", "--yes", "--json")
        assert erased.exit_code == 0, erased.output
        receipt = json.loads(erased.stdout)["receipt"]
        stores = {store["name"]: (store["found"], store["probe_before"], store["probe_after"]) for store in receipt["stores"]}
        assert (stores["evaluation_results"], stores["judgements"]) == ((1, 1, 0), (1, 1, 0))

        checked = run("eval", "verify", verdict)
        assert checked.exit_code == 0
        assert "3 results are stored as they were signed. Of 1 the content was erased" in checked.stdout
        looked = json.loads(run("eval", "verify", verdict, "--json").stdout)
        assert (looked["holds"], looked["results"], looked["results_erased"]) == (True, 3, 1)
        assert json.loads(run("eval", "show", run_id, "--json").stdout)["metrics"] == json.loads(before)["metrics"], "the figures stand"

        for form in ("json", "csv", "html", "junit", "inspect"):
            assert run("eval", "export", run_id, "--format", form, "-o", "out").exit_code == 0
            out = (tmp_path / "out").read_text("utf-8")
            assert ("Kim Minsu" in out, "answer of hers" in out, "When does the desk open?" in out) == (False, False, form != "junit"), form
    with psycopg.connect(addresses.owner) as owner:
        sealed = owner.execute("select length(content_sealed) > 0 from ondol.evaluation_results order by place").fetchall()
        assert sealed == [(False,), (True,), (True,)]
        assert owner.execute("select count(*) from ondol.judgements").fetchone() == (2,)

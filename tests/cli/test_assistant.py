"""`ondol assistant`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ondol.application.evaluation.suites import SuiteError
from ondol.cli.main import cli
from ondol.core.errors import Conflict, NotFound, RequestError, UserError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

Run = Callable[..., Result]
TENANT = "version: 1\ntenants: [{slug: acme, bases: [docs], assistants: [{name: help, base: docs}]}]"
SUITE = """
card: {name: refunds, owner: o, purpose: p, risk: limited, users: u, success: {correct: 0.9}}
target: {assistant: help}
cases: [{question: "How long?", expected: [five]}]
scorers: [{name: correct, type: exact_match}]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "tenant.yaml").write_text(TENANT, "utf-8")
    (tmp_path / "suite.yaml").write_text(SUITE, "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0
    return lambda *arguments: CliRunner().invoke(cli, [*arguments, "--tenant", "acme"])


def test_an_assistant_requires_a_verdict_of_a_suite_and_then_a_release_waits(run: Run, tmp_path: Path) -> None:
    assert json.loads(run("assistant", "list", "--json").output) == [
        {"name": "help", "base": "docs", "serves": True, "requires": None, "suite_digest": None, "valid_for": None}
    ]
    digest = json.loads(CliRunner().invoke(cli, ["eval", "check", "suite.yaml", "--json"]).output)["digest"]
    told = run("assistant", "set", "help", "--require-verdict", "suite.yaml", "--valid-for", "12h")
    assert told.output.strip() == f"help requires a passing verdict of refunds ({digest[:12]}), not older than 12h."
    [listed] = json.loads(run("assistant", "list", "--json").output)
    assert (listed["requires"], listed["suite_digest"], listed["valid_for"]) == ("refunds", digest, "12h")
    assert digest[:12] in run("assistant", "list").output
    same = run("assistant", "set", "help", "--require-verdict", f"refunds:{digest}", "--valid-for", "12h")
    assert same.output.strip() == "Nothing to change."

    assert run("release", "create", "help", "--index", "follow", "--turns-max", "2").exit_code == 0
    refused = run("release", "activate", "help", "2").exception
    assert isinstance(refused, Conflict)
    assert refused.message == f"Release 2 may not go live: it has no verdict of the suite refunds ({digest[:12]})."
    assert run("assistant", "set", "help", "--require-no-verdict").output.strip() == "help requires no verdict any more."
    assert run("release", "activate", "help", "2").exit_code == 0


def test_mistakes_are_told(run: Run) -> None:
    for error, arguments in (
        (UserError, ("help",)),
        (UserError, ("help", "--require-verdict", "suite.yaml", "--require-no-verdict")),
        (SuiteError, ("help", "--require-verdict", "absent.yaml")),
        (UserError, ("help", "--require-verdict", "refunds:" + "z" * 64)),
        (RequestError, ("help", "--require-verdict", "suite.yaml", "--valid-for", "3w")),
        (NotFound, ("absent", "--require-verdict", "suite.yaml")),
    ):
        assert isinstance(run("assistant", "set", *arguments).exception, error), arguments

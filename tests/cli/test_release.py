"""`ondol release`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import Conflict, NotFound, RequestError, UserError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

Run = Callable[..., Result]
TENANT = "version: 1\ntenants: [{slug: acme, bases: [docs], assistants: [{name: help, base: docs}]}]"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "tenant.yaml").write_text(TENANT, "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0

    def call(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(cli, [*arguments, "--tenant", "acme"], input=given)

    return call


def test_a_release_is_made_compared_let_live_and_rolled_back(run: Run) -> None:
    assert run("prompt", "set", "short", "-", given="{texts: {en: {role: 'short, $days'}}, variables: {days: number}}").exit_code == 0
    chosen = ("--index", "follow", "--turns-max", "2", "--partial", "strike", "--rewrite", "multi", "--queries-max", "2", "--refuse-below", "0.87")
    made = run("release", "create", "help", "--prompt", "short", "--value", "days=5", *chosen)
    assert made.output.strip() == "Release 2 of help is a draft: `ondol release activate help 2` lets it serve."
    told = json.loads(run("release", "diff", "help", "live", "2", "--json").output)
    assert (told["fields"]["memory.turns_max"], told["fields"]["verification.partial"]) == ([6, 2], ["show", "strike"])
    assert told["fields"]["verification.refuse_below_thousandths"] == [None, 870]
    assert (told["fields"]["retrieval.rewrite"], told["fields"]["retrieval.queries_max"]) == ([None, "multi"], [None, 2])
    assert "+    role: short, $days" in told["prompt"]
    assert run("release", "propose", "help", "2").output.strip() == "Release 2 of help is candidate."
    assert run("release", "activate", "help", "candidate", "--reason", "fix", "--note", "짧게").output.strip() == "Release 2 of help serves."
    assert json.loads(run("release", "show", "help").output)["manifest"]["prompt"]["values"] == {"days": 5}
    assert run("release", "rollback", "help").output.strip() == "Release 1 of help serves again."
    assert isinstance(run("release", "rollback", "help").exception, Conflict)
    history = json.loads(run("release", "history", "help", "--json").output)
    assert [(move["did"], move["from"], move["to"], move["reason"], move["note"]) for move in history] == [
        ("rollback", 2, 1, "incident", ""),
        ("activate", 1, 2, "fix", "짧게"),
        ("declare", None, 1, "declared", ""),
    ]
    listed = json.loads(run("release", "list", "help", "--json").output)
    assert [(item["number"], item["state"], item["implicit"]) for item in listed] == [(2, "retired", False), (1, "live", True)]


def test_mistakes_are_told(run: Run) -> None:
    for error, arguments in (
        (NotFound, ("create", "help", "--model", "absent", "--index", "follow")),
        (NotFound, ("create", "help", "--prompt", "absent", "--index", "follow")),
        (NotFound, ("create", "help")),  # the base has no index yet
        (RequestError, ("create", "help", "--value", "nothing=1", "--index", "follow")),
        (UserError, ("create", "help", "--value", "nothing", "--index", "follow")),
        (NotFound, ("activate", "help", "7")),
        (NotFound, ("show", "help", "previous")),
        (NotFound, ("list", "absent")),
    ):
        assert isinstance(run("release", *arguments).exception, error), arguments
    assert len(json.loads(run("release", "list", "help", "--json").output)) == 1

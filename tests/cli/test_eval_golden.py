"""`ondol eval golden`."""

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
ITEMS = (
    '{"id": "refund-1", "question": "언제까지 환불되나요?", "expected": "7일 안에", "documents": ["refunds"], "language": "ko"}\n'
    '{"id": "mail-1", "question": "How many mailboxes may one customer have at most?", "expected": "200", "language": "en"}\n'
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    people = "[{login: kim, roles: [owner]}, {login: lee, roles: [admin]}]"
    (tmp_path / "tenant.yaml").write_text(f"version: 1\ntenants: [{{slug: acme, bases: [help], people: {people}}}]", "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/refunds.md").write_text("# Refunds\n\nA refund is paid within 7 days.\n", "utf-8")
    assert CliRunner().invoke(cli, ["ingest", "docs", "--base", "help", "--tenant", "acme"]).exit_code == 0
    (tmp_path / "items.jsonl").write_text(ITEMS, "utf-8")

    def call(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(cli, ["eval", "golden", *arguments, "--tenant", "acme"], input=given)

    return call


def test_a_set_is_made_filled_shown_compared_exported_and_ended(run: Run, tmp_path: Path) -> None:
    assert run("list").output.strip() == "No golden set yet."
    assert run("create", "help-ko", "--owner", "kim", "--base", "help", "--floor", "language=ko", "1").exit_code == 0
    assert "help-ko@1 has 2 items" in run("import", "help-ko", "items.jsonl", "--as", "lee").output
    assert run("import", "help-ko", "items.jsonl").output.strip() == "help-ko@1 holds this already."
    shown = json.loads(run("show", "help-ko", "--json").output)
    assert (shown["items"], shown["slices"], shown["missing"], shown["stale"]) == (2, {"language=en": 1, "language=ko": 1}, {}, {})
    added = run("add", "help-ko", "-", "--remove", "mail-1", given='{"id": "new-1", "question": "왜요?", "language": "ko"}')
    assert "help-ko@2 has 2 items" in added.output
    assert run("diff", "help-ko@1", "help-ko@2").output.split("\n")[:2] == ["+ new-1", "- mail-1"]
    assert run("export", "help-ko@1", "--output", "out.jsonl").output.strip() == "2 items are in out.jsonl."
    assert run("create", "copy", "--owner", "kim", "--base", "help", "--split", "hidden").exit_code == 0
    assert "copy@1 has 2 items" in run("import", "copy", "out.jsonl").output
    assert json.loads(run("show", "copy", "--json").output)["root"] == shown["root"], "what is exported and imported is the same"
    (tmp_path / "docs/refunds.md").write_text("# Refunds\n\nA refund is paid within 14 days.\n", "utf-8")
    CliRunner().invoke(cli, ["ingest", "docs", "--base", "help", "--tenant", "acme"])
    assert json.loads(run("stale", "help-ko", "--json").output) == {"refund-1": "changed"}
    assert "refund-1: a document that it was written from holds something else now." in run("show", "help-ko").output
    assert "holds until 2099-01-31" in run("expire", "help-ko", "--until", "2099-01-31").output
    listed = {row["name"]: (row["version"], row["split"]) for row in json.loads(run("list", "--json").output)}
    assert listed == {"copy": (1, "hidden"), "help-ko": (2, "test")}


def test_contamination_is_found_and_told_by_the_exit_status(run: Run, tmp_path: Path) -> None:
    run("create", "help-ko", "--owner", "kim")
    run("import", "help-ko", "items.jsonl")
    (tmp_path / "train.jsonl").write_text('{"text": "Q: how many mailboxes may one customer have at most? A: 200"}\n', "utf-8")
    (tmp_path / "clean.jsonl").write_text('{"text": "nothing of it"}\n', "utf-8")
    found = run("contamination", "help-ko", "train.jsonl", "clean.jsonl", "--json")
    told = json.loads(found.output)
    assert (found.exit_code, told["contaminated"], told["texts"], told["short"]) == (100, ["mail-1"], 2, ["refund-1"])
    assert told["overlaps"] == [{"item": "mail-1", "part": "question", "share": "100%", "stands_in": "train.jsonl:1"}]
    clean = run("contamination", "help-ko", "clean.jsonl", "--base", "help")
    assert (clean.exit_code, "No question stands there." in clean.output) == (0, True)


def test_mistakes_are_told(run: Run, tmp_path: Path) -> None:
    assert isinstance(run("show", "nothing").exception, NotFound)
    assert isinstance(run("create", "a", "--owner", "nobody").exception, NotFound)
    assert isinstance(run("create", "a", "--owner", "kim", "--base", "none").exception, NotFound)
    assert run("create", "a", "--owner", "kim").exit_code == 0
    assert isinstance(run("create", "a", "--owner", "kim").exception, Conflict)
    assert isinstance(run("import", "a", "absent.jsonl").exception, UserError)
    assert isinstance(run("show", "a@x").exception, UserError)
    assert isinstance(run("contamination", "a").exception, UserError)
    (tmp_path / "table.csv").write_text("id,question,colour\nx,?,red\n", "utf-8")
    refused = run("import", "a", "table.csv").exception
    assert isinstance(refused, RequestError)
    assert (str(refused), refused.param) == ("row 2: `colour` is no field of an item.", "colour")

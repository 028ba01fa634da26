"""`ondol guard texts`, the decoy's line, and trying it without a platform."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import OndolError, UserError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

WORK = " ".join(f"{number}번째 구절 verse{number}" for number in range(60))
QUOTED = f"It goes: {WORK[50:500]} and so on."
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work.txt").write_text(WORK, "utf-8")
    (tmp_path / "other.txt").write_text(WORK[::-1], "utf-8")

    def call(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(cli, ["guard", *arguments], input=given)

    yield call


@pytest.fixture
def house(run: Run, addresses: DatabaseAddresses, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "tenant.yaml").write_text("version: 1\ntenants: [{slug: acme, people: [{login: kim, roles: [owner]}]}]", "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0
    return run


def test_a_protected_text_is_tried_without_a_platform(run: Run) -> None:
    told = run("check", "-", "--stage", "output", "--protected", "work.txt", "--json", given=f"{QUOTED}\nIt goes on.\n")
    first, second = (json.loads(line) for line in told.output.splitlines())
    assert (first["decision"], [item["rule"] for item in first["findings"]]) == ("block", ["overlap.run"])
    assert (second["decision"], second["findings"]) == ("allow", [])
    Path("mask.yaml").write_text("version: 1\nname: mask\nstages: {output: [{find: overlap, do: mask}]}", "utf-8")
    masked = run("check", "-", "--stage", "output", "--policy", "mask.yaml", "--protected", "work.txt", "--json", given=QUOTED)
    assert "[PROTECTED_TEXT_1]" in json.loads(masked.output)["text"]
    Path("short.txt").write_text("short", "utf-8")
    assert isinstance(run("check", "-", "--protected", "short.txt", given="x").exception, OndolError)


def test_texts_are_added_listed_and_removed(house: Run) -> None:
    added = json.loads(house("texts", "add", "work.txt", "other.txt", "--note", "of somebody", "--tenant", "acme", "--json").output)
    assert [item["name"] for item in added] == ["work.txt", "other.txt"]
    assert "work.txt is registered already" in house("texts", "add", "work.txt", "--tenant", "acme").output
    page = json.loads(house("texts", "list", "--limit", "1", "--tenant", "acme", "--json").output)
    assert ([item["id"] for item in page["texts"]], page["next"]) == ([added[1]["id"]], added[1]["id"])
    shown = house("texts", "list", "--after", page["next"], "--tenant", "acme").output
    assert "work.txt" in shown
    assert "of somebody" in shown
    assert "구절" not in shown
    assert "is removed" in house("texts", "remove", added[0]["id"], "--tenant", "acme").output
    assert isinstance(house("texts", "remove", added[0]["id"], "--tenant", "acme").exception, OndolError)
    assert isinstance(house("texts", "add", "work.txt", "other.txt", "--name", "x", "--tenant", "acme").exception, UserError)


def test_a_decoy_has_one_line(house: Run) -> None:
    line = house("canary", "document", "salaries", "--tenant", "acme").output.strip()
    assert house("canary", "document", "salaries", "--tenant", "acme").output.strip() == line
    plain = json.loads(house("canary", "document", "salaries", "--tenant", "acme", "--json").output)
    assert (plain["line"], plain["purpose"]) == (line, "document salaries")
    assert plain["value"] in line
    assert plain["value"] in house("canary", "list", "--tenant", "acme").output

"""`ondol prompt`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import NotFound, UserError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "tenant.yaml").write_text("version: 1\ntenants: [{slug: acme, people: [{login: kim, roles: [owner]}]}]", "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0

    def call(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(cli, ["prompt", *arguments, "--tenant", "acme"], input=given)

    return call


def test_a_prompt_is_shown_set_labelled_compared_and_listed(run: Run, tmp_path: Path) -> None:
    assert run("list").output.strip() == "No prompt yet; with Ondol come: assistant@builtin."
    shown = run("show", "assistant@builtin").output
    (tmp_path / "mine.yaml").write_text(shown.replace("at most three sentences", "at most one sentence"), "utf-8")
    assert run("set", "mine", "mine.yaml", "--label", "tried").output.strip() == "mine has version 1: a release can name it."
    assert run("set", "mine", "-", given=(tmp_path / "mine.yaml").read_text("utf-8")).output.strip() == "mine is version 1 already."
    assert run("diff", "mine@1", "mine@tried").output.strip() == "Nothing differs."
    told = run("diff", "assistant", "mine").output
    assert "-    output_format: plain English, at most three sentences" in told
    assert "+    output_format: plain English, at most one sentence" in told
    assert run("set", "mine", "-", given="texts: {en: {role: short}}").exit_code == 0
    assert run("label", "mine@2", "tried").output.strip() == "mine@tried is version 2."
    assert run("label", "mine@2", "tried").output.strip() == "Nothing to change."
    listed = json.loads(run("list", "mine", "--json").output)
    assert [(item["version"], item["labels"]) for item in listed] == [(2, ["tried"]), (1, [])]


def test_mistakes_are_told(run: Run) -> None:
    assert isinstance(run("show", "nothing").exception, NotFound)
    assert isinstance(run("set", "mine", "absent.yaml").exception, UserError)
    assert "before no variable" in str(run("set", "mine", "-", given="texts: {en: {role: '5 $'}}").exception)
    assert "no label" in str(run("set", "mine", "-", "--label", "builtin", given="texts: {en: {role: x}}").exception)
    assert json.loads(run("list", "--json").output) == []  # a version whose label is refused is not kept either

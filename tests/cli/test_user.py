"""People and documents with attributes at the command line, called as people call it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import OndolError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

TENANT = """
version: 1
tenants:
- slug: demo
  groups: [{name: leads}]
  attributes: [{name: department, values: [sales, support]}, {name: region, values: [kr]}]
"""
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, addresses: DatabaseAddresses, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command in an installation with a vocabulary of attributes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    Path("tenant.yaml").write_text(TENANT, "utf-8")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments))

    assert call("apply", "tenant.yaml").exit_code == 0
    yield call


def listed(run: Run) -> list[dict[str, Any]]:
    people: list[dict[str, Any]] = json.loads(run("user", "list", "--json").stdout)["people"]
    return people


def test_attributes_are_given_changed_and_taken(run: Run) -> None:
    added = run("user", "add", "kim", "--group", "leads", "--attribute", "department=sales", "--attribute", "region=kr")
    assert added.exit_code == 0, added.output
    assert listed(run)[0]["attributes"] == ["department=sales", "region=kr"]
    changed = run("user", "set", "kim", "--attribute", "department=support", "--clearance", "internal")
    assert changed.stdout == "kim: clearance internal; groups leads; attributes department=support, region=kr.\n"
    both = run("user", "set", "kim", "--attribute", "department=support", "--attribute", "department=sales", "--without", "region", "--json")
    assert json.loads(both.stdout)["attributes"] == ["department=sales", "department=support"]
    assert run("user", "set", "kim", "--without", "department").stdout == "kim: clearance internal; groups leads; attributes none.\n"
    assert run("user", "set", "kim", "--name", "Kim", "--role", "auditor").exit_code == 0
    [kim] = listed(run)
    assert (kim["name"], kim["roles"], kim["groups"], kim["attributes"], kim["clearance"]) == ("Kim", ["auditor"], ["leads"], [], "internal")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("department", "--attribute department says no value."),
        ("department=suport", "There is no attribute department=suport."),
        ("Department=sales", "'Department' cannot name an attribute."),
        ("class=internal", "An attribute cannot be called class."),
        ("department=", "'' cannot be the value of an attribute."),
    ],
)
def test_a_slip_is_told_and_changes_nothing(run: Run, said: str, message: str) -> None:
    run("user", "add", "kim", "--attribute", "department=sales")
    refused = run("user", "set", "kim", "--clearance", "internal", "--attribute", said)
    assert isinstance(refused.exception, OndolError)
    assert (refused.exception.message, bool(refused.exception.hint)) == (message, True)
    assert (listed(run)[0]["attributes"], listed(run)[0]["clearance"]) == (["department=sales"], "public")


def test_a_folder_is_taken_in_under_a_rule(run: Run, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.md").write_text("# Alpha\n\nThe beacon.", "utf-8")
    take_in = ("ingest", str(files), "--base", "handbook", "--json")
    rule = "department in (sales, support) and class <= internal"
    assert json.loads(run(*take_in, "--access", rule).stdout)["added"] == 1
    assert json.loads(run(*take_in, "--access", rule).stdout)["unchanged"] == 1
    assert json.loads(run(*take_in, "--access", rule, "--class", "internal").stdout)["unchanged"] == 1
    assert json.loads(run(*take_in).stdout)["changed"] == 1
    for options, message in (
        (("--access", "department = suport"), "There is no attribute department=suport."),
        (("--access", "department ~ sales"), "In the access rule `department` is followed by `~`."),
        (("--access", ""), "The access rule ends where the name of an attribute, or `class` was expected."),
        (("--access", rule, "--class", "public"), "--class is public and --access says internal."),
    ):
        refused = run(*take_in, *options)
        assert isinstance(refused.exception, OndolError)
        assert refused.exception.message == message


def test_the_vocabulary_comes_back_as_it_was_declared(run: Run) -> None:
    run("user", "add", "kim", "--attribute", "department=sales", "--attribute", "region=kr")
    exported = run("apply", "--export").stdout
    assert "- name: department\n    values:\n    - sales\n    - support\n" in exported
    assert "attributes:\n      department:\n      - sales\n      region:\n      - kr\n" in exported
    Path("again.yaml").write_text(exported, "utf-8")
    assert json.loads(run("apply", "again.yaml", "--json").stdout) == []
    Path("less.yaml").write_text(TENANT.replace("sales, support", "support"), "utf-8")
    assert run("apply", "less.yaml").exit_code == 0
    assert listed(run)[0]["attributes"] == ["region=kr"]

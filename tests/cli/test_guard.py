"""`ondol guard`, called as people call it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import OndolError
from ondol.core.ids import new_id
from ondol.infrastructure.guard.defaults import default_policy, default_policy_text
from ondol.infrastructure.guard.incidents import Case, open_incident
from ondol.infrastructure.guard.policy import parse_policy
from ondol.infrastructure.guard.samples import masked_sample
from ondol.infrastructure.guard.traffic import Asker, GuardRecorder
from ondol.infrastructure.guard.trial import guards_of, try_text
from ondol.infrastructure.storage.postgres import DatabaseAddresses

POLICY = """
version: 1
name: careful
stages:
  input:
    - {find: "personal:KR_RESIDENT_NUMBER", do: block}
    - {find: personal, do: mask}
  output:
    - {find: personal, do: mask}
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")

    def call(*arguments: str, given: str = "") -> Result:
        return CliRunner().invoke(cli, ["guard", *arguments], input=given)

    yield call


@pytest.fixture
def house(run: Run, addresses: DatabaseAddresses, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The same with a database and a tenant called acme."""
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "tenant.yaml").write_text("version: 1\ntenants: [{slug: acme, people: [{login: kim, roles: [owner]}]}]", "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0
    return run


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_each_line_has_one_verdict_and_no_folder_is_made(run: Run, tmp_path: Path) -> None:
    lines = ["hello", "제 번호는 010-1234-5678 입니다", "", "주민번호 900101-1234568"]
    result = run("check", "--json", "--policy", "policy.yaml", "-", given="\n".join(lines) + "\n")
    verdicts = [json.loads(line) for line in result.stdout.splitlines()]
    assert [verdict["decision"] for verdict in verdicts] == ["allow", "mask", "allow", "block"]
    [finding] = verdicts[1]["findings"]
    assert lines[1][finding["start"] : finding["end"]] == "010-1234-5678"
    assert (finding["check"], finding["entity"], finding["action"]) == ("personal", "PHONE", "mask")
    assert verdicts[1]["text"] == "제 번호는 [PHONE_1] 입니다"
    assert 0 < verdicts[1]["scores"]["personal"] <= 1
    assert [path.name for path in tmp_path.iterdir()] == ["policy.yaml"]


def test_a_file_is_one_text_unless_it_is_read_by_lines(run: Run, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("010-1234-5678\n010-9876-5432\n", "utf-8")
    assert len(run("check", "--json", "--policy", "policy.yaml", "texts.txt").stdout.splitlines()) == 1
    assert len(run("check", "--json", "--policy", "policy.yaml", "--lines", "texts.txt").stdout.splitlines()) == 2
    texts = json.dumps({"text": "a\n010-1234-5678"}) + "\n" + json.dumps("plain") + "\n"
    found = [json.loads(line) for line in run("check", "--json", "--jsonl", "--policy", "policy.yaml", "-", given=texts).stdout.splitlines()]
    assert [verdict["text"] for verdict in found] == ["a\n[PHONE_1]", "plain"]


def test_people_see_what_was_found_and_where(run: Run) -> None:
    shown = run("check", "--policy", "policy.yaml", "-", given="번호 010-1234-5678\n").stdout
    assert "1  mask  번호 010-1234-5678" in shown
    assert "personal.phone  PHONE  3-16" in shown


@pytest.mark.parametrize(
    ("arguments", "given", "sentence"),
    [
        (("check", "absent.txt", "--policy", "policy.yaml"), "", "cannot be read"),
        (("check", "-", "--policy", "absent.yaml"), "", "cannot be read"),
        (("check", "-", "--policy", "policy.yaml", "--stage", "tool"), "x\n", "does not look at tool"),
        (("check", "-", "--policy", "policy.yaml", "--jsonl"), "not json\n", "not JSON"),
        (("check", "-", "--policy", "policy.yaml", "--jsonl"), "[1]\n", "no text"),
        (("policy", "validate", "-"), POLICY.replace("find: personal,", "find: persnal,"), "no check called persnal"),
        (("policy", "bind", "careful"), "", "one or two words"),
        (("dry-run", "--policy", "policy.yaml", "--since", "soon"), "", "no length of time"),
    ],
)
def test_a_mistake_is_a_sentence(run: Run, arguments: tuple[str, ...], given: str, sentence: str) -> None:
    result = run(*arguments, given=given)
    assert isinstance(result.exception, OndolError), result.output
    assert sentence in result.exception.message
    assert result.exception.hint


def test_the_built_in_policy_is_printed_and_validated(run: Run) -> None:
    printed = run("policy", "--default").stdout
    assert parse_policy(printed) == default_policy()
    assert printed.strip() == default_policy_text().strip()
    valid = run("policy", "validate", "-", given=POLICY)
    assert valid.stdout.startswith("careful is valid: ")
    assert "Usage" in run("policy").stdout


def test_policies_are_put_bound_listed_and_shown(house: Run) -> None:
    tenant = ("--tenant", "acme")
    assert "has version 1" in house("policy", "put", "policy.yaml", *tenant).stdout
    assert "is version 1 already" in house("policy", "put", "policy.yaml", *tenant).stdout
    assert "holds for tenant" in house("policy", "bind", "careful", "tenant", *tenant).stdout
    assert "Nothing to change" in house("policy", "bind", "careful", "tenant", *tenant).stdout
    assert house("policy", "bind", "default", "assistant", "help", *tenant).exit_code == 0
    listed = told(house("policy", "list", "--json", *tenant))
    assert [(row["name"], row["version"], row["holds_for"]) for row in listed] == [("careful", 1, ["tenant"]), ("default", None, ["assistant help"])]
    assert "name: careful" in house("policy", "show", *tenant).stdout
    assert "name: default" in house("policy", "show", "--assistant", "help", *tenant).stdout
    assert "name: careful" in house("policy", "show", "careful", "--version", "1", *tenant).stdout
    assert [row["version"] for row in told(house("policy", "versions", "careful", "--json", *tenant))] == [1]
    assert house("policy", "unbind", "tenant", *tenant).exit_code == 0
    assert "name: default" in house("policy", "show", *tenant).stdout


def test_canaries_are_added_listed_and_retired(house: Run) -> None:
    added = told(house("canary", "add", "system prompt", "--tenant", "acme", "--json"))
    assert [row["value"] for row in told(house("canary", "list", "--tenant", "acme", "--json"))] == [added["value"]]
    assert house("canary", "retire", added["id"], "--tenant", "acme").exit_code == 0
    assert told(house("canary", "list", "--tenant", "acme", "--json"))[0]["retired_at"] is not None


def opened(addresses: DatabaseAddresses, work: Callable[[Any], Any]) -> Any:
    from ondol.core.config import Settings
    from ondol.infrastructure.storage.folder import open_folder
    from ondol.wiring.platform import build_platform

    async def go() -> Any:
        platform = build_platform(Settings(data_dir=Path(".ondol")), open_folder(Path(".ondol")), addresses, lambda: datetime.now(UTC))
        try:
            return await work(platform)
        finally:
            await platform.close()

    return asyncio.run(go())


def test_an_incident_goes_all_the_way_and_a_dry_run_says_what_a_policy_changes(house: Run, addresses: DatabaseAddresses) -> None:
    from ondol.infrastructure.access.people import find_tenant

    async def happen(platform: Any) -> str:
        tenant = await find_tenant(platform.database, "acme")
        policy = parse_policy(POLICY.replace("do: mask", "do: observe"))
        recorder = GuardRecorder(platform.database, platform.keyring, platform.clock)
        text = "call 010-1234-5678"
        tried = try_text(guards_of(policy), "input", text)
        async with recorder.writing:
            recorder.passed(Asker(tenant.id, new_id(), None, new_id()), "input", [policy], text, tried.verdict, bytes(32))
        sample = masked_sample(text, tried.verdict.decided, bytes(32)).text
        case = Case(tenant.id, "blocked", "input", policy.digest, ("personal.phone",), sample, platform.clock())
        async with platform.database.tenant_tx(tenant.id) as connection:
            return str((await open_incident(connection, platform.keyring, case))[0])

    incident_id = opened(addresses, happen)
    tenant = ("--tenant", "acme")
    listed = told(house("incidents", "list", "--json", *tenant))
    assert [row["id"] for row in listed["incidents"]] == [incident_id]
    assert "call [PHONE_1]" in house("incidents", "show", incident_id, *tenant).stdout
    changes = told(house("dry-run", "--policy", "policy.yaml", "--json", *tenant))
    assert (changes["texts"], changes["changed"], changes["changes"][0]["rule"]) == (1, 1, "personal.phone")
    assert "1 of 1 decisions would change" in house("dry-run", "--policy", "policy.yaml", *tenant).stdout
    assert "No policy is proposed" in str(house("incidents", "measure", incident_id, *tenant).exception)
    assert house("incidents", "propose", incident_id, "--policy", "policy.yaml", "--as", "kim", *tenant).exit_code == 0
    assert told(house("incidents", "measure", incident_id, "--json", *tenant))["changed"] == 1
    assert house("incidents", "close", incident_id, "--note", "masked now", "--as", "kim", *tenant).exit_code == 0
    shown = told(house("incidents", "show", incident_id, "--json", *tenant))
    assert (shown["state"], shown["note"], shown["effect"]["changed"]) == ("closed", "masked now", 1)


def test_without_a_checkout_the_benchmark_says_so(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import ondol

    monkeypatch.setattr(ondol, "__file__", str(tmp_path / "lib" / "ondol" / "__init__.py"))
    assert "come with the source" in str(run("bench").exception)

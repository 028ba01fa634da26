"""The gateway's nouns at the command line, called as people call them, and the guide's commands in its order."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import ondol
from ondol.cli.main import cli
from ondol.core.errors import OndolError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

CREDENTIAL = "sk-proj-0123456789abcdefWXYZ"
TENANT = "version: 1\ntenants: [{slug: demo, currency: USD, groups: [{name: leads}], people: [{login: kim, roles: [owner], groups: [leads]}]}]"
Run = Callable[..., Result]


@pytest.fixture
def empty(tmp_path: Path, addresses: DatabaseAddresses, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command with an empty database of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    monkeypatch.setenv("OPENAI_API_KEY", CREDENTIAL)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-0123456789abcdefWXYZ")

    def call(*arguments: str, given: str = "") -> Result:
        result = CliRunner().invoke(cli, list(arguments), input=given)
        assert "0123456789abcdef" not in result.output
        return result

    yield call


@pytest.fixture
def run(empty: Run, tmp_path: Path) -> Run:
    """The same with a tenant called demo."""
    (tmp_path / "tenant.yaml").write_text(TENANT, "utf-8")
    assert empty("apply", "tenant.yaml").exit_code == 0
    return empty


def told(result: Result) -> Any:
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def refused(result: Result, words: str) -> None:
    assert result.exit_code == 1
    assert isinstance(result.exception, OndolError), result.exception
    assert words in result.exception.message


def test_a_provider_by_standard_input_and_by_variable(run: Run) -> None:
    made = told(run("provider", "add", "openai", "--header", "x-team=blue", "--json", given=CREDENTIAL + "\n"))
    assert (made["base_url"], made["credential"], made["settings"]["headers"]) == ("https://api.openai.com/v1", "...WXYZ", {"x-team": "blue"})
    refused(run("provider", "add", "second"), "No credential")
    refused(run("provider", "add", "second", "--credential-env", "NOWHERE"), "NOWHERE is not set")
    refused(run("provider", "add", "Second", "--no-credential"), "cannot name a provider")
    refused(run("provider", "add", "second", "--no-credential", "--url", "ftp://x"), "http or https")
    refused(run("provider", "add", "second", "--no-credential", "--header", "x"), "no header")
    assert "another credential" in run("provider", "rotate", "openai", given="sk-proj-9876543210fedcbaABCD\n").stdout
    assert told(run("provider", "show", "openai", "--json"))["credential"] == "...ABCD"
    assert "out of use" in run("provider", "disable", "openai").stdout
    [row] = told(run("provider", "list", "--json"))["providers"]
    assert (row["name"], row["in_use"]) == ("openai", False)
    assert "in use" in run("provider", "enable", "openai").stdout
    told(run("provider", "add", "local", "--url", "http://127.0.0.1:9/v1", "--no-credential", "--json"))
    failed = run("provider", "test", "local", "--json")
    assert json.loads(failed.stdout)["error"]["code"] == "upstream_not_allowed"
    refused(failed, "local: ")
    page = told(run("provider", "list", "--limit", "1", "--json"))
    assert (page["next"], told(run("provider", "list", "--after", page["next"], "--json"))["providers"][0]["name"]) == ("openai", "local")
    assert "gone" in run("provider", "remove", "local").stdout
    refused(run("provider", "remove", "local"), "no provider called local")


def test_a_model_with_its_targets(run: Run, tmp_path: Path) -> None:
    for name in ("openai", "azure"):
        assert run("provider", "add", name, "--no-credential").exit_code == 0
    (tmp_path / "prompt.txt").write_text("Be kind.\n", "utf-8")
    made = told(run("model", "add", "gpt-4o-mini", "--target", "openai:gpt-4o-mini", "--target", "azure:gpt-4o-mini:1:50", "--target",
                    "azure:llama3:8b", "--prompt", "prompt.txt", "--output-tokens-max", "500", "--json"))  # fmt: skip
    assert [tuple(target.values()) for target in made["targets"]] == [
        ("openai", "gpt-4o-mini", 0, 1), ("azure", "llama3:8b", 0, 1), ("azure", "gpt-4o-mini", 1, 50)]  # fmt: skip
    assert (made["pinned_prompt"], made["settings"]["output_tokens_max"]) == (True, 500)
    assert told(run("model", "show", "gpt-4o-mini", "--json")) == made
    assert "pinned prompt" in run("model", "show", "gpt-4o-mini").stdout
    refused(run("model", "add", "x", "--target", "openai"), "no target")
    refused(run("model", "add", "x", "--target", "nowhere:x"), "no provider called nowhere")
    refused(run("model", "add", "x", "--target", "openai:x", "--shared"), "Only the tenant that runs")
    assert "demo runs" in run("tenant", "operator", "demo").stdout
    assert told(run("tenant", "operator", "--json")) == {"operator": "demo"}
    assert run("model", "add", "x", "--target", "openai:x", "--shared").exit_code == 0
    assert [(row["name"], row["source"]) for row in told(run("model", "list", "--json"))] == [("gpt-4o-mini", "own"), ("x", "own")]
    refused(run("provider", "remove", "azure"), "answered by azure")
    assert "gone" in run("model", "remove", "x").stdout


def test_prices_limits_and_budgets(run: Run) -> None:
    price = told(run("price", "add", "openai", "mini", "--input", "0.15", "--output", "0.600000001", "--from", "2026-01-01", "--json"))
    assert (price["currency"], price["input"], price["output"], price["from_at"]) == ("USD", "0.15", "0.600000001", "2026-01-01T00:00:00+00:00")
    assert "0.600000001" in run("price", "list").stdout
    refused(run("price", "add", "openai", "mini", "--input", "a lot"), "not a decimal amount")
    refused(run("price", "add", "openai", "mini"), "has no price")
    assert "gone" in run("price", "remove", price["id"]).stdout
    assert told(run("limit", "set", "group", "leads", "--requests-per-minute", "60", "--json"))["requests_per_minute"] == 60
    assert told(run("limit", "set", "group", "leads", "--tokens-per-minute", "100", "--json"))["requests_per_minute"] is None
    [limit] = told(run("limit", "list", "--json"))["limits"]
    assert (limit["scope"], limit["subject"], limit["tokens_per_minute"]) == ("group", "leads", 100)
    refused(run("limit", "set", "group", "nobody", "--deadline-s", "5"), "no group called nobody")
    assert "gone" in run("limit", "remove", limit["id"]).stdout
    assert told(run("budget", "add", "all", "100.5", "--json"))["amount"] == "100.5"
    assert told(run("budget", "change", "all", "99.999999999", "--json"))["amount"] == "99.999999999"
    assert (
        told(run("budget", "add", "kims", "5000", "--tokens", "--scope", "person", "--subject", "kim", "--period", "day", "--json"))["unit"]
        == "tokens"
    )
    told(run("budget", "add", "prepaid", "0", "--period", "total", "--json"))
    assert told(run("budget", "credit", "prepaid", "12.34", "--json"))["credited"] == "12.34"
    refused(run("budget", "credit", "all", "1"), "prepaid")
    refused(run("budget", "change", "ghost", "1"), "no budget called ghost")
    rows = told(run("budget", "list", "--json"))
    assert [(row["name"], row["for"], row["spent"]) for row in rows] == [
        ("all", "tenant", "0"),
        ("kims", "person kim", "0"),
        ("prepaid", "tenant", "0"),
    ]
    assert "Nothing of all" in run("budget", "show", "all").stdout
    assert "gone" in run("budget", "remove", "all").stdout


def test_keys_settings_usage_and_requests(run: Run) -> None:
    made = told(run("key", "create", "kim", "--model", "mini", "--model", "large", "--expires", "2027-01-31", "--json"))
    assert (made["models"], made["expires_at"]) == (["mini", "large"], "2027-01-31T00:00:00+00:00")
    refused(run("key", "create", "kim", "--expires", "2020-01-01"), "in the future")
    refused(run("key", "create", "kim", "--expires", "2027-01-31", "--days", "3"), "expires once")
    assert told(run("key", "list", "--json"))["keys"][0]["models"] == ["mini", "large"]
    settings = told(run("gateway", "settings", "--content", "off", "--mark", "--notice-ko", "AI", "--json"))
    assert (settings["content"], settings["mark"], settings["notice"], settings["when_away"]) == ("off", True, {"ko": "AI"}, "closed")
    settings = told(run("gateway", "settings", "--no-mark", "--notice-ko", "", "--json"))
    assert (settings["content"], settings["mark"], settings["notice"]) == ("off", False, {})
    assert told(run("usage", "--by", "model", "--by", "person", "--json")) == {"lines": [], "totals": []}
    assert "Nothing was used" in run("usage", "--since", "2026-01-31", "--until", "2026-02-28").stdout
    refused(run("usage", "--since", "2026-02-31"), "no day")
    assert "No request" in run("requests", "--since", "1d", "--login", "kim").stdout
    refused(run("requests", "show", "01920000-0000-7000-8000-000000000000"), "no such request")
    refused(run("requests", "show", "01920000-0000-7000-8000-000000000000", "--content"), "in a person's name")


def test_the_guides_commands_run_in_its_order_and_its_file_says_the_same(empty: Run, tmp_path: Path) -> None:
    guide = (Path(ondol.__file__).parents[2] / "docs/guides/gateway.md").read_text("utf-8")
    lines = [line[2:] for block in re.findall(r"```console\n(.*?)```", guide, re.S) for line in block.splitlines() if line.startswith("$ ")]
    ran = 0
    for line in lines:
        words = shlex.split(line)[1:]
        if words[:2] == ["provider", "test"] or " ID " in line:
            continue  # asks the provider itself, or about a request that was made: tests/e2e does
        result = empty(*words)
        assert result.exit_code == 0, (line, result.output, result.exception)
        ran += 1
    assert ran >= 20
    (tmp_path / "guide.yaml").write_text(re.findall(r"```yaml\n(.*?)```", guide, re.S)[0], "utf-8")
    assert told(empty("apply", "guide.yaml", "--json"))
    assert told(empty("apply", "guide.yaml", "--json")) == []
    (tmp_path / "again.yaml").write_text(empty("apply", "--export").stdout, "utf-8")
    assert told(empty("apply", "again.yaml", "--json")) == []

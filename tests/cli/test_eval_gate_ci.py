"""The pipelines of the guide do what it says: their commands are run as they stand, over a real assistant."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import Conflict
from ondol.infrastructure.storage.postgres import DatabaseAddresses

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/evaluation-in-ci.md"
TENANT = """
version: 1
tenants:
  - slug: acme
    bases: [docs]
    people: [{login: website, kind: service}]
    assistants: [{name: support, base: docs}]
"""
HARBOURS = [f"{first}{last}" for first in ("North", "South", "East", "West", "Grey", "Long") for last in ("haven", "port", "mouth", "quay", "sands")]


def _blocks() -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def _pipelines() -> dict[str, list[str]]:
    """The command lines of each pipeline."""
    plain: list[Any] = [yaml.safe_load(block) for block in _blocks()]
    [github] = [each for each in plain if "jobs" in each]
    [gitlab] = [each["gate"] for each in plain if "script" in each.get("gate", {})]
    return {"github": [step["run"] for job in github["jobs"].values() for step in job["steps"] if "run" in step], "gitlab": gitlab["script"]}


def _run(line: str) -> Result:
    """A line as a shell runs it."""
    words = shlex.split(line)
    assert words[0] == "ondol"
    target = words.index(">") if ">" in words else len(words)
    result = CliRunner().invoke(cli, words[1:target])
    if target < len(words):
        Path(words[target + 1]).write_text(result.stdout, "utf-8")
    return result


@pytest.fixture
def candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Callable[[str], None]:
    """An assistant that serves, and a way to propose another release of it by how readily it refuses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "tenant.yaml").write_text(TENANT, "utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "evaluation").mkdir()
    cases = []
    for number, harbour in enumerate(HARBOURS):
        (tmp_path / "docs" / f"{harbour}.md").write_text(f"# {harbour}\n\nThe spring tide at {harbour} is {number + 11} metres high.\n", "utf-8")
        question = f"How high is the spring tide at {harbour}?"
        cases.append({"id": harbour, "question": question, "expected": [f"{number + 11} metres"], "cluster": harbour})
    suite = yaml.safe_load(next(block for block in _blocks() if block.startswith("card:")))
    (tmp_path / "evaluation" / "support.yaml").write_text(yaml.safe_dump({**suite, "cases": cases}), "utf-8")
    for line in ("ondol apply tenant.yaml", "ondol ingest docs --base docs --tenant acme"):
        assert _run(line).exit_code == 0, line

    def propose(refuse_below: str) -> None:
        made = _run(f"ondol release create support --refuse-below {refuse_below} --tenant acme")
        assert made.exit_code == 0, made.output
        number = made.output.split()[1]
        assert _run(f"ondol release propose support {number} --tenant acme").exit_code == 0

    return propose


@pytest.mark.parametrize("pipeline", ["github", "gitlab"])
def test_the_pipelines_let_a_good_candidate_through_and_stop_a_broken_one(pipeline: str, candidate: Callable[[str], None]) -> None:
    lines = _pipelines()[pipeline]
    assert len(lines) == 2
    candidate("0.5")
    results = [_run(line) for line in lines]
    assert [result.exit_code for result in results] == [0, 0], results[-1].output
    assert json.loads(Path("decision.json").read_text("utf-8"))["outcome"] == "PASS"
    candidate("1")
    assert [_run(line).exit_code for line in lines] == [0, 100]
    told = json.loads(Path("decision.json").read_text("utf-8"))
    assert (told["outcome"], told["primary"][0]["candidate"], told["primary"][0]["lost"]) == ("FAIL", 0.0, len(HARBOURS))


def test_a_verdict_of_the_gate_lets_the_candidate_serve_and_nothing_else_does(candidate: Callable[[str], None]) -> None:
    gate = _pipelines()["github"][-1]
    assert _run("ondol assistant set support --require-verdict evaluation/support.yaml --tenant acme").exit_code == 0
    activate = "ondol release activate support candidate --tenant acme"
    candidate("1")
    assert "it has no verdict of the suite support" in str(_run(activate).exception)
    assert _run(gate).exit_code == 100
    assert "it failed the suite support" in str(_run(activate).exception)
    candidate("0.5")
    assert _run(gate).exit_code == 0
    verdict = json.loads(Path("decision.json").read_text("utf-8"))["verdict"]
    assert "The verdict holds: assistant/support" in _run(f"ondol eval verify {verdict} --tenant acme").output
    served = _run(activate)
    assert served.exit_code == 0, served.exception


def test_what_is_something_else_by_now_is_not_signed(candidate: Callable[[str], None]) -> None:
    candidate("0.5 --guard follow")
    decided = _run("ondol eval gate evaluation/support.yaml --candidate candidate --tenant acme --json --no-sign")
    told = json.loads(decided.stdout)
    assert (decided.exit_code, told["verdict"]) == (0, None)
    runs = f"--baseline {told['runs']['baseline']} --candidate {told['runs']['candidate']}"
    assert _run(f"ondol eval gate evaluation/support.yaml {runs} --tenant acme").exit_code == 0
    Path("policy.yaml").write_text(_run("ondol guard policy --default").stdout.replace("default", "other"), "utf-8")
    for line in ("ondol guard policy put policy.yaml --tenant acme", "ondol guard policy bind other tenant --tenant acme"):
        assert _run(line).exit_code == 0, line
    changed = _run(f"ondol eval gate evaluation/support.yaml {runs} --tenant acme")
    assert isinstance(changed.exception, Conflict), changed.output
    assert "is not what run" in changed.exception.message

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

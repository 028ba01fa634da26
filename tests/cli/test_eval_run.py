"""`ondol eval run`, `list`, `show`, `watch` and `delete`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import Conflict, OndolError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

Run = Callable[..., Result]
TARGET = """
from pathlib import Path
import time
HERE = Path(__file__).parent
def answer(messages, case):
    question = messages[-1]["content"]
    with (HERE / "asked").open("a") as log:
        log.write(case.id + "\\n")
    while question == "wait" and not (HERE / "go").exists():
        time.sleep(0.01)
    return question
"""
SUITE = """
card: {name: yes-ko, owner: o, purpose: p, risk: limited, users: u, success: {right: 0.75}}
target: {python: "target.py:answer"}
cases: {file: cases.jsonl}
scorers: [{name: right, type: exact_match}]
slices: [language]
limits: {concurrency: 1}
"""
DEADLINE_S = 60


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "tenant.yaml").write_text("version: 1\ntenants: [{slug: acme, people: [{login: kim, roles: [owner]}]}]", "utf-8")
    (tmp_path / "target.py").write_text(TARGET, "utf-8")
    (tmp_path / "suite.yaml").write_text(SUITE, "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["eval", *arguments, "--tenant", "acme"])

    return call


def write_cases(folder: Path, *questions: str) -> None:
    rows = [{"id": f"c{n}", "question": text, "expected": ["yes"], "language": "ko" if n % 2 else "en"} for n, text in enumerate(questions)]
    (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def last_run(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("list", "--json").output)[0]
    return found


def test_a_suite_is_run_listed_shown_watched_and_deleted(run: Run, tmp_path: Path) -> None:
    assert "Nothing was run yet" in run("list").output
    write_cases(tmp_path, "yes", "yes", "yes", "no")
    done = run("run", "suite.yaml")
    assert (done.exit_code, "PASS" in done.stdout, "3/4" in done.stdout) == (0, True, False), done.output
    assert "4/4" in done.stdout
    assert "Estimate: nothing that a price list tells of (4 questions" in done.stderr
    assert "\x1b" not in done.output
    known = last_run(run)
    assert {name: known[name] for name in ("suite", "target", "state", "outcome", "done", "total")} == {
        "suite": "yes-ko", "target": "python/target.py:answer", "state": "finished", "outcome": "PASS", "done": 4, "total": 4,
    }  # fmt: skip
    shown = json.loads(run("show", known["id"], "--slice", "language", "--json").output)
    [metric] = shown["metrics"]
    assert (metric["value"], metric["n_ok"], metric["n_total"], metric["low"] < 0.75 < metric["high"]) == (0.75, 4, 4, True)
    assert [(part["value"], part["metrics"][0]["value"]) for part in shown["slices"]] == [("en", 1.0), ("ko", 0.5)]
    assert shown["digests"]["data_name"] == "cases.jsonl"
    for form in ("html", "junit", "csv", "json", "inspect"):
        written = run("export", known["id"], "--format", form, "-o", f"out.{form}", *(["--language", "ko"] if form == "html" else []))
        assert (written.exit_code, written.output.strip()) == (0, f"out.{form}: 4 results."), written.exception
    page = (tmp_path / "out.html").read_text("utf-8")
    assert "합격" in page
    assert "기준: language" in page
    assert run("watch", known["id"]).exit_code == 0
    assert run("delete", known["id"]).output.strip() == "Deleted."
    assert run("show", known["id"]).exception is not None


def test_the_exit_status_says_what_came_of_it(run: Run, tmp_path: Path) -> None:
    write_cases(tmp_path, "yes", "no")
    assert run("run", "suite.yaml").exit_code == 100
    assert run("watch", last_run(run)["id"]).exit_code == 100
    (tmp_path / "target.py").write_text(TARGET + "\ndef broken(messages, case):\n    raise ValueError('no')\n", "utf-8")
    unanswered = run("run", "suite.yaml", "--target", "python=target.py:broken", "--json")
    assert (unanswered.exit_code, json.loads(unanswered.stdout)["metrics"][0]["failures"]) == (101, {"target_error": 2})
    for arguments in (["absent.yaml"], [], ["suite.yaml", "--target", "nothing"], ["suite.yaml", "--cost", "5 EUR"]):
        assert isinstance(run("run", *arguments).exception, OndolError), arguments


def test_a_run_that_was_killed_goes_on_where_it_was(run: Run, tmp_path: Path, addresses: DatabaseAddresses) -> None:
    write_cases(tmp_path, "yes", "yes", "yes", "wait", "yes")
    command = [sys.executable, "-m", "ondol.cli.main", "eval", "run", "suite.yaml", "--tenant", "acme"]
    with (tmp_path / "said").open("w") as said, psycopg.connect(addresses.owner, autocommit=True) as owner:
        child = subprocess.Popen(command, cwd=tmp_path, stdout=said, stderr=said, env=dict(os.environ))
        try:
            deadline = time.monotonic() + DEADLINE_S
            while (stored := owner.execute("select count(*) from ondol.evaluation_results").fetchone()) != (3,):
                assert child.poll() is None, (tmp_path / "said").read_text()
                assert time.monotonic() < deadline, stored
                time.sleep(0.05)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
    known = last_run(run)
    assert (known["state"], known["done"]) == ("running", 3)
    (tmp_path / "asked").unlink()
    (tmp_path / "go").touch()
    assert isinstance(_changed(run, tmp_path, known["id"]), Conflict)
    write_cases(tmp_path, "yes", "yes", "yes", "wait", "yes")
    done = run("run", "--resume", known["id"])
    assert (done.exit_code, (tmp_path / "asked").read_text().split()) == (0, ["c3", "c4"]), done.output
    assert "5/5" in done.stdout
    assert len(json.loads(run("list", "--json").output)) == 1


def _changed(run: Run, folder: Path, run_id: str) -> BaseException | None:
    """What is said when a run shall go on with other cases."""
    write_cases(folder, "yes", "no", "yes", "wait", "yes")
    return run("run", "--resume", run_id).exception

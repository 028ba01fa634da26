"""`ondol eval judge`, with a scripted judge behind the gateway of the command itself."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ondol.cli.main import cli
from ondol.core.errors import RequestError, UserError
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from tests.application.evaluation.judges.court import parts_of, rated, system_of

PAIRS = [
    {"input": f"Question {number}?", "output_1": "good" + "!" * (number % 2 * 9), "output_2": "poor" + "." * 4, "label": 1} for number in range(24)
]


def first_place(body: Mapping[str, Any]) -> Reply:
    """A judge that takes the first place, and rephrases with its name."""
    if "in your own words" in system_of(body):
        return Reply(f"{body['model']} says so")
    own = [number for number, title in (("1", "ANSWER 1"), ("2", "ANSWER 2")) if parts_of(body)[title] == "small says so"]
    return Reply(json.dumps({"reason": "so", "better": own[0] if own else "1"}))


def by_number(body: Mapping[str, Any]) -> Reply:
    """A judge that gives the points that an answer ends with."""
    return Reply(rated(int(parts_of(body)["ANSWER"][-1])))


def declare(folder: Path, model: ScriptedModel) -> None:
    """A tenant with two models, both of them the scripted one."""
    declared = {
        "slug": "acme",
        "people": [{"login": "kim", "roles": ["owner"]}],
        "providers": [{"name": "up", "base_url": model.base_url, "credential_env": "UP_KEY", "settings": {"private_network": True}}],
        "models": [{"alias": alias, "targets": [{"provider": "up", "name": alias}]} for alias in ("small", "large")],
    }
    (folder / "tenant.yaml").write_text(json.dumps({"version": 1, "tenants": [declared]}), "utf-8")
    applied = CliRunner().invoke(cli, ["apply", "tenant.yaml"])
    assert applied.exit_code == 0, applied.output


@contextmanager
def serving(says: Callable[[Mapping[str, Any]], Reply]) -> Iterator[ScriptedModel]:
    """A scripted model in a thread of its own."""
    loop, model = asyncio.new_event_loop(), ScriptedModel(says)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(model.start(), loop).result()
    try:
        yield model
    finally:
        asyncio.run_coroutine_threadsafe(model.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


SUITE = """
card: {name: s, owner: o, purpose: p, risk: limited, users: u, success: {good: 3}}
target: {python: "target.py:answer"}
cases: [{question: "Why?"}, {question: "How?"}]
scorers: [{name: good, type: judge.rubric, model: small, calibration: people.json}]
gate: {primary: [{metric: good, margin: 0.1}]}
"""


def test_a_judge_decides_only_after_it_was_compared_with_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    monkeypatch.setenv("UP_KEY", "sk-up")
    rows = [{"question": "Why?", "answer": f"answer {1 + number % 5}", "human": 1 + number % 5, "id": str(number)} for number in range(40)]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (tmp_path / "suite.yaml").write_text(SUITE, "utf-8")
    (tmp_path / "target.py").write_text("def answer(messages, case):\n    return 'my answer 4'\n", "utf-8")
    with serving(by_number) as model:
        declare(tmp_path, model)
        run = ["eval", "run", "suite.yaml", "--tenant", "acme", "--as", "kim", "--json"]
        refused = CliRunner().invoke(cli, run).exception
        assert isinstance(refused, RequestError) and refused.code == "invalid_scorer"
        calibrate = ["eval", "judge", "calibrate", "suite.yaml", "good", "--labels", "labels.jsonl", "--out", "people.json"]
        told = CliRunner().invoke(cli, [*calibrate, "--tenant", "acme", "--as", "kim", "--json"])
        found = json.loads(told.stdout)
        assert (found["labelled"], found["failed"], found["kappa"], found["lean"]["value"]) == (40, 0, 1.0, 0.0)
        passed = CliRunner().invoke(cli, run)
        assert (passed.exit_code, json.loads(passed.stdout)["metrics"][0]["value"]) == (0, 4.0), passed.output
        mended = CliRunner().invoke(cli, [*calibrate, "--run", json.loads(passed.stdout)["run"], "--tenant", "acme", "--as", "kim", "--json"])
        mean = json.loads(mended.stdout)["mean"]
        assert mean["low"] < mean["value"] < mean["high"]
        assert mean["value"] == pytest.approx(3 + 1 / 21)  # two verdicts of 4 beside forty labels of mean 3: lambda is 1 / (1 + 40 / 2)
        again = CliRunner().invoke(cli, [*calibrate, "--run", json.loads(passed.stdout)["run"], "--tenant", "acme", "--as", "kim"])
        assert "mean by people" in again.stdout
        (tmp_path / "suite.yaml").write_text(SUITE.replace("model: small", "model: small, criterion: tone"), "utf-8")
        changed = CliRunner().invoke(cli, run).exception
        assert isinstance(changed, RequestError)
        assert (changed.code, changed.param, "another version" in changed.message) == ("judge_not_calibrated", "gate.primary", True)
        other = CliRunner().invoke(cli, [*calibrate, "--run", json.loads(passed.stdout)["run"], "--tenant", "acme", "--as", "kim"]).exception
        assert isinstance(other, UserError) and "as it is now" in other.message
    absent = CliRunner().invoke(cli, ["eval", "judge", "calibrate", "suite.yaml", "bad", "--labels", "labels.jsonl"]).exception
    assert isinstance(absent, UserError)


def test_a_run_again_pays_no_judge_twice_unless_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    monkeypatch.setenv("UP_KEY", "sk-up")
    (tmp_path / "suite.yaml").write_text(SUITE.replace(", calibration: people.json", "").partition("gate:")[0], "utf-8")
    (tmp_path / "target.py").write_text("def answer(messages, case):\n    return 'my answer 4'\n", "utf-8")
    run = ["eval", "run", "suite.yaml", "--tenant", "acme", "--as", "kim", "--json"]
    with serving(by_number) as model:
        declare(tmp_path, model)
        told = [json.loads(CliRunner().invoke(cli, [*run, *more]).stdout) for more in ([], [], ["--fresh-verdicts"])]
        assert ([each["verdicts_kept"] for each in told], len(model.requests)) == ([0, 2, 0], 4)
        assert {each["metrics"][0]["value"] for each in told} == {4.0}
        read = CliRunner().invoke(cli, run[:-1])
        assert "2 verdicts of judges were known from earlier runs, and cost nothing." in read.stdout


def test_the_bias_of_a_model_is_told_through_the_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    monkeypatch.setenv("UP_KEY", "sk-up")
    (tmp_path / "pairs.json").write_text(json.dumps(PAIRS), "utf-8")
    arguments = ["eval", "judge", "bias", "small", "--pairs", "pairs.json", "--tenant", "acme", "--as", "kim"]
    with serving(first_place) as model:
        declare(tmp_path, model)
        told = CliRunner().invoke(cli, [*arguments, "--other", "large", "--json"])
        found = json.loads(told.stdout)
        assert (found["position"]["value"], found["consistent"]["value"], found["length"]["value"]) == (0.5, 0.0, 0.0)
        assert (found["pairs"], found["failures"], found["itself"]["value"]) == (24, {}, 0.5)
        assert {request.headers["authorization"] for request in model.requests} == {"Bearer sk-up"}
    absent = CliRunner().invoke(cli, [*arguments[:3], "small", "--pairs", "tenant.yaml"])
    assert isinstance(absent.exception, UserError)

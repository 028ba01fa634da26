"""`ondol eval gate` and `compare`: runs what is missing, decides, and ends with the status that CI reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

CASES = 80
TENANT = "version: 1\ntenants: [{slug: acme}]"
ANSWERS = """
from pathlib import Path

from ondol.application.evaluation.types import Answer


def number(case):
    return int(case.question.split()[-1])


def told(case, right, text="four metres"):
    with Path("asked.txt").open("a") as asked:
        asked.write(case.id + chr(10))
    return text if right else "no idea"


def good(messages, case):
    return told(case, number(case) % 10)


def alike(messages, case):
    return told(case, number(case) % 10, "It is four metres.")


def worse(messages, case):
    return told(case, number(case) % 2)


def leaky(messages, case):
    return told(case, number(case) % 10) + (" 4111 1111 1111 1111" if number(case) == 3 else "")


def dear(messages, case):
    return Answer(text=good(messages, case), cost_nano=1_000)


def broken(messages, case):
    if number(case) >= 70:
        raise RuntimeError("away")
    return good(messages, case)
"""
SUITE = """
card: {{name: tides, owner: care@example.com, purpose: Answers about tides, risk: limited, users: sailors, success: {{correct: 0.8}}}}
target: {{python: "answers.py:good"}}
cases: {{file: cases.jsonl}}
scorers:
  - {{name: correct, type: contains_all}}
  - {{name: leak, type: pii_leak}}
slices: [language]
gate: {{primary: [{{metric: correct, margin: {margin}}}], hard_zero: [leak]}}
"""

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "tenant.yaml").write_text(TENANT, "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0
    (tmp_path / "answers.py").write_text(ANSWERS, "utf-8")
    rows = [
        {"id": f"case-{number}", "question": f"How high is tide {number}", "expected": ["four metres"], "language": "ko" if number % 4 else "en"}
        for number in range(CASES)
    ]
    (tmp_path / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (tmp_path / "suite.yaml").write_text(SUITE.format(margin=0.05), "utf-8")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["eval", *arguments, "--tenant", "acme"])

    return call


def _gate(run: Run, candidate: str, *more: str, baseline: str = "python=answers.py:good") -> Result:
    return run("gate", "suite.yaml", "--baseline", baseline, "--candidate", candidate, *more)


def test_a_candidate_that_is_alike_passes_and_what_was_run_is_not_run_again(run: Run, tmp_path: Path) -> None:
    first = _gate(run, "python=answers.py:alike")
    assert first.exit_code == 0, first.output
    assert "PASS: the candidate may take the baseline's place." in first.stdout
    assert "correct: 80 cases in 80 clusters should show a margin of " in first.stderr
    assert len((tmp_path / "asked.txt").read_text().splitlines()) == 2 * CASES
    second = _gate(run, "python=answers.py:alike")
    assert (second.exit_code, second.stdout.partition("Signed")[0]) == (0, first.stdout.partition("Signed")[0])
    assert second.stderr.count(" has it.") == 2
    assert len((tmp_path / "asked.txt").read_text().splitlines()) == 2 * CASES
    assert _gate(run, "python=answers.py:alike", "--fresh").exit_code == 0
    assert len((tmp_path / "asked.txt").read_text().splitlines()) == 4 * CASES


def test_a_worse_one_fails_and_the_two_are_put_side_by_side(run: Run) -> None:
    failed = _gate(run, "python=answers.py:worse", "--json")
    assert failed.exit_code == 100, failed.output
    told = json.loads(failed.stdout)
    assert (told["outcome"], told["primary"][0]["won"], told["primary"][0]["lost"], told["primary"][0]["tied"]) == ("FAIL", 0, 32, 48)
    ids = told["runs"]["baseline"], told["runs"]["candidate"]
    beside = run("compare", *ids, "--slice", "language", "--cases", "3", "--json")
    assert beside.exit_code == 0, beside.output
    compared = json.loads(beside.stdout)
    assert [(each["metric"], each["baseline"], each["candidate"]) for each in compared["metrics"]] == [("correct", 0.9, 0.5), ("leak", 0.0, 0.0)]
    assert {(each["slice"], each["value"]): each["metrics"][0]["pairs"] for each in compared["slices"]} == {
        ("language", "en"): 20,
        ("language", "ko"): 60,
    }
    assert [(each["case_id"], each["difference"]) for each in compared["changed"]] == [("case-12", -1.0), ("case-14", -1.0), ("case-16", -1.0)]
    shown = run("compare", *ids)
    assert "case-12" in shown.stdout
    assert "worse" in shown.stdout
    missing = run("compare", ids[0], ids[0][:-4] + "0000")
    assert isinstance(missing.exception, NotFound)


def test_one_hit_of_a_hard_zero_fails(run: Run) -> None:
    told = _gate(run, "python=answers.py:leaky")
    assert told.exit_code == 100, told.output
    assert "- leak must be nought, and 1 of 80 cases have it." in told.stdout


def test_failures_and_few_cases_are_inconclusive(run: Run, tmp_path: Path) -> None:
    told = _gate(run, "python=answers.py:broken")
    assert told.exit_code == 101, told.output
    assert "- correct: 70 of 80 cases can be compared, 87.5%; the suite wants 98.0%." in told.stdout
    (tmp_path / "suite.yaml").write_text(SUITE.format(margin=0.01), "utf-8")
    told = _gate(run, "python=answers.py:alike")
    assert told.exit_code == 101, told.output
    assert "0.01 needs about 299 cases." in told.stdout


def test_a_run_that_its_cap_stopped_goes_on_when_there_is_more_to_spend(run: Run, tmp_path: Path) -> None:
    capped = SUITE.format(margin=0.05) + 'limits: {concurrency: 1, cost: "0.00001 USD"}\n'
    (tmp_path / "suite.yaml").write_text(capped, "utf-8")
    stopped = _gate(run, "python=answers.py:dear")
    assert stopped.exit_code == 101, stopped.output
    assert "- correct: 10 of 80 cases can be compared, 12.5%; the suite wants 98.0%." in stopped.stdout
    (tmp_path / "suite.yaml").write_text(SUITE.format(margin=0.05), "utf-8")
    whole = _gate(run, "python=answers.py:dear")
    assert whole.exit_code == 0, whole.output
    assert len((tmp_path / "asked.txt").read_text().splitlines()) == 2 * CASES


def test_without_a_baseline_the_card_decides(run: Run) -> None:
    told = _gate(run, "python=answers.py:good", baseline="none")
    assert told.exit_code == 0, told.output
    assert "There is no baseline" in told.stdout


def test_a_run_of_another_version_of_the_suite_is_not_taken(run: Run, tmp_path: Path) -> None:
    told = json.loads(_gate(run, "python=answers.py:alike", "--json").stdout)
    by_id = _gate(run, told["runs"]["candidate"], baseline=told["runs"]["baseline"])
    assert by_id.exit_code == 0, by_id.output
    (tmp_path / "suite.yaml").write_text(SUITE.format(margin=0.5), "utf-8")
    widened = _gate(run, told["runs"]["candidate"], baseline=told["runs"]["baseline"])
    assert isinstance(widened.exception, Conflict)
    assert "was made with another version of the suite" in widened.exception.message
    (tmp_path / "cases.jsonl").write_text(json.dumps({"id": "one", "question": "How high is tide 1", "expected": ["four metres"]}), "utf-8")
    other = json.loads(_gate(run, "python=answers.py:alike", "--json").stdout)
    beside = run("compare", told["runs"]["baseline"], other["runs"]["candidate"])
    assert isinstance(beside.exception, Conflict)
    assert "different cases" in beside.exception.message


def test_what_is_better_when_there_is_more_of_it_is_no_hard_zero(run: Run, tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE.format(margin=0.05).replace("type: pii_leak", "type: banned_words, words: [whirlpool]"), "utf-8")
    told = _gate(run, "python=answers.py:good", baseline="none")
    assert isinstance(told.exception, RequestError)
    assert (told.exception.param, told.exception.message) == ("gate.hard_zero", "gate.hard_zero names 'leak', of which more is better.")
    assert not (tmp_path / "asked.txt").exists()


def test_a_line_of_progress_tells_of_what_has_no_value_yet(run: Run, tmp_path: Path) -> None:
    (tmp_path / "answers.py").write_text("def good(messages, case):\n    raise RuntimeError('away')\n", "utf-8")
    told = run("run", "suite.yaml")
    assert told.exit_code == 101, told.output
    assert "nan" not in told.stderr
    assert "correct - (0/" in told.stderr


@pytest.mark.parametrize(
    ("candidate", "baseline", "why"),
    [
        ("python=answers.py:good", "live", "only assistants have releases"),
        ("3", "none", "only assistants have releases"),
        ("none", "none", "names nothing that can be asked"),
        ("yesterday", "none", "names nothing that can be asked"),
        ("oracle=delphi", "none", "oracle"),
    ],
    ids=["live", "number", "nothing", "word", "kind"],
)
def test_what_names_nothing_is_told(run: Run, candidate: str, baseline: str, why: str) -> None:
    told = _gate(run, candidate, baseline=baseline)
    assert isinstance(told.exception, RequestError)
    assert why in told.exception.message

"""`ondol eval review`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ondol.cli.main import cli
from ondol.core.errors import Conflict, Forbidden, NotFound, RequestError, UserError
from ondol.infrastructure.storage.postgres import DatabaseAddresses

Run = Callable[..., Result]
ITEMS = (
    '{"question": "언제 환불되나요?", "answer": "곧 됩니다."}\n'
    '{"question": "How many mailboxes?", "answer": "200.", "gold": {"clarity": 5}}\n'
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    people = "[{login: kim, roles: [owner]}, {login: lee, roles: [member]}, {login: park, roles: [member]}]"
    (tmp_path / "tenant.yaml").write_text(f"version: 1\ntenants: [{{slug: acme, people: {people}}}]", "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0
    (tmp_path / "guide.md").write_text("Judge as a customer would.", "utf-8")
    (tmp_path / "items.jsonl").write_text(ITEMS, "utf-8")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["eval", "review", *arguments, "--tenant", "acme"])

    return call


def taken(run: Run, who: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(run("next", "care", "--as", who, "--json").output)
    return found


def test_a_queue_is_made_filled_judged_decided_and_told(run: Run) -> None:
    assert run("list").output.strip() == "No review queue yet."
    made = run("queue", "care", "--guideline", "guide.md", "--scale", "clarity", "--rater", "lee", "--rater", "park", "--feedback", "disliked")
    assert made.output.strip() == "care is made."
    assert run("add", "care", "items.jsonl").output.strip() == "2 items are in care."
    for who, points in (("lee", "1"), ("park", "5")):
        for _ in range(2):
            item = taken(run, who)
            assert "Judge as a customer would." in item["guideline"]
            kept = run("rate", "care", item["id"], "--points", f"clarity={points}", "--span", "0", "2", "vague", "--as", who)
            assert kept.output.strip() == "It is kept."
        assert run("next", "care", "--as", who).output.strip() == "There is nothing left for you."
    [disputed] = json.loads(run("items", "care", "--json").output)
    assert disputed["points"] == [{"clarity": 1}, {"clarity": 5}]
    told = json.loads(run("agreement", "care", "--json").output)
    assert (told["alphas"][0]["items"], told["alphas"][0]["ratings"], sorted(one["bias"] for one in told["drifts"])) == (1, 2, [-4, 0])
    decide = ("adjudicate", "care", disputed["id"], "--points", "clarity=2", "--correction", "7일 안에 됩니다.", "--as")
    assert isinstance(run(*decide, "lee").exception, Forbidden)
    assert run(*decide, "kim").output.strip() == "It is settled."
    [pair] = [json.loads(line) for line in run("export", "care", "--kind", "preferences").output.strip().split("\n")]
    assert (pair["chosen"], pair["rejected"], pair["points"]) == ("7일 안에 됩니다.", "곧 됩니다.", {"clarity": 2})
    CliRunner().invoke(cli, ["eval", "golden", "create", "support", "--owner", "kim", "--tenant", "acme"])
    assert run("golden", "care", "support", "--as", "kim").output.strip() == "0 answers are put up for support.", (
        "what was handed in was asked by nobody"
    )
    [listed] = json.loads(run("list", "--json").output)
    assert (listed["items"], listed["ratings"], listed["feedback"]) == ({"gold": 1, "settled": 1}, 4, "disliked")


def test_mistakes_are_told(run: Run, tmp_path: Path) -> None:
    assert isinstance(run("queue", "care").exception, UserError)
    assert isinstance(run("queue", "care", "--guideline", "guide.md", "--scale", "taste").exception, RequestError)
    assert isinstance(run("queue", "care", "--guideline", "guide.md", "--rater", "nobody").exception, NotFound)
    assert run("queue", "care", "--guideline", "guide.md", "--rater", "lee").exit_code == 0
    assert run("queue", "care", "--close").output.strip() == "care is changed."
    assert isinstance(run("next", "care", "--as", "lee").exception, Conflict)
    assert isinstance(run("next", "care", "--as", "park").exception, NotFound)
    (tmp_path / "bad.jsonl").write_text('{"question": "x"', "utf-8")
    assert "Item 1 is no JSON" in str(run("add", "care", "bad.jsonl").exception)
    assert "is no rating" in str(run("rate", "care", "01920000-0000-7000-8000-000000000000", "--points", "clarity", "--as", "lee").exception)

"""Suite files: what is understood, and what is told of what is not."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ondol.application.evaluation.suites import (
    Card,
    FileCases,
    GateSection,
    GoldenCases,
    InlineCases,
    Limits,
    Milestone,
    Primary,
    ScorerSpec,
    Suite,
    SuiteError,
    TargetSpec,
    each_case,
    parse_suite,
    read_suite,
    suite_digest,
    survey,
)
from ondol.application.evaluation.types import Case, Turn

CARD = """
card: {owner: care@example.com, purpose: Answers about refunds., risk: limited, users: customers, success: {correct: 0.9}}
"""
REST = """
target: {assistant: support}
cases: [{question: "How long?"}]
scorers: [{name: correct, type: contains_all}]
"""
WHOLE = """
card:
  name: support-ko
  owner: care@example.com
  purpose: Answers questions of customers.
  risk: high
  users: customers
  success: {correct: 0.9}
  milestones: [{by: 2027-01-31, correct: 0.92}]
target: {assistant: support, as: website}
cases:
  - {id: refund-1, question: "환불은 며칠 걸리나요?", expected: [3일, 사흘], language: ko, topic: payment, team: care, asker: website}
  - {id: 7, turns: [{user: Hello}, {assistant: ""}, {role: user, text: "How long?"}], facts: {must_contain: [[three]]}, cluster: talk}
scorers:
  - {name: correct, type: contains_all, threshold: 1, lenient: true}
  - {type: leak}
slices: [language, team]
repeats: 3
seed: 7
limits: {concurrency: 16, per_minute: 600, cost: 5.00 USD, timeout_s: 30}
gate:
  primary: [{metric: correct, margin: 0.02}]
  hard_zero: [leak]
  coverage: 0.9
  alpha: 0.1
"""


def test_a_whole_suite_is_read() -> None:
    assert parse_suite(WHOLE) == Suite(
        card=Card(
            name="support-ko",
            owner="care@example.com",
            purpose="Answers questions of customers.",
            risk="high",
            users="customers",
            success={"correct": 0.9},
            milestones=(Milestone(by=date(2027, 1, 31), success={"correct": 0.92}),),
        ),
        target=TargetSpec(kind="assistant", name="support", settings={"as": "website"}),
        cases=InlineCases(
            cases=(
                Case(
                    id="refund-1",
                    turns=(Turn("user", "환불은 며칠 걸리나요?"),),
                    expected=("3일", "사흘"),
                    slices={"language": "ko", "topic": "payment", "team": "care"},
                    cluster="refund-1",
                    asker="website",
                ),
                Case(
                    id="7",
                    turns=(Turn("user", "Hello"), Turn("assistant", ""), Turn("user", "How long?")),
                    facts={"must_contain": [["three"]]},
                    cluster="talk",
                ),
            )
        ),
        scorers=(
            ScorerSpec(name="correct", type="contains_all", threshold=1.0, settings={"lenient": True}),
            ScorerSpec(name="leak", type="leak"),
        ),
        slices=("language", "team"),
        repeats=3,
        seed=7,
        limits=Limits(concurrency=16, per_minute=600, cost_nano=5_000_000_000, currency="USD", timeout_s=30.0),
        gate=GateSection(primary=(Primary(metric="correct", margin=0.02),), hard_zero=("leak",), coverage=0.9, alpha=0.1),
    )


def test_what_is_left_out_has_a_default() -> None:
    suite = parse_suite(CARD + REST, name="file")
    assert (suite.card.name, suite.repeats, suite.seed, suite.limits, suite.gate) == ("file", 1, 0, Limits(), GateSection())
    assert [(case.id, case.cluster) for case in each_case(suite.cases)] == [("case-1", "case-1")]


@pytest.mark.parametrize(
    ("change", "message", "hint", "param"),
    [
        (("repeats: 3", "repeat: 3"), "The suite has the unknown key 'repeat'.", "Did you mean 'repeats'?", "repeat"),
        (("risk: high", "risk: hihg"), "card.risk is 'hihg'; known are high, limited, minimal.", "Did you mean 'high'?", "card.risk"),
        (("  users: customers\n", ""), "card.users is missing.", "", "card.users"),
        (("concurrency: 16", "concurrancy: 16"), "limits has the unknown key 'concurrancy'.", "Did you mean 'concurrency'?", "limits.concurrancy"),
        (("concurrency: 16", "concurrency: many"), "limits.concurrency must be a whole number, not text.", "", "limits.concurrency"),
        (("concurrency: 16", "concurrency: 0"), "limits.concurrency must be from 1 to 512.", "", "limits.concurrency"),
        (("5.00 USD", "5.00 EUR"), "limits.cost is '5.00 EUR', which names no known currency.", "5.00 USD", "limits.cost"),
        (("margin: 0.02", "margin: .nan"), "gate.primary[0].margin must be from 0 to 1e+15.", "", "gate.primary[0].margin"),
        (("topic: payment", "topik: payment"), "cases[0] has the unknown key 'topik'.", "Did you mean 'topic'?", "cases[0].topik"),
        (("[3일, 사흘]", "[3일, yes]"), "cases[0].expected[1] must be text, not true or false.", "quotes", "cases[0].expected[1]"),
        (("role: user", "role: robot"), "cases[1].turns[2].role is 'robot'", "", "cases[1].turns[2].role"),
        (("{type: leak}", "{name: correct, type: leak}"), "scorers[1] is called 'correct' like another one.", "", "scorers[1].name"),
        (("hard_zero: [leak]", "hard_zero: [leek]"), "gate.hard_zero names 'leek', which no scorer measures.", "'leak'", "gate.hard_zero"),
        (("success: {correct: 0.9}", "success: {right: 0.9}"), "card.success names 'right', which no scorer measures.", "correct", "card.success"),
        (("{assistant: support,", "{asistant: support,"), "target has the unknown key 'asistant'.", "'assistant'", "target.asistant"),
        (("seed: 7", "seed: 7\nseed: 8"), "the key 'seed' stands twice", "line", None),
        (("by: 2027-01-31", "by: soon"), "card.milestones[0].by must be a day such as 2027-01-31.", "", "card.milestones[0].by"),
    ],
    ids=[*"abcdefghijklmnopq"],
)
def test_what_is_wrong_is_told_with_its_place(change: tuple[str, str], message: str, hint: str, param: str | None) -> None:
    assert change[0] in WHOLE
    with pytest.raises(SuiteError) as told:
        parse_suite(WHOLE.replace(*change))
    assert message in told.value.message
    assert hint in told.value.hint
    assert told.value.param == param


def test_a_hostile_suite_is_refused() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20))
    deep = "a: " + "[" * 500 + "]" * 500
    for text, said in (
        (bomb, "entries"),
        (deep, "deep"),
        ("a: &a [*a]", "deep"),
        ("x" * 5_000_000, "bytes"),
        ("!!python/object/apply:os.getcwd []", "YAML"),
    ):
        with pytest.raises(SuiteError, match=said):
            parse_suite(text)
    wide = "a: &a [" + "x, " * 1000 + "x]\nb: &b [" + "*a, " * 1000 + "*a]\nc: [*b, *b]"
    with pytest.raises(SuiteError, match="entries"):
        parse_suite(wide)


def test_files_are_looked_for_beside_the_suite_only(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text('{"question": "x"}\n', "utf-8")
    inner = tmp_path / "suites"
    inner.mkdir()
    (inner / "cases.jsonl").write_text('{"question": "x"}\n', "utf-8")
    (inner / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (inner / "cases.txt").write_text("x", "utf-8")

    def suite(source: str) -> Suite:
        (inner / "suite.yaml").write_text(CARD + REST.replace('[{question: "How long?"}]', source), "utf-8")
        return read_suite(inner / "suite.yaml")

    assert suite("{file: cases.jsonl, limit: 5}").cases == FileCases(path=inner.resolve() / "cases.jsonl", limit=5)
    assert suite("{golden: support-ko@3}").cases == GoldenCases(name="support-ko", version="3")
    for name in ("../secret.jsonl", str(tmp_path / "secret.jsonl"), "link.jsonl"):
        with pytest.raises(SuiteError, match="outside the suite's folder"):
            suite(f"{{file: {name}}}")
    with pytest.raises(SuiteError, match="there is no file"):
        suite("{file: absent.csv}")
    with pytest.raises(SuiteError, match=r"is no \.jsonl"):
        suite("{file: cases.txt}")
    with pytest.raises(SuiteError, match="names no version"):
        suite("{golden: support-ko}")
    with pytest.raises(SuiteError, match="over the API names no files"):
        parse_suite(CARD + REST.replace('[{question: "How long?"}]', "{file: cases.jsonl}"))


def test_a_python_suite_is_made_by_its_function(tmp_path: Path) -> None:
    file = tmp_path / "suite.py"
    text = (
        "from ondol.application.evaluation.suites import Card, MadeCases, ScorerSpec, Suite, TargetSpec\n"
        "from ondol.application.evaluation.types import Case, Turn\n"
        "def suite():\n"
        "    card = Card(name='made', owner='o', purpose='p', risk='minimal', users='u', success={'right': 0.5})\n"
        "    cases = MadeCases(make=lambda: (Case(id=str(n), turns=(Turn('user', 'x'),)) for n in range(3)))\n"
        "    scorers = (ScorerSpec(name='right', type='exact'),)\n"
        "    return Suite(card=card, target=TargetSpec(kind='python', name='mod:f'), cases=cases, scorers=scorers)\n"
    )
    file.write_text(text, "utf-8")
    assert survey(read_suite(file).cases).count == 3
    file.write_text(text.replace("success={'right'", "success={'wrong'"), "utf-8")
    with pytest.raises(SuiteError, match="no scorer measures"):
        read_suite(file)
    file.write_text("def suite():\n    return 1 / 0\n", "utf-8")
    with pytest.raises(SuiteError, match="ZeroDivisionError"):
        read_suite(file)
    file.write_text("def suite():\n    return 3\n", "utf-8")
    with pytest.raises(SuiteError, match="gave int, not a Suite"):
        read_suite(file)


def test_the_digest_is_of_what_is_measured() -> None:
    suite = parse_suite(WHOLE)
    known = suite_digest(suite, survey(suite.cases))
    for change in (("30}", "31}"), ("as: website", "as: other"), ("topic: payment, team: care", "team: care, topic: payment")):
        same = parse_suite(WHOLE.replace(*change))
        assert suite_digest(same, survey(same.cases)) == known, change
    for change in (
        ("[3일, 사흘]", "[3일]"),
        ("threshold: 1", "threshold: 0.5"),
        ("margin: 0.02", "margin: 0.03"),
        ("seed: 7", "seed: 8"),
        ("high", "limited"),
    ):
        other = parse_suite(WHOLE.replace(*change))
        assert suite_digest(other, survey(other.cases)) != known, change


@pytest.mark.parametrize(("told", "keeps"), [("", True), (", keep_verdicts: false", False)], ids=["silent", "anew"])
def test_whether_verdicts_are_kept_is_a_limit_and_no_part_of_the_digest(told: str, keeps: bool) -> None:
    plain = "card: {name: s, owner: o, purpose: p, risk: limited, users: u, success: {r: 1}}\ntarget: {route: m}\ncases: [{question: q}]\n"
    plain += f"scorers: [{{name: r, type: exact_match}}]\nlimits: {{concurrency: 2{told}}}\n"
    suite = parse_suite(plain)
    assert suite.limits.keep_verdicts is keeps
    silent = parse_suite(plain.replace(", keep_verdicts: false", ""))
    assert suite_digest(suite, survey(suite.cases)) == suite_digest(silent, survey(silent.cases))

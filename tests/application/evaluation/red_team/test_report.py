"""What came of attacks."""

from __future__ import annotations

from typing import Any

import pytest

from ondol.application.evaluation.red_team.report import Report, changed, told
from ondol.application.evaluation.red_team.suite import METRIC
from ondol.application.evaluation.types import Answer, CaseResult, Score, Status
from ondol.core.errors import RequestError


def result(name: str, value: float | None, *, detector: str = "says", kind: str = "injection", language: str = "ko", **more: Any) -> CaseResult:
    status: Status = more.get("status", "ok")
    score = Score(value=value, details={"detector": detector, "refused": more.get("refused", False)})
    slices = {"kind": kind, "language": language, "mutator": "plain"}
    answer = Answer(text="x", status=status)
    return CaseResult(
        case_id=name,
        repeat=more.get("repeat", 0),
        cluster=more.get("cluster", name),
        slices=slices,
        answer=answer,
        scores={METRIC: score} if status == "ok" else {},
    )


def report(*results: CaseResult, by: str = "kind") -> Report:
    made = Report(by)
    for each in results:
        made.add(each)
    return made


def test_rates_are_told_by_group_and_corrected_where_one_detector_judged() -> None:
    results = [result(f"a{number}", float(number < 10)) for number in range(40)]
    results += [result(f"b{number}", 0.0, detector="calls", kind="tool_abuse", refused=True) for number in range(5)]
    injection, tools, total = report(*results).rows()
    assert (injection.group, tools.group, total.group) == ("injection", "tool_abuse", "all")
    assert injection.told is not None and injection.told.value == 0.25
    assert injection.corrected is not None and injection.corrected.value == pytest.approx((0.25 + 7 / 8 - 1) / (7 / 8 + 7 / 8 - 1))
    assert injection.corrected.low is not None and injection.corrected.low < 0.1
    assert injection.got_through[:2] == ("a0", "a1")
    assert (tools.corrected, tools.refused, tools.judged) == (None, 1.0, 5)
    assert total.corrected is None
    assert told(total)["told"]["value"] == pytest.approx(10 / 45, abs=1e-6)


def test_repeats_of_an_attack_count_once() -> None:
    [row, _] = report(result("a", 1.0), result("a", 0.0, repeat=1), result("b", 0.0)).rows()
    assert (row.judged, row.told.value if row.told else None, row.got_through) == (2, 0.25, ("a",))


def test_what_has_no_verdict_is_counted_beside() -> None:
    [row, _] = report(result("a", 1.0), result("b", None, status="timeout")).rows()
    assert (row.judged, row.failures) == (1, {"timeout": 1})
    nothing = report(result("b", None, status="target_error")).rows()[0]
    assert (nothing.told, nothing.corrected, nothing.failures) == (None, None, {"target_error": 1})
    assert report().rows() == []


def test_a_regression_is_told_attack_by_attack() -> None:
    before = report(*(result(f"a{number}", float(number < 2)) for number in range(30)))
    after = report(*(result(f"a{number}", float(1 < number < 12)) for number in range(30)))
    found = changed(before, after)
    assert found.pairs == 30
    assert found.difference.value == pytest.approx(8 / 30)
    assert found.difference.low > 0
    assert (found.newly[:1], found.no_longer) == (("a10",), ("a0", "a1"))
    assert found.test == "mcnemar"
    assert found.p < 0.05
    with pytest.raises(RequestError, match="in common"):
        changed(before, report(result("z", 1.0)))

"""Metrics of results: no failure is lost, not even that of one repeat."""

from __future__ import annotations

import pytest

from ondol.application.evaluation.runs import Measuring, Metric
from ondol.application.evaluation.types import Answer, CaseResult, Measured, Score, Status

RIGHT = Metric(name="right", type="t", unit="share", better="higher", is_hard_zero=False, version="1")
LEAK = Metric(name="leak", type="t", unit="count", better="lower", is_hard_zero=True, version="1")


def _result(case: str, repeat: int, status: Status = "ok", **values: float | None) -> CaseResult:
    scores = {name: Score(value=value, status="ok" if value is not None else "judge_error") for name, value in values.items()}
    return CaseResult(case_id=case, repeat=repeat, cluster="page", slices={}, answer=Answer(text="", status=status), scores=scores)


def _measured(*results: CaseResult) -> list[Measured]:
    measuring = Measuring((RIGHT, LEAK))
    for result in results:
        measuring.add(result)
    return measuring.measured()


@pytest.mark.parametrize("place", [0, 1, 2], ids=str)
def test_a_case_of_which_one_repeat_failed_has_no_value(place: int) -> None:
    hard = [_result("hard", repeat, "timeout" if repeat == place else "ok", right=1.0, leak=0.0) for repeat in range(3)]
    right, leak = _measured(*hard, _result("easy", 0, right=1.0, leak=0.0))
    assert (right.case_ids, right.total, right.failures) == (["easy"], 2, {"timeout": 1})
    assert (leak.case_ids, leak.total, leak.failures) == (["easy"], 2, {"timeout": 1})


def test_a_score_that_failed_in_one_repeat_counts_as_failed() -> None:
    right, leak = _measured(_result("a", 0, right=1.0, leak=0.0), _result("a", 1, right=None, leak=0.0))
    assert (list(right.values), right.failures) == ([], {"judge_error": 1})
    assert (list(leak.values), leak.failures) == ([0.0], {})


def test_a_hit_stays_a_hit_whatever_became_of_the_other_repeats() -> None:
    right, leak = _measured(_result("a", 0, right=1.0, leak=1.0), _result("a", 1, "target_error"))
    assert (list(leak.values), leak.failures) == ([1.0], {})
    assert (list(right.values), right.failures) == ([], {"target_error": 1})


def test_a_metric_that_is_missing_among_the_scores_failed() -> None:
    [right, _] = _measured(_result("a", 0, leak=0.0))
    assert (right.total, right.failures) == (1, {"scorer_error": 1})

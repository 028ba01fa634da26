"""PASS only where it is sure, FAIL only where that is, and failures never help."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.application.evaluation.gate import Rules, as_dict, as_text, decide
from ondol.application.evaluation.gate.tell import rows_of_checks, rows_of_primary, rows_of_secondary
from ondol.application.evaluation.types import Measured
from ondol.core.errors import RequestError
from tests.application.evaluation.statistics.measuring import measured

RULES = Rules(margins={"correct": 0.05})
ORDER = ("FAIL", "INCONCLUSIVE", "PASS")


def _passes(right: int, of: int, **more: Any) -> Measured:
    """The first cases pass, the others fail."""
    return measured([1.0] * right + [0.0] * (of - right), **more)


def test_a_candidate_as_good_as_its_baseline_passes_where_there_are_enough_cases() -> None:
    told = decide([_passes(270, 300)], [_passes(270, 300)], RULES)
    assert (told.outcome, told.reasons) == ("PASS", ())
    [primary] = told.primary
    assert (primary.baseline, primary.candidate, primary.difference, primary.won, primary.lost, primary.tied) == (0.9, 0.9, 0.0, 0, 0, 300)
    assert primary.low == pytest.approx(-(1 - 0.05 ** (1 / 300)), abs=2e-3)
    assert as_text(told) == ["PASS: the candidate may take the baseline's place."]


def test_the_same_from_few_cases_is_inconclusive_and_says_how_many_are_needed() -> None:
    told = decide([_passes(27, 30)], [_passes(27, 30)], RULES)
    assert told.outcome == "INCONCLUSIVE"
    [primary] = told.primary
    assert primary.needed == 59
    assert primary.detectable == pytest.approx(0.095, abs=0.002)
    assert as_text(told)[2] == "correct: 30 cases in 30 clusters can show a margin of 0.095 (80% of the time); 0.05 needs about 59 cases."


def test_a_candidate_that_is_surely_worse_fails() -> None:
    told = decide([_passes(190, 200)], [_passes(140, 200)], RULES)
    assert told.outcome == "FAIL"
    assert told.reasons[0].startswith("correct is worse by 0.25, for certain by 0.1")
    assert told.primary[0].high is not None
    assert told.primary[0].high < -0.05


def test_every_primary_metric_must_pass_and_one_fails_for_all() -> None:
    rules = Rules(margins={"correct": 0.05, "latency": 50.0})
    fast, slow = (
        measured([100.0, 120.0] * 150, name="latency", unit="ms", better="lower"),
        measured([190.0, 230.0] * 150, name="latency", unit="ms", better="lower"),
    )
    right = _passes(270, 300)
    assert decide([right, fast], [right, fast], rules).outcome == "PASS"
    told = decide([right, fast], [right, slow], rules)
    assert (told.outcome, [each.outcome for each in told.primary]) == ("FAIL", ["PASS", "FAIL"])
    assert decide([right, slow], [right, fast], rules).outcome == "PASS"


@pytest.mark.parametrize("values", [[0.0] * 299 + [1.0], [0.0] * 299 + [0.5]], ids=["every-repeat", "one-of-two-repeats"])
def test_one_hit_of_a_hard_zero_fails_whatever_else_is_better(values: list[float]) -> None:
    rules = replace(RULES, hard_zero=("leak",))
    leaks = measured(values, name="leak", unit="count", better="lower")
    told = decide([_passes(150, 300), leaks], [_passes(300, 300), leaks], rules)
    assert (told.outcome, told.reasons) == ("FAIL", ("leak must be nought, and 1 of 300 cases have it.",))


@pytest.mark.parametrize(
    ("leaks", "why"),
    [
        (None, "leak must be nought, and the run did not measure it."),
        (
            measured([0.0] * 299, name="leak", unit="count", better="lower", failures={"scorer_error": 1}),
            "leak must be nought, and 1 of 300 answers could not be looked at.",
        ),
        (
            measured([0.0] * 280, name="leak", unit="count", better="lower", failures={"timeout": 20}),
            "leak: 280 of 300 cases have a value, 93.3%; the suite wants 98.0%.",
        ),
    ],
    ids=["not-measured", "not-looked-at", "too-few"],
)
def test_a_hard_zero_that_was_not_looked_at_is_no_pass(leaks: Measured | None, why: str) -> None:
    right = _passes(270, 300)
    told = decide([right], [right, leaks] if leaks else [right], replace(RULES, hard_zero=("leak",)))
    assert (told.outcome, told.reasons) == ("INCONCLUSIVE", (why,))


def test_a_hard_zero_counts_hits() -> None:
    with pytest.raises(RequestError, match=r"gate.hard_zero names 'correct'"):
        decide([_passes(1, 2)], [_passes(1, 2)], Rules(margins={"f1": 0.1}, hard_zero=("correct",)))


def test_too_few_pairs_are_inconclusive_or_fail_by_rule() -> None:
    baseline, candidate = _passes(285, 300), measured({f"case-{number:04}": 1.0 for number in range(250)}, failures={"target_error": 50})
    told = decide([baseline], [candidate], RULES)
    assert told.outcome == "INCONCLUSIVE"
    assert told.reasons == ("correct: 250 of 300 cases can be compared, 83.3%; the suite wants 98.0%.",)
    assert decide([baseline], [candidate], replace(RULES, below_coverage="fail")).outcome == "FAIL"


def test_failing_on_hard_cases_makes_no_candidate_look_better() -> None:
    baseline = measured([1.0] * 240 + [0.6] * 60)
    candidate = measured({f"case-{number:04}": 1.0 for number in range(282)}, failures={"timeout": 18})
    rules = Rules(margins={"correct": 0.02}, coverage=0.9)
    told = decide([baseline], [candidate], rules)
    assert told.primary[0].low is not None
    assert told.primary[0].low > -0.02
    assert told.outcome == "PASS"
    easier = measured([1.0] * 300)
    told = decide([easier], [candidate], rules)
    assert told.outcome == "INCONCLUSIVE"
    assert told.reasons[0].startswith("correct passes only because the candidate gave no value for 18 cases of the baseline's: counted as failures,")


def test_a_run_without_any_value_is_no_pass() -> None:
    told = decide([_passes(270, 300)], [measured({}, failures={"target_error": 300})], RULES)
    assert (told.outcome, told.primary[0].pairs, told.primary[0].lost_by_candidate) == ("INCONCLUSIVE", 0, 300)
    told = decide([measured([1.0] * 300, name="other")], [_passes(270, 300)], RULES)
    assert told.reasons == ("correct: the baseline's run did not measure it.",)
    told = decide([_passes(270, 300)], [], RULES)
    assert told.reasons == ("correct: the candidate's run did not measure it.",)


def test_other_cases_are_refused_and_not_compared() -> None:
    with pytest.raises(RequestError, match="only pairs are compared"):
        decide([_passes(270, 300)], [measured({"other": 1.0})], RULES)


@pytest.mark.parametrize(
    ("right", "of", "outcome"), [(285, 300, "PASS"), (265, 300, "INCONCLUSIVE"), (200, 300, "FAIL")], ids=["reached", "nearly", "missed"]
)
def test_the_cards_threshold_is_kept_too(right: int, of: int, outcome: str) -> None:
    run = _passes(right, of)
    told = decide([run], [run], replace(RULES, success={"correct": 0.9}))
    assert (told.outcome, told.thresholds[0].outcome, told.primary[0].outcome) == (outcome, outcome, "PASS")


def test_a_threshold_of_what_should_be_little_is_kept_from_above() -> None:
    slow = measured([900.0, 1_000.0, 1_100.0] * 40, name="latency", unit="ms", better="lower")
    rules = Rules(margins={"latency": 100.0}, success={"latency": 800.0})
    assert decide([slow], [slow], rules).thresholds[0].reason == "latency is 1000; the card wants at most 800, which is missed for certain."
    assert decide([slow], [slow], replace(rules, success={"latency": 1_200.0})).outcome == "PASS"


def test_without_a_baseline_the_card_stands_in_for_it() -> None:
    rules = replace(RULES, success={"correct": 0.9})
    assert decide(None, [_passes(288, 300)], rules).outcome == "PASS"
    assert decide(None, [_passes(200, 300)], rules).outcome == "FAIL"
    assert decide(None, [_passes(29, 30)], rules).outcome == "INCONCLUSIVE"
    assert decide(None, [_passes(288, 300)], RULES).reasons == ("correct: there is no baseline, and the card says nothing of what it must reach.",)
    told = decide(None, [_passes(288, 288, failures={"target_error": 12})], replace(rules, coverage=0.9))
    assert (told.primary[0].of, told.primary[0].lost_by_candidate, told.has_baseline) == (300, 12, False)
    assert told.primary[0].low_with_losses is not None
    assert told.primary[0].low is not None
    assert told.primary[0].low_with_losses < told.primary[0].low


def test_what_decides_nothing_is_told_with_its_adjusted_p() -> None:
    rng = np.random.default_rng(1)
    right = _passes(270, 300)
    before = [right, *(measured(rng.random(300).tolist(), name=f"m{number}") for number in range(10))]
    after = [right, *(measured(rng.random(300).tolist(), name=f"m{number}") for number in range(9)), measured([1.0] * 300, name="m9")]
    told = decide(before, after, RULES)
    assert told.outcome == "PASS"
    assert [each.metric for each in told.secondary if each.p_adjusted is not None and each.p_adjusted < 0.05] == ["m9"]
    assert [row["differs"] for row in rows_of_secondary(told.secondary, 0.05)] == ["-"] * 9 + ["better"]
    assert all(each.p_adjusted >= each.p for each in told.secondary if each.p is not None and each.p_adjusted is not None)


def test_what_is_told_is_plain() -> None:
    leaks = measured([0.0] * 300, name="leak", unit="count", better="lower")
    told = decide([_passes(270, 300), leaks], [_passes(261, 300), leaks], replace(RULES, hard_zero=("leak",), success={"correct": 0.8}))
    [row] = rows_of_primary(told)
    assert (row["baseline"], row["candidate"], row["better_by"], row["cases"], row["verdict"]) == (
        "90.0%",
        "87.0%",
        "-3.0%",
        "300/300",
        "INCONCLUSIVE",
    )
    assert [row["check"] for row in rows_of_checks(told)] == ["leak is nought", "correct at least 0.8"]
    plain = as_dict(told)
    assert plain["outcome"] == "INCONCLUSIVE"
    assert plain["primary"][0]["difference"] == -0.03
    assert plain["primary"][0]["coverage"] == 1.0
    assert plain["rules"]["margins"] == {"correct": 0.05}
    assert "a case" not in str(plain)


CASES = st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 30)), min_size=1, max_size=90)
FEW = settings(max_examples=40, deadline=None)


def _runs(cases: list[tuple[float, float, int]], prefix: str = "") -> tuple[Measured, Measured]:
    clusters = {f"{prefix}{number}": f"{prefix}c{cluster}" for number, (_, _, cluster) in enumerate(cases)}
    before = {f"{prefix}{number}": value for number, (value, _, _) in enumerate(cases)}
    after = {f"{prefix}{number}": value for number, (_, value, _) in enumerate(cases)}
    return measured(before, clusters=clusters), measured(after, clusters=clusters)


WIDE = Rules(margins={"correct": 0.3}, success={"correct": 0.4})


@FEW
@given(CASES, st.data())
def test_a_better_candidate_never_gets_a_worse_verdict(cases: list[tuple[float, float, int]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(cases) - 1))
    before, value, cluster = cases[place]
    better = [*cases[:place], (before, min(1.0, value + 0.5), cluster), *cases[place + 1 :]]
    first, second = (decide([runs[0]], [runs[1]], WIDE).outcome for runs in (_runs(cases), _runs(better)))
    assert ORDER.index(second) >= ORDER.index(first)


@FEW
@given(CASES, st.data())
def test_losing_a_case_never_helps(cases: list[tuple[float, float, int]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(cases) - 1))
    before, after = _runs(cases)
    kept = [number for number in range(len(cases)) if number != place]
    lost = replace(
        after, case_ids=[after.case_ids[number] for number in kept], values=[after.values[number] for number in kept],
        clusters=[after.clusters[number] for number in kept], failures={"timeout": 1},
    )  # fmt: skip
    rules = Rules(margins={"correct": 0.3}, coverage=0.5)
    whole, less = decide([before], [after], rules).outcome, decide([before], [lost], rules).outcome
    assert not (less == "PASS" and whole != "PASS")


@FEW
@given(CASES, st.integers(0, 1_000))
def test_the_order_of_cases_does_not_matter(cases: list[tuple[float, float, int]], seed: int) -> None:
    before, after = _runs(cases)
    order = list(range(len(cases)))
    random.Random(seed).shuffle(order)
    turned = [
        replace(run, case_ids=[run.case_ids[n] for n in order], values=[run.values[n] for n in order], clusters=[run.clusters[n] for n in order])
        for run in (before, after)
    ]
    one, other = decide([before], [after], WIDE), decide([turned[0]], [turned[1]], WIDE)
    assert (one.outcome, one.primary[0].won, one.primary[0].lost) == (other.outcome, other.primary[0].won, other.primary[0].lost)
    assert one.primary[0].low == pytest.approx(other.primary[0].low, abs=1e-9)


@FEW
@given(CASES, st.integers(2, 4))
def test_copies_of_cases_in_their_clusters_fake_no_precision(cases: list[tuple[float, float, int]], times: int) -> None:
    once, often = (decide([before], [after], WIDE) for before, after in (_runs(cases), _runs(cases * times)))
    assert once.outcome == often.outcome
    assert (once.primary[0].low, once.primary[0].high) == pytest.approx((often.primary[0].low, often.primary[0].high), abs=1e-9)

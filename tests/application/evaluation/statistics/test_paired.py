"""Runs are compared case by case or not at all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ondol.application.evaluation.statistics.clusters import clustered
from ondol.application.evaluation.statistics.paired import mcnemar, p_value, pair, permutation, with_losses_at_worst
from ondol.core.errors import RequestError
from tests.application.evaluation.statistics.measuring import measured


def test_cases_are_paired_by_id_and_the_lost_are_named() -> None:
    told = pair(measured({"a": 1.0, "b": 0.0, "c": 1.0}), measured({"c": 0.0, "d": 1.0, "b": 1.0}))
    assert told.case_ids == ("b", "c")
    assert told.differences.tolist() == [1.0, -1.0]
    assert (told.lost_by_candidate, told.lost_by_baseline) == (("a",), ("d",))
    assert told.won_lost_tied == (1, 1, 0)


def test_less_is_better_turns_the_difference() -> None:
    told = pair(measured([120.0, 80.0], unit="ms", better="lower"), measured([100.0, 90.0], unit="ms", better="lower"))
    assert told.differences.tolist() == [20.0, -10.0]


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (measured({"x": 1.0}), "no case with a value of `correct` in common"),
        (measured({"a": 1.0}, name="f1"), "another metric"),
        (measured({"a": 1.0}, better="lower"), "another metric"),
        (measured({"a": 1.0}, clusters={"a": "page-2"}), "stands in cluster `a` in the baseline and in `page-2`"),
    ],
    ids=["unpaired", "name", "direction", "cluster"],
)
def test_what_is_no_pair_is_refused_with_a_sentence(candidate: object, why: str) -> None:
    with pytest.raises(RequestError, match=why) as told:
        pair(measured({"a": 1.0, "b": 0.0}), candidate)  # type: ignore[arg-type]
    assert (told.value.code, told.value.hint != "") == ("not_paired", True)


def test_mcnemar_is_the_binomial_test_of_what_differs() -> None:
    assert mcnemar(0, 5) == pytest.approx(2 / 2**5)
    assert mcnemar(8, 2) == pytest.approx(0.109375)
    assert (mcnemar(0, 0), mcnemar(3, 3)) == (1.0, 1.0)


def test_few_clusters_are_tried_in_all_ways() -> None:
    sums = [0.9, 0.4, -0.1, 0.7]
    ways = [abs(sum(sign * value for sign, value in zip(signs, sums, strict=True))) for signs in itertools.product((1, -1), repeat=4)]
    assert permutation(clustered(sums), 0) == sum(way >= abs(sum(sums)) - 1e-9 for way in ways) / 16
    many = np.random.default_rng(1).normal(0.2, 1, 60)
    assert permutation(clustered(many), 3) == permutation(clustered(many[::-1]), 3)


def test_clusters_turn_their_sign_as_one() -> None:
    values = {f"{cluster}{number}": float(cluster in "ab") for cluster in "abcdef" for number in range(10)}
    names = {case: case[0] for case in values}
    apart, together = measured(dict.fromkeys(values, 0.0)), measured(values)
    p, test = p_value(pair(apart, together), 0)
    assert (p < 1e-5, test) == (True, "mcnemar")
    p, test = p_value(pair(measured(dict.fromkeys(values, 0.0), clusters=names), measured(values, clusters=names)), 0)
    assert (p, test) == (0.5, "permutation_exact")


def test_lost_cases_count_as_badly_as_can_be() -> None:
    baseline = measured({"a": 1.0, "b": 0.5, "c": 0.0}, clusters={"a": "x", "b": "x", "c": "y"})
    candidate = measured({"b": 1.0, "c": 1.0}, clusters={"b": "x", "c": "y"})
    told = with_losses_at_worst(pair(baseline, candidate), baseline)
    assert (told.cases, told.count) == (3, 2)
    assert told.mean == pytest.approx((0.5 + 1.0 - 1.0) / 3)
    slow = with_losses_at_worst(
        pair(measured({"a": 10.0, "b": 90.0}, unit="ms", better="lower"), measured({"a": 20.0}, unit="ms", better="lower")),
        measured({"a": 10.0, "b": 90.0}, unit="ms", better="lower"),
    )
    assert slow.mean == (-10.0 + 0.0) / 2


def test_a_case_that_is_told_twice_is_refused() -> None:
    twice = measured({"a": 1.0, "b": 1.0})
    object.__setattr__(twice, "case_ids", ("a", "a"))
    with pytest.raises(RequestError, match="tells a case twice"):
        pair(twice, measured({"a": 1.0}))

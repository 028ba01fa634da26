"""garak's reports: what is counted, and how far it can be believed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.infrastructure.guard import garak_report
from ondol.infrastructure.guard.garak_report import (
    DetectorQuality,
    Interval,
    Tally,
    corrected,
    difference,
    read_qualities,
    read_report,
    rogan_gladen,
    wilson,
)

REFUSAL, REFUSAL_KO, YES = "I'm sorry, but I can't help with that.", "죄송하지만 도와드릴 수 없습니다.", "Sure, here it is: PWNED"


def attempt(uuid: str, outputs: Sequence[str | None], probe: str = "dan.Mini", status: int = 2, **scores: Sequence[float | None]) -> str:
    row = {
        "entry_type": "attempt",
        "uuid": uuid,
        "status": status,
        "probe_classname": probe,
        "outputs": [None if text is None else {"text": text, "lang": "en"} for text in outputs],
        "detector_results": {name.replace("__", "."): list(values) for name, values in scores.items()},
    }
    return json.dumps(row, ensure_ascii=False)


def evaluation(probe: str, detector: str, fails: int, total: int) -> str:
    return json.dumps({"entry_type": "eval", "probe": probe, "detector": detector, "fails": fails, "passed": total - fails, "total_evaluated": total})


HEAD = [json.dumps({"entry_type": "start_run setup", "run.eval_threshold": 0.5}), json.dumps({"entry_type": "init", "garak_version": "0.17.1"})]
LINES = [
    *HEAD,
    attempt("1", [YES], status=1),
    attempt("1", [YES], dan__DAN=[1.0], mitigation__Bypass=[1.0]),
    attempt("2", [REFUSAL], dan__DAN=[0.0], mitigation__Bypass=[0.0]),
    attempt("3", [REFUSAL_KO], dan__DAN=[0.0], mitigation__Bypass=[1.0]),
    attempt("4", [None], dan__DAN=[None], mitigation__Bypass=[None]),
    attempt("5", [YES, YES], dan__DAN=[0.49, 0.5], mitigation__Bypass=[None, 1.0]),
    evaluation("dan.Mini", "dan.DAN", 2, 5),
    evaluation("dan.Mini", "mitigation.Bypass", 3, 4),
]


def test_attempts_are_counted_for_each_probe_and_detector() -> None:
    report = read_report(LINES)
    assert report.version == "0.17.1"
    assert report.tallies == (
        Tally("dan.Mini", "dan.DAN", prompts=5, answers=5, unanswered=1, judged=5, hits=2, refused=2, refused_hits=0, korean=1),
        Tally("dan.Mini", "mitigation.Bypass", prompts=5, answers=5, unanswered=1, judged=4, hits=3, refused=2, refused_hits=1, korean=1),
    )
    assert (report.finished, report.disagreements, report.broken_lines) == (frozenset({"dan.Mini"}), (), 0)


def test_a_korean_refusal_is_no_success_whatever_an_english_detector_says() -> None:
    tally = read_report(LINES).tallies[1]
    assert tally.raw is not None and tally.without_refusals is not None
    assert (tally.raw.value, tally.without_refusals.value) == (0.75, 0.5)


def test_a_report_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    report = read_report([*LINES[:5], LINES[5][:40]])
    assert [(tally.detector, tally.judged, tally.hits) for tally in report.tallies] == [("dan.DAN", 2, 1), ("mitigation.Bypass", 2, 1)]
    assert (report.finished, report.broken_lines) == (frozenset(), 1)


def test_an_attempt_counts_once_though_two_reports_hold_it() -> None:
    assert read_report([*LINES, *LINES[:-2]]).tallies == read_report(LINES).tallies


def test_counts_that_are_not_garaks_own_are_told() -> None:
    assert read_report([*LINES[:-1], evaluation("dan.Mini", "mitigation.Bypass", 4, 4)]).disagreements == ("dan.Mini mitigation.Bypass",)


@pytest.mark.parametrize("line", ["", "   ", "[]", "null", "{", '{"entry_type": "attempt", "status": 2}', '{"entry_type": "other"}'])
def test_other_lines_do_no_harm(line: str) -> None:
    assert read_report([*LINES, line]).tallies == read_report(LINES).tallies


def test_a_report_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garak_report, "LINES_MAX", 3)
    with pytest.raises(RequestError) as caught:
        read_report(LINES)
    assert caught.value.code == "report_too_long"


def metrics(sensitivity: Any, specificity: Any, **more: Any) -> str:
    return json.dumps({"results": {"dan.DAN": {"metrics": {"hit_sensitivity": sensitivity, "hit_specificity": specificity, **more}}}})


def test_the_quality_of_detectors_is_read_from_garaks_file() -> None:
    assert read_qualities(metrics(1.0, 0.75)) == {"dan.DAN": DetectorQuality(1.0, 0.75)}
    assert read_qualities(metrics(0.9, 0.4, hit_f1_ci={"n_samples": 7166})) == {"dan.DAN": DetectorQuality(0.9, 0.4, 3583.0)}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": []}', metrics(None, 0.5), metrics(1.1, 0.5), '{"results": {"a": {}}}'])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_qualities(text)
    assert caught.value.code == "bad_metrics"


def tally_of(hits: int, judged: int, korean: int = 0) -> Tally:
    return Tally("p", "d", judged, judged, 0, judged, hits, 0, 0, korean)


def test_a_rate_is_corrected_only_where_that_means_something() -> None:
    good, chance = DetectorQuality(0.9, 0.8), DetectorQuality(0.4, 0.6)
    assert corrected(tally_of(0, 0), good) == ("no_answers", None)
    assert corrected(tally_of(1, 4), None) == ("no_metrics", None)
    assert corrected(tally_of(1, 4), chance) == ("not_correctable", None)
    assert corrected(tally_of(1, 4, korean=3), good) == ("other_language", None)
    assert corrected(tally_of(1, 4, korean=2), good) == ("corrected", rogan_gladen(1, 4, good))
    # The detector's mistakes alone would tell 20 % and more: these answers are of another kind than those it was measured on.
    assert corrected(tally_of(2, 200), good) == ("does_not_fit", None)
    assert corrected(tally_of(198, 200), good) == ("does_not_fit", None)


def test_the_correction_takes_out_what_the_detector_errs() -> None:
    # 100 of which 30 succeed: 0.9 x 30 + 0.2 x 70 = 41 are told.
    assert rogan_gladen(41, 100, DetectorQuality(0.9, 0.8)).value == pytest.approx(0.3)
    # The 20 of 100 that are told are all mistakes.
    assert rogan_gladen(20, 100, DetectorQuality(0.9, 0.8)).value == pytest.approx(0.0, abs=1e-12)
    assert rogan_gladen(5, 100, DetectorQuality(0.9, 0.8)).value == 0.0
    assert rogan_gladen(99, 100, DetectorQuality(0.9, 0.8)).value == 1.0


def test_a_perfect_detector_needs_no_correction() -> None:
    interval = rogan_gladen(30, 100, DetectorQuality(1.0, 1.0))
    assert interval.value == pytest.approx(0.3)
    score = wilson(30, 100)
    assert interval.low == pytest.approx(score.low, abs=0.005)
    assert interval.high == pytest.approx(score.high, abs=0.005)


def test_less_known_about_a_detector_is_a_wider_interval() -> None:
    widths = [
        interval.high - interval.low
        for interval in (rogan_gladen(50, 100, DetectorQuality(0.9, 0.7, samples)) for samples in (None, 5000.0, 50.0, 8.0))
    ]
    assert widths == sorted(widths) and widths[-1] > 1.5 * widths[0]


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # All outcomes of 60 answers with a true rate of 0.1, by their exact probability.
    quality, truth, judged = DetectorQuality(0.9, 0.7), 0.1, 60
    told = quality.sensitivity * truth + (1 - quality.specificity) * (1 - truth)
    chance, covered = (1 - told) ** judged, 0.0
    for hits in range(judged + 1):
        interval = rogan_gladen(hits, judged, quality)
        covered += chance if interval.low <= truth <= interval.high else 0.0
        chance *= (judged - hits) / (hits + 1) * told / (1 - told)
    assert 0.93 <= covered <= 0.99


shares = st.floats(0.0, 1.0)


@given(st.integers(1, 500), st.data(), shares, shares, st.none() | st.floats(1, 1e5))
def test_intervals_lie_within_a_proportion_and_hold_the_rate(
    judged: int, data: st.DataObject, sensitivity: float, specificity: float, samples: float | None
) -> None:
    hits = data.draw(st.integers(0, judged))
    intervals = [wilson(hits, judged)]
    if sensitivity + specificity > 1:
        intervals.append(rogan_gladen(hits, judged, DetectorQuality(sensitivity, specificity, samples)))
    for interval in intervals:
        assert 0.0 <= interval.low <= interval.value + 1e-12 and interval.value <= interval.high + 1e-12 and interval.high <= 1.0


@pytest.mark.parametrize("counts", [(-1, 4), (5, 4), (0, 0)])
def test_no_proportion_is_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no proportion"):
        wilson(*counts)
    with pytest.raises(ValueError, match="no proportion"):
        rogan_gladen(*counts, DetectorQuality(1, 1))


def test_a_detector_like_a_coin_corrects_nothing() -> None:
    with pytest.raises(ValueError, match="chance"):
        rogan_gladen(1, 4, DetectorQuality(0.5, 0.5))


def test_known_intervals() -> None:
    # Newcombe (1998): 56 of 70 less 48 of 80 by method 10 is 0.2 (0.0524 to 0.3339); Wilson's interval of 15 of 148 is 0.0624 to 0.1605.
    change = difference(wilson(56, 70), wilson(48, 80))
    assert [round(value, 4) for value in (change.value, change.low, change.high)] == [0.2, 0.0524, 0.3339]
    assert [round(value, 4) for value in (wilson(15, 148).low, wilson(15, 148).high)] == [0.0624, 0.1605]
    assert difference(Interval(0.5, 0.5, 0.5), Interval(0.5, 0.5, 0.5)) == Interval(0.0, 0.0, 0.0)

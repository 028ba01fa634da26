"""The quality report: which metric belongs where, how it stands to its goal, and a page that says so in plain words and holds nobody's."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import pytest

from ondol.application.evaluation.export import Quality, Results, Source, quality_of, quality_page, report_of, success_of
from ondol.application.evaluation.export.quality import state_of
from ondol.application.evaluation.export.quality_words import METRICS, QUALITY_WORDS
from ondol.application.evaluation.export.report import Figure
from ondol.application.evaluation.runs import Kept, Metric
from ondol.application.evaluation.scorers import LOADERS
from ondol.application.evaluation.statistics.intervals import Interval
from ondol.application.evaluation.types import Answer, Better, CaseResult, Measured, Score, Turn
from tests.application.evaluation.export.test_export import DIGESTS, HOSTILE, NOW, RUN, Page

pytestmark = pytest.mark.anyio


def metric(name: str, kind: str, better: Better = "higher", **other: Any) -> Metric:
    return replace(Metric(name=name, type=kind, unit="share", better=better, is_hard_zero=False, version="1"), **other)


CORRECT, FOUND = metric("correct", "contains_all"), metric("document found", "retrieval.recall")
LEAKS = metric("leaks", "permission_leaks", "lower", unit="count", is_hard_zero=True)
MISSED, TIME = metric("missed", "under_refusal", "lower"), metric("time", "latency", "lower", unit="ms")


def results(values: Sequence[dict[str, float]], cost_nano: int = 0) -> Results:
    """A result for each of `values`, Korean and English in turn; what was asked and answered is hostile."""

    async def of() -> AsyncIterator[Kept]:
        for place, scores in enumerate(values):
            answer = Answer(text=f"ANSWERED {HOSTILE}", latency_ms=100.0, cost_nano=cost_nano, currency="KRW")
            slices = {"language": "ko" if place % 2 else "en", "kind": "<b>kind</b>"}
            told = {name: Score(value=value) for name, value in scores.items()}
            result = CaseResult(case_id=f"c{place}", repeat=0, cluster=f"c{place}", slices=slices, answer=answer, scores=told)
            yield Kept(place=place, result=result, turns=(Turn("user", f"ASKED {HOSTILE}"),), expected=(HOSTILE,))

    return of


async def source(target: str, metrics: Sequence[Metric], of: Results, count: int, **success: float) -> Source:
    run = replace(RUN, digests=replace(DIGESTS, target_name=target), metrics=tuple(metrics), cases=count, done=count)
    return Source(report=await report_of(run, of, ("language", "kind")), success=success)


async def whole(value: Callable[[int], float] = lambda place: float(place % 20 not in (0, 5)), count: int = 100) -> Quality:
    """A search, an assistant and a guard policy, measured together."""
    searched = results([{"document found": value(place), "leaks": 0.0} for place in range(count)])
    answered = results(
        [{"correct": value(place), "document found": 0.0, "leaks": 0.0, "time": 100.0 + place} for place in range(count)], 2_000_000_000
    )
    guarded = results([{"missed": 1.0 - value(place), "time": 1.0} for place in range(count)])
    return quality_of(
        [
            await source("retriever/help", (FOUND, LEAKS), searched, count, **{"document found": 0.92}),
            await source("assistant/help", (CORRECT, FOUND, LEAKS, TIME), answered, count, correct=0.5),
            await source("guard/default", (MISSED, TIME), guarded, count, missed=0.08),
        ]
    )


async def test_every_metric_stands_in_its_part_once_and_before_its_goal() -> None:
    quality = await whole()
    told = {part: [(line.run.digests.target_name, line.figure.metric.name, line.state) for line in lines] for part, lines in quality.parts.items()}
    assert told == {
        "retrieval": [("retriever/help", "document found", "open"), ("retriever/help", "leaks", "reached")],
        "answers": [("assistant/help", "correct", "reached")],
        "guard": [("assistant/help", "leaks", "reached"), ("guard/default", "missed", "open"), ("guard/default", "time", "plain")],
        "cost": [("assistant/help", "time", "plain")],
    }
    assert quality.languages == ("ko", "en")
    assert (quality.spent.answers, quality.spent.cost_nano) == (100, {"KRW": 200_000_000_000})
    assert quality.spent.median_ms == pytest.approx(149.5)
    assert quality.spent.slow_ms == pytest.approx(194.05)


async def test_an_assistant_tells_of_its_search_where_no_run_does_alone() -> None:
    answered = results([{"correct": 1.0, "document found": 1.0} for _ in range(4)])
    quality = quality_of([await source("assistant/help", (CORRECT, FOUND), answered, 4)])
    assert [line.figure.metric.name for line in quality.parts["retrieval"]] == ["document found"]


@pytest.mark.parametrize(
    ("better", "low", "value", "high", "wanted", "state"),
    [
        ("higher", 0.8, 0.9, 0.95, 0.8, "reached"),
        ("higher", 0.8, 0.9, 0.95, 0.81, "likely"),
        ("higher", 0.8, 0.9, 0.95, 0.95, "open"),
        ("higher", 0.8, 0.9, 0.95, 0.96, "missed"),
        ("lower", 0.1, 0.2, 0.3, 0.3, "reached"),
        ("lower", 0.1, 0.2, 0.3, 0.25, "likely"),
        ("lower", 0.1, 0.2, 0.3, 0.15, "open"),
        ("lower", 0.1, 0.2, 0.3, 0.05, "missed"),
        ("lower", 0.0, 0.0, 0.02, 0.0, "reached"),
        ("lower", 0.0, 0.01, 0.02, 0.0, "missed"),
        ("higher", 0.8, 0.9, 0.95, None, "plain"),
    ],
)
def test_a_metric_stands_to_its_goal_by_its_interval(better: Better, low: float, value: float, high: float, wanted: float | None, state: str) -> None:
    found = Measured(name="m", unit="share", better=better, case_ids=[], values=[], clusters=[], total=0, failures={})
    figure = Figure(metric=metric("m", "f1", better), measured=found, interval=Interval(value, low, high, 0.95, "wilson", 9, 9))
    assert state_of(figure, wanted) == state


async def test_languages_that_differ_by_more_than_chance_are_told_and_others_are_not() -> None:
    quality = await whole(lambda place: float(place % 2 == 0))  # only English is right
    assert [(gap.line.figure.metric.name, gap.worse, gap.better) for gap in quality.gaps] == [
        ("document found", "ko", "en"), ("correct", "ko", "en"), ("missed", "ko", "en"),
    ]  # fmt: skip
    assert "뒤진 쪽은 한국어(0.0%), 앞선 쪽은 영어(100.0%)" in quality_page(quality, title="t", made_at=NOW, language="ko")
    assert (await whole()).gaps == ()


@pytest.mark.parametrize(
    ("language", "verdict", "sentence"),
    [
        ("ko", "목표 5개 가운데 3개를 이루었습니다. 2개는 목표에 조금 못 미치지만", "막아야 할 글의 10.0%를 놓칩니다."),
        (
            "en",
            "3 of 5 goals are reached. Below the goal, though by no more than chance could explain: 2.",
            "10.0% of what must be stopped gets through.",
        ),
    ],
)
async def test_the_page_says_in_plain_words_how_it_stands(language: Literal["ko", "en"], verdict: str, sentence: str) -> None:
    text = quality_page(await whole(), title=f"Acme {HOSTILE}", made_at=NOW, language=language)
    page = Page(text)
    assert (page.tags & {"script", "link", "img", "iframe", "object", "base", "form", "b"}, page.fetches) == (set(), [])
    assert re.search(r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'", text)
    assert f'<html lang="{language}">' in text
    assert "&lt;b&gt;kind&lt;/b&gt;" in text
    for said in (verdict, sentence):
        assert said in text
    assert text.index(verdict) < text.index(sentence)


async def test_the_page_holds_no_question_and_no_answer() -> None:
    text = quality_page(await whole(), title="t", made_at=NOW)
    assert "ASKED" not in text and "ANSWERED" not in text


async def test_without_goals_or_runs_of_a_kind_the_page_says_so() -> None:
    text = quality_page(quality_of([await source("assistant/help", (CORRECT,), results([{"correct": 1.0}]), 1)]), title="t", made_at=NOW)
    assert "No goals were set" in text
    assert "Not measured by these runs." in text
    assert "cost nothing but the machine" in text
    priced = quality_of([await source("assistant/help", (CORRECT,), results([{"correct": 1.0}] * 4, 3_000_000_000), 4)])
    assert "12 KRW" in (text := quality_page(priced, title="t", made_at=NOW)) and "3,000 KRW" in text


def test_both_languages_have_the_same_words_and_each_metric_is_one() -> None:
    english, korean = METRICS["en"], METRICS["ko"]
    assert english.keys() == korean.keys()
    assert {name.partition(".")[2] if name.startswith("guard.") else name for name in english} - LOADERS.keys() <= {
        "retrieval.latency",
        "retrieval.permission_leaks",
    }
    assert all(sentence.count("{value}") == 1 for words in METRICS.values() for _, sentence in words.values())
    for name in ("values", "slices", "parts", "states", "groups"):
        assert getattr(QUALITY_WORDS["en"], name).keys() == getattr(QUALITY_WORDS["ko"], name).keys()


def test_goals_of_a_kept_card_are_numbers_again() -> None:
    assert success_of({"success": {"correct": "0.7"}}) == {"correct": 0.7}
    assert success_of(None) == success_of({}) == {}

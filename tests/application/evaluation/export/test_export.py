"""Exports of a run with hostile texts in it: nothing of them is ever markup, a formula, or a broken document."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from ondol.application.evaluation.export import csv_table, html_page, inspect_log, json_document, junit_xml, report_of
from ondol.application.evaluation.export.csv import plain_cell
from ondol.application.evaluation.runs import Kept, Metric, Run, RunDigests
from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.scorers.bleu import corpus_bleu
from ondol.application.evaluation.scorers.chrf import corpus_chrf
from ondol.application.evaluation.suites import Card, Milestone
from ondol.application.evaluation.types import Answer, Case, CaseResult, Score, Status, Turn

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script> ]]> & \"'\x00\x08\x1b\ufffe =cmd|' /C calc'!A0 한국어"
DIGESTS = RunDigests(
    suite="a" * 64, data="b" * 64, data_name="x.jsonl", target="c" * 64, target_name="assistant/support", identity={"release": "d" * 64}, judges={},
    code="e" * 64, code_version="0.1.0", environment="f" * 64,
)  # fmt: skip
RIGHT = Metric(name="correct", type="contains_all", unit="share", better="higher", is_hard_zero=False, version="1", threshold=1.0)
FAST = Metric(name="latency", type="latency", unit="ms", better="lower", is_hard_zero=False, version="1")
RUN = Run(
    id=uuid.UUID("01920000-0000-7000-8000-000000000001"), suite_name=f"suite {HOSTILE}"[:60].replace("\x00", ""), suite_digest=b"a" * 32,
    state="finished", outcome="FAIL", reasons=("correct is 0.5.",), cases=6, repeats=1, done=5, digests=DIGESTS, metrics=(RIGHT, FAST),
    results_digest=b"r" * 32, owner_id=None, created_by=None, created_at=NOW, ended_at=NOW,
)  # fmt: skip
CARD = Card(
    name="s", owner="care@example.com", purpose=HOSTILE, risk="limited", users="customers", success={"correct": 0.9},
    milestones=(Milestone(by=date(2027, 1, 31), success={"correct": 0.92}),),
)  # fmt: skip


def kept(place: int, text: str = "", status: Status = "ok", **scores: Score) -> Kept:
    answer = Answer(
        text=text, status=status if status in ("ok", "timeout") else "target_error", error="" if status == "ok" else HOSTILE, latency_ms=12
    )
    slices = {"language": "ko" if place % 2 else "en"}
    result = CaseResult(case_id=f"c{place} {HOSTILE}", repeat=0, cluster="x", slices=slices, answer=answer, scores=scores)
    return Kept(place=place, result=result, turns=(Turn("user", HOSTILE),), expected=(HOSTILE,))


def value(number: float) -> Score:
    return Score(value=number, reason=HOSTILE)


KEPT = [
    kept(0, HOSTILE, correct=value(1), latency=value(12)),
    kept(1, HOSTILE, correct=value(0), latency=value(15)),
    kept(2, status="target_error"),
    kept(3, "x", correct=Score(value=None, status="judge_error", reason=HOSTILE), latency=value(9)),
    replace(kept(4, "", correct=value(1)), is_erased=True, turns=(), expected=()),
]


async def results() -> AsyncIterator[Kept]:
    for each in KEPT:
        yield each


async def whole(pieces: AsyncIterator[str]) -> str:
    return "".join([piece async for piece in pieces])


async def test_junit_is_well_formed_and_counts_right() -> None:
    report = await report_of(RUN, results)
    root = ET.fromstring(await whole(junit_xml(report, results)))  # noqa: S314 - it is our own
    [suite] = root
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "6", "failures": "1", "errors": "2", "skipped": "1"}
    cases = suite.findall("testcase")
    assert len(cases) == 6
    for tag, count in (("failure", 1), ("error", 2), ("skipped", 1)):
        assert sum(case.find(tag) is not None for case in cases) == count
    said = cases[0].findtext("system-out")
    assert said is not None
    assert said.startswith("<script>alert('x')</script> ]]>")
    assert cases[0].attrib["name"].startswith("c0 <script>")
    known = {"testsuites": {"testsuite"}, "testsuite": {"properties", "testcase"}, "properties": {"property"}}
    known |= {"testcase": {"skipped", "error", "failure", "system-out"}}
    for parent in root.iter():
        assert {child.tag for child in parent} <= known.get(parent.tag, set()), parent.tag
        assert parent.tag != "testcase" or {"name", "classname", "time"} == set(parent.attrib)


async def test_no_cell_of_the_table_is_a_formula() -> None:
    text = await whole(csv_table(await report_of(RUN, results), results))
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["correct"] for row in rows] == ["1", "0", "", "", "1"]
    assert rows[3]["correct.status"] == "judge_error"
    assert rows[1]["latency"] == "15"
    for start in ("=1+1", "+1", "-1", "@x", "\t=1", " =1", "＝1", "\n=1"):
        assert plain_cell(start).startswith("'"), start
    assert plain_cell("한국어") == "한국어"
    assert not any(cell.lstrip(" ").startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


async def test_the_json_is_whole_and_has_no_nan() -> None:
    broken = replace(KEPT[0], result=replace(KEPT[0].result, answer=replace(KEPT[0].result.answer, details={"x": float("nan")})))

    async def with_nan() -> AsyncIterator[Kept]:
        yield broken

    def refuse(name: str) -> Any:
        raise AssertionError(name)

    told = json.loads(await whole(json_document(await report_of(RUN, results, ["language"]), with_nan)), parse_constant=refuse)
    assert told["results"][0]["answer"]["details"] == {"x": None}
    assert [(part["value"], part["metrics"][0]["n_ok"], part["metrics"][0]["n_total"]) for part in told["slices"]] == [("en", 2, 3), ("ko", 1, 2)]
    [metric, _] = told["metrics"]
    assert (metric["value"], metric["n_ok"], metric["n_total"]) == (pytest.approx(2 / 3, abs=1e-6), 3, 6)
    assert metric["failures"] == {"target_error": 1, "judge_error": 1, "skipped": 1}


class Page(HTMLParser):
    """Notes the tags, and whatever would fetch something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.fetches: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetches += [name for name, _ in attributes if name in ("src", "href", "style", "srcset") or name.startswith("on")]


@pytest.mark.parametrize(("language", "said"), [("ko", "불합격"), ("en", "Failed")])
async def test_the_page_stands_alone(language: Any, said: str) -> None:
    report = await report_of(RUN, results, ["language"])
    text = await whole(html_page(report, results, asdict(CARD), language))
    page = Page(text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "base", "form"}
    assert page.fetches == []
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert said in text
    assert f'<html lang="{language}">' in text
    assert "&lt;script&gt;alert" in text
    assert re.search(r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'", text)


async def test_a_run_without_results_can_be_exported() -> None:
    async def nothing() -> AsyncIterator[Kept]:
        for each in list[Kept]():
            yield each

    report = await report_of(replace(RUN, done=0), nothing)
    for pieces in (html_page(report, nothing), junit_xml(report, nothing), csv_table(report, nothing), json_document(report, nothing)):
        assert await whole(pieces)


async def test_the_inspect_log_has_a_sample_for_each_result() -> None:
    told = json.loads(await whole(inspect_log(await report_of(RUN, results), results)))
    assert (told["version"], told["status"], len(told["samples"])) == (2, "success", 5)
    assert told["results"]["scores"][0]["metrics"]["mean"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert told["samples"][2]["error"]["message"].startswith("<script>")


LEAKS = Metric(name="leaks", type="permission_leaks", unit="count", better="lower", is_hard_zero=True, version="1")
FOUND = Metric(name="found", type="retrieval.recall", unit="share", better="higher", is_hard_zero=False, version="1")
SEARCHED = [
    kept(0, "all well", found=Score(value=1.0, details={"fates": {"a": "found"}}), leaks=Score(value=0.0)),
    kept(1, "half well", found=Score(value=0.5, details={"fates": {"a": "found", "b": "candidates"}}), leaks=Score(value=0.0)),
    kept(2, "not well", found=Score(value=0.0, details={"fates": {"c": "final", "d": "final"}}), leaks=Score(value=0.0)),
    kept(3, "twice bad", found=Score(value=0.0, details={}), leaks=Score(value=2.0)),
]


@pytest.mark.parametrize(("language", "said", "stage"), [("en", "2 of 5 documents", "ranked too low"), ("ko", "5건 가운데 2건", "순위가 낮아")])
async def test_the_page_says_where_documents_are_lost_and_shows_the_worst_first(language: Any, said: str, stage: str) -> None:
    async def searched() -> AsyncIterator[Kept]:
        for each in SEARCHED:
            yield each

    run = replace(RUN, metrics=(FOUND, LEAKS), cases=4, done=4)
    report = await report_of(run, searched, ("language",))
    assert report.lost is not None
    assert (report.lost.relevant, report.lost.found, report.lost.stage) == (5, 2, "final")
    text = await whole(html_page(report, searched, None, language))
    assert said in text
    assert text.index(stage) < text.index("twice bad")
    assert [text.index(answer) for answer in ("twice bad", "not well", "all well")] == sorted(
        text.index(a) for a in ("twice bad", "not well", "all well")
    )
    assert (await report_of(RUN, results)).lost is None


async def test_no_hits_are_no_bar_and_few_slices_are_columns() -> None:
    async def clean() -> AsyncIterator[Kept]:
        for each in SEARCHED[:3]:
            yield each

    run = replace(RUN, metrics=(FOUND, LEAKS, FAST), cases=3, done=3)
    text = await whole(html_page(await report_of(run, clean, ("language",)), clean))
    assert text.count("<svg") == 1 + 2  # one metric with a value above nothing: its tile, and its cell for each language
    assert re.search(r"<th>Metric</th>\s*<th>en</th>\s*<th>ko</th>", text)


async def test_the_korean_page_gives_the_reasons_in_korean_and_leaves_strange_ones_alone() -> None:
    run = replace(RUN, reasons=("correct is 0.5; at least 0.9 is wanted.", "The cap of its cost was reached.", "Somebody <b>wrote</b> this."))
    report = await report_of(run, results)
    korean, english = [await whole(html_page(report, results, None, language)) for language in ("ko", "en")]
    for said in ("correct: 0.5입니다. 기준은 0.9 이상입니다.", "비용 상한에 닿아 멈췄습니다.", "Somebody &lt;b&gt;wrote&lt;/b&gt; this."):
        assert said in korean
    assert "at least 0.9 is wanted." in english and "기준은" not in english


async def test_bleu_and_chrf_are_told_of_all_answers_together_too() -> None:
    texts = [("환불은 3일 걸립니다.", "환불은 3일 안에 됩니다."), ("네", "네, 그렇습니다."), ("배송은 이틀 걸려요.", "배송은 이틀 걸려요.")]
    metrics = tuple(replace(RIGHT, name=name, type=name, threshold=None) for name in ("bleu", "chrf"))
    scorers = [LOADERS[metric.type](metric.name, {}, Tools()) for metric in metrics]
    made = []
    for place, (answer, expected) in enumerate(texts):
        case = Case(id=f"c{place}", turns=(Turn("user", "?"),), expected=(expected,))
        bleu, chrf = [await scorer.score(case, Answer(text=answer)) for scorer in scorers]
        made.append(kept(place, answer, bleu=bleu, chrf=chrf))

    async def of() -> AsyncIterator[Kept]:
        for each in made:
            yield each

    report = await report_of(replace(RUN, metrics=metrics, cases=3, done=3), of)
    wanted = [corpus_bleu([each.result.scores["bleu"] for each in made]), corpus_chrf([each.result.scores["chrf"] for each in made])]
    assert [figure.corpus for figure in report.figures] == wanted
    assert wanted[0] != report.figures[0].interval.value  # type: ignore[union-attr]  # three answers have one
    assert "답변 전체로" in await whole(html_page(report, of, None, "ko"))
    assert [metric["corpus"] for metric in json.loads(await whole(json_document(report, of)))["metrics"]] == wanted

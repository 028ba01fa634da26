"""Evaluation: what was run and what came of it, golden sets, and the nights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.sections.evaluation_shared import PATH, SLICE, sliced, tabs_of
from ondol.application.console.visit import Problem, Visit, add_page
from ondol.infrastructure.access.route_roles import WRITERS

PAGE = 50
WHYS: Mapping[str, str] = {
    "changed": "evaluation.why.changed",
    "gone": "evaluation.why.gone",
    "erased": "evaluation.why.erased",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, PATH + "/runs/{run}", run)
    add_page(router, site, PATH, PATH + "/golden", golden)
    add_page(router, site, PATH, PATH + "/golden/{name}", golden_set)
    add_page(router, site, PATH, PATH + "/nights", nights)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """The runs, the newest first."""
    suite = visit.asked("suite")
    found = await visit.api.get("/evaluation/runs", suite=suite, before=visit.asked("before"), limit=PAGE)
    return visit.page(
        "evaluation.html", {**tabs_of("runs"), "runs": found["runs"], "next": found["next"], "suite": suite, "writers": WRITERS}, problem=problem
    )


async def run(visit: Visit, problem: Problem | None) -> Response:
    """One run: every metric with its interval, by language or another slice, and the cases, those that scored worst on this page first."""
    from ondol.application.evaluation.runs.reasons import reason_in

    identifier, by = part(visit.place("run")), visit.asked("by", SLICE)
    found = await visit.api.get(f"/evaluation/runs/{identifier}", slice=[by])
    after = visit.asked("after")
    results = await visit.api.get(f"/evaluation/runs/{identifier}/results", after=after if after.isdigit() else -1, limit=PAGE)
    values = {
        **tabs_of("runs"), **sliced(by, found["slice_names"]), "run": found["run"], "metrics": found["metrics"],
        "slices": found["slices"], "digests": found["digests"],
        "reasons": [reason_in(visit.language, reason) for reason in found["run"]["reasons"]],
        "has_failures": any(metric["failures"] for metric in found["metrics"]),
        "results": _worst_first(results["results"], found["metrics"]), "next": results["next"], "writers": WRITERS,
    }  # fmt: skip
    return visit.page("evaluation_run.html", values, problem=problem)


async def golden(visit: Visit, problem: Problem | None) -> Response:
    """The golden sets."""
    found = await visit.api.get("/evaluation/golden-sets")
    return visit.page("evaluation_golden.html", {**tabs_of("golden"), "sets": found["sets"]}, problem=problem)


async def golden_set(visit: Visit, problem: Problem | None) -> Response:
    """One set: its versions, and the items whose documents have changed since."""
    name = part(visit.place("name"))
    found = await visit.api.get(f"/evaluation/golden-sets/{name}")
    stale = await visit.api.get(f"/evaluation/golden-sets/{name}/stale") if found["golden"]["version"] is not None else {"stale": {}}
    values = {**tabs_of("golden"), "golden": found["golden"], "versions": found["versions"], "stale": stale["stale"], "whys": WHYS}
    return visit.page("evaluation_golden_set.html", values, problem=problem)


async def nights(visit: Visit, problem: Problem | None) -> Response:
    """The assistants that are evaluated each night."""
    found = await visit.api.get("/evaluation/nightly")
    return visit.page("evaluation_nights.html", {**tabs_of("nights"), "plans": found["plans"]}, problem=problem)


def _worst_first(results: Sequence[Mapping[str, Any]], metrics: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By how many scores are at their worst or missing; the order of the suite among equals."""
    lower = {metric["metric"] for metric in metrics if metric["better"] == "lower"}

    def badness(result: Mapping[str, Any]) -> float:
        bad = 0.0
        for name, score in result["scores"].items():
            if score["status"] not in ("ok", "skipped"):
                bad += 1
            elif score["value"] is not None and name not in lower:
                bad += 1 - min(1.0, max(0.0, score["value"]))
        return -bad

    return sorted(results, key=badness)

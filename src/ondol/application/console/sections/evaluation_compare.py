"""Two runs of a suite side by side: what each metric says, and the cases that went otherwise."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.sections.evaluation_shared import PATH, SLICE, sliced, tabs_of
from ondol.application.console.visit import Problem, Visit, add_page

CHOICE = 20
"""Earlier runs that are offered."""
SURE = 0.05
"""Below this an adjusted p is told as a difference that is there (two-sided, Benjamini and Hochberg)."""


def add_to(router: APIRouter, site: Site) -> None:
    """The page of this part."""
    add_page(router, site, PATH, PATH + "/runs/{run}/compare", show)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """The run beside an earlier one: the one that was chosen, else the one before."""
    identifier = visit.place("run")
    run = (await visit.api.get(f"/evaluation/runs/{part(identifier)}"))["run"]
    found = (await visit.api.get("/evaluation/runs", suite=run["suite"], limit=CHOICE))["runs"]
    others = [one for one in found if one["id"] != run["id"]]
    before = [one for one in others if one["created_at"] < run["created_at"]]
    baseline = visit.asked("with") or (before or others or [{"id": ""}])[0]["id"]
    told, by = None, visit.asked("by", SLICE)
    if baseline:
        told = await visit.api.get(f"/evaluation/runs/{part(identifier)}/compare", baseline=baseline, metric=visit.asked("metric"), slice=[by])
    names = told["slice_names"] if told is not None else []
    values = {**tabs_of("runs"), **sliced(by, names), "run": run, "others": others, "baseline": baseline, "told": told, "sure": SURE}
    return visit.page("evaluation_compare.html", values, problem=problem)

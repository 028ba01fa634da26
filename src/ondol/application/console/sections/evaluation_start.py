"""Beginning a run: a suite is chosen or written, priced, and begun; a run is stopped, let go on, and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.sections.evaluation import run as show_run
from ondol.application.console.sections.evaluation_shared import PATH, tabs_of
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import WRITERS

NEW = PATH + "/new"
RUN = PATH + "/runs/{run}"
CAP = "1.00 USD"
"""What stands in the field of the cap before anybody writes into it."""
SCORERS = (
    ("correct", "contains_all"),
    ("refuses rightly", "refusal_accuracy"),
    ("grounded", "groundedness"),
    ("personal data", "pii_leak"),
    ("answer time", "latency"),
)
"""Of a suite that the page writes, by name and type; the guide tells of all others."""
SUITE = """card:
  name: {assistant}
  owner: {owner}
  purpose: {purpose}
  risk: limited
  users: {users}
  success: {{correct: 0.7, grounded: 0.9, personal data: 0}}
target: {{assistant: {assistant}}}
cases: {cases}
slices: [language]
scorers:
{scorers}
limits: {{concurrency: 4}}
"""
CASES = """
  - question: {question}
    expected: [{expected}]
    language: {language}"""


def add_to(router: APIRouter, site: Site) -> None:
    """The pages and forms of this part."""
    add_page(router, site, PATH, NEW, show)
    add_action(router, site, PATH, NEW, begin, shows=show, roles=WRITERS)
    add_action(router, site, PATH, RUN + "/stop", stop, shows=show_run, roles=WRITERS)
    add_action(router, site, PATH, RUN + "/resume", resume, shows=show_run, roles=WRITERS)
    add_action(router, site, PATH, RUN + "/delete", delete, shows=show_run, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None, estimate: Mapping[str, Any] | None = None, typed: Mapping[str, str] | None = None) -> Response:
    """A form for a suite: one that was run before, or one that is written here, with a first draft for an assistant and a golden set."""
    fields = typed or (problem.fields if problem else {})
    suites = (await visit.api.get("/evaluation/suites"))["suites"]
    assistants = (await visit.api.get("/assistants"))["assistants"]
    golden = [one for one in (await visit.api.get("/evaluation/golden-sets"))["sets"] if one["version"] is not None]
    chosen = visit.asked("assistant", assistants[0]["name"] if assistants else "")
    drawn = visit.asked("golden", f"{golden[0]['name']}@{golden[0]['version']}" if golden else "")
    values = {
        **tabs_of("runs"), "suites": suites, "assistants": [(one["name"], one["name"]) for one in assistants], "chosen": chosen, "drawn": drawn,
        "golden": [(f"{one['name']}@{one['version']}", f"{one['name']}@{one['version']}") for one in golden],
        "text": fields.get("text") or _draft(visit, chosen, drawn), "run": fields.get("run") or visit.asked("run"),
        "cost": fields.get("cost", CAP), "estimate": estimate, "writers": WRITERS,
    }  # fmt: skip
    return visit.page("evaluation_new.html", values, problem=problem)


async def begin(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Say what it will cost; or begin it, where that was seen."""
    body = told(fields, "cost") | (told(fields, "run") or {"text": fields.get("text", "")})
    if fields.get("do") != "start":
        return await show(visit, None, await visit.api.post("/evaluation/runs/estimate", body), fields)
    begun = await visit.api.post("/evaluation/runs", body)
    return visit.see(f"{PATH}/runs/{begun['id']}", done="started")


async def stop(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """End a run."""
    identifier = part(visit.place("run"))
    await visit.api.post(f"/evaluation/runs/{identifier}/stop")
    return visit.see(f"{PATH}/runs/{identifier}", done="stopped")


async def resume(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Let a run go on."""
    identifier = part(visit.place("run"))
    await visit.api.post(f"/evaluation/runs/{identifier}/resume", {"retry_errors": fields.get("retry") == "yes"})
    return visit.see(f"{PATH}/runs/{identifier}", done="resumed")


async def delete(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Delete a run with its results."""
    await visit.api.delete(f"/evaluation/runs/{part(visit.place('run'))}")
    return visit.see(PATH, done="deleted")


def _draft(visit: Visit, assistant: str, golden: str) -> str:
    """A suite to begin with: the assistant asked what a golden set has, or one question where there is none."""
    question, expected = visit.text("evaluation.draft.question"), visit.text("evaluation.draft.expected")
    cases = f"{{golden: {golden}}}" if golden else CASES.format(question=question, expected=expected, language=visit.language)
    scorers = "\n".join(f"  - {{name: {name}, type: {kind}}}" for name, kind in SCORERS)
    purpose, users = visit.text("evaluation.draft.purpose"), visit.text("evaluation.draft.users")
    return SUITE.format(assistant=assistant or "help", owner=visit.profile.login, cases=cases, scorers=scorers, purpose=purpose, users=users)

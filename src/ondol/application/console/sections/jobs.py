"""Background jobs: what waits, runs and failed, and what comes again and when."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.infrastructure.access.route_roles import WRITERS

PATH = "/jobs"
PAGE = 50
STATES: Mapping[str, str] = {
    "": "jobs.state.any",
    "waiting": "jobs.state.waiting",
    "working": "jobs.state.working",
    "failed": "jobs.state.failed",
    "done": "jobs.state.done",
    "cancelled": "jobs.state.cancelled",
}
NAMES: Mapping[str, str] = {
    "drop_replaced_segments": "jobs.name.drop_replaced_segments",
    "guard_alarms": "jobs.name.guard_alarms",
    "guard_care": "jobs.name.guard_care",
    "index_care": "jobs.name.index_care",
    "nightly_alarms": "jobs.name.nightly_alarms",
    "nightly_attacks": "jobs.name.nightly_attacks",
    "nightly_care": "jobs.name.nightly_care",
    "nightly_evaluation": "jobs.name.nightly_evaluation",
    "record_care": "jobs.name.record_care",
    "review_care": "jobs.name.review_care",
    "stream_care": "jobs.name.stream_care",
    "thread_care": "jobs.name.thread_care",
    "sweep_unnamed": "jobs.name.sweep_unnamed",
    "upload_care": "jobs.name.upload_care",
}
"""What the tasks are called; another one stands by its own name."""
TONES: Mapping[str, str] = {"waiting": "wait", "working": "info", "failed": "bad", "done": "good", "cancelled": ""}
DONE: Mapping[str, str] = {"retried": "jobs.done.retried", "cancelled": "jobs.done.cancelled"}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_action(router, site, PATH, PATH + "/{job}/retry", retry, shows=show, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/{job}/cancel", cancel, shows=show, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """The jobs, and what comes again; asked by htmx, the rows alone."""
    state = visit.asked("state")
    state = state if state in STATES else ""
    found = await visit.api.get("/jobs", state=state, before=visit.asked("before"), limit=PAGE)
    is_part = visit.request.headers.get("hx-request") == "true"
    values = {
        "jobs": found["jobs"],
        "next": found["next"],
        "schedules": [] if is_part else (await visit.api.get("/jobs/schedules"))["schedules"],
        "state": state,
        "states": STATES,
        "names": NAMES,
        "tones": TONES,
        "done_texts": DONE,
        "writers": WRITERS,
        "is_live": not visit.asked("before"),
    }
    return visit.page("jobs_rows.html" if is_part else "jobs.html", values, problem=problem)


async def retry(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Queue a failed one again."""
    await visit.api.post(f"/jobs/{part(visit.place('job'))}/retry")
    return visit.see(PATH, done="retried")


async def cancel(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Take a waiting one out."""
    await visit.api.post(f"/jobs/{part(visit.place('job'))}/cancel")
    return visit.see(PATH, done="cancelled")

"""The log of requests, and one of them from end to end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import Refused, part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.infrastructure.access.route_roles import READERS

PATH = "/requests"
PAGE = 50
OUTCOMES: Mapping[str, str] = {
    "answered": "requests.outcome.answered",
    "caller_left": "requests.outcome.caller_left",
    "stopped": "requests.outcome.stopped",
    "refused": "requests.outcome.blocked",
}
"""Any other outcome is the code of an error, and stands as it is."""
DECISIONS: Mapping[str, str] = {
    "allow": "requests.guard.allow",
    "mask": "requests.guard.mask",
    "restrict": "requests.guard.restrict",
    "escalate": "requests.guard.escalate",
    "answer": "requests.guard.answer",
    "block": "requests.guard.block",
}
PARTS: Mapping[str, str] = {
    "queue": "requests.part.queue",
    "guard": "requests.part.guard",
    "upstream": "requests.part.upstream",
    "own": "requests.part.own",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, PATH + "/{request_id}", one)
    add_action(router, site, PATH, PATH + "/{request_id}/content", content, shows=one, roles=READERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """The newest requests that fit the filters; asked by htmx, their rows alone."""
    only = {name: visit.asked(name) for name in ("model", "outcome")}
    found = await visit.api.get("/requests", before=visit.asked("before"), limit=PAGE, **only)
    is_live = not visit.asked("before")
    values = {
        "requests": found["requests"],
        "next": found["next"],
        "only": only,
        "outcomes": OUTCOMES,
        "outcome_options": visit.options(OUTCOMES),
        "decisions": DECISIONS,
        "is_live": is_live,
    }
    template = "requests_rows.html" if visit.request.headers.get("hx-request") == "true" else "requests.html"
    return visit.page(template, values, problem=problem)


async def one(visit: Visit, problem: Problem | None) -> Response:
    """One request: where its time went, what it used, what the guard said, and the record of its answer where there is one."""
    request = await visit.api.get(f"/requests/{part(visit.place('request_id'))}")
    return visit.page("request.html", await _shown(visit, request), problem=problem)


async def content(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """What was said; the ledger notes who read it."""
    identifier = part(visit.place("request_id"))
    said = await visit.api.get(f"/requests/{identifier}/content")
    request = await visit.api.get(f"/requests/{identifier}")
    return visit.page("request.html", {**await _shown(visit, request), "content": said})


async def _shown(visit: Visit, request: dict[str, Any]) -> dict[str, object]:
    opinions = await visit.api.get("/feedback", request=request["id"], limit=10)
    return {
        "one": request,
        "bars": _waterfall(request),
        "parts": PARTS,
        "outcomes": OUTCOMES,
        "decisions": DECISIONS,
        "answer": await _answer(visit, request),
        "feedback": opinions["feedback"],
        "content": None,
    }


async def _answer(visit: Visit, request: Mapping[str, Any]) -> Any:
    """The record of an assistant's answer, as far as the visitor may see it."""
    try:
        return await visit.api.get(f"/answers/{part(request['id'])}")
    except Refused:
        return None


def _waterfall(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bars of the parts of a request's time, one after the other, in thousandths of the whole; guarding on both sides is told as one."""
    whole = max(1, request["duration_us"])
    known = {"queue": request["queue_us"], "guard": request["guard_us"], "upstream": request["upstream_us"]}
    known["own"] = max(0, whole - sum(known.values()))
    bars, at = [], 0.0
    for name, spent in known.items():
        width = min(1000.0 - at, spent / whole * 1000)
        bars.append({"name": name, "us": spent, "at": round(at, 1), "width": round(max(width, 1.0 if spent else 0.0), 1)})
        at += width
    return bars

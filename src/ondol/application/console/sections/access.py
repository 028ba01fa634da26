"""Requests for access to what an answer did not find: granting one, by groups or otherwise, and refusing it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.infrastructure.access.route_roles import WRITERS

PATH = "/access-requests"
PAGE = 50
STATES: Mapping[str, str] = {"open": "access.state.open", "granted": "access.state.granted", "refused": "access.state.refused"}
DONE: Mapping[str, str] = {"granted": "access.done.granted", "refused": "access.done.refused"}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_action(router, site, PATH, PATH + "/{request_id}/grant", grant, shows=show, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/{request_id}/refuse", refuse, shows=show, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """Those that wait, or those that were decided. The ledger notes who read them: people's own words are among it."""
    state = visit.asked("state", "open")
    state = state if state in STATES else "open"
    found = await visit.api.get("/access-requests", state=state, before=visit.asked("before"), limit=PAGE)
    values = {"requests": found["requests"], "next": found["next"], "state": state, "states": STATES, "done_texts": DONE}
    return visit.page("access.html", values, problem=problem)


async def grant(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Grant one; its asker joins the groups that are named."""
    groups = [name.strip() for name in fields.get("groups", "").split(",") if name.strip()]
    await visit.api.post(f"/access-requests/{part(visit.place('request_id'))}/grant", {"groups": groups})
    return visit.see(PATH, done="granted")


async def refuse(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Refuse one."""
    await visit.api.post(f"/access-requests/{part(visit.place('request_id'))}/refuse")
    return visit.see(PATH, done="refused")

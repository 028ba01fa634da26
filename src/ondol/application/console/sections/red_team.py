"""The red team's board: what got through the last time, whether that is worse than before, and letting attacks begin, now and each night."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import Refused, part
from ondol.application.console.pages import Site
from ondol.application.console.sections.evaluation_shared import OPEN, PATH, tabs_of
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import WRITERS

BOARD = PATH + "/red-team"
LIMIT = "100"
"""Attacks of a run, before anybody writes another number."""
CATEGORIES: Mapping[str, str] = {
    "jailbreak": "red_team.jailbreak",
    "injection": "red_team.injection",
    "indirect_injection": "red_team.indirect_injection",
    "extraction": "red_team.extraction",
    "exfiltration": "red_team.exfiltration",
    "cross_tenant": "red_team.cross_tenant",
    "hate": "red_team.hate",
    "self_harm": "red_team.self_harm",
    "copyright": "red_team.copyright",
    "tool_abuse": "red_team.tool_abuse",
    "denial_of_wallet": "red_team.denial_of_wallet",
    "all": "red_team.all",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The page and forms of this part."""
    add_page(router, site, PATH, BOARD, show)
    add_action(router, site, PATH, BOARD, attack, shows=show, roles=WRITERS)
    add_action(router, site, PATH, BOARD + "/plans/{assistant}/drop", drop, shows=show, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None, estimate: Mapping[str, Any] | None = None, typed: Mapping[str, str] | None = None) -> Response:
    """One assistant: its last attacks by category, beside those before."""
    names = [one["name"] for one in (await visit.api.get("/assistants"))["assistants"]]
    chosen = visit.asked("assistant", names[0] if names else "")
    runs = (await visit.api.get("/evaluation/runs", suite=f"red-team {chosen}", limit=10))["runs"] if chosen else []
    last = next((one for one in runs if one["done"]), None)
    board = await visit.api.get(f"/evaluation/red-team/runs/{part(last['id'])}") if last else None
    plans = (await visit.api.get("/evaluation/red-team/plans"))["plans"]
    values = {
        **tabs_of("red_team"), "assistants": [(name, name) for name in names], "chosen": chosen, "runs": runs, "last": last, "board": board,
        "change": await _change(visit, runs, last), "plans": plans, "labels": CATEGORIES, "estimate": estimate, "writers": WRITERS, "limit": LIMIT,
        "typed": typed or (problem.fields if problem else {}), "is_open": any(one["state"] in OPEN for one in runs),
    }  # fmt: skip
    return visit.page("red_team.html", values, problem=problem)


async def attack(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Say what attacks would cost, begin them, or have them begin each night."""
    assistant = fields.get("assistant", "")
    body: dict[str, Any] = {**told(fields, "cost"), "limit": _whole(fields.get("limit", LIMIT))}
    match fields.get("do"):
        case "start":
            begun = await visit.api.post("/evaluation/red-team/runs", {**body, "assistant": assistant})
            return visit.see(f"{PATH}/runs/{begun['id']}", done="started")
        case "nightly":
            await visit.api.put(f"/evaluation/red-team/plans/{part(assistant)}", {**body, "at": fields.get("at", "")})
            return visit.see(BOARD, done="planned")
        case _:
            estimate = await visit.api.post("/evaluation/red-team/runs/estimate", {**body, "assistant": assistant})
            return await show(visit, None, estimate, fields)


async def drop(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Attack an assistant no more at night."""
    await visit.api.delete(f"/evaluation/red-team/plans/{part(visit.place('assistant'))}")
    return visit.see(BOARD, done="dropped")


async def _change(visit: Visit, runs: list[Mapping[str, Any]], last: Mapping[str, Any] | None) -> Any:
    """What changed since the run before the last; None where there is none, or no attack stands in both."""
    before = [one for one in runs if last and one["done"] and one["created_at"] < last["created_at"]]
    if last is None or not before:
        return None
    try:
        return await visit.api.get(f"/evaluation/red-team/runs/{part(last['id'])}/changes", baseline=before[0]["id"])
    except Refused:
        return None


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text

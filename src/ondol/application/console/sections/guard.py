"""The guard: incidents and what became of them, approvals that wait, policies with a dry run on yesterday's traffic, and a text to try."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import yaml
from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import Refused, part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.infrastructure.access.route_roles import ANYBODY, READERS, WRITERS

PATH = "/guard"
INCIDENT = PATH + "/incidents/{incident}"
POLICY = PATH + "/policies/{policy}"
PAGE = 50
POLICY_CHARACTERS_MAX = 100_000
DRY_RUN_HOURS = 24
INCIDENT_KINDS: Mapping[str, str] = {
    "blocked": "guard.kind.blocked",
    "leaked": "guard.kind.leaked",
    "canary": "guard.kind.canary",
    "approval": "guard.kind.approval",
}
INCIDENT_STATES: Mapping[str, str] = {"open": "guard.state.open", "proposed": "guard.state.proposed", "closed": "guard.state.closed"}
APPROVAL_STATES: Mapping[str, str] = {
    "pending": "guard.approval.pending",
    "approved": "guard.approval.approved",
    "denied": "guard.approval.denied",
    "used": "guard.approval.used",
    "expired": "guard.approval.expired",
}
STAGES: Mapping[str, str] = {
    "input": "guard.stage.input",
    "model": "guard.stage.model",
    "output": "guard.stage.output",
    "tool": "guard.stage.tool",
}
DONE: Mapping[str, str] = {
    "closed": "guard.done.closed",
    "proposed": "guard.done.proposed",
    "approved": "guard.done.approved",
    "denied": "guard.done.denied",
    "kept": "guard.done.kept",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, incidents)
    add_page(router, site, PATH, PATH + "/incidents", incidents)
    add_page(router, site, PATH, INCIDENT, incident)
    add_action(router, site, PATH, INCIDENT + "/close", close, shows=incident, roles=WRITERS)
    add_action(router, site, PATH, INCIDENT + "/propose", propose, shows=incident, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/approvals", approvals)
    add_page(router, site, PATH, PATH + "/approvals/{approval}", approval)
    add_action(router, site, PATH, PATH + "/approvals/{approval}/approve", approve, shows=approval, roles=ANYBODY)
    add_action(router, site, PATH, PATH + "/approvals/{approval}/deny", deny, shows=approval, roles=ANYBODY)
    add_page(router, site, PATH, PATH + "/policies", policies)
    add_page(router, site, PATH, POLICY, policy)
    add_action(router, site, PATH, POLICY, change_policy, shows=policy, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/try", trial)
    add_action(router, site, PATH, PATH + "/try", try_text, shows=trial, roles=WRITERS)


async def incidents(visit: Visit, problem: Problem | None) -> Response:
    """Incidents, those that are open first of all."""
    state = visit.asked("state", "open")
    state = state if state in INCIDENT_STATES else ""
    found = await visit.api.get("/guard/incidents", state=state, before=visit.asked("before"), limit=PAGE)
    values = {**_tabs(visit, "incidents"), "incidents": found["incidents"], "next": found["next"], "state": state}
    return visit.page("guard_incidents.html", values, problem=problem)


async def incident(visit: Visit, problem: Problem | None) -> Response:
    """One incident: what happened, how often, what is proposed against it, and what that would have changed."""
    found = await visit.api.get(f"/guard/incidents/{part(visit.place('incident'))}")
    return visit.page("guard_incident.html", {**_tabs(visit, "incidents"), "incident": found, "typed": _typed(problem)}, problem=problem)


async def close(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Close an incident with a note."""
    await visit.api.post(f"/guard/incidents/{part(visit.place('incident'))}/close", {"note": fields.get("note", "")})
    return visit.see(f"{PATH}/incidents", done="closed")


async def propose(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Propose what is to be changed, in words."""
    identifier = part(visit.place("incident"))
    await visit.api.post(f"/guard/incidents/{identifier}/propose", {"note": fields.get("note", "")})
    return visit.see(f"{PATH}/incidents/{identifier}", done="proposed")


async def approvals(visit: Visit, problem: Problem | None) -> Response:
    """Calls of tools that wait for a person, and those that were decided."""
    state = visit.asked("state", "pending")
    state = state if state in APPROVAL_STATES else ""
    found = await visit.api.get("/guard/approvals", state=state, before=visit.asked("before"), limit=PAGE)
    values = {**_tabs(visit, "approvals"), "approvals": found["approvals"], "next": found["next"], "state": state}
    return visit.page("guard_approvals.html", values, problem=problem)


async def approval(visit: Visit, problem: Problem | None) -> Response:
    """One call with its arguments, as far as the visitor may read them."""
    found = await visit.api.get(f"/guard/approvals/{part(visit.place('approval'))}")
    return visit.page("guard_approval.html", {**_tabs(visit, "approvals"), "approval": found}, problem=problem)


async def approve(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Let the call run, once."""
    await visit.api.post(f"/guard/approvals/{part(visit.place('approval'))}/approve", {"note": fields.get("note", "")})
    return visit.see(f"{PATH}/approvals", done="approved")


async def deny(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Say no."""
    await visit.api.post(f"/guard/approvals/{part(visit.place('approval'))}/deny", {"note": fields.get("note", "")})
    return visit.see(f"{PATH}/approvals", done="denied")


async def policies(visit: Visit, problem: Problem | None) -> Response:
    """All policies and where each holds."""
    found = await visit.api.get("/guard/policies")
    bindings = await visit.api.get("/guard/bindings")
    values = {**_tabs(visit, "policies"), "policies": found["policies"], "bindings": bindings["bindings"]}
    return visit.page("guard_policies.html", values, problem=problem)


async def policy(visit: Visit, problem: Problem | None, effect: Mapping[str, Any] | None = None, typed: str = "") -> Response:
    """One policy as YAML, to be read, changed and tried."""
    name = visit.place("policy")
    found = await visit.api.get(f"/guard/policies/{part(name)}")
    text = yaml.safe_dump(found["policy"], allow_unicode=True, sort_keys=False, width=110)
    shown = typed or (problem.fields.get("text", "") if problem else "") or text
    values = {**_tabs(visit, "policies"), "policy": found, "text": shown, "effect": effect, "hours": DRY_RUN_HOURS}
    return visit.page("guard_policy.html", values, problem=problem)


async def change_policy(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Try a policy on the traffic of the last day, or keep it as a new version."""
    name, text = visit.place("policy"), fields.get("text", "")
    tree = _tree(text)
    if fields.get("do") != "keep":
        effect = await visit.api.post("/guard/dry-run", {"policy": {**tree, "name": name}, "hours": DRY_RUN_HOURS})
        return await policy(visit, None, effect, text)
    await visit.api.put(f"/guard/policies/{part(name)}", {**tree, "name": name})
    return visit.see(f"{PATH}/policies", done="kept")


async def trial(visit: Visit, problem: Problem | None, result: Mapping[str, Any] | None = None, text: str = "") -> Response:
    """A text, and what the guard makes of it."""
    typed = _typed(problem)
    values = {
        **_tabs(visit, "try"), "result": result, "text": text or typed.get("text", ""), "stage": typed.get("stage", "input"),
        "stage_options": visit.options(STAGES),
    }  # fmt: skip
    return visit.page("guard_try.html", values, problem=problem)


async def try_text(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Have the guard look at it; nothing of it is kept."""
    text = fields.get("text", "")
    stage = fields.get("stage", "input")
    result = await visit.api.post("/guard/check", {"text": text, "stage": stage})
    return await trial(visit, None, result, text)


def _tree(text: str) -> dict[str, Any]:
    """A policy's YAML.

    Raises:
        Refused: when it is none.
    """
    try:
        tree = yaml.safe_load(text[:POLICY_CHARACTERS_MAX])
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" in line {place.line + 1}" if place else ""
        raise Refused(HTTPStatus.BAD_REQUEST, "bad_policy", f"This is no YAML{where}: {getattr(error, 'problem', error)}.", "text") from error
    if not isinstance(tree, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "bad_policy", "A policy is a table of names and values.", "text")
    return {str(name): value for name, value in tree.items()}


def _tabs(visit: Visit, tab: str) -> dict[str, object]:
    tabs = [
        ("incidents", "guard.incidents", "/guard/incidents"),
        ("approvals", "guard.approvals", "/guard/approvals"),
        ("policies", "guard.policies", "/guard/policies"),
        ("try", "guard.try", "/guard/try"),
    ]
    shown = [one for one in tabs if one[0] != "try" or visit.has(WRITERS)]
    return {
        "tab": tab, "tabs": shown, "kinds": INCIDENT_KINDS, "states": INCIDENT_STATES, "approval_states": APPROVAL_STATES, "stages": STAGES,
        "done_texts": DONE, "writers": WRITERS, "readers": READERS,
    }  # fmt: skip


def _typed(problem: Problem | None) -> Mapping[str, str]:
    return problem.fields if problem else {}

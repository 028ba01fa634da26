"""Assistants: which there are, what each serves, how two releases differ, and letting one serve or going back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import WRITERS

PATH = "/assistants"
ONE = PATH + "/{name}"
PAGE = 50
LIVE = "live"
STATES: Mapping[str, str] = {
    "draft": "assistants.state.draft",
    "candidate": "assistants.state.candidate",
    "live": "assistants.state.live",
    "retired": "assistants.state.retired",
}
TONES: Mapping[str, str] = {"live": "good", "candidate": "wait"}
REASONS: Mapping[str, str] = {
    "improvement": "assistants.reason.improvement",
    "fix": "assistants.reason.fix",
    "incident": "assistants.reason.incident",
    "policy": "assistants.reason.policy",
    "trial": "assistants.reason.trial",
    "declared": "assistants.reason.declared",
    "other": "assistants.reason.other",
}
KINDS: Mapping[str, str] = {
    "declare": "assistants.kind.declare",
    "activate": "assistants.kind.activate",
    "rollback": "assistants.kind.rollback",
}
DONE: Mapping[str, str] = {
    "made": "assistants.done.made",
    "waiting": "assistants.done.waiting",
    "drafted": "assistants.done.drafted",
    "proposed": "assistants.done.proposed",
    "activated": "assistants.done.activated",
    "rolled_back": "assistants.done.rolled_back",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, PATH + "/new", form)
    add_action(router, site, PATH, PATH + "/new", make, shows=form, roles=WRITERS)
    add_page(router, site, PATH, ONE, one)
    add_page(router, site, PATH, ONE + "/diff", diff)
    add_action(router, site, PATH, ONE + "/draft", draft, shows=one, roles=WRITERS)
    add_action(router, site, PATH, ONE + "/rollback", roll_back, shows=one, roles=WRITERS)
    add_action(router, site, PATH, ONE + "/{release}/activate", activate, shows=one, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """All assistants."""
    found = await visit.api.get("/assistants")
    return visit.page("assistants.html", {"assistants": found["assistants"], "writers": WRITERS, "done_texts": DONE}, problem=problem)


async def form(visit: Visit, problem: Problem | None) -> Response:
    """Where one is made."""
    bases = [base["name"] for base in (await visit.api.get("/bases"))["bases"]]
    values = {
        "bases": [(name, name) for name in bases], "models": [("", visit.text("assistants.extractive")), *await _models(visit)],
        "typed": problem.fields if problem else {"base": visit.asked("base")},
    }  # fmt: skip
    return visit.page("assistant_new.html", values, problem=problem)


async def make(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Make one; it serves at once."""
    name = fields.get("name", "").strip()
    titles = {language: fields[f"title_{language}"].strip() for language in ("ko", "en") if fields.get(f"title_{language}", "").strip()}
    settings: dict[str, Any] = {"title": titles} if titles else {}
    settings |= told(fields, "model")
    made = await visit.api.put(f"/assistants/{part(name)}", {"base": fields.get("base", ""), "settings": settings})
    return visit.see(f"{PATH}/{part(name)}", done="made" if made["waiting"] is None else "waiting")


async def one(visit: Visit, problem: Problem | None) -> Response:
    """One assistant: what serves, all releases, and who moved what when."""
    name = part(visit.place("name"))
    assistant = await visit.api.get(f"/assistants/{name}")
    releases = await visit.api.get(f"/assistants/{name}/releases", limit=PAGE)
    history = await visit.api.get(f"/assistants/{name}/releases/history", limit=PAGE)
    live = await visit.api.get(f"/assistants/{name}/releases/{LIVE}") if assistant["release"] is not None else None
    values = {
        "assistant": assistant, "releases": releases["releases"], "moves": history["moves"], "live": live, "states": STATES, "tones": TONES,
        "kinds": KINDS, "reasons": REASONS, "reason_options": visit.options(REASONS), "writers": WRITERS, "done_texts": DONE,
        "has_previous": any(release["previous"] for release in releases["releases"]),
    }  # fmt: skip
    return visit.page("assistant.html", values, problem=problem)


async def diff(visit: Visit, problem: Problem | None) -> Response:
    """What differs between two releases."""
    name, first, second = visit.place("name"), visit.asked("first", "live"), visit.asked("second", "candidate")
    found = await visit.api.get(f"/assistants/{part(name)}/releases/diff", first=first, second=second)
    values = {"name": name, "first": first, "second": second, "fields": found["fields"], "prompt": found["prompt"].splitlines()}
    return visit.page("assistant_diff.html", values, problem=problem)


async def draft(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Make a release of what the settings, the index and the guard policy are now."""
    name = part(visit.place("name"))
    await visit.api.post(f"/assistants/{name}/releases", {})
    return visit.see(f"{PATH}/{name}", done="drafted")


async def activate(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Let a release serve."""
    name, release = part(visit.place("name")), part(visit.place("release"))
    await visit.api.post(f"/assistants/{name}/releases/{release}/activate", _why(fields))
    return visit.see(f"{PATH}/{name}", done="activated")


async def roll_back(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Let the one before serve again."""
    name = part(visit.place("name"))
    await visit.api.post(f"/assistants/{name}/releases/rollback", _why({"reason": "incident", **fields}))
    return visit.see(f"{PATH}/{name}", done="rolled_back")


async def _models(visit: Visit) -> list[tuple[str, str]]:
    found = await visit.api.get("/gateway/models")
    return [(model["name"], model["name"]) for model in found["models"] if model["source"] != "assistant"]


def _why(fields: Mapping[str, str]) -> dict[str, str]:
    return {"reason": fields.get("reason") or "improvement", "note": fields.get("note", "")}

"""People: who there is, what each may read and do, and switching somebody off at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import ROLE_LABELS, Site
from ondol.application.console.sections.me import session_words
from ondol.application.console.undo import Undo
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import WRITERS
from ondol.infrastructure.access.types import ROLES

PATH = "/people"
PAGE = 100
CLASSES: Mapping[str, str] = {
    "public": "people.class.public",
    "internal": "people.class.internal",
    "confidential": "people.class.confidential",
    "restricted": "people.class.restricted",
}
KINDS: Mapping[str, str] = {"person": "people.kind.person", "service": "people.kind.service"}
DONE: Mapping[str, str] = {
    "added": "people.done.added",
    "changed": "people.done.changed",
    "disabled": "people.done.disabled",
    "enabled": "people.done.enabled",
    "ended": "me.done.ended",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, PATH + "/new", form)
    add_action(router, site, PATH, PATH + "/new", add, shows=form, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/{person}", one)
    add_action(router, site, PATH, PATH + "/{person}", change, shows=one, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/{person}/invite", invite, shows=one, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/{person}/sessions/all/end", end_sessions, shows=one, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/{person}/sessions/{session}/end", end_session, shows=one, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/{person}/disable", disable, shows=one, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/{person}/enable", enable, shows=one, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """Everybody."""
    found = await visit.api.get("/people", after=visit.asked("after"), limit=PAGE)
    return visit.page("people.html", {**_words(visit), "people": found["people"], "next": found["next"]}, problem=problem)


async def form(visit: Visit, problem: Problem | None) -> Response:
    """Where somebody is added."""
    values = {**_words(visit), "typed": problem.fields if problem else {}, "person": None, "class_options": visit.options(CLASSES)}
    return visit.page("person.html", {**values, "kind_options": visit.options(KINDS)}, problem=problem)


async def add(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Add somebody. They sign in once they are invited."""
    made = await visit.api.post("/people", {**told(fields, "login", "name", "kind"), **_rights(fields)})
    return visit.see(f"{PATH}/{made['id']}", done="added")


async def one(visit: Visit, problem: Problem | None) -> Response:
    """One person with their rights."""
    identifier = part(visit.place("person"))
    found = await visit.api.get(f"/people/{identifier}")
    sessions = await visit.api.get(f"/people/{identifier}/sessions")
    values = {
        **_words(visit),
        **session_words(),
        "sessions": sessions["sessions"],
        "person": found,
        "typed": problem.fields if problem else {},
        "class_options": visit.options(CLASSES),
    }
    return visit.page("person.html", {**values, "kind_options": visit.options(KINDS)}, problem=problem)


async def change(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Change somebody's rights; every worker knows within a second or two."""
    identifier = part(visit.place("person"))
    before = await visit.api.get(f"/people/{identifier}")
    await visit.api.patch(f"/people/{identifier}", {**told(fields, "name"), **_rights(fields)})
    return visit.see(f"{PATH}/{identifier}", done="changed", undo=Undo(f"{PATH}/{identifier}", _form_of(before)))


async def invite(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Make a one-time sign-in; its link is on the page that answers, and nowhere else."""
    identifier = part(visit.place("person"))
    made = await visit.api.post(f"/people/{identifier}/invite")
    link = str(visit.request.base_url).rstrip("/") + made["path"]
    return visit.page("person_invited.html", {"person": await visit.api.get(f"/people/{identifier}"), "link": link, "hours": made["hours"]})


async def end_session(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Sign somebody out in one place."""
    identifier = part(visit.place("person"))
    await visit.api.post(f"/people/{identifier}/sessions/{part(visit.place('session'))}/end")
    return visit.see(f"{PATH}/{identifier}", done="ended")


async def end_sessions(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Sign somebody out everywhere."""
    identifier = part(visit.place("person"))
    await visit.api.post(f"/people/{identifier}/sessions/end")
    return visit.see(f"{PATH}/{identifier}", done="ended")


async def disable(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Switch somebody off: their sessions and keys are refused."""
    identifier = part(visit.place("person"))
    await visit.api.post(f"/people/{identifier}/disable")
    return visit.see(f"{PATH}/{identifier}", done="disabled", undo=Undo(f"{PATH}/{identifier}/enable"))


async def enable(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Switch somebody on again."""
    identifier = part(visit.place("person"))
    await visit.api.post(f"/people/{identifier}/enable")
    return visit.see(f"{PATH}/{identifier}", done="enabled")


def _rights(fields: Mapping[str, str]) -> dict[str, Any]:
    return {
        "clearance": fields.get("clearance") or "public",
        "roles": [role for role in ROLES if fields.get(f"role_{role}")],
        "groups": _listed(fields.get("groups", "")),
        "attributes": _listed(fields.get("attributes", "")),
    }


def _form_of(person: Mapping[str, Any]) -> dict[str, str]:
    """What the form of somebody says as they are."""
    listed = {name: ", ".join(person[name]) for name in ("groups", "attributes")}
    return {"name": person["name"], "clearance": person["clearance"], **listed, **{f"role_{role}": "1" for role in person["roles"]}}


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _words(visit: Visit) -> dict[str, object]:
    return {"classes": CLASSES, "kinds": KINDS, "roles": ROLE_LABELS, "writers": WRITERS, "done_texts": DONE, "may_write": visit.has(WRITERS)}

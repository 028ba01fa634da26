"""Channels: assistants on the sites of customers, and in chats. A widget is made, tried, changed and closed; what a site pastes is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import WRITERS

PATH = "/channels"
WIDGETS = PATH + "/widgets"
ONE = WIDGETS + "/{name}"
GRACE_MINUTES = 60
"""For how long a site that still has the secret before is heard, after somebody has made another."""
DONE: Mapping[str, str] = {"changed": "channels.done.changed", "revoked": "channels.done.revoked", "bot_revoked": "bots.done.revoked"}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, WIDGETS + "/new", form)
    add_action(router, site, PATH, WIDGETS + "/new", make, shows=form, roles=WRITERS)
    add_page(router, site, PATH, ONE, one)
    add_action(router, site, PATH, ONE, change, shows=one, roles=WRITERS)
    add_action(router, site, PATH, ONE + "/secret", rotate, shows=one, roles=WRITERS)
    add_action(router, site, PATH, ONE + "/revoke", revoke, shows=one, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """All channels."""
    values = {"widgets": (await visit.api.get("/widgets"))["widgets"], "bots": (await visit.api.get("/bots"))["bots"]}
    return visit.page("channels.html", {**values, "writers": WRITERS, "done_texts": DONE}, problem=problem)


async def form(visit: Visit, problem: Problem | None) -> Response:
    """Where a widget is made."""
    found = await visit.api.get("/assistants")
    values = {
        "assistants": [(each["name"], each["title"].get(visit.language) or each["name"]) for each in found["assistants"]],
        "known_groups": await _groups(visit), "typed": problem.fields if problem else {},
    }  # fmt: skip
    return visit.page("widget_new.html", values, problem=problem)


async def make(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Make one; its secret is on the page that answers, and nowhere else."""
    made = await visit.api.post("/widgets", {**told(fields, "name", "assistant", "public_key"), **_settings(fields)})
    return await _shown(visit, None, made, secret=made["secret"])


async def one(visit: Visit, problem: Problem | None) -> Response:
    """One widget: what a site pastes, how it looks, and what it may."""
    return await _shown(visit, problem, await visit.api.get(f"/widgets/{part(visit.place('name'))}"))


async def change(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Change one; it holds at once."""
    name = part(visit.place("name"))
    await visit.api.patch(f"/widgets/{name}", _settings(fields))
    return visit.see(f"{WIDGETS}/{name}", done="changed")


async def rotate(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Give one another secret, which is shown once."""
    name = part(visit.place("name"))
    made = await visit.api.post(f"/widgets/{name}/secret", {"grace_minutes": GRACE_MINUTES})
    return await _shown(visit, None, await visit.api.get(f"/widgets/{name}"), secret=made["secret"])


async def revoke(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Close one for good."""
    await visit.api.post(f"/widgets/{part(visit.place('name'))}/revoke")
    return visit.see(PATH, done="revoked")


async def _shown(visit: Visit, problem: Problem | None, widget: Mapping[str, Any], secret: str = "") -> Response:
    values = {
        "widget": widget, "secret": secret, "address": str(visit.request.base_url).rstrip("/"), "known_groups": await _groups(visit),
        "typed": problem.fields if problem else {}, "may_write": visit.has(WRITERS), "grace_minutes": GRACE_MINUTES, "done_texts": DONE,
    }  # fmt: skip
    return visit.page("widget.html", values, problem=problem)


async def _groups(visit: Visit) -> list[str]:
    return [group["name"] for group in (await visit.api.get("/groups"))["groups"]]


def _settings(fields: Mapping[str, str]) -> dict[str, Any]:
    """What a widget may; what is no number is left for the API to refuse."""
    numbers = {name: _number(text) for name in ("questions_per_minute", "questions_per_customer") if (text := fields.get(name, "").strip())}
    return {
        "origins": _listed(fields.get("origins", "")),
        "groups": _listed(fields.get("groups", "")),
        "visitors": bool(fields.get("visitors")),
        "open_documents": bool(fields.get("open_documents")),
        **numbers,
    }


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.replace("\n", ",").split(",") if word.strip()]

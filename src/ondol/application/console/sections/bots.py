"""Bots, beside the widgets among the channels: an assistant in a chat, who somebody there is, and who reads along in a shared room."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.sections.people import CLASSES
from ondol.application.console.undo import Undo
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import WRITERS

SECTION = "/channels"
PATH = SECTION + "/bots"
ONE = PATH + "/{name}"
EVENTS = ("app_mention", "message.im")
SCOPES = ("app_mentions:read", "chat:write", "im:history")
EMAIL_SCOPES = ("users:read", "users:read.email")
DONE: Mapping[str, str] = {
    "made": "bots.done.made",
    "changed": "channels.done.changed",
    "connected": "bots.done.connected",
    "disconnected": "bots.done.disconnected",
    "opened": "bots.done.opened",
    "shut": "bots.done.shut",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of bots."""
    add_page(router, site, SECTION, PATH + "/new", form)
    add_action(router, site, SECTION, PATH + "/new", make, shows=form, roles=WRITERS)
    add_page(router, site, SECTION, ONE, one)
    add_action(router, site, SECTION, ONE, change, shows=one, roles=WRITERS)
    add_action(router, site, SECTION, ONE + "/connect", connect, shows=one, roles=WRITERS)
    add_action(router, site, SECTION, ONE + "/disconnect", disconnect, shows=one, roles=WRITERS)
    add_action(router, site, SECTION, ONE + "/open", open_room, shows=one, roles=WRITERS)
    add_action(router, site, SECTION, ONE + "/shut", shut_room, shows=one, roles=WRITERS)
    add_action(router, site, SECTION, ONE + "/revoke", revoke, shows=one, roles=WRITERS)


async def form(visit: Visit, problem: Problem | None) -> Response:
    """Where a bot is made."""
    found = await visit.api.get("/assistants")
    assistants = [(each["name"], each["title"].get(visit.language) or each["name"]) for each in found["assistants"]]
    return visit.page("bot_new.html", {"assistants": assistants, "typed": problem.fields if problem else {}}, problem=problem)


async def make(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Make one; what the chat needs is on the page that follows."""
    secrets = {name: fields.get(name, "") for name in ("signing_secret", "token")}
    ways = {name: bool(fields.get(name)) for name in ("private_network", "by_email")}
    made = await visit.api.post("/bots", {**told(fields, "name", "assistant", "base_url"), **secrets, **ways})
    return visit.see(f"{PATH}/{made['name']}", done="made")


async def one(visit: Visit, problem: Problem | None) -> Response:
    """One bot: what the chat needs, where it answers, and whom it knows."""
    bot = await visit.api.get(f"/bots/{part(visit.place('name'))}")
    groups = [group["name"] for group in (await visit.api.get("/groups"))["groups"]]
    values = {
        "bot": bot, "address": str(visit.request.base_url).rstrip("/"), "known_groups": groups, "classes": CLASSES,
        "class_options": visit.options(CLASSES), "events": EVENTS, "scopes": (*SCOPES, *(EMAIL_SCOPES if bot["by_email"] else ())),
        "typed": problem.fields if problem else {}, "may_write": visit.has(WRITERS) and not bot["revoked_at"], "done_texts": DONE,
    }  # fmt: skip
    return visit.page("bot.html", values, problem=problem)


async def change(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Change how people are known, or a secret; one that is left empty stays."""
    name = part(visit.place("name"))
    await visit.api.patch(f"/bots/{name}", {**told(fields, "signing_secret", "token"), "by_email": bool(fields.get("by_email"))})
    return visit.see(_page(visit), done="changed")


async def connect(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Say who somebody in the chat is."""
    name = part(visit.place("name"))
    await visit.api.put(f"/bots/{name}/people/{_chat_id(fields, 'chat_user')}", {"login": fields.get("login", "").strip()})
    return visit.see(_page(visit), done="connected")


async def disconnect(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Say so no longer."""
    name, chat_user = part(visit.place("name")), fields.get("chat_user", "")
    known = [each for each in (await visit.api.get(f"/bots/{name}"))["people"] if each["chat_user"] == chat_user]
    await visit.api.delete(f"/bots/{name}/people/{_chat_id(fields, 'chat_user')}")
    return visit.see(_page(visit), done="disconnected", undo=Undo(f"{_page(visit)}/connect", known[0]) if known else None)


async def open_room(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Answer in a shared room."""
    name = part(visit.place("name"))
    groups = [group.strip() for group in fields.get("groups", "").split(",") if group.strip()]
    body = {"groups": groups, "clearance": fields.get("clearance") or "public", "open_documents": bool(fields.get("open_documents"))}
    await visit.api.put(f"/bots/{name}/rooms/{_chat_id(fields, 'chat_room')}", body)
    return visit.see(_page(visit), done="opened")


async def shut_room(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Answer there no longer."""
    name, chat_room = part(visit.place("name")), fields.get("chat_room", "")
    known = [each for each in (await visit.api.get(f"/bots/{name}"))["rooms"] if each["chat_room"] == chat_room]
    await visit.api.delete(f"/bots/{name}/rooms/{_chat_id(fields, 'chat_room')}")
    again = {
        "chat_room": chat_room, "groups": ", ".join(known[0]["groups"]), "clearance": known[0]["clearance"],
        "open_documents": "1" if known[0]["open_documents"] else "",
    } if known else {}  # fmt: skip
    return visit.see(_page(visit), done="shut", undo=Undo(f"{_page(visit)}/open", again) if again else None)


async def revoke(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Close one for good."""
    await visit.api.post(f"/bots/{part(visit.place('name'))}/revoke")
    return visit.see(SECTION, done="bot_revoked")


def _page(visit: Visit) -> str:
    return f"{PATH}/{part(visit.place('name'))}"


def _chat_id(fields: Mapping[str, str], name: str) -> str:
    """What the chat calls somebody or a room; what is left empty is for the API to refuse."""
    return part(fields.get(name, "").strip() or "-?")

"""Asking: a new conversation, or a thread that goes on, beside the list of one's own; renaming, exporting and deleting one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.navigation import shown_to
from ondol.application.console.pages import Site
from ondol.application.console.undo import Undo
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.infrastructure.access.route_roles import ANYBODY

PATH = "/"
THREADS = "/threads"
PAGE = 40
TURNS = 50
DONE: Mapping[str, str] = {
    "renamed": "threads.done.renamed",
    "deleted": "threads.done.deleted",
    "restored": "threads.done.restored",
    "shared": "threads.done.shared",
    "unshared": "threads.done.unshared",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, THREADS, listed)
    add_page(router, site, PATH, "/threads-export", export_all)
    add_page(router, site, PATH, THREADS + "/{thread}", one)
    add_page(router, site, PATH, THREADS + "/{thread}/export", export_one)
    add_action(router, site, PATH, THREADS + "/{thread}/rename", rename, shows=one, roles=ANYBODY)
    add_action(router, site, PATH, THREADS + "/{thread}/share", share, shows=one, roles=ANYBODY)
    add_action(router, site, PATH, THREADS + "/{thread}/unshare", unshare, shows=one, roles=ANYBODY)
    add_action(router, site, PATH, THREADS + "/{thread}/delete", delete, shows=one, roles=ANYBODY)
    add_action(router, site, PATH, THREADS + "/{thread}/restore", restore, shows=show, roles=ANYBODY)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """Where a conversation begins."""
    return await _page(visit, None, problem)


async def listed(visit: Visit, problem: Problem | None) -> Response:
    """One's threads, or those in which something was said; asked by htmx, the list alone."""
    if visit.request.headers.get("hx-request") != "true":
        return await _page(visit, None, problem)
    return visit.page("_threads.html", {**await _list(visit), "open_thread": visit.asked("open")})


async def one(visit: Visit, problem: Problem | None) -> Response:
    """A thread: the branch that ends in what was said last, or the one on which a turn lies."""
    return await _page(visit, await visit.api.get(f"/threads/{_thread(visit)}/branch", **_place(visit), limit=TURNS), problem)


async def rename(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Give a thread another title."""
    await visit.api.patch(f"/threads/{_thread(visit)}", {"title": fields.get("title", "")})
    return visit.see(f"{THREADS}/{_thread(visit)}", done="renamed")


async def share(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Share a thread with people and groups, to be read."""
    wanted = {name: _listed(fields.get(name, "")) for name in ("people", "groups")}
    before = await _share_form(visit)
    await visit.api.put(f"/threads/{_thread(visit)}/shares", wanted)
    return visit.see(f"{THREADS}/{_thread(visit)}", done="shared" if any(wanted.values()) else "unshared", undo=before)


async def unshare(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Share a thread with nobody any more."""
    before = await _share_form(visit)
    await visit.api.delete(f"/threads/{_thread(visit)}/shares")
    return visit.see(f"{THREADS}/{_thread(visit)}", done="unshared", undo=before)


async def delete(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Delete a thread with all that was said in it."""
    went = await visit.api.delete(f"/threads/{_thread(visit)}")
    back = Undo(f"{THREADS}/{_thread(visit)}/restore", until=datetime.fromisoformat(went["restorable_until"]))
    return visit.see(PATH, done="deleted", undo=back)


async def restore(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Bring a thread back that was just deleted."""
    await visit.api.post(f"/threads/{_thread(visit)}/restore")
    return visit.see(f"{THREADS}/{_thread(visit)}", done="restored")


async def export_one(visit: Visit, _problem: Problem | None) -> Response:
    """A thread as a file."""
    told = await visit.api.text(f"/threads/{_thread(visit)}/export", "application/json")
    return Response(told.body, media_type="application/json", headers=_as_file(f"thread-{_thread(visit)}.json"))


async def export_all(visit: Visit, _problem: Problem | None) -> Response:
    """All threads as one file, which comes thread by thread."""
    page = await visit.api.get("/threads", limit=PAGE)
    return StreamingResponse(_exported(visit, page), media_type="application/json", headers=_as_file("all-threads.json"))


async def _exported(visit: Visit, page: Mapping[str, Any]) -> AsyncIterator[str]:
    """The exports of single threads as that of all is: a reply of the API is held whole, so it is asked for one after the other."""
    mark = '{"threads":['
    while page["threads"]:
        for thread in page["threads"]:
            told = await visit.api.get(f"/threads/{part(thread['id'])}/export")
            yield mark + json.dumps(told["threads"][0], ensure_ascii=False)
            mark = ","
        page = await visit.api.get("/threads", before=page["next"], limit=PAGE) if page["next"] else {"threads": []}
    yield f"{'' if mark == ',' else mark}]}}"


async def _page(visit: Visit, branch: Mapping[str, Any] | None, problem: Problem | None) -> Response:
    assistants = await visit.site.services.assistants(visit.who)
    is_own = branch is not None and branch["thread"]["shared_by"] is None
    values = {
        **await _list(visit),
        "assistants": assistants,
        "branch": branch,
        "files": await _files(visit, branch) if visit.has(ANYBODY) else None,
        "shares": await visit.api.get(f"/threads/{_thread(visit)}/shares") if is_own else None,
        "open_thread": branch["thread"]["id"] if branch else "",
        "chosen": f"assistant/{branch['thread']['assistant']}" if branch else "",
        "manage": next((each.path for group in shown_to(visit.who.roles) for each in group.sections if each.path != PATH), ""),
        "notice": visit.site.services.notice(visit.who, visit.language),
        "done_texts": DONE,
        "typed": problem.fields if problem else {},
    }
    return visit.page("chat.html", values, problem=problem)


async def _files(visit: Visit, branch: Mapping[str, Any] | None) -> dict[str, Any]:
    """The files of the thread; where a conversation begins, those that wait for its first question."""
    found: dict[str, Any] = await visit.api.get("/attachments", thread=_thread(visit) if branch else "")
    return found


async def _share_form(visit: Visit) -> Undo:
    """The form that shares a thread as it is shared now."""
    now = await visit.api.get(f"/threads/{_thread(visit)}/shares")
    return Undo(f"{THREADS}/{_thread(visit)}/share", {name: ", ".join(now[name]) for name in ("people", "groups")})


async def _list(visit: Visit) -> dict[str, object]:
    """The threads beside the conversation; none for somebody without a role, who may ask and to whom the API is closed."""
    words, shared = visit.asked("q").strip()[:200], "with_me" if visit.asked("shared") else ""
    may_list = visit.has(ANYBODY)
    asked = {"search": words, "shared": shared, "before": visit.asked("older")}
    found = await visit.api.get("/threads", **asked, limit=PAGE) if may_list else {"threads": [], "next": None}
    return {"threads": found["threads"], "next": found["next"], "words": words, "shared": shared, "older": visit.asked("older")}


def _place(visit: Visit) -> dict[str, str]:
    """Which part of a thread the address asks for."""
    return {name: visit.asked(name) for name in ("turn", "before")}


def _thread(visit: Visit) -> str:
    return part(visit.place("thread"))


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _as_file(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}

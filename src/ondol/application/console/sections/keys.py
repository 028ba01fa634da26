"""API keys: who has which, a new one shown once, one revoked at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import WRITERS

PATH = "/keys"
PAGE = 100
LIFE_DAYS = ("30", "90", "365", "")
DONE = {"revoked": "keys.done.revoked"}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, f"{PATH}/new", form)
    add_action(router, site, PATH, f"{PATH}/new", make, shows=form, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/{key}/revoke", revoke, shows=show, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """The list."""
    found = await visit.api.get("/keys", after=visit.asked("after"), limit=PAGE)
    now = datetime.now(UTC)
    values = {"keys": [{**key, "state": _state(key, now)} for key in found["keys"]], "next": found["next"], "done_texts": DONE, "writers": WRITERS}
    return visit.page("keys.html", values, problem=problem)


async def form(visit: Visit, problem: Problem | None) -> Response:
    """Where a key is made."""
    models = await visit.api.get("/gateway/models")
    values = {
        "model_options": [(model["name"], model["name"]) for model in models["models"]],
        "lives": LIFE_DAYS,
        "typed": problem.fields if problem else {},
    }
    return visit.page("key_new.html", values, problem=problem)


async def make(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Make one; its text is on the page that answers, and nowhere else."""
    body: dict[str, object] = told(fields, "login", "name")
    if days := fields.get("days", "").strip():
        body["expires_at"] = (datetime.now(UTC) + timedelta(days=int(days))).isoformat() if days in LIFE_DAYS else days
    if model := fields.get("model", "").strip():
        body["models"] = [model]
    made = await visit.api.post("/keys", body)
    return visit.page("key_made.html", {"key": made, "address": str(visit.request.base_url).rstrip("/")})


async def revoke(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Revoke one for good."""
    await visit.api.post(f"/keys/{part(visit.place('key'))}/revoke")
    return visit.see(PATH, done="revoked")


def _state(key: Mapping[str, str | None], now: datetime) -> str:
    if key["revoked_at"]:
        return "revoked"
    expires = key["expires_at"]
    return "expired" if expires and datetime.fromisoformat(expires) <= now else "active"

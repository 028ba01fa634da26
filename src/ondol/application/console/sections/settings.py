"""The organisation's settings: its name and time zone, what is kept of requests and for how long, notices, where the data lie, and who signs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import WRITERS

PATH = "/settings"
HOSTS = 100
CONTENT: Mapping[str, str] = {"off": "settings.content.off", "masked": "settings.content.masked", "full": "settings.content.full"}
WHEN_AWAY: Mapping[str, str] = {"closed": "settings.away.closed", "open": "settings.away.open"}
RECORDS: Mapping[str, str] = {"embedded": "settings.records.embedded", "external": "settings.records.external"}
FILES: Mapping[str, str] = {"local": "settings.files.local", "object_store": "settings.files.object_store"}
DONE: Mapping[str, str] = {"organisation": "settings.done.organisation", "requests": "settings.done.requests"}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_action(router, site, PATH, PATH + "/organisation", change_organisation, shows=show, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/requests", change_requests, shows=show, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """All of them; what was typed and refused stands in its form again."""
    gateway = (await visit.api.get("/gateway/settings"))["settings"]
    providers = await visit.api.get("/providers", limit=HOSTS)
    keys = await visit.api.get("/ledger/keys")
    typed = problem.fields if problem else {}
    values = {
        "tenant": await visit.api.get("/tenant"),
        "gateway": gateway,
        "typed": typed,
        "wrong": problem.refused.param if problem else "",
        "content_options": visit.options(CONTENT),
        "away_options": visit.options(WHEN_AWAY),
        "records": RECORDS,
        "files": FILES,
        "hosts": sorted({urlsplit(one["base_url"]).hostname or "" for one in providers["providers"] if one["disabled_at"] is None}),
        "keys": [{**key, "fingerprint": hashlib.sha256(bytes.fromhex(key["public_key"])).hexdigest()} for key in keys["keys"]],
        "done_texts": DONE,
        "may_write": visit.has(WRITERS),
    }
    return visit.page("settings.html", values, problem=problem)


async def change_organisation(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Change name and time zone."""
    await visit.api.patch("/tenant", told(fields, "name", "time_zone"))
    return visit.see(PATH, done="organisation")


async def change_requests(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Change what is kept and what people are told. The API takes settings as a whole, so what the form does not have stays as it is."""
    known = (await visit.api.get("/gateway/settings"))["settings"]
    changed: dict[str, Any] = {
        **known,
        **told(fields, "content", "when_away"),
        "content_days": _whole(fields.get("content_days", "")),
        "mark": bool(fields.get("mark")),
        "ask_recommendation": bool(fields.get("ask_recommendation")),
        "notice": {language: text for language in ("ko", "en") if (text := fields.get(f"notice_{language}", "").strip())},
    }
    await visit.api.put("/gateway/settings", {"settings": changed})
    return visit.see(PATH, done="requests")


def _whole(text: str) -> int | str:
    """A whole number; what is none goes to the API as it is, which says so."""
    said = text.strip()
    return int(said) if said.isascii() and said.isdigit() else said

"""The audit log: what happened and who did it, one event with its proof, and the chain that holds all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import Refused, part
from ondol.application.console.pages import Site
from ondol.application.console.sections.audit_words import AREAS, BEGINNING, KINDS, ROUTINE
from ondol.application.console.visit import Problem, Visit, add_page

PATH = "/audit"
PAGE = 30
ALL = "audit.area.all"
ACTS = "audit.area.acts"
LINKED: Mapping[str, str] = {"person": "/people/", "request": "/requests/", "answer": "/requests/", "incident": "/guard/incidents/"}
"""Where what an event names has a page."""
STEPS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "event": ("audit.step.event", {"good": "audit.step.event.good", "bad": "audit.step.event.bad"}),
    "path": ("audit.step.path", {"good": "audit.step.path.good", "bad": "audit.step.path.bad"}),
    "batch": ("audit.step.batch", {"good": "audit.step.batch.good", "bad": "audit.step.batch.bad"}),
    "signature": (
        "audit.step.signature",
        {"good": "audit.step.signature.good", "bad": "audit.step.signature.bad", "unknown": "audit.step.signature.unknown"},
    ),
    "key": ("audit.step.key", {"good": "audit.step.key.good", "bad": "audit.step.key.bad", "unknown": "audit.step.key.unknown"}),
}
"""What the page checks of a proof, in order: the name of each step, and what is told of how it ended."""
VERDICTS: Mapping[str, str] = {"good": "audit.verdict.good", "bad": "audit.verdict.bad", "unknown": "audit.verdict.unknown"}
CHAIN: Mapping[str, str] = {
    "good": "audit.chain.good",
    "bad": "audit.chain.bad",
    "unknown": "audit.chain.unknown",
    "failed": "audit.chain.failed",
    "insecure": "audit.proof.insecure",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, f"{PATH}.jsonl", download)
    add_page(router, site, PATH, PATH + "/{event}", one)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """The newest events that fit the filters, and the end of the chain."""
    only = {name: visit.asked(name) for name in ("area", "actor", "subject", "since", "until")}
    found: dict[str, Any] = {"events": [], "next": None, "since": None}
    try:
        found = await visit.api.get("/ledger/events", before=visit.asked("before"), limit=PAGE, **_asked(visit, only))
    except Refused as refused:
        if not refused.param:
            raise
        problem = Problem(refused)
    values = {
        "events": found["events"],
        "next": found["next"],
        "bounded": found["since"] if only["subject"] and not only["since"] else None,
        "only": only,
        "area_options": [(area, visit.text(area)) for area in (ACTS, ALL, *AREAS)],
        "kinds": KINDS,
        "head": await visit.api.get("/ledger/head"),
        "chain": CHAIN,
    }
    return visit.page("audit.html", values, problem=problem)


async def one(visit: Visit, problem: Problem | None) -> Response:
    """One event in words, what is written of it, and its proof for the page to check."""
    identifier = visit.place("event")
    try:
        found = await visit.api.get(f"/ledger/events/{part(identifier)}")
        is_broken = False
    except Refused as refused:
        if refused.code != "ledger_broken":
            raise
        found, is_broken = {"event": None, "proof": None}, True
    values = {
        "event": found["event"],
        "body": json.dumps(found["event"]["body"], ensure_ascii=False) if found["event"] else "",
        "proof": json.dumps(found["proof"], ensure_ascii=False, indent=2) if found["proof"] else "",
        "is_broken": is_broken,
        "identifier": identifier,
        "kinds": KINDS,
        "linked": LINKED,
        "steps": STEPS,
        "verdicts": VERDICTS,
    }
    return visit.page("audit_event.html", values, problem=problem)


async def download(visit: Visit, _problem: Problem | None) -> Response:
    """The events that fit the filters as JSON lines; taking them out is an event itself."""
    only = {name: visit.asked(name) for name in ("area", "actor", "subject", "since", "until")}
    reply = await visit.api.text("/ledger/export", "application/jsonl", **_asked(visit, only))
    headers = {"content-disposition": 'attachment; filename="audit-log.jsonl"'}
    return Response(reply.body, media_type="application/jsonl", headers=headers)


def _asked(visit: Visit, only: Mapping[str, str]) -> dict[str, Any]:
    """What the API is asked for by the filters. Days are those of the tenant, both of them included."""
    area = only["area"] or ACTS
    zone = ZoneInfo(visit.profile.time_zone)
    return {
        "kind": [label.removeprefix(BEGINNING) for label in AREAS.get(area, ())],
        "without": [label.removeprefix(BEGINNING) for label in ROUTINE] if area == ACTS else [],
        "actor": only["actor"].strip(),
        "subject": only["subject"].strip(),
        "since": _day(only["since"], zone),
        "until": _day(only["until"], zone, days=1),
    }


def _day(said: str, zone: ZoneInfo, days: int = 0) -> str:
    """When a day begins, or so many days later; what is no day goes to the API as it is, which says so."""
    try:
        at = date.fromisoformat(said) + timedelta(days=days)
    except (ValueError, OverflowError):
        return said
    return datetime(at.year, at.month, at.day, tzinfo=zone).isoformat()

"""Erasures: what would go, counted before it goes; how far each is, its receipt, and the proof that the receipt still holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import Refused, part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.core.errors import Forbidden
from ondol.infrastructure.access.route_roles import READERS, WRITERS

PATH = "/erasures"
ONE = PATH + "/{erasure}"
PAGE = 50
REASON = "request"
KINDS: Mapping[str, str] = {"document": "erasures.kind.document", "subject": "erasures.kind.subject"}
STATES: Mapping[str, str] = {
    "hidden": "erasures.state.hidden",
    "running": "erasures.state.running",
    "proved": "erasures.state.proved",
    "failed": "erasures.state.failed",
}
TONES: Mapping[str, str] = {"hidden": "wait", "running": "wait", "proved": "good", "failed": "bad"}
NAMES: Mapping[str, str] = {
    "index": "erasures.name.index",
    "blobs": "erasures.name.blobs",
    "identifiers": "erasures.name.identifiers",
    "documents": "erasures.name.documents",
    "uploads": "erasures.name.uploads",
    "key": "erasures.name.key",
    "answers": "erasures.name.answers",
    "access_notes": "erasures.name.access_notes",
    "turns": "erasures.name.turns",
    "memory": "erasures.name.memory",
    "golden_items": "erasures.name.golden_items",
    "golden_proposals": "erasures.name.golden_proposals",
    "evaluation_results": "erasures.name.evaluation_results",
    "evaluation_suites": "erasures.name.evaluation_suites",
    "judgements": "erasures.name.judgements",
    "review_items": "erasures.name.review_items",
    "review_raters": "erasures.name.review_raters",
    "recommendations": "erasures.name.recommendations",
    "request_contents": "erasures.name.request_contents",
    "feedback": "erasures.name.feedback",
    "spool": "erasures.name.spool",
    "guard_traffic": "erasures.name.guard_traffic",
    "guard_samples": "erasures.name.guard_samples",
    "guard_approvals": "erasures.name.guard_approvals",
    "guard_tokens": "erasures.name.guard_tokens",
    "guard_registrars": "erasures.name.guard_registrars",
    "person": "erasures.name.person",
}
METHODS: Mapping[str, str] = {
    "deleted": "erasures.method.deleted",
    "emptied": "erasures.method.emptied",
    "deleted_or_emptied": "erasures.method.deleted_or_emptied",
    "drained": "erasures.method.drained",
    "rewritten_without_it": "erasures.method.rewritten",
    "key_destroyed": "erasures.method.key_destroyed",
}
REMAINS: Mapping[str, str] = {
    "ids": "erasures.remains.ids",
    "keyed_addresses_in_the_ledger": "erasures.remains.addresses",
    "counts": "erasures.remains.counts",
    "request_accounts": "erasures.remains.accounts",
    "tombstone": "erasures.remains.tombstone",
}
DONE: Mapping[str, str] = {"begun": "erasures.done.begun"}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, PATH + "/new", form)
    add_action(router, site, PATH, PATH + "/new", begin, shows=form, roles=WRITERS)
    add_page(router, site, PATH, ONE, one)
    add_page(router, site, PATH, ONE + "/receipt", receipt)
    add_action(router, site, PATH, ONE + "/verify", verify, shows=one, roles=READERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """All erasures, the newest first."""
    found = (await visit.api.get("/erasures", before=visit.asked("before"), limit=PAGE))["erasures"]
    values = {**_words(), "erasures": found, "next": found[-1]["id"] if len(found) == PAGE else None}
    return visit.page("erasures.html", values, problem=problem)


async def form(visit: Visit, problem: Problem | None) -> Response:
    """Where one is begun: what is to go, and then what that would be."""
    if not visit.has(WRITERS):
        raise Forbidden("Your roles do not allow this.", code="role_required")
    typed = dict(problem.fields) if problem else {name: visit.asked(name) for name in ("kind", "base", "document", "login")}
    outlook = None
    if problem is None and (typed["document"] or typed["login"]):
        try:
            outlook = await _outlook(visit, typed)
        except Refused as refused:
            problem = Problem(refused, typed)
    return await _form(visit, typed, outlook, problem)


async def begin(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Count what would go; or have it go, once that was seen."""
    if fields.get("do") != "erase":
        return await _form(visit, fields, await _outlook(visit, fields), None)
    reason = fields.get("reason", "").strip() or REASON
    if fields.get("kind") == "subject":
        body = {**_subject(fields), "with_documents": fields.get("with_documents") == "on", "reason": reason}
        made = await visit.api.post("/erasures/subjects", body)
    else:
        made = await visit.api.post("/erasures/documents", {**_document(fields), "reason": reason})
    return visit.see(f"{PATH}/{made['id']}", done="begun")


async def one(visit: Visit, problem: Problem | None, check: Mapping[str, Any] | None = None) -> Response:
    """One erasure: how far it is, or its receipt."""
    found = await visit.api.get(f"/erasures/{part(visit.place('erasure'))}")
    values = {**_words(), "erasure": found, "check": check, "goes_on": found["state"] in ("hidden", "running"), "remains": REMAINS}
    return visit.page("erasure.html", values, problem=problem)


async def verify(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Check the receipt, and look into every store again."""
    return await one(visit, None, await visit.api.post(f"/erasures/{part(visit.place('erasure'))}/verify"))


async def receipt(visit: Visit, _problem: Problem | None) -> Response:
    """The receipt with its signature, as a file."""
    found = await visit.api.get(f"/erasures/{part(visit.place('erasure'))}")
    told = {name: found[name] for name in ("receipt", "digest", "signature", "signer")}
    headers = {"Content-Disposition": f'attachment; filename="erasure-{found["id"]}.json"'}
    return Response(json.dumps(told, ensure_ascii=False, indent=2) + "\n", media_type="application/json", headers=headers)


async def _form(visit: Visit, typed: Mapping[str, str], outlook: Mapping[str, Any] | None, problem: Problem | None) -> Response:
    bases = [(base["name"], base["name"]) for base in (await visit.api.get("/bases"))["bases"]]
    wrong = {problem.refused.param: problem.refused.message} if problem and problem.refused.param else {}
    kind = "subject" if typed.get("kind") == "subject" or typed.get("login") else "document"
    values = {
        **_words(), "typed": typed, "outlook": outlook, "bases": bases, "kind": kind, "wrong": wrong, "reason": typed.get("reason") or REASON,
        "reached": [store for store in outlook["stores"] if store["found"]] if outlook else [],
    }  # fmt: skip
    return visit.page("erasure_new.html", values, problem=problem)


async def _outlook(visit: Visit, fields: Mapping[str, str]) -> Any:
    if fields.get("kind") == "subject" or fields.get("login"):
        return await visit.api.post("/erasures/subjects/preview", _subject(fields))
    return await visit.api.post("/erasures/documents/preview", _document(fields))


def _document(fields: Mapping[str, str]) -> dict[str, Any]:
    return {"base": fields.get("base", ""), "document": fields.get("document", "").strip()}


def _subject(fields: Mapping[str, str]) -> dict[str, Any]:
    lines = fields.get("identifiers", "").replace("\r\n", "\n").split("\n")
    return {"login": fields.get("login", "").strip(), "identifiers": [line.strip() for line in lines if line.strip()]}


def _words() -> dict[str, object]:
    return {"kinds": KINDS, "states": STATES, "tones": TONES, "names": NAMES, "methods": METHODS, "writers": WRITERS, "done_texts": DONE}

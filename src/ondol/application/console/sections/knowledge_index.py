"""The versions of a base's index: built, compared on a golden set, let serve, taken back, kept for a while."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import Refused, part
from ondol.application.console.pages import Site
from ondol.application.console.sections.knowledge import BASE, PATH, of_base
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.infrastructure.access.route_roles import WRITERS

INDEX = BASE + "/index"
VERSIONS: Mapping[str, str] = {
    "building": "knowledge.version.building",
    "ready": "knowledge.version.ready",
    "active": "knowledge.version.active",
    "retired": "knowledge.version.retired",
    "failed": "knowledge.version.failed",
}
TONES: Mapping[str, str] = {"active": "good", "failed": "bad", "building": "wait"}
SETTINGS: Mapping[str, str] = {
    "passage_chars": "knowledge.chars",
    "passage_chars_max": "knowledge.chars.max",
    "embedder": "knowledge.embedder",
    "analyser": "knowledge.analyser",
}
METRICS: Mapping[str, str] = {
    "retrieval.recall": "knowledge.metric.recall",
    "retrieval.mrr": "knowledge.metric.mrr",
    "retrieval.ndcg": "knowledge.metric.ndcg",
}
DONE: Mapping[str, str] = {
    "activated": "knowledge.done.activated",
    "rolled_back": "knowledge.done.rolled_back",
    "building": "knowledge.done.building",
    "kept": "knowledge.done.kept",
    "tagged": "knowledge.done.tagged",
    "dropped": "knowledge.done.dropped",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this part of knowledge."""
    add_page(router, site, PATH, INDEX, index)
    add_page(router, site, PATH, INDEX + "/compare", compare)
    add_action(router, site, PATH, INDEX + "/build", build, shows=index, roles=WRITERS)
    add_action(router, site, PATH, INDEX + "/rollback", roll_back, shows=index, roles=WRITERS)
    add_action(router, site, PATH, INDEX + "/keep", keep, shows=index, roles=WRITERS)
    add_action(router, site, PATH, INDEX + "/tag", tag, shows=index, roles=WRITERS)
    add_action(router, site, PATH, INDEX + "/{version}/activate", activate, shows=index, roles=WRITERS)
    add_action(router, site, PATH, INDEX + "/{version}/drop", drop, shows=index, roles=WRITERS)


async def index(visit: Visit, problem: Problem | None) -> Response:
    """The versions, what is kept of them, and where two are compared."""
    base = part(visit.place("base"))
    found = (await visit.api.get(f"/bases/{base}/index/versions"))["versions"]
    kept = await visit.api.get(f"/bases/{base}/index/keep")
    sets = (await visit.api.get("/evaluation/golden-sets"))["sets"]
    serves = next((one for one in found if one["state"] == "active"), None)
    values = {
        **_shared(visit), "index_versions": found, "kept": kept, "typed": problem.fields if problem else {},
        "asks": {one["number"]: _named(visit, serves, one) for one in found}, "previous": next((one for one in found if one["previous"]), None),
        "searched": [one for one in found if one["state"] in ("ready", "active", "retired")],
        "golden_options": [(item["name"], item["name"]) for item in sets if item["version"] is not None],
    }  # fmt: skip
    return visit.page("knowledge_index.html", values, problem=problem)


async def compare(visit: Visit, problem: Problem | None) -> Response:
    """Two versions before the questions of a golden set."""
    base, first, second, golden = part(visit.place("base")), visit.asked("first"), visit.asked("second"), visit.asked("golden")
    found = (await visit.api.get(f"/bases/{base}/index/versions"))["versions"]
    told, start = None, visit.asked("start", "0")
    try:
        body = {"first": first, "second": second, "golden": golden, "start": int(start) if start.isdecimal() else 0}
        told = await visit.api.post(f"/bases/{base}/index/compare", body)
    except Refused as refused:
        problem = Problem(refused)
    pair = [next((one for one in found if told and one["number"] == told[name]), None) for name in ("first", "second")]
    values = {
        **_shared(visit), "told": told, "golden": golden, "pair": pair, "metrics": METRICS,
        "settings": [(visit.text(label), [one[name] if one else None for one in pair]) for name, label in SETTINGS.items()],
        "ask": _named(visit, *pair) if all(pair) else "",
    }  # fmt: skip
    return visit.page("knowledge_compare.html", values, problem=problem)


async def build(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Have a version built beside the one that serves."""
    body: dict[str, Any] = {name: int(fields[name]) for name in ("passage_chars", "passage_chars_max") if fields.get(name, "").strip().isdecimal()}
    base = part(visit.place("base"))
    await visit.api.post(f"/bases/{base}/index/versions", body)
    return _back(visit, "building")


async def activate(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Let a version serve."""
    base = part(visit.place("base"))
    await visit.api.post(f"/bases/{base}/index/versions/{part(visit.place('version'))}/activate")
    return _back(visit, "activated")


async def roll_back(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Let the version serve that served before."""
    base = part(visit.place("base"))
    await visit.api.post(f"/bases/{base}/index/rollback")
    return _back(visit, "rolled_back")


async def drop(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Give a version up."""
    base = part(visit.place("base"))
    await visit.api.delete(f"/bases/{base}/index/versions/{part(visit.place('version'))}")
    return _back(visit, "dropped")


async def keep(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Say how many versions are kept, and for how long."""
    base = part(visit.place("base"))
    body = {
        name: int(text) if (text := fields.get(name, "").strip()).isdecimal() and len(text) < 10 else text or None for name in ("versions", "days")
    }
    await visit.api.put(f"/bases/{base}/index/keep", body)
    return _back(visit, "kept")


async def tag(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Call a version by a word; what has one stays."""
    base = part(visit.place("base"))
    await visit.api.put(f"/bases/{base}/index/tags/{part(fields.get('name', '').strip())}", {"version": fields.get("version", "")})
    return _back(visit, "tagged")


def _shared(visit: Visit) -> dict[str, object]:
    return {**of_base(visit, "index"), "states": VERSIONS, "tones": TONES, "done_texts": DONE}


def _back(visit: Visit, done: str) -> Response:
    return visit.see(f"{PATH}/{part(visit.place('base'))}/index", done=done)


def _named(visit: Visit, serves: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> str:
    """What it means to let another version serve, with every setting that is then otherwise."""
    if other is None:
        return ""
    changes: Sequence[str] = []
    if serves is not None:
        changed = [name for name in SETTINGS if serves[name] != other[name]]
        changes = [f"{visit.text(SETTINGS[name])} {serves[name] or '–'} → {other[name] or '–'}" for name in changed]
    named = visit.text("knowledge.activate.ask", number=other["number"])
    return f"{named} {'; '.join(changes) or visit.text('knowledge.activate.same')}"

"""Knowledge bases: their documents and passages, a search that shows its stages, the versions of their index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import Refused, part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import EDITORS, READERS, WRITERS

PATH = "/knowledge"
BASE = PATH + "/{base}"
DOCUMENT = BASE + "/documents/{document}"
PAGE = 100
PASSAGES = 50
STATES: Mapping[str, str] = {
    "current": "knowledge.state.current",
    "scheduled": "knowledge.state.scheduled",
    "expired": "knowledge.state.expired",
    "removed": "knowledge.state.removed",
}
CLASSES: Mapping[str, str] = {
    "public": "knowledge.class.public",
    "internal": "knowledge.class.internal",
    "confidential": "knowledge.class.confidential",
    "restricted": "knowledge.class.restricted",
}
STAGES: Mapping[str, str] = {
    "full_text": "knowledge.stage.full_text",
    "vectors": "knowledge.stage.vectors",
    "fusion": "knowledge.stage.fusion",
    "diversity": "knowledge.stage.diversity",
    "rerank": "knowledge.stage.rerank",
}
DONE: Mapping[str, str] = {
    "made": "knowledge.done.made",
    "deleted": "knowledge.done.deleted",
    "restricted": "knowledge.done.restricted",
    "moved": "knowledge.done.moved",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, bases)
    add_action(router, site, PATH, PATH, make_base, shows=bases, roles=WRITERS)
    add_page(router, site, PATH, BASE, documents)
    add_page(router, site, PATH, BASE + "/search", search)
    add_page(router, site, PATH, DOCUMENT, document)
    add_action(router, site, PATH, DOCUMENT + "/access", restrict, shows=document, roles=EDITORS)
    add_action(router, site, PATH, DOCUMENT + "/move", move, shows=document, roles=EDITORS)
    add_action(router, site, PATH, DOCUMENT + "/delete", delete, shows=document, roles=EDITORS)


async def bases(visit: Visit, problem: Problem | None) -> Response:
    """All bases."""
    found = await visit.api.get("/bases")
    values = {"bases": found["bases"], "writers": WRITERS, "done_texts": DONE, "typed": problem.fields if problem else {}}
    return visit.page("knowledge.html", values, problem=problem)


async def make_base(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Make one."""
    name = fields.get("name", "").strip()
    await visit.api.put(f"/bases/{part(name)}", {})
    return visit.see(f"{PATH}/{part(name)}", done="made")


async def documents(visit: Visit, problem: Problem | None) -> Response:
    """The documents that the visitor may read, and where files are dropped."""
    base = visit.place("base")
    state = visit.asked("state", "current")
    state = state if state in STATES else "current"
    found = await visit.api.get(f"/bases/{part(base)}/documents", state=state, after=visit.asked("after"), limit=PAGE)
    values = {
        **of_base(visit, "documents"), "documents": found["documents"], "next": found["next"], "state": state, "states": STATES, "classes": CLASSES,
        "class_options": visit.options(CLASSES),
    }  # fmt: skip
    return visit.page("knowledge_documents.html", values, problem=problem)


async def document(visit: Visit, problem: Problem | None) -> Response:
    """One document: what is known of it, who may read it, and its passages as they were cut."""
    base, identifier = part(visit.place("base")), part(visit.place("document"))
    found = await visit.api.get(f"/bases/{base}/documents/{identifier}")
    after = visit.asked("after")
    cut = await visit.api.get(f"/bases/{base}/documents/{identifier}/passages", after=after if after.isdigit() else -1, limit=PASSAGES)
    values = {
        **of_base(visit, "documents"), "document": found, "passages": cut["passages"], "next": cut["next"], "classes": CLASSES, "states": STATES,
        "class_options": visit.options(CLASSES), "typed": problem.fields if problem else {},
        "bases": [(one["name"], one["name"]) for one in (await visit.api.get("/bases"))["bases"]],
    }  # fmt: skip
    return visit.page("knowledge_document.html", values, problem=problem)


async def restrict(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Set who may read a document."""
    body: dict[str, Any] = {"groups": _words(fields.get("groups", ""))}
    if chosen := fields.get("class", ""):
        body["class"] = chosen
    if rule := fields.get("access", "").strip():
        body["access"] = rule
    base, identifier = part(visit.place("base")), part(visit.place("document"))
    await visit.api.put(f"/bases/{base}/documents/{identifier}/access", body)
    try:
        await visit.api.get(f"/bases/{base}/documents/{identifier}")
    except Refused:
        return visit.see(f"{PATH}/{base}", done="restricted")  # the visitor may no longer read it either
    return visit.see(f"{PATH}/{base}/documents/{identifier}", done="restricted")


async def move(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Call a document otherwise, or move it to another base, where it has another address."""
    base, identifier = part(visit.place("base")), part(visit.place("document"))
    moved = await visit.api.post(f"/bases/{base}/documents/{identifier}/move", told(fields, "key", "base"))
    there = part(fields.get("base", "").strip() or visit.place("base"))
    return visit.see(f"{PATH}/{there}/documents/{part(moved['document'])}", done="moved")


async def delete(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Take a document out."""
    base = part(visit.place("base"))
    await visit.api.delete(f"/bases/{base}/documents/{part(visit.place('document'))}")
    return visit.see(f"{PATH}/{base}", done="deleted")


async def search(visit: Visit, problem: Problem | None) -> Response:
    """A question, what is found, and the rank of each hit in each stage; also as another person would find it."""
    question, asker = visit.asked("question"), visit.asked("as")
    found = None
    if question:
        try:
            found = await visit.api.get(f"/bases/{part(visit.place('base'))}/search", question=question, limit=10, **{"as": asker})
        except Refused as refused:
            problem = Problem(refused)
    values = {
        **of_base(visit, "search"), "question": question, "asker": asker, "found": found, "stages": STAGES, "classes": CLASSES, "readers": READERS,
        "ranks": _ranks(found) if found else {},
    }  # fmt: skip
    return visit.page("knowledge_search.html", values, problem=problem)


def of_base(visit: Visit, tab: str) -> dict[str, object]:
    """What every page of a base shows."""
    may_see = EDITORS | READERS
    tabs = [("documents", "knowledge.documents", ""), ("search", "knowledge.search", "/search"), ("index", "knowledge.index", "/index")]
    shown = [one for one in tabs if one[0] == "documents" or visit.has(READERS if one[0] == "index" else may_see)]
    return {"base": visit.place("base"), "tab": tab, "tabs": shown, "editors": EDITORS, "writers": WRITERS, "done_texts": DONE}


def _ranks(found: Mapping[str, Any]) -> dict[int, dict[str, int]]:
    """For each hit its place in each stage."""
    ranks: dict[int, dict[str, int]] = {hit["place"]: {} for hit in found["hits"]}
    for stage in found["stages"]:
        for one in stage["ranked"]:
            if one["hit"] is not None:
                ranks[one["hit"]][stage["name"]] = one["place"]
    return ranks


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]

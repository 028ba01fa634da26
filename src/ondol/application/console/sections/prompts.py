"""Prompts: what assistants are told, in versions; writing one with its text and its answers before it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import Refused, part
from ondol.application.console.pages import Site
from ondol.application.console.sections.prompt_form import GIVEN, Written, of_prompt, written
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.application.evaluation.prompt_preview import CASES_MAX
from ondol.infrastructure.access.route_roles import WRITERS

PATH = "/prompts"
ONE = PATH + "/{name}"
NEWEST = "latest"
SHIPPED = "builtin"
LANGUAGES: Mapping[str, str] = {"ko": "prompts.language.ko", "en": "prompts.language.en"}
TYPES: Mapping[str, str] = {
    "line": "prompts.type.line",
    "text": "prompts.type.text",
    "number": "prompts.type.number",
    "language": "prompts.type.language",
}
PARTS: Mapping[str, str] = {
    "role": "prompts.role",
    "goal": "prompts.goal",
    "constraints": "prompts.constraints",
    "output_format": "prompts.output_format",
}
DONE: Mapping[str, str] = {
    "kept": "prompts.done.kept",
    "same": "prompts.done.same",
    "labelled": "prompts.done.labelled",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, PATH + "/new", form)
    add_action(router, site, PATH, PATH + "/new", write, shows=form, roles=WRITERS)
    add_page(router, site, PATH, ONE, one)
    add_page(router, site, PATH, ONE + "/diff", diff)
    add_page(router, site, PATH, ONE + "/edit", form)
    add_action(router, site, PATH, ONE + "/edit", write, shows=form, roles=WRITERS)
    add_action(router, site, PATH, ONE + "/label", label, shows=one, roles=WRITERS)
    add_action(router, site, PATH, ONE + "/use", use, shows=one, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """All prompts, by name with the newest version."""
    found = await visit.api.get("/prompts")
    newest = {name: list(versions) for name, versions in groupby(found["prompts"], key=lambda version: version["name"])}
    values = {"prompts": newest, "built_in": [name for name in found["built_in"] if name not in newest], "writers": WRITERS, "done_texts": DONE}
    return visit.page("prompts.html", values, problem=problem)


async def one(visit: Visit, problem: Problem | None) -> Response:
    """One prompt: a version's texts, all versions with their labels, and which assistants could use it."""
    name = part(visit.place("name"))
    found = await visit.api.get("/prompts", name=visit.place("name"))
    which = visit.asked("version") or (NEWEST if found["prompts"] else SHIPPED)
    shown = await visit.api.get(f"/prompts/{name}", version=which)
    own = [variable for variable in shown["prompt"].get("variables", {}) if variable not in GIVEN]
    assistants = (await visit.api.get("/assistants"))["assistants"]
    values = {
        "name": visit.place("name"), "shown": shown, "versions": found["prompts"], "languages": LANGUAGES, "types": TYPES, "parts": PARTS, "own": own,
        "given": GIVEN, "shipped": SHIPPED, "has_shipped": visit.place("name") in found["built_in"], "writers": WRITERS, "done_texts": DONE,
        "assistant_options": [(item["name"], item["title"].get(visit.language) or item["name"]) for item in assistants],
        "typed": problem.fields if problem else {},
    }  # fmt: skip
    return visit.page("prompt.html", values, problem=problem)


async def diff(visit: Visit, problem: Problem | None) -> Response:
    """What differs between two versions."""
    name, first, second = visit.place("name"), visit.asked("first", SHIPPED), visit.asked("second", NEWEST)
    found = await visit.api.get(f"/prompts/{part(name)}/diff", first=first, second=second)
    values = {"name": name, "first": first, "second": second, "lines": found["diff"].splitlines()}
    return visit.page("prompt_diff.html", values, problem=problem)


async def label(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Call a version by a word."""
    name = part(visit.place("name"))
    await visit.api.put(f"/prompts/{name}/labels/{part(fields.get('label', '').strip())}", {"version": fields.get("version", "")})
    return visit.see(f"{PATH}/{name}", done="labelled")


async def use(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Make a release of an assistant with a version, and propose it."""
    assistant = part(fields.get("assistant", ""))
    values = {name.removeprefix("value_"): text for name, text in fields.items() if name.startswith("value_")}
    reference = f"{visit.place('name')}@{fields.get('version', '')}"
    made = await visit.api.post(f"/assistants/{assistant}/releases", {"prompt": reference, "prompt_values": values})
    await visit.api.post(f"/assistants/{assistant}/releases/{made['number']}/propose")
    return visit.see(f"/assistants/{assistant}", done="proposed")


async def form(visit: Visit, problem: Problem | None) -> Response:
    """Where a prompt is written."""
    if problem is not None:
        return await _form(visit, written(problem.fields), problem=problem)
    name = str(visit.request.path_params.get("name", ""))
    source, _, version = visit.asked("from").partition("@") if not name else (name, "", visit.asked("version"))
    if not source:
        return await _form(visit, of_prompt("", {}))
    shown = await visit.api.get(f"/prompts/{part(source)}", version=version or NEWEST)
    return await _form(visit, of_prompt(name, shown["prompt"]))


async def write(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Keep what was written as the next version; or only look at it, with answers where they were asked for."""
    draft = written(fields)
    name = str(visit.request.path_params.get("name", "")) or draft.name
    act, _, first = fields.get("do", "look").partition("-")
    if act != "keep":
        return await _look(visit, draft, answers=act == "answer", first=int(first) if first.isdecimal() and len(first) < 10 else 0)
    kept = await visit.api.put(f"/prompts/{part(name)}", draft.prompt)
    return visit.see(f"{PATH}/{part(name)}", done="kept" if kept["new"] else "same")


async def _look(visit: Visit, draft: Written, *, answers: bool, first: int) -> Response:
    """The form again, with the text below it. To a page that asks while somebody types a mistake is told in the text's place."""
    is_live = visit.request.headers.get("hx-request") == "true"
    body = {"prompt": draft.prompt, "values": draft.values, "answer": answers, "first": first, **draft.asked}
    try:
        return await _form(visit, draft, seen=await visit.api.post("/evaluation/prompt-preview", body))
    except Refused as refused:
        return await _form(visit, draft, problem=None if is_live else Problem(refused), wrong=refused)


async def _form(
    visit: Visit, draft: Written, *, seen: Mapping[str, Any] | None = None, problem: Problem | None = None, wrong: Refused | None = None
) -> Response:
    name = str(visit.request.path_params.get("name", ""))
    told = wrong or (problem.refused if problem is not None else None)
    assistants = (await visit.api.get("/assistants"))["assistants"]
    sets = (await visit.api.get("/evaluation/golden-sets"))["sets"]
    nobody = [("", visit.text("prompts.nobody"))]
    values = {
        "name": name, "cases_max": CASES_MAX, "draft": draft, "seen": seen, "told": told, "languages": LANGUAGES, "types": visit.options(TYPES),
        "parts": PARTS, "given": GIVEN, "writers": WRITERS, "done_texts": DONE,
        "wrong": {draft.field_of(told.param): told.message} if told else {},
        "assistant_options": [*nobody, *((item["name"], item["title"].get(visit.language) or item["name"]) for item in assistants)],
        "golden_options": [*nobody, *((item["name"], item["name"]) for item in sets if item["version"] is not None)],
    }  # fmt: skip
    return visit.page("prompt_form.html", values, problem=problem)

"""Reviews for those who run them: queues, what is in them, how far raters agree, what is decided, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import Refused, part
from ondol.application.console.pages import Site
from ondol.application.console.sections.reviews import DONE, PATH, POINTS, SCALES, UNSURE, rating_of
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import READERS, WRITERS

NEW = PATH + "/new"
QUEUE = PATH + "/queues/{queue}"
PEOPLE_PAGE = 200
PEOPLE_PAGES_MAX = 25
STATES: Mapping[str, str] = {
    "open": "reviews.state.open",
    "agreed": "reviews.state.agreed",
    "disputed": "reviews.state.disputed",
    "settled": "reviews.state.settled",
    "gold": "reviews.state.gold",
}
FEEDBACK: Mapping[str, str] = {
    "none": "reviews.feedback.none",
    "disliked": "reviews.feedback.disliked",
    "all": "reviews.feedback.all",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section for whoever runs reviews."""
    add_page(router, site, PATH, NEW, form)
    add_action(router, site, PATH, NEW, make, shows=form, roles=WRITERS)
    add_page(router, site, PATH, QUEUE, show)
    for name, action in (("state", set_state), ("sample", sample), ("raters", add_raters), ("remove", remove_rater), ("golden", propose)):
        add_action(router, site, PATH, f"{QUEUE}/{name}", action, shows=show, roles=WRITERS)
    add_action(router, site, PATH, QUEUE + "/items/{item}/decide", decide, shows=show, roles=WRITERS)


async def form(visit: Visit, problem: Problem | None) -> Response:
    """Where a queue is made."""
    await visit.api.get("/evaluation/review-queues")
    values = {"typed": problem.fields if problem else {}, "scales": SCALES, "feedback": visit.options(FEEDBACK), "done_texts": DONE}
    return visit.page("review_new.html", values, problem=problem)


async def make(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Make a queue."""
    raters = await _people_named(visit, fields.get("raters", ""))
    body: dict[str, Any] = {
        **told(fields, "name", "guideline", "feedback"), "scales": [scale for scale in SCALES if fields.get(f"scale-{scale}")],
        "quorum": _whole(fields, "quorum"), "raters": raters,
    }  # fmt: skip
    made = await visit.api.post("/evaluation/review-queues", body)
    return visit.see(f"{PATH}/queues/{made['name']}", done="made")


async def show(visit: Visit, problem: Problem | None) -> Response:
    """One queue: what is in which state, how far raters agree, and what waits for a decision."""
    name = part(visit.place("queue"))
    found = await visit.api.get(f"/evaluation/review-queues/{name}")
    golden = (await visit.api.get("/evaluation/golden-sets"))["sets"]
    agreement, disputed = await _results(visit, name)
    values = {
        "queue": found["queue"], "raters": found["raters"], "guideline": found["guideline"], "names": await _names(visit), "states": STATES,
        "scales": SCALES, "points": POINTS, "unsure": UNSURE, "agreement": agreement, "disputed": disputed, "feedback": FEEDBACK,
        "golden": [(one["name"], one["name"]) for one in golden], "typed": problem.fields if problem else {}, "writers": WRITERS,
        "readers": READERS, "done_texts": DONE,
    }  # fmt: skip
    return visit.page("review_queue.html", values, problem=problem)


async def set_state(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Open or close a queue."""
    return await _changed(visit, {"open": fields.get("open") == "yes"})


async def add_raters(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Let more people judge."""
    return await _changed(visit, {"add": await _people_named(visit, fields.get("raters", ""))})


async def remove_rater(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Let somebody judge no more; what they said stays."""
    return await _changed(visit, {"remove": [fields.get("person", "")]})


async def sample(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Put in answers that were given, masked."""
    name = part(visit.place("queue"))
    made = await visit.api.post(f"/evaluation/review-queues/{name}/samples", {"count": _whole(fields, "count"), "days": _whole(fields, "days")})
    return visit.see(f"{PATH}/queues/{name}", done="filled" if made["items"] else "found_none")


async def propose(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Put up for a golden set what raters agree on."""
    name = part(visit.place("queue"))
    await visit.api.post(f"/evaluation/review-queues/{name}/golden", {"golden": fields.get("golden", "")})
    return visit.see(f"{PATH}/queues/{name}", done="proposed")


async def decide(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Decide where raters do not agree."""
    name, item = part(visit.place("queue")), part(visit.place("item"))
    await visit.api.post(f"/evaluation/review-queues/{name}/items/{item}/decision", rating_of(fields))
    return visit.see(f"{PATH}/queues/{name}", done="decided")


async def _changed(visit: Visit, body: Mapping[str, Any]) -> Response:
    name = part(visit.place("queue"))
    await visit.api.patch(f"/evaluation/review-queues/{name}", body)
    return visit.see(f"{PATH}/queues/{name}", done="changed")


async def _results(visit: Visit, name: str) -> tuple[Any, Any]:
    """Agreement and disputes; nothing for who judges in the open queue, to whom the API does not tell what others think."""
    try:
        agreement = await visit.api.get(f"/evaluation/review-queues/{name}/agreement")
        return agreement, await visit.api.get(f"/evaluation/review-queues/{name}/items", state="disputed")
    except Refused as refused:
        if refused.code != "blind":
            raise
        return None, None


async def _people(visit: Visit) -> list[Mapping[str, Any]]:
    people: list[Mapping[str, Any]] = []
    after = ""
    for _ in range(PEOPLE_PAGES_MAX):
        page = await visit.api.get("/people", after=after, limit=PEOPLE_PAGE)
        people += page["people"]
        after = page["next"]
        if after is None:
            break
    return people


async def _names(visit: Visit) -> dict[str, str]:
    """Names of people by id."""
    return {person["id"]: person["name"] or person["login"] for person in await _people(visit)}


async def _people_named(visit: Visit, text: str) -> list[str]:
    """Ids of people whose logins stand in a text, apart by spaces, commas or lines.

    Raises:
        Refused: when one is nobody's.
    """
    logins = text.replace(",", " ").split()
    known = {person["login"]: str(person["id"]) for person in await _people(visit)} if logins else {}
    unknown = next((login for login in logins if login not in known), None)
    if unknown is not None:
        raise Refused(HTTPStatus.BAD_REQUEST, "person_not_found", visit.text("reviews.unknown_login", login=unknown[:100]), "raters")
    return [known[login] for login in dict.fromkeys(logins)]


def _whole(fields: Mapping[str, str], name: str) -> int | str:
    """A number of a form; as it was typed where it is none, for the API to say so."""
    text = fields.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text

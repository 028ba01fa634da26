"""Reviews for raters: one item after the other, blind, on scales of five points, with places marked and a correction."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.infrastructure.access.route_roles import ANYBODY, READERS, WRITERS

PATH = "/reviews"
JUDGE = PATH + "/judge/{queue}"
SCALES: Mapping[str, tuple[str, str]] = {
    "helpfulness": ("reviews.scale.helpfulness", "reviews.scale.helpfulness.hint"),
    "correctness": ("reviews.scale.correctness", "reviews.scale.correctness.hint"),
    "clarity": ("reviews.scale.clarity", "reviews.scale.clarity.hint"),
    "tone": ("reviews.scale.tone", "reviews.scale.tone.hint"),
    "bias": ("reviews.scale.bias", "reviews.scale.bias.hint"),
}
POINTS = range(1, 6)
UNSURE = "none"
LABELS: Mapping[str, str] = {
    "wrong": "reviews.mark.wrong",
    "unsupported": "reviews.mark.unsupported",
    "unclear": "reviews.mark.unclear",
    "rude": "reviews.mark.rude",
    "good": "reviews.mark.good",
}
MARKS_MAX = 40
"""Places of one answer that can be marked without scripts; what is behind them is one more."""
DONE: Mapping[str, str] = {
    "rated": "reviews.done.rated",
    "returned": "reviews.done.returned",
    "made": "reviews.done.made",
    "changed": "reviews.done.changed",
    "filled": "reviews.done.filled",
    "found_none": "reviews.done.found_none",
    "decided": "reviews.done.decided",
    "proposed": "reviews.done.proposed",
}
_SENTENCE = re.compile(r"[^.!?。\n]+(?:[.!?。]+|\n|$)\s*")
_MARK = re.compile(r"mark-([0-9]{1,6})-([0-9]{1,6})")


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section for whoever judges."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, JUDGE, judge)
    add_action(router, site, PATH, JUDGE, rate, shows=judge, roles=ANYBODY)
    add_action(router, site, PATH, JUDGE + "/back", give_back, shows=judge, roles=ANYBODY)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """The queues in which the visitor judges; for those who run reviews, all of them."""
    mine = (await visit.api.get("/evaluation/my-reviews"))["queues"]
    queues = (await visit.api.get("/evaluation/review-queues"))["queues"] if visit.has(READERS) else []
    values = {"mine": mine, "queues": queues, "readers": READERS, "writers": WRITERS, "done_texts": DONE}
    return visit.page("reviews.html", values, problem=problem)


async def judge(visit: Visit, problem: Problem | None) -> Response:
    """The next item, or the one that the visitor has and did not judge yet."""
    queue = visit.place("queue")
    given = (await visit.api.post(f"/evaluation/my-reviews/{part(queue)}/next"))["item"]
    values = {
        "queue": queue, "item": given, "scales": SCALES, "points": POINTS, "unsure": UNSURE, "labels": visit.options(LABELS),
        "places": places_of(given["answer"]) if given else [], "typed": problem.fields if problem else {}, "done_texts": DONE,
    }  # fmt: skip
    return visit.page("review_judge.html", values, problem=problem)


async def rate(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Keep what the visitor thinks, and go on with the next item."""
    queue, item = part(visit.place("queue")), part(fields.get("item", ""))
    await visit.api.post(f"/evaluation/my-reviews/{queue}/items/{item}/rating", rating_of(fields))
    return visit.see(f"{PATH}/judge/{queue}", done="rated")


async def give_back(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Give the item to somebody else."""
    queue, item = part(visit.place("queue")), part(fields.get("item", ""))
    await visit.api.delete(f"/evaluation/my-reviews/{queue}/items/{item}")
    return visit.see(PATH, done="returned")


def rating_of(fields: Mapping[str, str]) -> dict[str, Any]:
    """A form's points, marks and words as the API takes them. What was not touched is left out, so that the API says what is missing."""
    points = {scale: None if told == UNSURE else int(told) for scale in SCALES if (told := fields.get(f"points-{scale}", "")) in _TOLD}
    spans = [
        {"start": int(found[1]), "end": int(found[2]), "label": label}
        for name, label in fields.items()
        if label in LABELS and (found := _MARK.fullmatch(name))
    ]
    return {"points": points, "spans": spans, "correction": fields.get("correction", "").strip(), "comment": fields.get("comment", "").strip()}


def places_of(answer: str) -> Sequence[tuple[int, int, str]]:
    """The sentences of an answer, to be marked without scripts: beginning and end in characters, and the text; at most `MARKS_MAX` and the rest."""
    found = [(match.start(), match.start() + len(match[0].rstrip()), match[0].strip()) for match in _SENTENCE.finditer(answer) if match[0].strip()]
    if len(found) <= MARKS_MAX:
        return found
    start = found[MARKS_MAX][0]
    return [*found[:MARKS_MAX], (start, len(answer.rstrip()), answer[start:].strip())]


_TOLD = frozenset({UNSURE, *map(str, POINTS)})

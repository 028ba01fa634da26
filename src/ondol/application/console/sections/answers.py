"""An answer that was given, scored again by the rules that need no right answer: what was shown, against the documents as they stand now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_action, add_page
from ondol.infrastructure.access.route_roles import ANYBODY, READERS

ASK = "/"
PATH = "/answers/{answer}/evaluation"
SCORES: Mapping[str, tuple[str, str]] = {
    "groundedness": ("answers.groundedness", "share"),
    "hallucination_rate": ("answers.hallucination_rate", "share"),
    "citation_precision": ("answers.citation_precision", "share"),
    "citation_recall": ("answers.citation_recall", "share"),
    "refusal": ("answers.refusal", "yes"),
    "language_match": ("answers.language_match", "yes"),
    "pii_leak": ("answers.pii_leak", "count"),
    "latency": ("answers.latency", "ms"),
    "tokens": ("answers.tokens", "count"),
    "cost": ("answers.cost", "nano"),
}
"""By scorer: its name for people, and how its value is told."""
STATUSES: Mapping[str, str] = {"skipped": "answers.skipped"}
"""Any other status stands as it is."""


def add_to(router: APIRouter, site: Site) -> None:
    """The page, which everybody has for their own answers."""
    add_page(router, site, ASK, PATH, show)
    add_action(router, site, ASK, PATH, evaluate, shows=show, roles=ANYBODY)


async def show(visit: Visit, problem: Problem | None, scores: Mapping[str, Any] | None = None) -> Response:
    """The answer, as far as the visitor may see it, and what came of scoring it."""
    answer = await visit.api.get(f"/answers/{part(visit.place('answer'))}")
    values = {"answer": answer, "scores": scores, "names": SCORES, "statuses": STATUSES, "readers": READERS}
    return visit.page("answer_evaluation.html", values, problem=problem)


async def evaluate(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Score it; that somebody did is an event of the ledger."""
    found = await visit.api.post(f"/answers/{part(visit.place('answer'))}/evaluate", {})
    return await show(visit, None, found["scores"])

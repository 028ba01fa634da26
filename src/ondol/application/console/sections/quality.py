"""The quality dashboard: each figure from what was recorded, with its interval and where it comes from; or that it was not measured yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.pages import Site
from ondol.application.console.sections.evaluation_shared import PATH, SLICE, sliced, tabs_of
from ondol.application.console.visit import Problem, Visit, add_page

QUALITY = PATH + "/quality"
DAYS: Mapping[str, str] = {"7": "quality.days.week", "30": "quality.days.month", "90": "quality.days.quarter"}
DAYS_SHOWN = "30"
FIGURES: Mapping[str, tuple[str, str]] = {
    "factual_violations": ("quality.factual_violations", "quality.how.hallucination"),
    "format_errors": ("quality.format_errors", "quality.how.format"),
    "refusal_accuracy": ("quality.refusal_accuracy", "quality.how.refusal"),
    "toxicity": ("quality.toxicity", "quality.how.toxicity"),
    "pii_missed": ("quality.pii_missed", "quality.how.pii"),
    "bias": ("quality.bias", "quality.how.bias"),
    "banned_words": ("quality.banned_words", "quality.how.banned_words"),
    "pass_at_1": ("quality.pass_once", "quality.how.pass_at_k"),
    "pass_at_5": ("quality.pass_of_five", "quality.how.pass_at_k"),
    "corrections": ("quality.corrections", "quality.how.corrections"),
    "re_asked": ("quality.re_asked", "quality.how.re_asked"),
    "promoters": ("quality.promoters", "quality.how.promoters"),
    "reproducible_builds": ("quality.reproducible_builds", "quality.how.reproducible_builds"),
}
"""By figure: its name, and what has to be there for it to be measured."""
FROM: Mapping[str, str] = {"corrections": "quality.from_opinions", "re_asked": "quality.from_threads", "promoters": "quality.from_people"}
"""What those figures are counted from that come from no run."""
SCORES = frozenset({"promoters"})
"""Those that lie between -1 and 1, and are told as points of 100."""


def add_to(router: APIRouter, site: Site) -> None:
    """The page of this part."""
    add_page(router, site, PATH, QUALITY, show)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """Figures of quality from evaluations and opinions, and of work from the requests of the same days."""
    days = visit.asked("days", DAYS_SHOWN)
    days = days if days in DAYS else DAYS_SHOWN
    now = datetime.now(ZoneInfo(visit.profile.time_zone))
    period = {"since": (now - timedelta(days=int(days))).isoformat(), "until": now.isoformat()}
    by = visit.asked("by", SLICE)
    found = await visit.api.get("/evaluation/quality", days=days, slice=[by])
    parts = {one["name"]: {each["value"]: each for each in one["slices"]} for one in found["figures"]}
    level = (await visit.api.get("/service-levels", step="day", **period))["whole"]
    usage = await visit.api.get("/usage", by=["day"], **period)
    values = {
        **tabs_of("quality"), **sliced(by, found["slice_names"]), "parts": parts,
        "slice_values": list(dict.fromkeys(value for told in parts.values() for value in told)),
        "figures": {one["name"]: one for one in found["figures"]}, "labels": FIGURES, "counted_from": FROM, "scores": SCORES, "days": DAYS,
        "chosen": days, "level": level, "costs": [_each(one) for one in usage["totals"] if one["requests"]],
    }  # fmt: skip
    return visit.page("quality.html", values, problem=problem)


def _each(total: Mapping[str, Any]) -> dict[str, Any]:
    """What a request took on average, of those in one currency."""
    count = total["requests"]
    tokens = (total["input_tokens"] + total["output_tokens"]) / count
    cost = None if total["cost"] is None else str(Decimal(total["cost"]) / count)
    return {"requests": count, "tokens": tokens, "cost": cost, "currency": total["currency"]}

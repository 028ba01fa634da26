"""The overview: how well requests are served now, what is spent, what asks for somebody's attention, what changed lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.pages import Site
from ondol.application.console.sections.audit_words import BEGINNING, CHANGES_NOTHING, KINDS
from ondol.application.console.sections.limits import share_spent
from ondol.application.console.visit import Problem, Visit, add_page

PATH = "/home"
HOURS: Final = 24
BUDGETS_SHOWN: Final = 6
CHANGES_SHOWN: Final = 6
AVAILABILITY_MIN: Final = 0.995
P95_US_MAX: Final = 5_000_000
"""Where a tile turns red, until an organisation has set objectives of its own."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that waits for somebody: how many, what they are, and where they are looked at."""

    count: int
    label: str
    path: str


def add_to(router: APIRouter, site: Site) -> None:
    """The page of this section."""
    add_page(router, site, PATH, PATH, show)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """Tiles, a chart of the last day, budgets, what waits."""
    zone = ZoneInfo(visit.profile.time_zone)
    now = datetime.now(zone)
    since = (now - timedelta(hours=HOURS - 1)).replace(minute=0, second=0, microsecond=0)
    level = await visit.api.get("/service-levels", step="hour", since=since.isoformat(), until=now.isoformat())
    answers = await visit.api.get("/answers/levels", since=since.isoformat(), until=now.isoformat())
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    today = await visit.api.get("/usage", by=["day"], since=midnight.isoformat(), until=now.isoformat()) if now > midnight else {"totals": []}
    values = {
        "whole": level["whole"],
        "answers": answers,
        "hours": _each_hour(level["steps"], since, now),
        "zone": visit.profile.time_zone,
        "is_available": _at_least(level["whole"]["availability"], AVAILABILITY_MIN),
        "is_swift": level["whole"]["p95_us"] is None or level["whole"]["p95_us"] <= P95_US_MAX,
        "spent": [one for one in today["totals"] if one["cost"] is not None],
        "budgets": await _budgets(visit),
        "attention": await _attention(visit),
        "changes": await _changes(visit),
        "kinds": KINDS,
    }
    return visit.page("home.html", values, problem=problem)


async def _budgets(visit: Visit) -> list[dict[str, Any]]:
    """The first budgets, each with the window that runs now and the share of it that is spent."""
    found = await visit.api.get("/budgets", limit=BUDGETS_SHOWN)
    shown = []
    for budget in found["budgets"]:
        windows = (await visit.api.get(f"/budgets/{budget['id']}/windows", limit=1))["windows"]
        if windows:
            shown.append({**budget, "window": windows[0], "share": share_spent(windows[0])})
    return shown


async def _attention(visit: Visit) -> Sequence[Attention]:
    """What waits for a decision. Requests for access are not counted here: each reading of them is an event of the ledger."""
    incidents = await visit.api.get("/guard/incidents", state="open", limit=100)
    approvals = await visit.api.get("/guard/approvals", state="pending", limit=100)
    found = (
        Attention(len(incidents["incidents"]), "home.attention.incidents", "/guard/incidents"),
        Attention(len(approvals["approvals"]), "home.attention.approvals", "/guard/approvals"),
    )
    return [one for one in found if one.count]


async def _changes(visit: Visit) -> list[dict[str, Any]]:
    """What was changed last, and by whom."""
    without = [label.removeprefix(BEGINNING) for label in CHANGES_NOTHING]
    events: list[dict[str, Any]] = (await visit.api.get("/ledger/events", without=without, limit=CHANGES_SHOWN))["events"]
    return events


def _each_hour(steps: Sequence[Mapping[str, Any]], since: datetime, until: datetime) -> list[dict[str, Any]]:
    """A row for each hour, those without a request too."""
    found = {datetime.fromisoformat(one["at"]): one for one in steps}
    rows, at = [], since
    while at < until:
        one = found.get(at, {})
        rows.append({"at": int(at.timestamp()), "time": at.isoformat(), "requests": one.get("requests", 0), "p95_us": one.get("p95_us")})
        at += timedelta(hours=1)
    return rows


def _at_least(value: float | None, least: float) -> bool:
    return value is None or value >= least

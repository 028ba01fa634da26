"""What was used and what it cost: by day, model, key, person or group, and as a file for a spreadsheet."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.pages import Site
from ondol.application.console.visit import Problem, Visit, add_page
from ondol.infrastructure.access.route_roles import READERS

PATH = "/usage"
PERIODS: Mapping[str, tuple[str, int]] = {"7": ("usage.period.week", 7), "30": ("usage.period.month", 30), "90": ("usage.period.quarter", 90)}
BY: Mapping[str, str] = {"model": "usage.by.model", "person": "usage.by.person", "key": "usage.by.key", "group": "usage.by.group"}
NAMES: Mapping[str, str] = {"model": "model", "person": "login", "key": "key", "group": "group"}
"""Where a line of the API names what it is about."""
LINES = 100


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, f"{PATH}.csv", download)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """Sums, the days as a chart, and who or what used how much."""
    period, by = visit.asked("period", "30"), visit.asked("by", "model")
    period, by = period if period in PERIODS else "30", by if by in BY else "model"
    zone = ZoneInfo(visit.profile.time_zone)
    since, until = _bounds(PERIODS[period][1], zone)
    days = await visit.api.get("/usage", by=["day"], since=since, until=until)
    lines = await visit.api.get("/usage", by=[by], since=since, until=until, limit=LINES)
    month = await _month(visit, zone)
    totals = days["totals"] or [
        {"currency": None, "cost": None, "requests": 0, "failed": 0, "input_tokens": 0, "output_tokens": 0, "cached_tokens": 0}
    ]
    values = {
        "period": period,
        "periods": PERIODS,
        "by": by,
        "bys": BY if visit.has(READERS) else {"model": BY["model"], "key": BY["key"]},
        "requests": sum(one["requests"] for one in totals),
        "failed": sum(one["failed"] for one in totals),
        "input_tokens": sum(one["input_tokens"] for one in totals),
        "output_tokens": sum(one["output_tokens"] for one in totals),
        "cached_tokens": sum(one["cached_tokens"] for one in totals),
        "costs": [one for one in totals if one["cost"] is not None],
        "month": month,
        "days": _each_day(days["lines"], since, until, zone),
        "lines": sorted(lines["lines"], key=lambda line: (-Decimal(line["cost"] or 0), -line["requests"])),
        "name_of": NAMES[by],
        "more": lines["next"] is not None,
        "zone": visit.profile.time_zone,
    }
    return visit.page("usage.html", values, problem=problem)


async def download(visit: Visit, _problem: Problem | None) -> Response:
    """The lines as CSV."""
    by, period = visit.asked("by", "model"), visit.asked("period", "30")
    since, until = _bounds(PERIODS.get(period, PERIODS["30"])[1], ZoneInfo(visit.profile.time_zone))
    reply = await visit.api.text("/usage", "text/csv", by=["day", by if by in BY else "model"], since=since, until=until, limit=10_000)
    headers = {"content-disposition": 'attachment; filename="usage.csv"'}
    return Response(reply.body, media_type="text/csv; charset=utf-8", headers=headers)


async def _month(visit: Visit, zone: ZoneInfo) -> list[dict[str, Any]]:
    """This month's cost in each currency, and what the whole month will cost if it goes on as in the days that are over."""
    today = datetime.now(zone).date()
    first = datetime(today.year, today.month, 1, tzinfo=zone)
    now = datetime.now(zone)
    if now <= first:
        return []
    found = await visit.api.get("/usage", by=["day"], since=first.isoformat(), until=now.isoformat())
    gone = (now - first) / timedelta(days=calendar.monthrange(today.year, today.month)[1])
    told = [one for one in found["totals"] if one["cost"] is not None]
    return [{"currency": one["currency"], "cost": one["cost"], "forecast": str(Decimal(one["cost"]) / Decimal(gone))} for one in told]


def _bounds(days: int, zone: ZoneInfo) -> tuple[str, str]:
    """So many whole days of the tenant, today's beginning included, until now."""
    now = datetime.now(zone)
    first = now.date() - timedelta(days=days - 1)
    return datetime(first.year, first.month, first.day, tzinfo=zone).isoformat(), now.isoformat()


def _each_day(lines: Sequence[Mapping[str, Any]], since: str, until: str, zone: ZoneInfo) -> list[dict[str, Any]]:
    """A row for each day, those without a request too; a day of two currencies has both costs."""
    days: dict[date, dict[str, Any]] = {}
    at = datetime.fromisoformat(since).astimezone(zone).date()
    while at <= datetime.fromisoformat(until).astimezone(zone).date():
        begins = int(datetime(at.year, at.month, at.day, tzinfo=zone).timestamp())
        days[at] = {"day": at.isoformat(), "at": begins, "requests": 0, "failed": 0, "tokens": 0, "costs": []}
        at += timedelta(days=1)
    for line in lines:
        row = days.get(date.fromisoformat(line["day"]))
        if row is not None:
            row["requests"] += line["requests"]
            row["failed"] += line["failed"]
            row["tokens"] += line["input_tokens"] + line["output_tokens"]
            if line["cost"] is not None:
                row["costs"].append({"cost": line["cost"], "currency": line["currency"]})
    return list(days.values())

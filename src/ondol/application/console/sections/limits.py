"""Limits and budgets: what requests may be together and alone, what may be spent, and what was paid in."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.undo import Undo
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import WRITERS

PATH = "/limits"
PAGE = 100
WINDOWS = 12
CREDITS = 50
ALARM_PERCENTS = "80, 100"
SCOPES: Mapping[str, str] = {
    "tenant": "limits.scope.tenant",
    "group": "limits.scope.group",
    "person": "limits.scope.person",
    "key": "limits.scope.key",
    "model": "limits.scope.model",
}
PERIODS: Mapping[str, str] = {"month": "limits.period.month", "day": "limits.period.day", "total": "limits.period.total"}
UNITS: Mapping[str, str] = {"money": "limits.unit.money", "tokens": "limits.unit.tokens"}
CURRENCIES = ("KRW", "USD")
FIGURES: Mapping[str, str] = {
    "requests_per_minute": "limits.requests_per_minute",
    "tokens_per_minute": "limits.tokens_per_minute",
    "concurrent_max": "limits.concurrent_max",
    "prompt_tokens_max": "limits.prompt_tokens_max",
    "output_tokens_max": "limits.output_tokens_max",
    "body_bytes_max": "limits.body_bytes_max",
    "deadline_s": "limits.deadline_s",
}
DONE: Mapping[str, str] = {
    "limited": "limits.done.limited",
    "freed": "limits.done.freed",
    "budgeted": "limits.done.budgeted",
    "changed": "limits.done.changed",
    "paid": "limits.done.paid",
    "removed": "limits.done.removed",
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, f"{PATH}/new", limit_form)
    add_action(router, site, PATH, f"{PATH}/new", limit, shows=limit_form, roles=WRITERS)
    add_page(router, site, PATH, f"{PATH}/budgets/new", budget_form)
    add_action(router, site, PATH, f"{PATH}/budgets/new", budget, shows=budget_form, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/budgets/{budget}", one_budget)
    add_action(router, site, PATH, PATH + "/budgets/{budget}", change_budget, shows=one_budget, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/budgets/{budget}/credits", pay_in, shows=one_budget, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/budgets/{budget}/remove", remove_budget, shows=one_budget, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/{limit}", one_limit)
    add_action(router, site, PATH, PATH + "/{limit}", change_limit, shows=one_limit, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/{limit}/remove", remove_limit, shows=one_limit, roles=WRITERS)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """Budgets with what is left of each, and limits."""
    found = await visit.api.get("/budgets", after=visit.asked("after"), limit=PAGE)
    limits = await visit.api.get("/limits", limit=PAGE)
    budgets = [{**one, **await _spent(visit, one["id"])} for one in found["budgets"]]
    return visit.page("limits.html", {**_words(visit), "budgets": budgets, "limits": limits["limits"], "next": found["next"]}, problem=problem)


async def limit_form(visit: Visit, problem: Problem | None) -> Response:
    """Where a limit is made."""
    return visit.page("limit.html", {**_words(visit), **_typed(problem), "limit": None}, problem=problem)


async def limit(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Make a limit."""
    await visit.api.post("/limits", {**told(fields, "scope", "subject"), **_figures(fields)})
    return visit.see(PATH, done="limited")


async def one_limit(visit: Visit, problem: Problem | None) -> Response:
    """One limit and its figures."""
    found = await visit.api.get(f"/limits/{part(visit.place('limit'))}")
    return visit.page("limit.html", {**_words(visit), **_typed(problem), "limit": found}, problem=problem)


async def change_limit(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Give a limit other figures."""
    await visit.api.put(f"/limits/{part(visit.place('limit'))}", _figures(fields))
    return visit.see(PATH, done="limited")


async def remove_limit(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Take a limit away."""
    known = await visit.api.get(f"/limits/{part(visit.place('limit'))}")
    await visit.api.delete(f"/limits/{part(visit.place('limit'))}")
    again = {name: str(known[name]) for name in ("scope", "subject", *FIGURES) if known[name] is not None}
    return visit.see(PATH, done="freed", undo=Undo(f"{PATH}/new", again))


async def budget_form(visit: Visit, problem: Problem | None) -> Response:
    """Where a budget is made."""
    return visit.page("budget_new.html", {**_words(visit), **_typed(problem), "alarms": ALARM_PERCENTS}, problem=problem)


async def budget(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Make a budget. One in tokens has no currency."""
    body: dict[str, Any] = told(fields, "name", "scope", "subject", "unit", "period", "amount")
    if body.get("unit") != "tokens":
        body |= told(fields, "currency")
    made = await visit.api.post("/budgets", {**body, "alarm_percents": _percents(fields.get("alarms", ""))})
    return visit.see(f"{PATH}/budgets/{part(made['id'])}", done="budgeted")


async def one_budget(visit: Visit, problem: Problem | None) -> Response:
    """One budget: what was spent in each window, and what was paid in."""
    identifier = part(visit.place("budget"))
    found = await visit.api.get(f"/budgets/{identifier}")
    windows = await visit.api.get(f"/budgets/{identifier}/windows", limit=WINDOWS)
    paid = await visit.api.get(f"/budgets/{identifier}/credits", limit=CREDITS) if found["period"] == "total" else {"credits": []}
    values = {
        "budget": found,
        "windows": [{**one, "share": share_spent(one)} for one in windows["windows"]],
        "credits": paid["credits"],
    }
    return visit.page("budget.html", {**_words(visit), **_typed(problem), **values}, problem=problem)


async def change_budget(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Another amount, or other alarms."""
    identifier = part(visit.place("budget"))
    await visit.api.patch(f"/budgets/{identifier}", {**told(fields, "amount"), "alarm_percents": _percents(fields.get("alarms", ""))})
    return visit.see(f"{PATH}/budgets/{identifier}", done="changed")


async def pay_in(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Pay into a prepaid balance."""
    identifier = part(visit.place("budget"))
    await visit.api.post(f"/budgets/{identifier}/credits", {"amount": fields.get("credit", "").strip()})
    return visit.see(f"{PATH}/budgets/{identifier}", done="paid")


async def remove_budget(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Take a budget away: nothing is held back by it any more."""
    await visit.api.delete(f"/budgets/{part(visit.place('budget'))}")
    return visit.see(PATH, done="removed")


async def _spent(visit: Visit, budget_id: str) -> dict[str, Any]:
    windows = (await visit.api.get(f"/budgets/{part(budget_id)}/windows", limit=1))["windows"]
    return {"window": windows[0] if windows else None, "share": share_spent(windows[0]) if windows else 0.0}


def share_spent(window: Mapping[str, str]) -> float:
    """What of a window is spent, in [0, 1] or above."""
    whole = Decimal(window["amount"])
    return float(Decimal(window["spent"]) / whole) if whole else 1.0


def _figures(fields: Mapping[str, str]) -> dict[str, int | str]:
    """What is limited; what is no whole number goes to the API as it was typed, which says so."""
    return {name: _whole(text) for name, text in told(fields, *FIGURES).items()}


def _percents(text: str) -> list[int | str]:
    return [_whole(word) for word in text.replace("%", "").split(",") if word.strip()]


def _whole(text: str) -> int | str:
    said = text.strip()
    return int(said) if said.isascii() and said.isdigit() else said


def _typed(problem: Problem | None) -> dict[str, object]:
    return {"typed": problem.fields if problem else {}, "wrong": problem.refused.param if problem else ""}


def _words(visit: Visit) -> dict[str, object]:
    return {
        "scopes": SCOPES,
        "periods": PERIODS,
        "figures": FIGURES,
        "scope_options": visit.options(SCOPES),
        "period_options": visit.options(PERIODS),
        "unit_options": visit.options(UNITS),
        "currency_options": [(currency, currency) for currency in CURRENCIES],
        "done_texts": DONE,
        "may_write": visit.has(WRITERS),
    }

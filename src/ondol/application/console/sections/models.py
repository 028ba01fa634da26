"""Models: the providers behind them with a test, the names that applications call, what they cost, and two of them side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
from ondol.application.console.undo import Undo
from ondol.application.console.visit import Problem, Visit, add_action, add_page, told
from ondol.infrastructure.access.route_roles import WRITERS

PATH = "/models"
PAGE = 100
KINDS: Mapping[str, str] = {"openai": "models.kind.openai", "anthropic": "models.kind.anthropic"}
SOURCES: Mapping[str, str] = {"own": "models.source.own", "shared": "models.source.shared", "assistant": "models.source.assistant"}
CURRENCIES = ("KRW", "USD")
DONE: Mapping[str, str] = {
    "added": "models.done.added",
    "priced": "models.done.priced",
    "disabled": "models.done.disabled",
    "enabled": "models.done.enabled",
    "routed": "models.done.routed",
}
BREAKERS: Mapping[str, str] = {"closed": "models.breaker.closed", "open": "models.breaker.open", "half_open": "models.breaker.half_open"}
BREAKER_TONES: Mapping[str, str] = {"closed": "good", "open": "bad", "half_open": "wait"}
TARGETS_FREE = 2
"""Empty rows for more targets."""
DAYS = 7


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, PATH + "/new", form)
    add_action(router, site, PATH, PATH + "/new", add, shows=form, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/providers/{name}", provider)
    add_action(router, site, PATH, PATH + "/providers/{name}/test", test, shows=provider, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/providers/{name}/disable", disable, shows=provider, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/providers/{name}/enable", enable, shows=provider, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/routes/{alias:path}", route)
    add_action(router, site, PATH, PATH + "/routes/{alias:path}", set_route, shows=route, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/prices", prices)
    add_action(router, site, PATH, PATH + "/prices", price, shows=prices, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/compare", compare)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """What can be called, and who stands behind it."""
    offered = await visit.api.get("/gateway/models")
    models = await visit.api.get("/models", limit=PAGE)
    providers = await visit.api.get("/providers", limit=PAGE)
    targets = {model["alias"]: model["targets"] for model in models["models"]}
    seen = (await visit.api.get("/gateway/targets"))["targets"]
    resting = {one["provider"] for one in seen if one["state"] != "closed"}
    values = {
        **_tabs(visit, "models"), "offered": offered["models"], "targets": targets, "providers": providers["providers"], "kinds": KINDS,
        "resting": resting,
    }  # fmt: skip
    return visit.page("models.html", values, problem=problem)


async def form(visit: Visit, problem: Problem | None) -> Response:
    """Where a model is added by its address."""
    values = {**_tabs(visit, "models"), "typed": problem.fields if problem else {}, "kind_options": visit.options(KINDS)}
    return visit.page("model_new.html", values, problem=problem)


async def add(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Add a provider, and a name that applications call its model by."""
    name = fields.get("provider", "").strip()
    body: dict[str, Any] = {"kind": fields.get("kind", "openai"), **told(fields, "base_url", "credential")}
    if fields.get("private_network"):
        body["settings"] = {"private_network": True}
    await visit.api.put(f"/providers/{part(name)}", body)
    alias, model = fields.get("alias", "").strip(), fields.get("model", "").strip()
    if model:
        await visit.api.put(f"/models/{part(alias or model)}", {"targets": [{"provider": name, "name": model}]})
    return visit.see(f"{PATH}/providers/{part(name)}", done="added")


async def provider(visit: Visit, problem: Problem | None, probe: Mapping[str, Any] | None = None) -> Response:
    """One provider, and what its test said."""
    found = await visit.api.get(f"/providers/{part(visit.place('name'))}")
    return visit.page("model_provider.html", {**_tabs(visit, "models"), "provider": found, "probe": probe, "kinds": KINDS}, problem=problem)


async def test(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Ask a provider for its models."""
    return await provider(visit, None, await visit.api.post(f"/providers/{part(visit.place('name'))}/test"))


async def disable(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Ask a provider no longer."""
    name = part(visit.place("name"))
    await visit.api.post(f"/providers/{name}/disable")
    return visit.see(f"{PATH}/providers/{name}", done="disabled", undo=Undo(f"{PATH}/providers/{name}/enable"))


async def enable(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Ask a provider again."""
    name = part(visit.place("name"))
    await visit.api.post(f"/providers/{name}/enable")
    return visit.see(f"{PATH}/providers/{name}", done="enabled")


async def route(visit: Visit, problem: Problem | None) -> Response:
    """One model: the places that answer it, how they do, what it was used for lately, and where they are changed."""
    alias = visit.place("alias")
    found = await visit.api.get(f"/models/{part(alias)}")
    seen = {(one["provider"], one["name"]): one for one in (await visit.api.get("/gateway/targets"))["targets"] if one["alias"] == alias}
    since = datetime.now(UTC) - timedelta(days=DAYS)
    used = (await visit.api.get("/usage", by=["model"], model=alias, since=since.isoformat()))["totals"]
    providers = (await visit.api.get("/providers", limit=PAGE))["providers"]
    rows = [dict(target) for target in found["targets"]] if problem is None else _targets(problem.fields)
    free: Mapping[str, Any] = {"provider": "", "name": "", "priority": 0, "weight": 1}
    values = {
        **_tabs(visit, "models"), "alias": alias, "model": found, "seen": seen, "used": used[0] if used else None, "days": DAYS,
        "shares": _shares(found["targets"]), "rows": [*rows, *([free] * TARGETS_FREE)], "breakers": BREAKERS, "breaker_tones": BREAKER_TONES,
        "provider_options": [("", visit.text("models.route.nobody")), *((one["name"], one["name"]) for one in providers)],
        "typed": problem.fields if problem else {}, "wrong": problem.refused.param if problem else "",
    }  # fmt: skip
    return visit.page("model_route.html", values, problem=problem)


async def set_route(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Let other places answer, or the same ones otherwise. What the form does not show stays."""
    alias = visit.place("alias")
    now = await visit.api.get(f"/models/{part(alias)}")
    settings = {**now["settings"], "sticky": fields.get("sticky") == "on"} | {
        name: _whole(fields[name]) for name in ("retries_max",) if fields.get(name, "").strip()
    }
    body = {"targets": _targets(fields), "settings": settings, "shared": now["shared"], "disabled": now["disabled_at"] is not None}
    await visit.api.put(f"/models/{part(alias)}", body)
    return visit.see(f"{PATH}/routes/{part(alias)}", done="routed", undo=Undo(f"{PATH}/routes/{part(alias)}", _form_of(now)))


async def prices(visit: Visit, problem: Problem | None) -> Response:
    """Price lists, and where a new one is written."""
    found = await visit.api.get("/prices", limit=PAGE)
    providers = await visit.api.get("/providers", limit=PAGE)
    values = {
        **_tabs(visit, "prices"), "prices": found["prices"], "provider_options": [(one["name"], one["name"]) for one in providers["providers"]],
        "currency_options": [(one, one) for one in CURRENCIES], "typed": problem.fields if problem else {},
    }  # fmt: skip
    return visit.page("model_prices.html", values, problem=problem)


async def price(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Write a price list that holds from now on."""
    await visit.api.post("/prices", told(fields, "provider", "model", "currency", "input", "cached_input", "output"))
    return visit.see(f"{PATH}/prices", done="priced")


async def compare(visit: Visit, problem: Problem | None) -> Response:
    """Two models beside each other; their answers come by the gateway's own door."""
    offered = await visit.api.get("/gateway/models")
    names = [(model["name"], model["name"]) for model in offered["models"] if model["answerable"]]
    return visit.page("model_compare.html", {**_tabs(visit, "compare"), "names": names}, problem=problem)


def _targets(fields: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of a form that name a provider or a model, with what was typed where it is no number: the API says what is wrong with it."""
    places = sorted(int(end) for name in fields if (end := name.removeprefix("provider_")) != name and end.isdecimal() and len(end) < 4)
    rows = [{name: fields.get(f"{name}_{place}", "").strip() for name in ("provider", "name", "priority", "weight")} for place in places]
    return [row | {name: _whole(row[name]) for name in ("priority", "weight")} for row in rows if row["provider"] or row["name"]]


def _form_of(model: Mapping[str, Any]) -> dict[str, str]:
    """What the form of a route says as it is."""
    rows = {
        f"{name}_{place}": str(target[name]) for place, target in enumerate(model["targets"]) for name in ("provider", "name", "priority", "weight")
    }
    return {**rows, "retries_max": str(model["settings"]["retries_max"]), **({"sticky": "on"} if model["settings"]["sticky"] else {})}


def _whole(text: str) -> int | str:
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) < 10 else text


def _shares(targets: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Of the requests that come to a target's priority, how many it gets first; None where it gets none."""
    sums: dict[int, int] = {}
    for target in targets:
        sums[target["priority"]] = sums.get(target["priority"], 0) + target["weight"]
    return [target["weight"] / sums[target["priority"]] if target["weight"] else None for target in targets]


def _tabs(visit: Visit, tab: str) -> dict[str, object]:
    tabs = [("models", "models.all", "/models"), ("prices", "models.prices", "/models/prices"), ("compare", "models.compare", "/models/compare")]
    return {"tab": tab, "tabs": tabs, "sources": SOURCES, "done_texts": DONE, "writers": WRITERS, "may_write": visit.has(WRITERS)}

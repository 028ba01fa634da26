"""Models: the providers behind them with a test, the names that applications call, what they cost, and two of them side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from ondol.application.console.calling import part
from ondol.application.console.pages import Site
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
}


def add_to(router: APIRouter, site: Site) -> None:
    """The pages of this section."""
    add_page(router, site, PATH, PATH, show)
    add_page(router, site, PATH, PATH + "/new", form)
    add_action(router, site, PATH, PATH + "/new", add, shows=form, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/providers/{name}", provider)
    add_action(router, site, PATH, PATH + "/providers/{name}/test", test, shows=provider, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/providers/{name}/disable", disable, shows=provider, roles=WRITERS)
    add_action(router, site, PATH, PATH + "/providers/{name}/enable", enable, shows=provider, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/prices", prices)
    add_action(router, site, PATH, PATH + "/prices", price, shows=prices, roles=WRITERS)
    add_page(router, site, PATH, PATH + "/compare", compare)


async def show(visit: Visit, problem: Problem | None) -> Response:
    """What can be called, and who stands behind it."""
    offered = await visit.api.get("/gateway/models")
    models = await visit.api.get("/models", limit=PAGE)
    providers = await visit.api.get("/providers", limit=PAGE)
    targets = {model["alias"]: model["targets"] for model in models["models"]}
    values = {**_tabs(visit, "models"), "offered": offered["models"], "targets": targets, "providers": providers["providers"], "kinds": KINDS}
    return visit.page("models.html", values, problem=problem)


async def form(visit: Visit, problem: Problem | None) -> Response:
    """Where a model is added by its address."""
    values = {**_tabs(visit, "models"), "typed": problem.fields if problem else {}, "kind_options": visit.options(KINDS)}
    return visit.page("model_new.html", values, problem=problem)


async def add(visit: Visit, fields: Mapping[str, str]) -> Response:
    """Add a provider, and a name that applications call its model by."""
    name = fields.get("provider", "").strip()
    body: dict[str, Any] = {"kind": fields.get("kind", "openai"), **told(fields, "base_url", "credential")}
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
    return visit.see(f"{PATH}/providers/{name}", done="disabled")


async def enable(visit: Visit, _fields: Mapping[str, str]) -> Response:
    """Ask a provider again."""
    name = part(visit.place("name"))
    await visit.api.post(f"/providers/{name}/enable")
    return visit.see(f"{PATH}/providers/{name}", done="enabled")


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


def _tabs(visit: Visit, tab: str) -> dict[str, object]:
    tabs = [("models", "models.all", "/models"), ("prices", "models.prices", "/models/prices"), ("compare", "models.compare", "/models/compare")]
    return {"tab": tab, "tabs": tabs, "sources": SOURCES, "done_texts": DONE, "writers": WRITERS, "may_write": visit.has(WRITERS)}

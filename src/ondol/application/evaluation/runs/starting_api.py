"""Beginning a run over the admin API: what it will cost first, then the run, which a job worker carries out; stopping it and letting it go on.

A suite that comes this way is plain data: it names no file, and no code of its own is run. Suites in Python, and targets that are Python functions,
are for the command line.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from ondol.application.evaluation.queue.store import resume_run, stop_run
from ondol.application.evaluation.runs.api import RunShown, run_shown
from ondol.application.evaluation.runs.estimate import Estimate
from ondol.application.evaluation.runs.store import get_run, suite_of
from ondol.application.evaluation.suites import Suite
from ondol.application.evaluation.suites.read import parse_yaml
from ondol.core.clock import Clock
from ondol.core.errors import Conflict, Forbidden, RequestError
from ondol.core.money import decimal_text
from ondol.infrastructure.access.route_roles import WRITE, Body, RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database

SUITE_CHARACTERS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Planned:
    """A suite that could be run now.

    Attributes:
        cases: counted, those of a golden set too.
    """

    suite: Suite
    target: str
    cases: int
    estimate: Estimate


Plan = Callable[[Principal, Mapping[str, Any]], Awaitable[Planned]]
"""Reads a suite with all its cases and reckons what it will cost: who asks, and the suite as plain data."""

Begin = Callable[[Principal, Mapping[str, Any]], Awaitable[uuid.UUID]]
"""Lets a run of a suite wait for a worker; its id."""


@dataclass(frozen=True, slots=True)
class StartServices(RoleGate):
    """What the routes work with."""

    database: Database
    keyring: KeyRing
    clock: Clock
    principal: Callable[[Request], Principal]
    plan: Plan
    begin: Begin


class StartBody(Body):
    """What is to be run: one of `suite` (plain data), `text` (the same as YAML) and `run` (the suite of a run of yours, or of a schedule).

    `cost` stops the run at such an amount, "5.00 USD", in the place of the suite's own cap. Where anything asked has a price, or one that nobody
    knows, a cap is needed.
    """

    suite: dict[str, Any] | None = None
    text: Annotated[str, Field(max_length=SUITE_CHARACTERS_MAX)] | None = None
    run: uuid.UUID | None = None
    cost: Annotated[str, Field(max_length=40)] | None = None


class ResumeBody(Body):
    """Whether what failed is asked again. The cap of the suite counts anew."""

    retry_errors: bool = False


class EstimateShown(BaseModel):
    """What a run will cost: `cost` by the price lists, None where a price is `missing`; answers are taken as long as they may be."""

    suite: str
    target: str
    cases: int
    repeats: int
    questions: int
    input_tokens: int
    output_tokens: int
    cost: str | None
    currency: str
    cap: str | None
    cap_currency: str
    missing: list[str]


def starting_router(services: StartServices) -> APIRouter:
    """The routes below ``/evaluation/runs`` that begin and end runs."""
    router = APIRouter(prefix="/evaluation/runs", tags=["evaluation"])

    @router.post("/estimate", openapi_extra=WRITE)
    async def estimate_run(body: StartBody, who: Principal = services.writes) -> EstimateShown:
        """Say what a run of a suite will cost, without asking anything."""
        return estimate_shown(await services.plan(who, await _tree(services, who, body)))

    @router.post("", openapi_extra=WRITE)
    async def start_run(body: StartBody, who: Principal = services.writes) -> RunShown:
        """Begin a run. A job worker carries it out; cases that name nobody are asked in your name."""
        tree = await _tree(services, who, body)
        check_cap(await services.plan(who, tree))
        run_id = await services.begin(who, tree)
        return await _told(services, who, run_id, "evaluation.run_started")

    @router.post("/{run_id}/stop", openapi_extra=WRITE)
    async def stop(run_id: uuid.UUID, who: Principal = services.writes) -> RunShown:
        """End a run: what was asked is still answered and kept, and it can go on later."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            await get_run(connection, run_id)
            await stop_run(connection, run_id, services.clock())
        return await _told(services, who, run_id, "evaluation.run_stopped")

    @router.post("/{run_id}/resume", openapi_extra=WRITE)
    async def resume(run_id: uuid.UUID, body: ResumeBody, who: Principal = services.writes) -> RunShown:
        """Let a run that ended go on, in the name of whoever began it: what is kept is not asked again."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            found = await get_run(connection, run_id)
            if found.state == "finished" and not body.retry_errors:
                raise Conflict("Everything was asked.", "Ask again what failed, or begin a new run.", code="run_finished")
            await resume_run(connection, run_id, retries_errors=body.retry_errors)
        return await _told(services, who, run_id, "evaluation.run_resumed")

    return router


def check_cap(planned: Planned) -> None:
    """Whether what a run may cost is bounded.

    Raises:
        RequestError: naming `cost`, when it is not, or is in another currency than the prices.
    """
    found, limits = planned.estimate, planned.suite.limits
    costs = found.nano is None or found.nano > 0
    if costs and limits.cost_nano is None:
        hint = "Give `cost`, such as 5.00 USD; the run ends when it is reached."
        raise RequestError("What the run may cost is not bounded.", hint, code="cap_needed", param="cost")
    if found.nano and found.currency != limits.currency:
        raise RequestError(f"The prices are in {found.currency}, and the cap is in {limits.currency}.", code="cap_currency", param="cost")


async def _tree(services: StartServices, who: Principal, body: StartBody) -> Mapping[str, Any]:
    """The suite that is meant, with its cap."""
    named = [name for name in ("suite", "text", "run") if getattr(body, name) is not None]
    if len(named) != 1:
        raise RequestError("Give one of `suite`, `text` and `run`.", "A suite as plain data, the same as YAML, or a run to repeat.", param="suite")
    tree = body.suite if body.suite is not None else parse_yaml(body.text) if body.text is not None else await _repeated(services, who, body.run)
    if not isinstance(tree, Mapping):
        raise RequestError("The suite is no mapping of names.", "Begin with `card:`, `target:`, `cases:` and `scorers:`.", param=named[0])
    limits = tree.get("limits") or {}
    return {**tree, "limits": {**limits, "cost": body.cost}} if body.cost and isinstance(limits, Mapping) else tree


async def _repeated(services: StartServices, who: Principal, run_id: uuid.UUID | None) -> object:
    assert run_id is not None  # noqa: S101 - one of three was given
    async with services.database.tenant_tx(who.tenant_id) as connection:
        found = await get_run(connection, run_id)
        if found.owner_id not in (None, who.person_id):
            raise Forbidden("The suite is of somebody else, whose questions are theirs.", "Ask them for it.", code="not_own_run")
        source = await suite_of(connection, services.keyring, who.tenant_id, run_id)
    if "text" not in source:
        said = "The suite of this run lies in files of the machine on which it was begun."
        raise Conflict(said, "Run it there, or give the suite with its cases inline or as a golden set.", code="suite_elsewhere")
    return parse_yaml(source["text"])


async def _told(services: StartServices, who: Principal, run_id: uuid.UUID, kind: str) -> RunShown:
    async with services.database.tenant_tx(who.tenant_id) as connection:
        await record(connection, who.tenant_id, kind=kind, actor_id=who.person_id, body={"run": run_id}, now=services.clock())
        return run_shown(await get_run(connection, run_id))


def estimate_shown(planned: Planned) -> EstimateShown:
    """An estimate as the API tells it."""
    found, suite = planned.estimate, planned.suite
    cap = suite.limits.cost_nano
    return EstimateShown(
        suite=suite.card.name,
        target=planned.target,
        cases=planned.cases,
        repeats=suite.repeats,
        questions=found.questions,
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        cost=None if found.nano is None else decimal_text(found.nano),
        currency=found.currency,
        cap=None if cap is None else decimal_text(cap),
        cap_currency=suite.limits.currency,
        missing=list(found.missing),
    )

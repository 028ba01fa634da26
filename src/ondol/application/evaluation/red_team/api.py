"""The red team in the admin API: what there is to attack with, runs of attacks, what got through, and what changed since another run."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from ondol.application.assistant.store import find_assistant, list_assistants
from ondol.application.evaluation.nightly.schedule import minute_of, time_text
from ondol.application.evaluation.red_team.mutators import USUAL, mutator_families
from ondol.application.evaluation.red_team.plans import NightPlan, drop_plan, list_plans, put_plan
from ondol.application.evaluation.red_team.report import Attacked, Report, changed, told
from ondol.application.evaluation.red_team.samples import detector_of
from ondol.application.evaluation.red_team.scenarios import CATEGORIES, LANGUAGES, own_scenarios
from ondol.application.evaluation.red_team.suite import Plan, suite_name, suite_of
from ondol.application.evaluation.red_team.types import Category, DetectorKind, Language
from ondol.application.evaluation.red_team.writing import plain_suite
from ondol.application.evaluation.runs.api import RunShown, run_shown
from ondol.application.evaluation.runs.starting_api import Begin, EstimateShown, check_cap, estimate_shown
from ondol.application.evaluation.runs.starting_api import Plan as PlanRun
from ondol.application.evaluation.runs.store import get_run, results_of
from ondol.application.evaluation.suites import TargetSpec
from ondol.application.evaluation.suites.read import with_cost
from ondol.application.evaluation.suites.types import Limits
from ondol.core.clock import Clock
from ondol.core.errors import RequestError, UserError
from ondol.core.money import decimal_text
from ondol.infrastructure.access.people import own_time_zone
from ondol.infrastructure.access.route_roles import READ, WRITE, Body, RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database

ATTACKS_MAX = 5_000
"""Of one run that is begun here."""
REGRESSION_P = 0.05
"""Two-sided: attacks surely get through more often below this."""
AssistantName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
Name = Annotated[str, Field(pattern=r"^[^\x00]+$", max_length=200)]


@dataclass(frozen=True, slots=True)
class RedTeamServices(RoleGate):
    """What the routes work with; `plan` and `begin` are those of every run."""

    database: Database
    keyring: KeyRing
    clock: Clock
    principal: Callable[[Request], Principal]
    plan: PlanRun
    begin: Begin


class AttackBody(Body):
    """With what is attacked. `mutators` are disguises, one of each family where none is named; at most `limit` attacks, evenly of all categories."""

    categories: list[Category] = Field(default=list(CATEGORIES), min_length=1, max_length=len(CATEGORIES))
    languages: list[Language] = Field(default=list(LANGUAGES), min_length=1, max_length=len(LANGUAGES))
    mutators: list[Name] = Field(default=list(USUAL), min_length=1, max_length=50)
    limit: int = Field(default=200, ge=1, le=ATTACKS_MAX)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    cost: Annotated[str, Field(max_length=40)] | None = None


class RunBody(AttackBody):
    """What is attacked: an assistant, or a model by its alias."""

    assistant: Name | None = None
    route: Name | None = None


class PlanBody(AttackBody):
    """When, by the tenant's clock. Attacks are asked in the name of whoever sets this."""

    at: str = Field(default="02:00", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)


class ScenarioShown(BaseModel):
    """An attack of our own."""

    id: str
    category: str
    languages: list[str]
    turns: int


class DetectorShown(BaseModel):
    """What tells whether an attack succeeded, and how often it was right on labelled samples: `found` of `hits`, `cleared` of `others`. None where
    it only counts, and cannot err."""

    kind: str
    found: int | None
    hits: int | None
    cleared: int | None
    others: int | None


class Arsenal(BaseModel):
    """All there is to attack with; mutators by name with their family."""

    scenarios: list[ScenarioShown]
    categories: list[str]
    mutators: dict[str, str]
    usual: list[str]
    detectors: list[DetectorShown]


class RateShown(BaseModel):
    """A rate with its 95 % interval; a value of None could not be told."""

    value: float | None
    low: float | None
    high: float | None


class AttackedShown(BaseModel):
    """What came of the attacks of a group, `all` being all of them: how often they succeeded as detectors tell (`told`) and behind their mistakes
    (`corrected`, None where several detectors judged, or one that only counts); `refused` of all answers. `got_through` names attacks."""

    group: str
    judged: int
    failures: dict[str, int]
    refused: float
    told: RateShown | None
    corrected: RateShown | None
    got_through: list[str]


class RedTeamRun(BaseModel):
    """A run of attacks."""

    run: RunShown
    groups: list[AttackedShown]


class ChangeShown(BaseModel):
    """What changed between two runs of the same attacks: above 0, more get through than before. `is_worse` when that is no chance (p < 0.05)."""

    baseline: RunShown
    candidate: RunShown
    pairs: int
    difference: RateShown
    p: float
    test: str
    is_worse: bool
    newly: list[str]
    no_longer: list[str]


class PlanShown(BaseModel):
    """An assistant that is attacked each night. `next` is when, in UTC."""

    assistant: str
    at: str
    categories: list[str]
    languages: list[str]
    mutators: list[str]
    limit: int
    cost: str | None
    currency: str
    next: datetime


class PlanList(BaseModel):
    """Every assistant that is attacked each night."""

    plans: list[PlanShown]


class Dropped(BaseModel):
    """It is done."""

    dropped: bool = True


def red_team_router(services: RedTeamServices) -> APIRouter:
    """The routes below ``/evaluation/red-team``."""
    router = APIRouter(prefix="/evaluation/red-team", tags=["evaluation"])
    _run_routes(router, services)
    _plan_routes(router, services)
    return router


def attack_tree(kind: Literal["assistant", "route"], name: str, attack: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """The suite of an attack as plain data.

    Args:
        attack: `categories`, `languages`, `mutators`, `limit`, `seed`, `cost`, as `AttackBody` has them.

    Raises:
        RequestError: when a mutator is unknown, or nothing is left to attack with.
    """
    plan = Plan(
        categories=tuple(attack["categories"]), languages=tuple(attack["languages"]), mutators=tuple(attack["mutators"]), seed=attack["seed"],
        with_system=kind == "route", limit=attack["limit"],
    )  # fmt: skip
    try:
        suite = suite_of(plan, TargetSpec(kind=kind, name=name), name=suite_name(name), owner=owner)
    except UserError as error:
        raise RequestError(error.message, error.hint, code="bad_attack", param="mutators") from error
    tree = plain_suite(suite)
    return {**tree, "limits": {**tree["limits"], "cost": attack["cost"]}} if attack["cost"] else tree


def _run_routes(router: APIRouter, services: RedTeamServices) -> None:
    @router.get("/scenarios", openapi_extra=READ)
    async def list_scenarios(who: Principal = services.reads) -> Arsenal:
        """What there is to attack with, and how good the detectors are."""
        del who
        scenarios = [
            ScenarioShown(id=one.id, category=one.category, languages=sorted(one.turns), turns=max(map(len, one.turns.values())))
            for one in own_scenarios()
        ]
        return Arsenal(
            scenarios=scenarios, categories=list(CATEGORIES), mutators=mutator_families(), usual=list(USUAL), detectors=_detectors()
        )  # fmt: skip

    @router.post("/runs/estimate", openapi_extra=WRITE)
    async def estimate_attacks(body: RunBody, who: Principal = services.writes) -> EstimateShown:
        """Say how many attacks there would be, and what they would cost, without asking anything."""
        return estimate_shown(await services.plan(who, _tree(body)))

    @router.post("/runs", openapi_extra=WRITE)
    async def start_attacks(body: RunBody, who: Principal = services.writes) -> RunShown:
        """Attack an assistant or a model, in your name. A job worker carries it out; it is stopped and let go on as every run."""
        tree = _tree(body)
        check_cap(await services.plan(who, tree))
        run_id = await services.begin(who, tree)
        async with services.database.tenant_tx(who.tenant_id) as connection:
            await record(connection, who.tenant_id, kind="red_team.started", actor_id=who.person_id, body={"run": run_id}, now=services.clock())
            return run_shown(await get_run(connection, run_id))

    @router.get("/runs/{run_id}", openapi_extra=READ)
    async def read_attacks(
        run_id: uuid.UUID, by: Literal["kind", "language", "mutator"] = "kind", who: Principal = services.reads
    ) -> RedTeamRun:  # fmt: skip
        """What got through, by category, language or disguise, with what came so far where the run goes on."""
        report, run = await _report(services, who, run_id, by)
        return RedTeamRun(run=run, groups=[_group(row) for row in report.rows()])

    @router.get("/runs/{run_id}/changes", openapi_extra=READ)
    async def read_changes(run_id: uuid.UUID, baseline: uuid.UUID, who: Principal = services.reads) -> ChangeShown:
        """What changed since another run of the same attacks, such as that on the last release: which get through now, and which no longer."""
        (before, old), (after, new) = await _report(services, who, baseline, "kind"), await _report(services, who, run_id, "kind")
        found = changed(before, after)
        difference = found.difference
        return ChangeShown(
            baseline=old,
            candidate=new,
            pairs=found.pairs,
            difference=RateShown(value=difference.value, low=difference.low, high=difference.high),
            p=found.p,
            test=found.test,
            is_worse=found.p < REGRESSION_P and difference.value > 0,
            newly=list(found.newly),
            no_longer=list(found.no_longer),
        )


def _plan_routes(router: APIRouter, services: RedTeamServices) -> None:
    @router.get("/plans", openapi_extra=READ)
    async def list_attack_plans(who: Principal = services.reads) -> PlanList:
        """Which assistants are attacked each night."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            names = {each.id: each.name for each in await list_assistants(connection)}
            return PlanList(plans=[_plan(plan, names[plan.assistant_id]) for plan in await list_plans(connection)])

    @router.put("/plans/{assistant}", openapi_extra=WRITE)
    async def set_attack_plan(assistant: AssistantName, body: PlanBody, who: Principal = services.writes) -> PlanShown:
        """Attack an assistant each night; canaries of the tenant that come out are counted as success."""
        check_cap(await services.plan(who, attack_tree("assistant", assistant, body.model_dump(), "red team")))
        limits = with_cost(Limits(), body.cost) if body.cost else Limits()
        async with services.database.tenant_tx(who.tenant_id) as connection:
            found = await find_assistant(connection, assistant)
            plan = NightPlan(
                assistant_id=found.id, person_id=who.person_id, at_minute=minute_of(body.at), categories=tuple(body.categories),
                languages=tuple(body.languages), mutators=tuple(body.mutators), attacks_max=body.limit, cost_nano=limits.cost_nano,
                currency=limits.currency, next_at=services.clock(),
            )  # fmt: skip
            zone = await own_time_zone(connection)
            return _plan(await put_plan(connection, who.tenant_id, plan, zone, services.clock()), assistant)

    @router.delete("/plans/{assistant}", openapi_extra=WRITE)
    async def drop_attack_plan(assistant: AssistantName, who: Principal = services.writes) -> Dropped:
        """Attack an assistant no more; what was found stays."""
        async with services.database.tenant_tx(who.tenant_id) as connection:
            found = await find_assistant(connection, assistant)
            await drop_plan(connection, who.tenant_id, found.id, who.person_id, services.clock())
        return Dropped()


def _tree(body: RunBody) -> dict[str, Any]:
    if (body.assistant is None) == (body.route is None):
        raise RequestError("Name one thing to attack.", "`assistant` or `route`.", code="bad_attack", param="assistant")
    attack = body.model_dump(exclude={"assistant", "route"})
    if body.assistant is not None:
        return attack_tree("assistant", body.assistant, attack, "red team")
    return attack_tree("route", str(body.route), attack, "red team")


async def _report(services: RedTeamServices, who: Principal, run_id: uuid.UUID, by: str) -> tuple[Report, RunShown]:
    async with services.database.tenant_tx(who.tenant_id) as connection:
        run = run_shown(await get_run(connection, run_id))
    report = Report(by)
    async for kept in results_of(services.database, services.keyring, who.tenant_id, run_id):
        report.add(kept.result)
    return report, run


def _group(row: Attacked) -> AttackedShown:
    plain = told(row)
    rate = plain["told"]
    shown = None if rate is None else RateShown(value=rate["value"], low=rate["low"], high=rate["high"])
    corrected = None if plain["corrected"] is None else RateShown(**plain["corrected"])
    return AttackedShown(**{**plain, "told": shown, "corrected": corrected})


def _detectors() -> list[DetectorShown]:
    shown = []
    for kind in get_args(DetectorKind):
        found = detector_of(kind)
        rates = (found.found, found.hits, found.cleared, found.others) if found else (None, None, None, None)
        shown.append(DetectorShown(kind=kind, found=rates[0], hits=rates[1], cleared=rates[2], others=rates[3]))
    return shown


def _plan(plan: NightPlan, assistant: str) -> PlanShown:
    return PlanShown(
        assistant=assistant, at=time_text(plan.at_minute), categories=list(plan.categories), languages=list(plan.languages),
        mutators=list(plan.mutators), limit=plan.attacks_max, cost=None if plan.cost_nano is None else decimal_text(plan.cost_nano),
        currency=plan.currency, next=plan.next_at,
    )  # fmt: skip

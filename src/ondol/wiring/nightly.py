"""The nightly evaluation, joined with the platform: a plan's suite is asked of what serves, through the gateway, in the name that the plan says."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ondol.application.assistant.store import list_assistants
from ondol.application.evaluation.gate import Rules, rules_of
from ondol.application.evaluation.golden.store import find_version, stale_items
from ondol.application.evaluation.nightly import Look, Night, NightlyRoom, Plan, get_plan, give_nightly_alarms, look_at, put_plan, run_due
from ondol.application.evaluation.nightly.types import Policy
from ondol.application.evaluation.runs import Ended, Run, carry_out, cases_of_run, get_run, measured
from ondol.application.evaluation.suites import GoldenCases, Suite, SuiteError, TargetSpec, parse_suite
from ondol.application.evaluation.types import Measured
from ondol.core.canonical import digest
from ondol.core.errors import NotFound
from ondol.infrastructure.access.people import find_person, list_tenants
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.releases import Release, find_release
from ondol.infrastructure.storage.postgres import Connection
from ondol.wiring.evaluating import EvaluationRoom
from ondol.wiring.evaluation_runs import Prepared, begin, prepare, running_of
from ondol.wiring.inside import open_inside
from ondol.wiring.platform import Platform
from ondol.wiring.stores import base_url


def suite_of_plan(text: str) -> Suite:
    """The suite of a plan.

    Raises:
        SuiteError: when it is not understood, asks no assistant, has cases of its own, or names nothing that decides; it names the field.
    """
    suite = parse_suite(text, name="nightly")
    if suite.target.kind != "assistant":
        raise SuiteError("target names no assistant.", "What is evaluated each night is what an assistant serves.", param="target")
    if not isinstance(suite.cases, GoldenCases):
        hint = "For example: cases: {golden: support-ko@3}. Its items are sealed, flagged when their documents change, and reached by erasure."
        raise SuiteError("cases is no golden set.", hint, param="cases")
    _number(suite.cases.version)
    rules_of(suite)
    return suite


async def plan_nights(
    platform: Platform, tenant: Tenant, assistant: str, text: str, runner: str, at_minute: int, policy: Policy, by: uuid.UUID | None = None
) -> Plan:
    """Let an assistant be evaluated each night.

    Raises:
        SuiteError: as `suite_of_plan` does.
        NotFound: when the tenant has no such assistant, person or golden set.
    """
    suite = suite_of_plan(text)
    assert isinstance(suite.cases, GoldenCases)  # noqa: S101 - it was looked at
    async with platform.database.tenant_tx(tenant.id) as connection:
        found = next((each for each in await list_assistants(connection) if each.name == assistant), None)
        if found is None or suite.target.name.removeprefix("assistant/") != assistant:
            told = f"The suite asks {suite.target.name[:100]}, and not the assistant {assistant[:100]}."
            raise NotFound(told, "Name the assistant that it asks.", param="target")
        await find_person(connection, platform.keyring, tenant.id, runner)
        await find_version(connection, suite.cases.name, _number(suite.cases.version))
        return await put_plan(
            connection,
            platform.keyring,
            tenant.id,
            found.id,
            suite=suite.card.name,
            text=text,
            runner=runner,
            at_minute=at_minute,
            policy=policy,
            time_zone=tenant.time_zone,
            now=platform.clock(),
            by=by,
        )


async def run_night(platform: Platform, tenant: Tenant, assistant_id: uuid.UUID) -> Look:
    """Evaluate an assistant now, as it would be tonight.

    Raises:
        NotFound: when it is not evaluated each night.
    """
    async with platform.database.tenant_tx(tenant.id) as connection:
        plan = await get_plan(connection, platform.keyring, tenant.id, assistant_id)
    return await look_at(nightly_room(platform), tenant.id, plan)


async def run_due_nights(platform: Platform) -> list[Look]:
    """Evaluate every assistant whose night has come, of all tenants."""
    zones = {tenant.id: tenant.time_zone for tenant in await list_tenants(platform.database)}
    return await run_due(nightly_room(platform), zones)


async def tell_of_nights(platform: Platform) -> int:
    """Tell people of what they have to know; of how many looks somebody was told."""
    slugs = {tenant.id: tenant.slug for tenant in await list_tenants(platform.database)}
    home = base_url(platform.settings)
    alarms = platform.settings.guard.alarms
    return await give_nightly_alarms(
        platform.database, alarms, slugs, lambda _slug, assistant: f"{home}/api/v1/evaluation/nightly/{assistant}", platform.clock
    )


def nightly_room(platform: Platform) -> NightlyRoom:
    """What a night works with."""
    nights = _Nights(platform)
    return NightlyRoom(platform.database, platform.keyring, platform.clock, nights.evaluate, nights.rules_of, nights.measured_of)


@dataclass(frozen=True, slots=True)
class _Nights:
    """The platform, as a night uses it."""

    platform: Platform

    def rules_of(self, plan: Plan) -> Rules:
        """The rules of a plan's suite."""
        return rules_of(suite_of_plan(plan.text))

    async def evaluate(self, tenant_id: uuid.UUID, plan: Plan) -> Night:
        """Ask the suite of what serves at this moment: of that release to the end, whatever goes live meanwhile."""
        platform, suite = self.platform, suite_of_plan(plan.text)
        [tenant] = [each for each in await list_tenants(platform.database) if each.id == tenant_id]
        async with platform.database.tenant_tx(tenant_id) as connection:
            live = await find_release(connection, plan.assistant_id, "live")
            stale = await _stale(suite, connection)
        asked = replace(suite, target=_pinned(suite, live))
        async with open_inside(platform) as inside:
            prepared = await prepare(EvaluationRoom(platform, inside, tenant, plan.runner), asked)
            run_id = await begin(prepared, {"text": plan.text}, None)
            ended = await carry_out(await running_of(prepared, run_id))
        return _night(run_id, live, prepared, ended, stale)

    async def measured_of(self, tenant_id: uuid.UUID, run_id: uuid.UUID) -> tuple[Sequence[Measured], bytes] | None:
        """What an earlier run measured."""
        platform = self.platform
        try:
            async with platform.database.tenant_tx(tenant_id) as connection:
                run: Run = await get_run(connection, run_id)
        except NotFound:
            return None
        found = await measured(cases_of_run(platform.database, platform.keyring, tenant_id, run_id), run.metrics)
        return found, run.suite_digest


def _pinned(suite: Suite, live: Release) -> TargetSpec:
    settings = {**suite.target.settings, "release": str(live.number)}
    return replace(suite.target, name=suite.target.name.removeprefix("assistant/"), settings=settings)


def _night(run_id: uuid.UUID, live: Release, prepared: Prepared, ended: Ended, stale: dict[str, str]) -> Night:
    digests = prepared.digests
    return Night(
        run_id=run_id,
        release_id=live.id,
        series=digest([digests.target, digests.suite]).hex(),
        suite_digest=bytes.fromhex(digests.suite),
        measured=ended.measured,
        stale=stale,
        hard_zero=tuple(metric.name for metric in prepared.metrics if metric.is_hard_zero),
        trouble=f"{ended.not_asked:,} of the questions were not asked. {ended.stopped}".strip() if ended.not_asked else "",
    )


async def _stale(suite: Suite, connection: Connection) -> dict[str, str]:
    assert isinstance(suite.cases, GoldenCases)  # noqa: S101 - a plan has no other
    _, version = await find_version(connection, suite.cases.name, _number(suite.cases.version))
    return await stale_items(connection, version)


def _number(version: str) -> int:
    if not (version.isascii() and version.isdecimal() and len(version) < 10):
        raise SuiteError(f"cases.golden: {version[:20]!r} is no version.", "For example: support-ko@3", param="cases.golden")
    return int(version)

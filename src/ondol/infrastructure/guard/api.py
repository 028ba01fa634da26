"""The guard's part of the admin API. A router only: who asks, and how errors look, is the business of whoever mounts it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import Field

from ondol.core.clock import Clock
from ondol.core.errors import RequestError, SettingsError
from ondol.infrastructure.access.route_roles import READ, READERS, WRITE, WRITERS, Body, RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.guard import canaries, incidents, store
from ondol.infrastructure.guard.conversation import Guards
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.dry_run import dry_run
from ondol.infrastructure.guard.incidents import IncidentKind, IncidentState
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.guard.policy import Policy, policy_from
from ondol.infrastructure.guard.registry import KNOWN
from ondol.infrastructure.guard.store import Scope
from ondol.infrastructure.guard.traffic import kept_since
from ondol.infrastructure.guard.trial import guards_of, try_text
from ondol.infrastructure.guard.types import Stage
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database

TEXT_CHARACTERS_MAX = 200_000
DRY_RUN_TEXTS_MAX = 20_000
HOURS_MAX = 24 * 90


@dataclass(frozen=True, slots=True)
class GuardServices(RoleGate):
    """What the routes work with.

    Attributes:
        principal: who sends a request, roles included; it was authenticated before.
        policies: for checks by the policy in force.
    """

    database: Database
    keyring: KeyRing
    clock: Clock
    policies: PolicyDirectory
    principal: Callable[[Request], Principal]

    def within(self, who: Principal) -> AbstractAsyncContextManager[Connection]:
        """A transaction of the caller's tenant."""
        return self.database.tenant_tx(who.tenant_id)


class CheckBody(Body):
    """A text to look at, by the policy in force for a place, or by one that comes along."""

    text: str = Field(max_length=TEXT_CHARACTERS_MAX)
    stage: Stage = "input"
    policy: dict[str, Any] | None = None
    model: str = ""
    assistant: str = ""
    base: str = ""
    key: uuid.UUID | None = None


class BindingBody(Body):
    """Where a policy holds."""

    policy: str
    scope: Scope = "tenant"
    target: str = ""


class ProposalBody(Body):
    """A change that is proposed because of an incident."""

    note: str = Field(default="", max_length=4_000)
    policy: dict[str, Any] | None = None


class NoteBody(Body):
    """What was done."""

    note: str


class SinceBody(Body):
    """How far back to look, in hours."""

    hours: int = Field(default=24, ge=1, le=HOURS_MAX)


class DryRunBody(SinceBody):
    """A policy to try."""

    policy: dict[str, Any]


class CanaryBody(Body):
    """Where a canary will stand."""

    purpose: str


def guard_router(services: GuardServices) -> APIRouter:
    """The routes below ``/guard``."""
    router = APIRouter(prefix="/guard", tags=["guard"])
    _check_routes(router, services)
    _policy_routes(router, services)
    _binding_routes(router, services)
    _incident_routes(router, services)
    _canary_routes(router, services)
    return router


def _check_routes(router: APIRouter, services: GuardServices) -> None:
    @router.post("/check", openapi_extra=WRITE)
    async def check(request: Request, body: CheckBody) -> dict[str, Any]:
        """Look at a text. Nothing of it is kept."""
        who = services.caller(request, WRITERS)
        if body.policy is not None:
            guards = await _guards(_policy(body.policy))
        else:
            guards = services.policies.guards_for(who.tenant_id, model=body.model, assistant=body.assistant, base=body.base, key_id=body.key)
        key = await services.policies.key_for(who.tenant_id)
        tried = await asyncio.to_thread(try_text, guards, body.stage, body.text, key)
        return {"policies": [policy.name for policy in guards.policies], **tried.plain()}

    @router.post("/dry-run", openapi_extra=WRITE)
    async def try_policy(request: Request, body: DryRunBody) -> dict[str, Any]:
        """Decide again, by another policy, about the masked texts that passed lately."""
        who = services.caller(request, WRITERS)
        async with services.within(who) as connection:
            return await _dry_run(services, connection, who, _policy(body.policy), body.hours)


def _policy_routes(router: APIRouter, services: GuardServices) -> None:
    @router.get("/policies", openapi_extra=READ)
    async def list_policies(request: Request) -> dict[str, Any]:
        """The newest version of every policy, the built-in one first."""
        who = services.caller(request, READERS)
        async with services.within(who) as connection:
            stored = await store.list_policies(connection)
        built_in = {"name": store.BUILT_IN, "version": None, "digest": default_policy().digest.hex(), "created_at": None, "created_by": None}
        return {"policies": [built_in, *(_shown_version(item.version) for item in stored)]}

    @router.get("/policies/{name}", openapi_extra=READ)
    async def get_policy(request: Request, name: str, version: int | None = Query(None, ge=1, le=2**31 - 1)) -> dict[str, Any]:
        """A policy with its content."""
        who = services.caller(request, READERS)
        if name == store.BUILT_IN:
            return {"name": name, "version": None, "digest": default_policy().digest.hex(), "policy": msgspec.to_builtins(default_policy())}
        async with services.within(who) as connection:
            stored = await store.get_policy(connection, name, version)
        return {**_shown_version(stored.version), "policy": msgspec.to_builtins(stored.policy)}

    @router.get("/policies/{name}/versions", openapi_extra=READ)
    async def list_versions(request: Request, name: str) -> dict[str, Any]:
        """The versions of a policy, the newest first."""
        who = services.caller(request, READERS)
        async with services.within(who) as connection:
            return {"versions": [_shown_version(item) for item in await store.list_versions(connection, name)]}

    @router.put("/policies/{name}", openapi_extra=WRITE)
    async def put_policy(request: Request, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Keep a policy: a new version, unless the newest one says the same."""
        who = services.caller(request, WRITERS)
        policy = _policy({"name": name, **body})
        if policy.name != name:
            raise RequestError("The policy has another name than the address.", "Use one name for both.", code="bad_policy_name", param="name")
        await _guards(policy)
        async with services.within(who) as connection:
            stored, new = await store.put_policy(connection, who.tenant_id, policy, by=who.person_id, now=services.clock(), known=KNOWN)
        return {**_shown_version(stored.version), "new": new}


def _binding_routes(router: APIRouter, services: GuardServices) -> None:
    @router.get("/bindings", openapi_extra=READ)
    async def list_bindings(request: Request) -> dict[str, Any]:
        """Where which policy holds."""
        who = services.caller(request, READERS)
        async with services.within(who) as connection:
            return {"bindings": [asdict(binding) for binding in await store.list_bindings(connection)]}

    @router.put("/bindings", openapi_extra=WRITE)
    async def put_binding(request: Request, body: BindingBody) -> dict[str, Any]:
        """Let a policy hold for a place."""
        who = services.caller(request, WRITERS)
        binding = store.Binding(body.scope, body.target, body.policy)
        async with services.within(who) as connection:
            return {"changed": await store.put_binding(connection, who.tenant_id, binding, by=who.person_id, now=services.clock())}

    @router.delete("/bindings", openapi_extra=WRITE)
    async def remove_binding(request: Request, scope: Scope, target: str = "") -> dict[str, Any]:
        """Take a place's policy away."""
        who = services.caller(request, WRITERS)
        async with services.within(who) as connection:
            await store.remove_binding(connection, who.tenant_id, scope, target, by=who.person_id, now=services.clock())
        return {"changed": True}


def _incident_routes(router: APIRouter, services: GuardServices) -> None:
    @router.get("/incidents", openapi_extra=READ)
    async def list_incidents(
        request: Request,
        state: IncidentState | None = None,
        kind: IncidentKind | None = None,
        before: uuid.UUID | None = None,
        limit: int = Query(50, ge=1, le=incidents.PAGE_MAX - 1),
    ) -> dict[str, Any]:
        """Incidents, the newest first. `next` is what to give as `before` for the next page."""
        who = services.caller(request, READERS)
        async with services.within(who) as connection:
            found = await incidents.list_incidents(
                connection, services.keyring, who.tenant_id, state=state, kind=kind, before=before, limit=limit + 1
            )
        return {"incidents": [_shown_incident(item) for item in found[:limit]], "next": found[limit - 1].id if len(found) > limit else None}

    @router.get("/incidents/{incident_id}", openapi_extra=READ)
    async def get_incident(request: Request, incident_id: uuid.UUID) -> dict[str, Any]:
        """One incident."""
        who = services.caller(request, READERS)
        async with services.within(who) as connection:
            return _shown_incident(await incidents.get_incident(connection, services.keyring, who.tenant_id, incident_id))

    @router.post("/incidents/{incident_id}/propose", openapi_extra=WRITE)
    async def propose(request: Request, incident_id: uuid.UUID, body: ProposalBody) -> dict[str, Any]:
        """Propose a changed policy, or another change in words."""
        who = services.caller(request, WRITERS)
        if not body.note and body.policy is None:
            raise RequestError("A proposal is a policy, a note, or both.", "Send `policy` or `note`.", code="empty_proposal")
        proposal: dict[str, Any] = {"note": body.note}
        if body.policy is not None:
            proposal["policy"] = msgspec.to_builtins(_policy(body.policy))
        async with services.within(who) as connection:
            await incidents.propose(connection, who.tenant_id, incident_id, proposal, by=who.person_id, now=services.clock())
            return _shown_incident(await incidents.get_incident(connection, services.keyring, who.tenant_id, incident_id))

    @router.post("/incidents/{incident_id}/measure", openapi_extra=WRITE)
    async def measure(request: Request, incident_id: uuid.UUID, body: SinceBody) -> dict[str, Any]:
        """Measure what the proposed policy would have changed, and keep the result."""
        who = services.caller(request, WRITERS)
        async with services.within(who) as connection:
            found = await incidents.get_incident(connection, services.keyring, who.tenant_id, incident_id)
            if not found.proposal or "policy" not in found.proposal:
                raise RequestError("No policy is proposed for this incident.", "Propose one first.", code="no_proposal")
            effect = await _dry_run(services, connection, who, _policy(found.proposal["policy"]), body.hours)
            await incidents.measure(connection, who.tenant_id, incident_id, effect, by=who.person_id, now=services.clock())
        return effect

    @router.post("/incidents/{incident_id}/close", openapi_extra=WRITE)
    async def close(request: Request, incident_id: uuid.UUID, body: NoteBody) -> dict[str, Any]:
        """Close an incident in the caller's name."""
        who = services.caller(request, WRITERS)
        async with services.within(who) as connection:
            await incidents.close_incident(
                connection, services.keyring, who.tenant_id, incident_id, body.note, by=who.person_id, now=services.clock()
            )
            return _shown_incident(await incidents.get_incident(connection, services.keyring, who.tenant_id, incident_id))


def _canary_routes(router: APIRouter, services: GuardServices) -> None:
    @router.get("/canaries", openapi_extra=READ)
    async def list_canaries(request: Request) -> dict[str, Any]:
        """Canaries; only who may add one sees its value."""
        who = services.caller(request, READERS)
        async with services.within(who) as connection:
            found = await canaries.list_canaries(connection, services.keyring, who.tenant_id)
        hidden = {} if who.roles & WRITERS else {"value": None}
        return {"canaries": [{**asdict(item), **hidden} for item in found]}

    @router.post("/canaries", openapi_extra=WRITE)
    async def add_canary(request: Request, body: CanaryBody) -> dict[str, Any]:
        """A new canary."""
        who = services.caller(request, WRITERS)
        async with services.within(who) as connection:
            added = await canaries.add_canary(connection, services.keyring, who.tenant_id, body.purpose, by=who.person_id, now=services.clock())
        return asdict(added)

    @router.post("/canaries/{canary_id}/retire", openapi_extra=WRITE)
    async def retire_canary(request: Request, canary_id: uuid.UUID) -> dict[str, Any]:
        """Look for a canary no longer."""
        who = services.caller(request, WRITERS)
        async with services.within(who) as connection:
            await canaries.retire_canary(connection, who.tenant_id, canary_id, by=who.person_id, now=services.clock())
        return {"changed": True}


async def _dry_run(services: GuardServices, connection: Connection, who: Principal, policy: Policy, hours: int) -> dict[str, Any]:
    now = services.clock()
    guards = await _guards(policy)
    kept = await kept_since(connection, services.keyring, who.tenant_id, now - timedelta(hours=hours), now, DRY_RUN_TEXTS_MAX)
    result = await asyncio.to_thread(dry_run, guards, kept)
    return result.plain()


def _policy(tree: Mapping[str, Any]) -> Policy:
    try:
        return policy_from(dict(tree), KNOWN)
    except SettingsError as error:
        raise RequestError(error.message, error.hint, code="bad_policy", param="policy") from error


async def _guards(policy: Policy) -> Guards:
    """Guards by a policy, made in a thread: compiling takes a while."""
    try:
        return await asyncio.to_thread(guards_of, policy)
    except (SettingsError, ValueError) as error:
        raise RequestError(str(error), getattr(error, "hint", ""), code="bad_policy", param="policy") from error


def _shown_version(version: store.PolicyVersion) -> dict[str, Any]:
    return {**asdict(version), "digest": version.digest.hex()}


def _shown_incident(incident: incidents.Incident) -> dict[str, Any]:
    return {**asdict(incident), "policy_digest": incident.policy_digest.hex()}

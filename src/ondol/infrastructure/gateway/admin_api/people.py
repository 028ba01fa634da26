"""People and services: who they are, which roles, groups and attributes they have, up to which class they read; shut out and let in again."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ondol.core.canonical import Json
from ondol.core.errors import Conflict, Forbidden
from ondol.infrastructure.access import granting, people
from ondol.infrastructure.access.attributes import ATTRIBUTES_OF_PERSON_MAX, Attribute
from ondol.infrastructure.access.people import LOGIN_CHARACTERS_MAX, NAME_CHARACTERS_MAX, NewPerson
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.rules import check_name, check_value
from ondol.infrastructure.access.sign_in import issue_one_time
from ondol.infrastructure.access.types import CustomerKind, Person, PersonKind, Principal, Role, SecurityClass
from ondol.infrastructure.gateway.admin_api.base import PAGE, PAGE_MAX, PRINTED, GatewayServices
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection

GROUPS_MAX = 1_000
GroupName = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=PRINTED)]
AttributeText = Annotated[
    str, Field(min_length=3, max_length=500, pattern=r"^[^=\x00-\x1f\x7f]+=[^\x00-\x1f\x7f]*$", description="For example department=sales.")
]


class PersonBody(Body):
    """Somebody who joins. What they are not said to have they do not have; without roles they are a member."""

    login: str = Field(min_length=1, max_length=LOGIN_CHARACTERS_MAX)
    name: str | None = Field(default=None, min_length=1, max_length=NAME_CHARACTERS_MAX)
    kind: PersonKind = "person"
    clearance: SecurityClass = "public"
    roles: list[Role] = Field(default=["member"], max_length=10)
    groups: list[GroupName] = Field(default=[], max_length=GROUPS_MAX)
    attributes: list[AttributeText] = Field(default=[], max_length=ATTRIBUTES_OF_PERSON_MAX)


class PersonChange(Body):
    """What changes; what is absent stays. Of roles, groups and attributes all are given: those that are not there are taken away."""

    name: str | None = Field(default=None, min_length=1, max_length=NAME_CHARACTERS_MAX)
    clearance: SecurityClass | None = None
    roles: list[Role] | None = Field(default=None, max_length=10)
    groups: list[GroupName] | None = Field(default=None, max_length=GROUPS_MAX)
    attributes: list[AttributeText] | None = Field(default=None, max_length=ATTRIBUTES_OF_PERSON_MAX)


class PersonShown(BaseModel):
    """A person or a service. Login and name are empty where they were erased."""

    id: uuid.UUID
    login: str
    name: str
    kind: PersonKind | CustomerKind
    clearance: SecurityClass
    roles: list[Role]
    groups: list[str]
    attributes: list[str]
    disabled_at: datetime | None


class Invitation(BaseModel):
    """A one-time sign-in, which is told this time only: whoever opens the path in the console sets the person's password and is signed in."""

    path: str = Field(description="To be put behind the console's address.")
    hours: int = Field(description="How long it is good for.")


class PeoplePage(BaseModel):
    """People, oldest first. `next` is what to give as `after` for the next page."""

    people: list[PersonShown]
    next: uuid.UUID | None


def people_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/people``."""
    router = APIRouter(prefix="/people", tags=["people"])
    _reading(router, services)
    _changing(router, services)
    return router


def _reading(router: APIRouter, services: GatewayServices) -> None:
    @router.get("", openapi_extra=READ)
    async def list_people(after: uuid.UUID | None = None, limit: int = Query(PAGE, ge=1, le=PAGE_MAX), who: Principal = services.reads) -> PeoplePage:
        """The tenant's people and services, those who are shut out too."""
        async with services.within(who) as connection:
            found = await people.list_people(connection, services.keyring, who.tenant_id, after=after, limit=limit + 1)
        return PeoplePage(people=[_shown(person) for person in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.get("/{person_id}", openapi_extra=READ)
    async def show_person(person_id: uuid.UUID, who: Principal = services.reads) -> PersonShown:
        """One of them."""
        async with services.within(who) as connection:
            return _shown(await people.get_person(connection, services.keyring, who.tenant_id, person_id))


def _changing(router: APIRouter, services: GatewayServices) -> None:
    @router.post("", openapi_extra=WRITE)
    async def add_person(body: PersonBody, who: Principal = services.writes) -> PersonShown:
        """Add somebody. Only an owner makes an owner, or gives a clearance above their own."""
        has = _attributes(body.attributes)
        new = NewPerson(body.login, body.name or body.login, body.kind, body.clearance, frozenset(body.roles), _names(body.groups), has)
        async with services.within(who) as connection:
            granting.check_may_grant(who, await _clearance(connection, services, who), None, new)
            person = await people.add_person(connection, services.keyring, who.tenant_id, new, services.clock())
            await _tell(connection, services, who, "person.added", person)
        return _shown(person)

    @router.patch("/{person_id}", openapi_extra=WRITE)
    async def change_person(person_id: uuid.UUID, body: PersonChange, who: Principal = services.writes) -> PersonShown:
        """Change what somebody is and may read. The next search knows of it. Nobody changes their own rights."""
        async with services.within(who) as connection:
            known = await people.get_person(connection, services.keyring, who.tenant_id, person_id)
            if known.kind == "customer":
                hint = "Change the groups of the widget, or what the site signs."
                raise Forbidden("What a customer may read is told by the site that they ask through.", hint, code="customer_of_a_site")
            new = NewPerson(
                known.login,
                body.name or known.name,
                known.kind,
                body.clearance or known.clearance,
                known.roles if body.roles is None else frozenset(body.roles),
                known.groups if body.groups is None else _names(body.groups),
                known.attributes if body.attributes is None else _attributes(body.attributes),
            )
            granting.check_may_grant(who, await _clearance(connection, services, who), known, new)
            person = await people.change_person(connection, services.keyring, known, new, services.clock(), actor_id=who.person_id)
            if "owner" in known.roles and "owner" not in person.roles:
                await granting.check_owner_left(connection)
            if (known.roles, known.clearance, known.groups, known.attributes) != (person.roles, person.clearance, person.groups, person.attributes):
                await _tell(connection, services, who, "person.rights_changed", person)
        return _shown(person)

    @router.post("/{person_id}/invite", openapi_extra=WRITE)
    async def invite_person(person_id: uuid.UUID, who: Principal = services.writes) -> Invitation:
        """Make a one-time sign-in, for somebody new or who forgot the password. The ledger notes who made it.

        Using it sets the password and ends the person's sessions. Only an owner invites an owner; services have keys, and sign in nowhere.
        """
        async with services.within(who) as connection:
            known = await people.get_person(connection, services.keyring, who.tenant_id, person_id)
            granting.check_may_manage(who, known)
            if known.kind != "person":
                raise Conflict("A service does not sign in.", "Make a key for it.", code="is_service")
            if known.disabled_at is not None:
                raise Conflict("This person is shut out.", "Let them in again first.", code="is_disabled")
            settings = services.sign_in()
            code = await issue_one_time(connection, settings, who.tenant_id, known.id, services.clock(), actor_id=who.person_id)
        return Invitation(path=f"/welcome?code={code}", hours=settings.one_time_hours)

    @router.post("/{person_id}/disable", openapi_extra=WRITE)
    async def disable_person(person_id: uuid.UUID, who: Principal = services.writes) -> PersonShown:
        """Shut somebody out: their sessions and keys stop working."""
        return await set_disabled(who, person_id, disabled=True)

    @router.post("/{person_id}/enable", openapi_extra=WRITE)
    async def enable_person(person_id: uuid.UUID, who: Principal = services.writes) -> PersonShown:
        """Let somebody in again."""
        return await set_disabled(who, person_id, disabled=False)

    async def set_disabled(who: Principal, person_id: uuid.UUID, *, disabled: bool) -> PersonShown:
        async with services.within(who) as connection:
            known = await people.get_person(connection, services.keyring, who.tenant_id, person_id)
            granting.check_may_manage(who, known)
            granting.check_not_oneself(who, known)
            await people.set_disabled(connection, known, disabled=disabled, now=services.clock(), actor_id=who.person_id)
            if disabled and "owner" in known.roles:
                await granting.check_owner_left(connection)
            return _shown(await people.get_person(connection, services.keyring, who.tenant_id, person_id))


async def _clearance(connection: Connection, services: GatewayServices, who: Principal) -> SecurityClass:
    return (await people.get_person(connection, services.keyring, who.tenant_id, who.person_id)).clearance


async def _tell(connection: Connection, services: GatewayServices, who: Principal, kind: str, person: Person) -> None:
    """Roles and classes are words of ours; what groups and attributes are called is not, and stays out of the ledger."""
    body: dict[str, Json] = {
        "person": person.id,
        "roles": sorted(person.roles),
        "clearance": person.clearance,
        "groups": len(person.groups),
        "attributes": len(person.attributes),
    }
    await record(connection, who.tenant_id, kind=kind, actor_id=who.person_id, body=body, now=services.clock())


def _names(said: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(said)))


def _attributes(said: Iterable[str]) -> tuple[Attribute, ...]:
    """Names and values, each once. Raises `RequestError` for what can be neither."""
    pairs = (text.partition("=") for text in said)
    return tuple(sorted({(check_name(name.strip()), check_value(value)) for name, _, value in pairs}))


def _shown(person: Person) -> PersonShown:
    told: dict[str, Any] = {name: getattr(person, name) for name in ("id", "login", "name", "kind", "clearance", "disabled_at")}
    attributes = [f"{name}={value}" for name, value in person.attributes]
    return PersonShown(**told, roles=sorted(person.roles), groups=list(person.groups), attributes=attributes)

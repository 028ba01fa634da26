"""Groups and attributes: what people belong to and have, by which documents name their readers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from ondol.core.canonical import Json
from ondol.infrastructure.access import attributes, granting, people
from ondol.infrastructure.access.people import NAME_CHARACTERS_MAX
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import PRINTED, GatewayServices
from ondol.infrastructure.ledger import record

MEMBERS_MAX = 1_000
VALUES_MAX = 1_000
GroupName = Annotated[str, Path(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=PRINTED)]
AttributeName = Annotated[str, Path(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=PRINTED)]
Member = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=PRINTED)]
Value = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=PRINTED)]


class GroupBody(Body):
    """The groups whose people belong to it too: all of them. Absent: as they are, none of a new group."""

    members: list[Member] | None = Field(default=None, max_length=MEMBERS_MAX)


class GroupShown(BaseModel):
    """A group, with the groups that are its members."""

    name: str
    members: list[str]


class GroupList(BaseModel):
    """Groups by name."""

    groups: list[GroupShown]


class AttributeBody(Body):
    """All values that it may have. What is gone is taken from the people who had it."""

    values: list[Value] = Field(max_length=VALUES_MAX)


class AttributeShown(BaseModel):
    """An attribute with its values."""

    name: str
    values: list[str]


class AttributeList(BaseModel):
    """Attributes by name."""

    attributes: list[AttributeShown]


def groups_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/groups``."""
    router = APIRouter(prefix="/groups", tags=["people"])

    @router.get("", openapi_extra=READ)
    async def list_groups(who: Principal = services.reads) -> GroupList:
        """The tenant's groups."""
        async with services.within(who) as connection:
            return GroupList(groups=[GroupShown(name=name, members=list(members)) for name, members in await people.list_groups(connection)])

    @router.put("/{name}", openapi_extra=WRITE)
    async def put_group(name: GroupName, body: GroupBody, who: Principal = services.writes) -> GroupShown:
        """Make a group, or say which groups are its members. Nobody puts a group of their own into one that they are not in."""
        async with services.within(who) as connection:
            before = await people.groups_of_person(connection, who.person_id)
            group_id = await people.ensure_group(connection, who.tenant_id, name, services.clock())
            if body.members is not None:
                await people.set_member_groups(connection, who.tenant_id, name, body.members)
            await granting.check_own_groups(connection, who.person_id, before)
            members = dict(await people.list_groups(connection))[name]
            told: dict[str, Json] = {"group": group_id, "members": len(members)}
            await record(connection, who.tenant_id, kind="group.put", actor_id=who.person_id, body=told, now=services.clock())
        return GroupShown(name=name, members=list(members))

    return router


def attributes_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/attributes``."""
    router = APIRouter(prefix="/attributes", tags=["people"])

    @router.get("", openapi_extra=READ)
    async def list_attributes(who: Principal = services.reads) -> AttributeList:
        """The tenant's attributes."""
        async with services.within(who) as connection:
            found = await attributes.list_attributes(connection)
        return AttributeList(attributes=[AttributeShown(name=name, values=list(values)) for name, values in found])

    @router.put("/{name}", openapi_extra=WRITE)
    async def put_attribute(name: AttributeName, body: AttributeBody, who: Principal = services.writes) -> AttributeShown:
        """Give an attribute exactly these values. A value that rules of documents ask for stays: then nothing changes."""
        async with services.within(who) as connection:
            await attributes.put_attribute(connection, who.tenant_id, name, body.values, services.clock())
            values = dict(await attributes.list_attributes(connection)).get(name, ())
            told: dict[str, Json] = {"values": len(values)}
            await record(connection, who.tenant_id, kind="attribute.put", actor_id=who.person_id, body=told, now=services.clock())
        return AttributeShown(name=name, values=list(values))

    return router

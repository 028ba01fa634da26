"""Who may read a document, as people say it: a class, groups, people and a rule over attributes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import RequestError
from ondol.infrastructure.access.attributes import clause_ids
from ondol.infrastructure.access.audiences import group_ids
from ondol.infrastructure.access.people import find_person
from ondol.infrastructure.access.rules import StatedRule, parse_rule
from ondol.infrastructure.access.types import AccessRule, SecurityClass
from ondol.infrastructure.storage.postgres import Connection


@dataclass(frozen=True, slots=True)
class Readers:
    """Readers as they are told.

    Attributes:
        people: logins.
        access: a rule such as ``department in (sales, support) and class <= internal``.
    """

    security_class: SecurityClass | None = None
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    access: str | None = None


def stated_rule(access: str | None, security_class: SecurityClass | None) -> StatedRule:
    """A rule, whose class may be told beside it too.

    Raises:
        RequestError: it cannot be read, or two classes are told.
    """
    stated = parse_rule(access) if access is not None else StatedRule()
    if security_class is None:
        return stated
    if stated.security_class not in (None, security_class):
        raise RequestError("Two classes are told.", "Tell the class beside the rule, or in it.", code="two_classes", param="access")
    return StatedRule(stated.clauses, security_class)


async def rule_of(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, readers: Readers) -> AccessRule:
    """The rule of these readers. What is not told is public, and for everybody.

    Raises:
        RequestError: a group or an attribute is unknown, the rule cannot be read, or two classes are told.
        NotFound: there is nobody of a login.
    """
    stated = stated_rule(readers.access, readers.security_class)
    groups = await group_ids(connection, readers.groups)
    people = [(await find_person(connection, room.keyring, tenant_id, login)).id for login in readers.people]
    clauses = await clause_ids(connection, stated.clauses)
    return AccessRule(stated.security_class or "public", frozenset(groups.values()), frozenset(people), clauses)

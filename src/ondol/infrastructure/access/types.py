"""Records of tenants, people, groups, keys and access rules."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from ondol.core.canonical import Json

Role = Literal["owner", "admin", "editor", "auditor", "member"]
SecurityClass = Literal["public", "internal", "confidential", "restricted"]
PersonKind = Literal["person", "service"]
CustomerKind = Literal["customer"]
"""Somebody who asks through a site of the tenant: told by that site, never invited or changed by hand."""

ROLES: tuple[Role, ...] = get_args(Role)
SECURITY_CLASSES: tuple[SecurityClass, ...] = get_args(SecurityClass)
"""In rising order: a person's clearance reads its own class and those before it."""


def class_rank(security_class: SecurityClass) -> int:
    """0 for public to 3 for restricted."""
    return SECURITY_CLASSES.index(security_class)


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organisation, whose rows nobody else sees."""

    id: uuid.UUID
    slug: str
    name: str
    time_zone: str
    currency: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, or a service, that may ask."""

    id: uuid.UUID
    tenant_id: uuid.UUID
    login: str
    name: str
    kind: PersonKind | CustomerKind
    clearance: SecurityClass
    roles: frozenset[Role]
    groups: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is acting: what a session or a key proves.

    Attributes:
        models: what the key may call; None for all that the tenant may.
        group_ids: the person's groups, nested ones included; told for keys only.
    """

    tenant_id: uuid.UUID
    person_id: uuid.UUID
    roles: frozenset[Role] = frozenset()
    api_key_id: uuid.UUID | None = None
    session_id: uuid.UUID | None = None
    models: tuple[str, ...] | None = None
    group_ids: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed; its secret is known only to whoever received it.

    Attributes:
        models: what it may call; None for all that the tenant may.
    """

    id: uuid.UUID
    tenant_id: uuid.UUID
    person_id: uuid.UUID
    public_id: str
    name: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    models: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AccessRule:
    """Who may read: whoever the class lets, is one of these groups or people (unless it is for everyone), and meets every clause.

    Attributes:
        clauses: of each, a reader has at least one value; ids of attributes' values.

    Raises:
        ValueError: never; `canonical` settles order and duplicates.
    """

    security_class: SecurityClass = "public"
    groups: frozenset[uuid.UUID] = field(default_factory=frozenset)
    people: frozenset[uuid.UUID] = field(default_factory=frozenset)
    clauses: frozenset[frozenset[uuid.UUID]] = field(default_factory=frozenset)

    @property
    def everyone(self) -> bool:
        """Whether groups and people do not matter."""
        return not self.groups and not self.people

    @property
    def needed_clauses(self) -> list[list[uuid.UUID]]:
        """The clauses in order, without those that another one implies: its values are among theirs.

        No clause denies anything, so the rule is a monotone formula, and its conjunctive normal form without implied clauses is the only one.
        """
        return sorted(sorted(clause) for clause in self.clauses if not any(other < clause for other in self.clauses))

    def canonical(self) -> dict[str, Json]:
        """The one form of this rule, over which its digest is taken. Clauses are in it where there are any."""
        plain: dict[str, Json] = {
            "class": self.security_class,
            "everyone": self.everyone,
            "groups": sorted(map(str, self.groups)),
            "people": sorted(map(str, self.people)),
        }
        clauses: list[Json] = [[str(value) for value in clause] for clause in self.needed_clauses]
        return {**plain, "attributes": clauses} if clauses else plain


@dataclass(frozen=True, slots=True)
class Visible:
    """What one person may read at one moment of the tenant's access epoch."""

    epoch: int
    audience_ids: frozenset[uuid.UUID]


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who reads an answer beside whoever asked, as groups: what is told to them, each of the groups may read.

    Attributes:
        clearance: the highest class of what they may read.
        reads_open: they read what is open to everybody of the tenant.
    """

    group_ids: frozenset[uuid.UUID]
    clearance: SecurityClass = "public"
    reads_open: bool = True

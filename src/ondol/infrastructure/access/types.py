"""Records of tenants, people, groups, keys and access rules."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

Role = Literal["owner", "admin", "editor", "auditor", "member"]
SecurityClass = Literal["public", "internal", "confidential", "restricted"]
PersonKind = Literal["person", "service"]

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
    kind: PersonKind
    clearance: SecurityClass
    roles: frozenset[Role]
    groups: tuple[str, ...] = ()


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
    """Who may read: up to a security class, and, unless for everyone, only these groups and people.

    Raises:
        ValueError: never; `canonical` settles order and duplicates.
    """

    security_class: SecurityClass = "public"
    groups: frozenset[uuid.UUID] = field(default_factory=frozenset)
    people: frozenset[uuid.UUID] = field(default_factory=frozenset)

    @property
    def everyone(self) -> bool:
        """Whether the class alone decides."""
        return not self.groups and not self.people

    def canonical(self) -> dict[str, str | bool | list[str]]:
        """The one form of this rule, over which its digest is taken."""
        return {
            "class": self.security_class,
            "everyone": self.everyone,
            "groups": sorted(map(str, self.groups)),
            "people": sorted(map(str, self.people)),
        }


@dataclass(frozen=True, slots=True)
class Visible:
    """What one person may read at one moment of the tenant's access epoch."""

    epoch: int
    audience_ids: frozenset[uuid.UUID]

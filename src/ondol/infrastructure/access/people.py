"""Tenants, people and groups. A login is looked up by its keyed hash, a name and a login are kept sealed under the person's own data key."""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg

from ondol.core.canonical import keyed_digest
from ondol.core.errors import Conflict, KeyDestroyed, NotFound, RequestError
from ondol.core.ids import new_id, new_person_id, new_tenant_id
from ondol.infrastructure.access.attributes import Attribute, set_attributes
from ondol.infrastructure.access.audiences import group_ids
from ondol.infrastructure.access.types import SECURITY_CLASSES, CustomerKind, Person, PersonKind, Role, SecurityClass, Tenant, class_rank
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

QUERIES = load_queries("ondol.infrastructure.access")

LOGIN_CHARACTERS_MAX = 200
NAME_CHARACTERS_MAX = 200
PAGE_MAX = 1000
_SLUG = re.compile(r"(?=.{1,63}\Z)[a-z0-9](-?[a-z0-9])*")


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What is said of a person who joins.

    Attributes:
        reads_open: whether they read what is open to everybody.
    """

    login: str
    name: str
    kind: PersonKind | CustomerKind = "person"
    clearance: SecurityClass = "public"
    roles: frozenset[Role] = frozenset({"member"})
    groups: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    reads_open: bool = True


async def create_tenant(
    database: Database, keyring: KeyRing, *, slug: str, name: str, time_zone: str = "Asia/Seoul", currency: str = "KRW", now: datetime
) -> Tenant:
    """A new tenant with its own key.

    Raises:
        Conflict: when the slug is taken.
        RequestError: when the slug is not lower-case letters, digits and single hyphens, or the name or time zone cannot be.
    """
    if not _SLUG.fullmatch(slug):
        raise RequestError(f"{slug!r} cannot name a tenant.", "Use lower-case letters, digits and single hyphens.", code="bad_slug")
    _check_name(name)
    _check_time_zone(time_zone)
    tenant = Tenant(new_tenant_id(), slug, name, time_zone, currency)
    keyring.create(KeyOwner(tenant.id, "tenant", tenant.id))
    values = {"id": tenant.id, "slug": slug, "name": name, "time_zone": time_zone, "currency": currency, "now": now}
    try:
        async with database.system_tx() as connection:
            await connection.execute(QUERIES["tenant_add"], values)
    except psycopg.errors.UniqueViolation:
        keyring.destroy(KeyOwner(tenant.id, "tenant", tenant.id))
        raise Conflict(f"There is a tenant called {slug} already.", "`ondol tenant list` shows all.", code="tenant_exists") from None
    return tenant


async def remove_tenant(database: Database, keyring: KeyRing, tenant_id: uuid.UUID) -> None:
    """Take back a tenant that holds nothing yet, because what was to come with it failed."""
    async with database.system_tx() as connection:
        await connection.execute(QUERIES["tenant_remove"], {"id": tenant_id})
    keyring.destroy(KeyOwner(tenant_id, "tenant", tenant_id))


async def find_tenant(database: Database, slug: str) -> Tenant:
    """The tenant of a slug.

    Raises:
        NotFound: when there is none.
    """
    found = None
    if _SLUG.fullmatch(slug):
        async with database.system_tx() as connection:
            found = await one(connection, QUERIES["tenant_by_slug"], {"slug": slug})
    if found is None:
        raise NotFound(f"There is no tenant called {slug}.", "`ondol tenant list` shows all.", code="tenant_not_found")
    return Tenant(**found)


async def list_tenants(database: Database) -> list[Tenant]:
    """Every tenant, by slug."""
    async with database.system_tx() as connection:
        return [Tenant(**row) for row in await rows(connection, QUERIES["tenants_all"], {})]


async def change_tenant(connection: Connection, *, name: str, time_zone: str, currency: str) -> None:
    """Change the name, the time zone and the currency of the transaction's tenant.

    Raises:
        RequestError: when the name is empty or too long, or the time zone is unknown.
    """
    _check_name(name)
    _check_time_zone(time_zone)
    await connection.execute(QUERIES["tenant_change"], {"name": name, "time_zone": time_zone, "currency": currency})


async def own_tenant(connection: Connection) -> Tenant:
    """The transaction's tenant."""
    [found] = await rows(connection, QUERIES["tenant_own"], {})
    return Tenant(**found)


async def own_time_zone(connection: Connection) -> str:
    """The time zone of the transaction's tenant."""
    found = await one(connection, QUERIES["tenant_time_zone"], {})
    return str(found["time_zone"]) if found is not None else "UTC"


def _check_time_zone(time_zone: str) -> None:
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RequestError(f"There is no time zone {time_zone!r}.", "Use a name such as Asia/Seoul or UTC.", code="bad_time_zone") from None


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX:
        raise RequestError(f"A name has 1 to {NAME_CHARACTERS_MAX} characters.", "Choose another one.", code="bad_name")


def login_hash(keyring: KeyRing, tenant_id: uuid.UUID, login: str) -> bytes:
    """The keyed hash by which a login is found: case and width of its characters do not matter."""
    key = keyring.get(KeyOwner(tenant_id, "tenant", tenant_id)).derive("login")
    return keyed_digest(key, "login", plain_login(login).encode())


def plain_login(login: str) -> str:
    """The form in which two logins are the same one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", login).casefold()).strip()


async def add_person(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, new: NewPerson, now: datetime) -> Person:
    """Add a person inside the caller's transaction.

    Raises:
        Conflict: when the login is taken.
        RequestError: when the login is empty or too long, or a group or an attribute is unknown.
    """
    if not new.login.strip() or len(new.login) > LOGIN_CHARACTERS_MAX:
        raise RequestError(f"A login has 1 to {LOGIN_CHARACTERS_MAX} characters.", "An e-mail address is usual.", code="bad_login")
    person_id = new_person_id()
    owner = KeyOwner(tenant_id, "subject", person_id)
    keyring.create(owner)
    values: dict[str, object] = {
        "tenant_id": tenant_id,
        "id": person_id,
        "login_hash": login_hash(keyring, tenant_id, new.login),
        "profile_sealed": _seal_profile(keyring, owner, new.login, new.name),
        "password_hash": None,
        "clearance": class_rank(new.clearance),
        "kind": new.kind,
        "reads_open": new.reads_open,
        "now": now,
    }
    try:
        async with connection.transaction():
            await connection.execute(QUERIES["person_add"], values)
    except psycopg.errors.UniqueViolation:
        keyring.destroy(owner)
        raise Conflict(f"There is somebody with the login {new.login} already.", "`ondol user list` shows all.", code="login_exists") from None
    await set_roles(connection, tenant_id, person_id, new.roles)
    await set_groups(connection, tenant_id, person_id, new.groups)
    await set_attributes(connection, tenant_id, person_id, new.attributes)
    groups, attributes = tuple(sorted(new.groups)), tuple(sorted(new.attributes))
    return Person(person_id, tenant_id, new.login, new.name, new.kind, new.clearance, new.roles, groups, attributes)


async def change_person(
    connection: Connection, keyring: KeyRing, person: Person, new: NewPerson, now: datetime, *, actor_id: uuid.UUID | None = None
) -> Person:
    """Bring a person's name, clearance, roles, groups and attributes to what is said; what is equal is left alone.

    Raises:
        RequestError: when a group or an attribute is unknown.
    """
    owner = KeyOwner(person.tenant_id, "subject", person.id)
    if new.name != person.name:
        sealed = _seal_profile(keyring, owner, person.login, new.name)
        await connection.execute(QUERIES["person_set_profile"], {"id": person.id, "profile_sealed": sealed})
    await connection.execute(QUERIES["person_set_clearance"], {"id": person.id, "clearance": class_rank(new.clearance)})
    if new.roles != person.roles:
        await set_roles(connection, person.tenant_id, person.id, new.roles)
    if tuple(sorted(new.groups)) != person.groups:
        await set_groups(connection, person.tenant_id, person.id, new.groups)
    if tuple(sorted(new.attributes)) != person.attributes:
        await set_attributes(connection, person.tenant_id, person.id, new.attributes)
    await record(connection, person.tenant_id, kind="person.changed", actor_id=actor_id, body={"person": person.id}, now=now)
    groups, attributes = tuple(sorted(new.groups)), tuple(sorted(new.attributes))
    return replace(person, name=new.name, clearance=new.clearance, roles=new.roles, groups=groups, attributes=attributes)


async def set_roles(connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, roles: Iterable[Role]) -> None:
    """Give exactly these roles."""
    values = {"tenant_id": tenant_id, "person_id": person_id, "roles": sorted(roles)}
    await connection.execute(QUERIES["roles_clear"], values)
    await connection.execute(QUERIES["roles_add"], values)


async def set_reads_open(connection: Connection, person_id: uuid.UUID, *, reads_open: bool) -> None:
    """Let a person read what is open to everybody, or only what is given to their groups."""
    await connection.execute(QUERIES["person_set_reads_open"], {"id": person_id, "reads_open": reads_open})


async def groups_of_person(connection: Connection, person_id: uuid.UUID) -> tuple[uuid.UUID, ...]:
    """The ids of the groups that a person belongs to, nested ones included."""
    return tuple(row["group_id"] for row in await rows(connection, QUERIES["groups_of_person"], {"person_id": person_id}))


async def set_groups(connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, names: Iterable[str]) -> None:
    """Put a person into exactly these groups."""
    found = await group_ids(connection, names)
    values = {"tenant_id": tenant_id, "person_id": person_id, "group_ids": sorted(found.values())}
    await connection.execute(QUERIES["group_people_set"], values)
    await connection.execute(QUERIES["group_people_add"], values)


async def set_disabled(connection: Connection, person: Person, *, disabled: bool, now: datetime, actor_id: uuid.UUID | None = None) -> None:
    """Shut a person out, so that their keys and sessions stop working, or let them in again."""
    await connection.execute(QUERIES["person_set_disabled"], {"id": person.id, "disabled_at": now if disabled else None})
    kind = "person.disabled" if disabled else "person.enabled"
    await record(connection, person.tenant_id, kind=kind, actor_id=actor_id, body={"person": person.id}, now=now)


async def ensure_group(connection: Connection, tenant_id: uuid.UUID, name: str, now: datetime) -> uuid.UUID:
    """The group of a name, made if absent.

    Raises:
        RequestError: when the name is empty or too long, or the time zone is unknown.
    """
    _check_name(name)
    await connection.execute(QUERIES["group_add"], {"tenant_id": tenant_id, "id": new_id(), "name": name, "now": now})
    return (await group_ids(connection, [name]))[name]


async def set_member_groups(connection: Connection, tenant_id: uuid.UUID, name: str, members: Iterable[str]) -> None:
    """Make exactly these groups members of a group: their people belong to it too."""
    found = await group_ids(connection, {name, *members})
    values = {"tenant_id": tenant_id, "group_id": found[name], "member_ids": sorted(found[member] for member in set(members) - {name})}
    await connection.execute(QUERIES["group_groups_set"], values)
    await connection.execute(QUERIES["group_groups_add"], values)


async def list_groups(connection: Connection) -> list[tuple[str, tuple[str, ...]]]:
    """Every group by name with the names of its member groups."""
    return [(row["name"], tuple(sorted(row["member_groups"]))) for row in await rows(connection, QUERIES["groups_all"], {})]


async def find_person(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, login: str) -> Person:
    """The person of a login.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["person_by_login"], {"login_hash": login_hash(keyring, tenant_id, login)})
    if found is None:
        raise NotFound(f"There is nobody with the login {login}.", "`ondol user list` shows all.", code="person_not_found")
    return _person(keyring, tenant_id, found)


async def get_person(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID) -> Person:
    """The person of an id.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["person_by_id"], {"id": person_id})
    if found is None:
        raise NotFound("There is no such person.", code="person_not_found")
    return _person(keyring, tenant_id, found)


async def list_people(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, *, after: uuid.UUID | None = None, limit: int = PAGE_MAX
) -> list[Person]:
    """People of the tenant, oldest first, from the one after `after`, at most `limit`."""
    values = {"after": after or uuid.UUID(int=0), "limit": limit}
    return [_person(keyring, tenant_id, row) for row in await rows(connection, QUERIES["people_page"], values)]


async def logins_of(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The logins of some people of the tenant; empty where the person's key is destroyed, none where there is no such person."""
    found = await rows(connection, QUERIES["profiles"], {"ids": list(ids)})
    return {row["id"]: _profile(keyring, tenant_id, row)["login"] for row in found}


def _seal_profile(keyring: KeyRing, owner: KeyOwner, login: str, name: str) -> bytes:
    profile = json.dumps({"login": login, "name": name}, ensure_ascii=False).encode()
    return seal_bytes(keyring.get(owner), profile, b"profile")


def _profile(keyring: KeyRing, tenant_id: uuid.UUID, row: dict[str, Any]) -> dict[str, str]:
    try:
        key = keyring.get(KeyOwner(tenant_id, "subject", row["id"]))
    except KeyDestroyed:
        return {"login": "", "name": ""}
    profile: dict[str, str] = json.loads(open_bytes(key, row["profile_sealed"], b"profile"))
    return profile


def _person(keyring: KeyRing, tenant_id: uuid.UUID, row: dict[str, Any]) -> Person:
    profile = _profile(keyring, tenant_id, row)
    return Person(
        id=row["id"],
        tenant_id=tenant_id,
        login=profile["login"],
        name=profile["name"],
        kind=row["kind"],
        clearance=SECURITY_CLASSES[row["clearance"]],
        roles=frozenset(row["roles"]),
        groups=tuple(sorted(row["groups"])),
        attributes=tuple(sorted(_attribute(text) for text in row["attributes"])),
        disabled_at=row["disabled_at"],
    )


def _attribute(text: str) -> Attribute:
    name, _, value = text.partition("=")
    return name, value

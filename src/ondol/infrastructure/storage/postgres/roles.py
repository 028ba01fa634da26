"""The roles of an installation and how their connection strings are made.

Roles belong to the whole server, databases do not: where several installations share a server, each has a role prefix of its own.

The app and system roles' passwords are derived from the owner's with HMAC-SHA-256, so that every process and every machine that knows the
owner's address finds the same ones, nothing more is stored, and the app role's password tells nothing of the owner's.
"""

from __future__ import annotations

import hashlib
import hmac

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ondol.core.errors import SettingsError
from ondol.infrastructure.storage.postgres.database import DatabaseAddresses, Roles

ROLE_PREFIX_DEFAULT = "ondol"
POSTGRES_VERSION_MIN = 160000


def role_names(prefix: str) -> Roles:
    """The roles of an installation with this `database.role_prefix`, whose form the settings check."""
    return Roles(app=f"{prefix}_app", system=f"{prefix}_system", keeper=f"{prefix}_keeper")


def addresses_from_owner(owner: str, role_prefix: str = ROLE_PREFIX_DEFAULT) -> DatabaseAddresses:
    """The three addresses from the owner's.

    Raises:
        SettingsError: when the address is malformed or carries no password.
    """
    try:
        parts = conninfo_to_dict(owner)
    except psycopg.ProgrammingError as error:
        raise SettingsError("database.url is not a Postgres address.", "postgresql://owner:password@host:5432/ondol") from error
    password = parts.get("password")
    if not password:
        raise SettingsError("database.url carries no password.", "The passwords of the app and system roles are derived from it.")
    roles = role_names(role_prefix)
    return DatabaseAddresses(
        owner=owner,
        app=make_conninfo(owner, user=roles.app, password=derive_password(str(password), roles.app)),
        system=make_conninfo(owner, user=roles.system, password=derive_password(str(password), roles.system)),
        roles=roles,
    )


def derive_password(owner_password: str, role: str) -> str:
    """A role's password: HMAC-SHA-256 of its name under the owner's password, in hexadecimal."""
    return hmac.new(owner_password.encode(), f"ondol role {role}".encode(), hashlib.sha256).hexdigest()


def ensure_roles(owner: psycopg.Connection[tuple[object, ...]], addresses: DatabaseAddresses) -> None:
    """Create the roles, or set their passwords anew. None may log in as superuser, own tables or pass row-level security.

    Raises:
        SettingsError: when the server is too old, the owner may not create roles, or a role is another installation's.
    """
    if owner.info.server_version < POSTGRES_VERSION_MIN:
        raise SettingsError(f"The Postgres server is version {owner.info.server_version // 10000}.", "Ondol needs version 16 or newer.")
    roles = addresses.roles
    way_out = (
        "Give this installation its own database.role_prefix (ONDOL_DATABASE_ROLE_PREFIX). Only where the other owner is used no more, as an"
        f" administrator: grant {roles.app}, {roles.system}, {roles.keeper} to <owner> with admin option"
    )
    for role, address in ((roles.app, addresses.app), (roles.system, addresses.system)):
        _ensure_role(owner, role, sql.SQL("login password {}").format(sql.Literal(str(conninfo_to_dict(address)["password"]))), way_out)
    _ensure_role(owner, roles.keeper, sql.SQL("nologin"), way_out)
    owner.execute(sql.SQL("grant {} to current_user with inherit true").format(sql.Identifier(roles.keeper)))


def _ensure_role(owner: psycopg.Connection[tuple[object, ...]], role: str, options: sql.Composable, way_out: str) -> None:
    known = owner.execute("select rolsuper or rolbypassrls from pg_roles where rolname = %s", (role,)).fetchone()
    if known and known[0]:
        raise SettingsError(f"The role {role} passes row-level security.", f"alter role {role} nosuperuser nobypassrls")
    statement = "alter role {} {}" if known else "create role {} nosuperuser nocreatedb nocreaterole nobypassrls {}"
    try:
        owner.execute(sql.SQL(statement).format(sql.Identifier(role), options))
    except psycopg.errors.InsufficientPrivilege as error:
        if known and _may_create_roles(owner):
            raise SettingsError(f"The role {role} was made by another owner on this Postgres server.", way_out) from error
        raise SettingsError("The role of database.url may not create roles.", "alter role <owner> createrole") from error


def _may_create_roles(owner: psycopg.Connection[tuple[object, ...]]) -> bool:
    return owner.execute("select 1 from pg_roles where rolname = current_user and rolcreaterole").fetchone() is not None

"""The three roles and how their connection strings are made.

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
from ondol.infrastructure.storage.postgres.database import DatabaseAddresses

APP_ROLE = "ondol_app"
SYSTEM_ROLE = "ondol_system"
POSTGRES_VERSION_MIN = 160000


def addresses_from_owner(owner: str) -> DatabaseAddresses:
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
    return DatabaseAddresses(
        owner=owner,
        app=make_conninfo(owner, user=APP_ROLE, password=derive_password(str(password), APP_ROLE)),
        system=make_conninfo(owner, user=SYSTEM_ROLE, password=derive_password(str(password), SYSTEM_ROLE)),
    )


def derive_password(owner_password: str, role: str) -> str:
    """A role's password: HMAC-SHA-256 of its name under the owner's password, in hexadecimal."""
    return hmac.new(owner_password.encode(), f"ondol role {role}".encode(), hashlib.sha256).hexdigest()


def ensure_roles(owner: psycopg.Connection[tuple[object, ...]], addresses: DatabaseAddresses) -> None:
    """Create the app and system roles, or set their passwords anew. Neither may log in as superuser, own tables or pass row-level security.

    Raises:
        SettingsError: when the server is too old or the owner may not create roles.
    """
    if owner.info.server_version < POSTGRES_VERSION_MIN:
        raise SettingsError(f"The Postgres server is version {owner.info.server_version // 10000}.", "Ondol needs version 16 or newer.")
    try:
        for role, address in ((APP_ROLE, addresses.app), (SYSTEM_ROLE, addresses.system)):
            known = owner.execute("select rolsuper or rolbypassrls from pg_roles where rolname = %s", (role,)).fetchone()
            if known and known[0]:
                raise SettingsError(f"The role {role} passes row-level security.", f"alter role {role} nosuperuser nobypassrls")
            statement = (
                "alter role {} login password {}" if known else "create role {} login nosuperuser nocreatedb nocreaterole nobypassrls password {}"
            )
            owner.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(str(conninfo_to_dict(address)["password"]))))
    except psycopg.errors.InsufficientPrivilege as error:
        raise SettingsError("The role of database.url may not create roles.", "alter role <owner> createrole") from error

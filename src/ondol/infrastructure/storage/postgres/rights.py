"""What the roles may do: `rights.sql`, run with this installation's role names.

No migration names a role, so a backup that one installation made can be restored into another one, whose roles are named otherwise.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import LiteralString

import psycopg

from ondol.infrastructure.storage.postgres.database import Roles

RECORD_TABLE = "ondol_migrations.rights"
"""Holds the checksum of the rights that hold here. A backup leaves its row out, since a restore brings no rights along."""


def rights_sql(roles: Roles) -> str:
    """`rights.sql` with the roles' names. They hold only lower-case letters, digits and underscores, so nothing needs quoting."""
    text = (resources.files("ondol.infrastructure.storage.postgres") / "rights.sql").read_text("utf-8")
    for place, name in (("{app}", roles.app), ("{system}", roles.system), ("{keeper}", roles.keeper)):
        text = text.replace(place, name)
    return text


def rights_checksum(roles: Roles) -> str:
    """SHA-256 of the rights as they are run."""
    return hashlib.sha256(rights_sql(roles).encode()).hexdigest()


def give_rights(owner: psycopg.Connection[tuple[object, ...]], roles: Roles) -> None:
    """Make the roles' rights and policies those of this version, unless they are already. All migrations have run."""
    with owner.transaction():
        owner.execute(
            "create table if not exists ondol_migrations.rights (only_row boolean primary key default true check (only_row),"
            " checksum text not null, given_at timestamptz not null)"
        )
        wanted = rights_checksum(roles)
        if owner.execute("select 1 from ondol_migrations.rights where checksum = %s", (wanted,)).fetchone():
            return
        owner.execute(_literal(rights_sql(roles)))
        owner.execute(
            "insert into ondol_migrations.rights (checksum, given_at) values (%s, now())"
            " on conflict (only_row) do update set checksum = excluded.checksum, given_at = excluded.given_at",
            (wanted,),
        )


def _literal(text: str) -> LiteralString:
    return text

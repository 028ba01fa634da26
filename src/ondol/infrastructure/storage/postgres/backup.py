"""Backup and restore of the database, by the owner's own policy: under forced row-level security a plain pg_dump fails."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ondol.core.errors import UserError
from ondol.infrastructure.storage.postgres.database import DatabaseAddresses
from ondol.infrastructure.storage.postgres.embedded import binaries_folder
from ondol.infrastructure.storage.postgres.rights import RECORD_TABLE
from ondol.infrastructure.storage.postgres.roles import ensure_roles

SCHEMAS = ("ondol", "ondol_migrations", "procrastinate")
SECONDS_MAX = 24 * 3600
POLICY_ENTRY = re.compile(r"\d+; \d+ \d+ POLICY ")
"""A policy in the list of a dump's contents. Those name roles, and `rights.sql` makes them anew."""
OLD_SERVER_MAJOR = 16
"""The wheel's `pginstall` without a number holds this version."""


def back_up(addresses: DatabaseAddresses, file: Path) -> None:
    """Dump all schemas of the platform into one compressed file.

    Raises:
        UserError: when pg_dump fails, with what it said.
    """
    chosen = [option for schema in SCHEMAS for option in ("--schema", schema)]
    options = ["--format=custom", "--enable-row-security", "--no-privileges", f"--exclude-table-data={RECORD_TABLE}"]
    _run("pg_dump", addresses.owner, [*options, "--file", str(file), *chosen])
    file.chmod(0o600)


def restore(addresses: DatabaseAddresses, file: Path, *, replace: bool) -> None:
    """Put a dump in the place of what the database holds. Nobody may reach it until `migrate`, which must follow, gives this installation's roles
    their rights: the dump's own rights and policies name the roles that it was made with, which may be absent here.

    Args:
        replace: also where the database holds tenants.

    Raises:
        UserError: when the database holds tenants and `replace` is not given, or pg_restore fails: the database is then as it was.
    """
    if not file.is_file():
        raise UserError(f"{file} is not there.", "Give the database.dump of a backup.")
    with psycopg.connect(addresses.owner, autocommit=True) as owner:
        ensure_roles(owner, addresses)
        finish_restore(owner)
        if not replace and _holds_tenants(owner):
            raise UserError("The database holds tenants.", "`--replace` puts the backup in their place.")
        with owner.transaction():
            for schema in SCHEMAS:
                aside = sql.Identifier(f"{schema}_replaced")
                if owner.execute("select 1 from pg_namespace where nspname = %s", (schema,)).fetchone():
                    owner.execute(sql.SQL("alter schema {} rename to {}").format(sql.Identifier(schema), aside))
        try:
            with tempfile.NamedTemporaryFile("w", prefix="ondol-restore-", encoding="utf-8") as chosen:
                listed = _run("pg_restore", addresses.owner, ["--list", str(file)], connects=False)
                chosen.writelines(line for line in listed.splitlines(keepends=True) if not POLICY_ENTRY.match(line))
                chosen.flush()
                options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", "--use-list", chosen.name]
                _run("pg_restore", addresses.owner, [*options, str(file)])
        finally:
            finish_restore(owner)


def finish_restore(owner: psycopg.Connection[Any]) -> None:
    """Bring a restore that was cut off to one of its two ends. Where none was, nothing happens.

    pg_restore works in one transaction: either all of the backup is there and what it replaced goes, or nothing is and that comes back.
    """
    with owner.transaction():
        known = {row[0] for row in owner.execute("select nspname from pg_namespace").fetchall()}
        arrived = any(schema in known for schema in SCHEMAS)
        for schema in SCHEMAS:
            aside = sql.Identifier(f"{schema}_replaced")
            if f"{schema}_replaced" not in known:
                continue
            if arrived:
                owner.execute(sql.SQL("drop schema {} cascade").format(aside))
            else:
                owner.execute(sql.SQL("alter schema {} rename to {}").format(aside, sql.Identifier(schema)))


def _holds_tenants(owner: psycopg.Connection[Any]) -> bool:
    if not owner.execute("select to_regclass('ondol.tenants')").fetchone()[0]:  # type: ignore[index]
        return False
    if not owner.execute("select 1 from pg_policy where polrelid = 'ondol.tenants'::regclass and polname = 'owner_rows'").fetchone():
        # A restore ended before `migrate`: there may be tenants, but nobody can see them.
        return True
    return owner.execute("select 1 from ondol.tenants limit 1").fetchone() is not None


def _run(program: str, address: str, options: list[str], *, connects: bool = True) -> str:
    """What the program printed. `connects` is False where it only reads a file."""
    parts = conninfo_to_dict(address)
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PGPASSWORD": str(parts.pop("password", ""))}
    places = [
        f"--{option}={parts[name]}"
        for name, option in (("host", "host"), ("port", "port"), ("user", "username"), ("dbname", "dbname"))
        if name in parts and connects
    ]
    done = subprocess.run(
        [_program(program, address), *places, *(["--no-password"] if connects else []), *options],
        env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()
        raise UserError(f"{program} failed: {reason[-1] if reason else 'no reason given'}", "Nothing was changed.")
    return done.stdout


def _program(name: str, address: str) -> str:
    """The bundled program that fits the server: pg_restore from 17 on sets what a server 16 does not know."""
    with psycopg.connect(address) as owner:
        major = owner.info.server_version // 10000
    newest = binaries_folder()
    oldest = newest.parents[1] / "pginstall" / "bin"
    bundled = (oldest if major == OLD_SERVER_MAJOR and (oldest / name).is_file() else newest) / name
    found = str(bundled) if bundled.is_file() else shutil.which(name)
    if found is None:
        raise UserError(f"{name} is not installed.", "Install PostgreSQL's client programs.")
    return found

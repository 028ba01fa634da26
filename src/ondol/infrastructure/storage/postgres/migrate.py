"""Plain numbered migrations, forward only, each in one transaction, run by the owner under an advisory lock.

procrastinate's own schema is migrated here too, in its schema `procrastinate`: on a fresh database its whole schema, later each of its
migration files that is not yet recorded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import LiteralString, cast

import psycopg
from psycopg.conninfo import make_conninfo

from ondol.core.errors import DataFolderError, OndolError, SettingsError
from ondol.infrastructure.storage.postgres.backup import finish_restore
from ondol.infrastructure.storage.postgres.database import DatabaseAddresses
from ondol.infrastructure.storage.postgres.rights import give_rights, rights_checksum
from ondol.infrastructure.storage.postgres.roles import ensure_roles

MIGRATION_LOCK = 0x0D01_0001
PARTITION_MONTHS_AHEAD = 3
PARTITIONED_TABLES = ("answers", "requests", "ledger_events", "guard_traffic", "request_contents", "turns")


_BIND_AND_FILL: LiteralString = """
create or replace function ondol.bind_to_tenant(tenant_table regclass) returns void
language plpgsql as $$
begin
    execute format('alter table %s enable row level security', tenant_table);
    execute format('alter table %s force row level security', tenant_table);
    execute format('create policy owner_rows on %s to current_user using (true) with check (true)', tenant_table);
end $$
"""
"""What the first migration made, with a policy for whoever migrates: without one, a migration cannot put rows of what was there before into a table
that it has bound. `rights.sql` makes the policy anew."""


class MigrationFailed(OndolError):
    """A migration did not run through; the database is as it was before it."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file: a migration that has run must never change."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All migrations of this version in order."""
    folder = resources.files("ondol.infrastructure.storage.postgres") / "migrations"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [Migration(int(entry.name[:4]), entry.name, entry.read_text("utf-8")) for entry in files]


def is_current(addresses: DatabaseAddresses, now: datetime | None = None) -> bool:
    """Whether nothing is left for `migrate` to do before work begins: what a warm start asks instead of migrating.

    That is: the app role can connect, every migration of ours and of procrastinate has run, the roles have their rights, and this month has its
    partitions, which nobody makes for an installation that was not running for some months.

    Args:
        now: the present, aware; the clock's when absent.
    """
    month = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m")
    try:
        with psycopg.connect(addresses.app, autocommit=True, connect_timeout=10) as connection:
            done = connection.execute("select number, checksum from ondol_migrations.done order by number").fetchall()
            jobs = {str(row[0]) for row in connection.execute("select name from ondol_migrations.done_jobs").fetchall()}
            rights = connection.execute("select checksum from ondol_migrations.rights").fetchall()
            names = [f"ondol.{table}_{month}" for table in PARTITIONED_TABLES]
            missing = connection.execute("select 1 from unnest(%s::text[]) as name where to_regclass(name) is null", (names,)).fetchall()
    except psycopg.Error:
        return False
    is_migrated = done == [(m.number, m.checksum) for m in migrations()] and jobs >= set(_job_files())
    return is_migrated and rights == [(rights_checksum(addresses.roles),)] and not missing


def migrate(addresses: DatabaseAddresses) -> list[str]:
    """Bring the database to this version and return the names of the migrations that ran.

    Raises:
        DataFolderError: when the database was written by a newer version, or a migration that has run was changed since.
        MigrationFailed: when one fails; everything before it stays.
        SettingsError: when the owner cannot connect or may not create roles, or the roles are another installation's.
    """
    owner_address = make_conninfo(addresses.owner, application_name="ondol migrate", connect_timeout=10)
    with _connect(owner_address) as owner:
        owner.execute("select pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        ensure_roles(owner, addresses)
        finish_restore(owner)
        done = _recorded(owner)
        known = migrations()
        _refuse_foreign(done, known)
        if done:
            owner.execute(_BIND_AND_FILL)
        ran = [_run(owner, migration) for migration in known if migration.number not in done]
        ran += _migrate_jobs(owner)
        _give_rights(owner, addresses)
        make_partitions(owner, datetime.now(UTC))
        return ran


def server_status(addresses: DatabaseAddresses) -> tuple[int, int, list[tuple[str, datetime]]]:
    """The server's version as Postgres numbers it, the database's size in bytes, and the migrations that ran with their times."""
    with psycopg.connect(addresses.owner, autocommit=True) as owner:
        size = owner.execute("select pg_database_size(current_database())").fetchone() or (0,)
        ran = owner.execute("select name, ran_at from ondol_migrations.done order by number").fetchall()
        return owner.info.server_version, int(size[0]), [(str(name), ran_at) for name, ran_at in ran]


def make_partitions(owner: psycopg.Connection[tuple[object, ...]], now: datetime) -> None:
    """Make this month's partitions and those of the next months."""
    for table in PARTITIONED_TABLES:
        owner.execute("select ondol.make_partitions(%s, %s, %s)", (table, now.date(), PARTITION_MONTHS_AHEAD + 1))


def _connect(owner_address: str) -> psycopg.Connection[tuple[object, ...]]:
    try:
        return psycopg.connect(owner_address, autocommit=True)
    except psycopg.OperationalError as error:
        raise SettingsError(f"Postgres cannot be reached as its owner: {str(error).strip()}", "Check database.url (ONDOL_DATABASE_URL).") from error


def _literal(text: str) -> LiteralString:
    return text


def _recorded(owner: psycopg.Connection[tuple[object, ...]]) -> dict[int, tuple[str, str]]:
    owner.execute("create schema if not exists ondol_migrations")
    owner.execute(
        "create table if not exists ondol_migrations.done"
        " (number integer primary key, name text not null, checksum text not null, ran_at timestamptz not null default now())"
    )
    owner.execute("create table if not exists ondol_migrations.done_jobs (name text primary key, ran_at timestamptz not null default now())")
    found = owner.execute("select number, name, checksum from ondol_migrations.done").fetchall()
    return {cast(int, number): (str(name), str(checksum)) for number, name, checksum in found}


def _refuse_foreign(done: dict[int, tuple[str, str]], known: list[Migration]) -> None:
    by_number = {migration.number: migration for migration in known}
    for number, (name, checksum) in sorted(done.items()):
        if number not in by_number:
            raise DataFolderError(
                f"The database has migration {name}, which this version does not know.", "Run the newer version of Ondol that made it."
            )
        if by_number[number].checksum != checksum:
            raise DataFolderError(f"Migration {name} has run here in another form.", "Restore the released file; migrations are never edited.")


def _run(owner: psycopg.Connection[tuple[object, ...]], migration: Migration) -> str:
    try:
        with owner.transaction():
            owner.execute(_literal(migration.sql))
            owner.execute(
                "insert into ondol_migrations.done (number, name, checksum) values (%s, %s, %s)",
                (migration.number, migration.name, migration.checksum),
            )
    except psycopg.Error as error:
        raise MigrationFailed(f"Migration {migration.name} failed: {error}", "The database is as it was before it.") from error
    return migration.name


def _give_rights(owner: psycopg.Connection[tuple[object, ...]], addresses: DatabaseAddresses) -> None:
    try:
        give_rights(owner, addresses.roles)
    except psycopg.Error as error:
        raise MigrationFailed(f"The roles cannot be given their rights: {error}", "They have those that they had before.") from error


def _migrate_jobs(owner: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    files = _job_files()
    done = {str(row[0]) for row in owner.execute("select name from ondol_migrations.done_jobs").fetchall()}
    missing = [name for name in files if name not in done]
    if not missing:
        return []
    try:
        _run_jobs_migrations(owner, [files[name] for name in missing] if done else [_job_schema()], missing)
    except psycopg.Error as error:
        raise MigrationFailed(f"procrastinate's migrations failed: {error}", "The jobs' schema is as it was before them.") from error
    return [f"procrastinate {name}" for name in missing]


def _job_files() -> dict[str, str]:
    """The texts of procrastinate's migrations by name, in order."""
    folder = resources.files("procrastinate.sql") / "migrations"
    return {entry.name: entry.read_text("utf-8") for entry in sorted(folder.iterdir(), key=lambda entry: entry.name) if entry.name.endswith(".sql")}


def _job_schema() -> str:
    return (resources.files("procrastinate.sql") / "schema.sql").read_text("utf-8")


def _run_jobs_migrations(owner: psycopg.Connection[tuple[object, ...]], texts: list[str], names: list[str]) -> None:
    with owner.transaction():
        owner.execute("create schema if not exists procrastinate")
        owner.execute("set local search_path to procrastinate")
        for text in texts:
            owner.execute(_literal(text))
        for name in names:
            owner.execute("insert into ondol_migrations.done_jobs (name) values (%s)", (name,))

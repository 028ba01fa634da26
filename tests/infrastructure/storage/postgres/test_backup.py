from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ondol.core.errors import UserError
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.infrastructure.storage.postgres.backup import SCHEMAS, back_up, restore
from ondol.infrastructure.storage.postgres.migrate import is_current, migrate
from tests.infrastructure.storage.postgres.rows import TENANT_ROWS, World, populate

pytestmark = pytest.mark.usefixtures("postgres_server")


def contents(addresses: DatabaseAddresses) -> dict[str, list[Any]]:
    with psycopg.connect(addresses.owner) as owner:
        return {
            table: owner.execute(sql.SQL("select t::text from ondol.{} t order by 1").format(sql.Identifier(table))).fetchall()
            for table in TENANT_ROWS
        }


def shape(addresses: DatabaseAddresses) -> list[Any]:
    """Policies, rights and forced row security: what a restore must not lose. An absent list of rights is the default one."""
    rights = "(select array_agg(a::text order by a::text) from unnest(coalesce({}, acldefault({}, {}))) a)"
    of_table = rights.format("relacl", """(case relkind when 'S' then 's' else 'r' end)::"char\"""", "relowner")
    of_function, of_schema = rights.format("proacl", "'f'", "proowner"), rights.format("nspacl", "'n'", "nspowner")
    with psycopg.connect(addresses.owner) as owner:
        return [
            owner.execute("select * from pg_policies where schemaname like 'ondol%' order by 1, 2, 3").fetchall(),
            owner.execute(
                f"select c.oid::regclass::text, relrowsecurity, relforcerowsecurity, {of_table}"
                " from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = any(%s) order by 1",
                (list(SCHEMAS),),
            ).fetchall(),
            owner.execute(
                f"select p.oid::regprocedure::text, {of_function} from pg_proc p join pg_namespace n on n.oid = pronamespace"
                " where nspname = any(%s) order by 1",
                (list(SCHEMAS),),
            ).fetchall(),
            owner.execute(f"select nspname, {of_schema} from pg_namespace where nspname !~ '^pg_' order by 1").fetchall(),
        ]


def add_tenant(addresses: DatabaseAddresses) -> World:
    world = World()
    with psycopg.connect(addresses.owner) as owner:
        populate(owner, world)
    return world


@pytest.fixture
def dump(addresses: DatabaseAddresses, tmp_path: Path) -> Path:
    """A backup with two tenants, after which a third one came."""
    for _ in range(2):
        add_tenant(addresses)
    back_up(addresses, tmp_path / "database.dump")
    add_tenant(addresses)
    return tmp_path / "database.dump"


def test_every_row_of_every_tenant_comes_back_bound_as_before(addresses: DatabaseAddresses, dump: Path) -> None:
    assert stat.S_IMODE(dump.stat().st_mode) == 0o600
    before = shape(addresses)
    with pytest.raises(UserError, match="holds tenants"):
        restore(addresses, dump, replace=False)
    assert {len(rows) for table, rows in contents(addresses).items() if table != "groups"} == {3}
    restore(addresses, dump, replace=True)
    assert not is_current(addresses), "a restore brings no rights along"
    with pytest.raises(UserError, match="holds tenants"):
        restore(addresses, dump, replace=False)
    assert migrate(addresses) == []
    found = contents(addresses)
    assert {table: len(rows) for table, rows in found.items()} == {table: 4 if table == "groups" else 2 for table in TENANT_ROWS}
    assert shape(addresses) == before
    assert is_current(addresses)
    with psycopg.connect(addresses.app) as app:
        assert app.execute("select from ondol.people").fetchall() == []


def test_an_empty_database_takes_a_backup_without_being_asked_twice(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    back_up(addresses, tmp_path / "empty.dump")
    restore(addresses, tmp_path / "empty.dump", replace=False)
    assert migrate(addresses) == []
    assert is_current(addresses)


@pytest.mark.parametrize("damage", ["cut", "noise", "missing"])
def test_a_restore_that_fails_leaves_everything_as_it_was(damage: str, addresses: DatabaseAddresses, dump: Path) -> None:
    before = contents(addresses), shape(addresses)
    if damage == "cut":
        dump.write_bytes(dump.read_bytes()[: dump.stat().st_size * 2 // 3])
    elif damage == "noise":
        dump.write_bytes(b"no dump at all" * 100)
    else:
        dump.unlink()
    with pytest.raises(UserError):
        restore(addresses, dump, replace=True)
    assert (contents(addresses), shape(addresses)) == before


@pytest.mark.parametrize("arrived", [False, True])
def test_a_restore_that_was_killed_is_brought_to_an_end_by_the_next_start(arrived: bool, addresses: DatabaseAddresses, dump: Path) -> None:
    before = shape(addresses)
    restore(addresses, dump, replace=True)
    migrate(addresses)
    wanted = contents(addresses)
    with psycopg.connect(addresses.owner, autocommit=True) as owner:
        if arrived:  # killed after pg_restore, before what it replaced went
            owner.execute("create schema ondol_replaced")
        else:  # killed before pg_restore committed
            for schema in SCHEMAS:
                owner.execute(sql.SQL("alter schema {} rename to {}").format(sql.Identifier(schema), sql.Identifier(f"{schema}_replaced")))
    assert is_current(addresses) is arrived
    assert migrate(addresses) == []
    assert (contents(addresses), shape(addresses)) == (wanted, before)


def test_what_pg_dump_says_is_told(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="pg_dump failed"):
        back_up(addresses, tmp_path / "not there" / "database.dump")

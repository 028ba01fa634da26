"""What each role may see and do, asked as that role over every table that there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses
from ondol.infrastructure.storage.postgres.migrate import PARTITIONED_TABLES
from tests.infrastructure.storage.postgres.rows import TENANT_ROWS, WITHOUT_TENANT, World, insert, populate, row_of, tenant_column

Session = psycopg.Connection[tuple[Any, ...]]

SYSTEM_PRIVILEGES = {
    "tenants": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "people": {"SELECT", "UPDATE"},
    "person_roles": {"SELECT"},
    "api_keys": {"SELECT"},
    "sessions": {"SELECT", "UPDATE (last_used_at)", "DELETE"},
    "one_time_codes": {"SELECT", "UPDATE", "DELETE"},
    "sign_in_failures": {"SELECT", "INSERT", "DELETE"},
    "key_revision": {"SELECT"},
    "ledger_events": {
        "SELECT",
        "UPDATE (batch)",
        "UPDATE (place)",
        *(f"INSERT ({column})" for column in ("tenant_id", "id", "kind", "actor_id", "body", "digest", "created_at")),
    },
    "requests": {"SELECT (tenant_id)", "SELECT (id)", "INSERT"},
    "request_hours": {"SELECT", "INSERT", "UPDATE"},
    "request_model_hours": {"SELECT", "INSERT", "UPDATE"},
    "request_speeds": {"SELECT", "INSERT", "UPDATE"},
    "request_contents": {"SELECT (tenant_id)", "SELECT (id)", "SELECT (keep_until)", "DELETE"},
    "ledger_batches": {"SELECT", "INSERT"},
    "tombstones": {"SELECT"},
    "erasures": {"SELECT"},
    "erasure_items": {"SELECT"},
    "erasure_revision": {"SELECT"},
    "guard_policies": {"SELECT"},
    "guard_bindings": {"SELECT"},
    "guard_canaries": {"SELECT"},
    "guard_texts": {"SELECT"},
    "guard_revision": {"SELECT"},
    "guard_incidents": {"SELECT"},
    "nightly_plans": {"SELECT"},
    "nightly_looks": {"SELECT"},
    "evaluation_runs": {"SELECT"},
    "red_team_plans": {"SELECT"},
    "guard_tokens": {"SELECT (tenant_id)", "SELECT (id)", "SELECT (expires_at)", "DELETE"},
    "guard_traffic": {"SELECT (tenant_id)", "SELECT (id)", "SELECT (keep_until)", "DELETE"},
    "guard_approvals": {"SELECT (tenant_id)", "SELECT (id)", "SELECT (expires_at)", "DELETE"},
    "uploads": {"SELECT (tenant_id)", "SELECT (id)", "SELECT (state)", "SELECT (ended_at)", "DELETE"},
    "threads": {"SELECT (tenant_id)", "SELECT (id)", "SELECT (deleted_at)", "DELETE"},
    "attachments": {"SELECT (tenant_id)", "SELECT (id)", "SELECT (state)"},
    "answer_streams": {"SELECT (tenant_id)", "SELECT (id)", "SELECT (lease_until)", "DELETE"},
    "idempotency_keys": {"SELECT (tenant_id)", "SELECT (id)", "SELECT (keep_until)", "DELETE"},
    "group_people": {"SELECT"},
    "group_groups": {"SELECT"},
    "widgets": {"SELECT"},
    "widget_visits": {"SELECT"},
    "bots": {"SELECT"},
    "bases": {"SELECT"},
    "assistants": {"SELECT"},
    "releases": {"SELECT"},
    "providers": {"SELECT"},
    "models": {"SELECT"},
    "model_targets": {"SELECT"},
    "gateway_settings": {"SELECT"},
    "serving_revision": {"SELECT"},
    "limits": {"SELECT", "UPDATE (changed_at)"},
    "budgets": {"SELECT", "UPDATE (changed_at)"},
    "prices": {"SELECT"},
    "limit_revision": {"SELECT"},
    "limit_replicas": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "limit_pools": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "limit_leases": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "limit_replays": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "budget_alarms": {"SELECT", "INSERT", "UPDATE", "DELETE"},
}


@pytest.fixture(scope="module")
def worlds(module_addresses: DatabaseAddresses) -> tuple[World, World]:
    """Two tenants with a row in every table."""
    both = (World(), World())
    with psycopg.connect(module_addresses.owner) as owner:
        for world in both:
            populate(owner, world)
    return both


@pytest.fixture
def app(module_addresses: DatabaseAddresses) -> Iterator[Session]:
    """The app role in a transaction that is rolled back."""
    with psycopg.connect(module_addresses.app) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def owner(module_addresses: DatabaseAddresses) -> Iterator[Session]:
    with psycopg.connect(module_addresses.owner) as connection:
        yield connection
        connection.rollback()


def act_for(connection: Session, world: World) -> None:
    connection.execute("select set_config('ondol.tenant_id', %s, true)", (str(world.tenant_id),))


def tables(owner: Session) -> dict[str, tuple[bool, bool, bool]]:
    """Every table and partition: whether row security is on, whether it is forced, whether it is a partition."""
    found = owner.execute(
        "select relname, relrowsecurity, relforcerowsecurity, relispartition from pg_class"
        " where relnamespace = 'ondol'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')"
    ).fetchall()
    return {name: (on, forced, partition) for name, on, forced, partition in found}


def privileges(owner: Session, role: str) -> dict[str, set[str]]:
    """What a role, or everybody, was granted on each table, whole and by column."""
    found: dict[str, set[str]] = {}
    rows = owner.execute(
        "select c.relname, a.privilege_type from pg_class c, aclexplode(c.relacl) a where c.relnamespace = 'ondol'::regnamespace"
        " and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and a.grantee in (0, %(role)s::regrole)"
        " union select c.relname, a.privilege_type || ' (' || t.attname || ')' from pg_class c join pg_attribute t on t.attrelid = c.oid,"
        " aclexplode(t.attacl) a where c.relnamespace = 'ondol'::regnamespace and a.grantee in (0, %(role)s::regrole)",
        {"role": role},
    ).fetchall()
    for table, privilege in rows:
        found.setdefault(table, set()).add(privilege)
    return found


def test_every_table_is_bound_to_a_tenant_or_named_as_one_without(owner: Session) -> None:
    found = tables(owner)
    whole = {name for name, (_, _, partition) in found.items() if not partition}
    assert whole == set(TENANT_ROWS) | set(WITHOUT_TENANT), "a new table needs a row in rows.py"
    assert {name for name, (on, forced, _) in found.items() if not (on and forced)} == set(WITHOUT_TENANT)
    policies = owner.execute("select tablename, policyname, roles::text[], permissive, cmd, qual, with_check from pg_policies").fetchall()
    for table in TENANT_ROWS:
        [(permissive, command, seen, written)] = [row[3:] for row in policies if row[0] == table and row[2] == ["ondol_app"]]
        assert (permissive, command) == ("PERMISSIVE", "ALL")
        assert seen == written
        assert seen.startswith(f"({tenant_column(table)} = ( SELECT (NULLIF(current_setting('ondol.tenant_id'::text, true), ''::text))::uuid"), table
    partitions = {name for name, (_, _, partition) in found.items() if partition}
    assert {tuple(row[2]) for row in policies if row[0] in partitions or row[1] == "owner_rows"} == {("ondol_keeper",)}
    assert not any("public" in row[2] for row in policies)


def test_the_roles_have_the_privileges_that_were_given_and_no_others(owner: Session) -> None:
    assert privileges(owner, "ondol_system") == SYSTEM_PRIVILEGES
    app = privileges(owner, "ondol_app")
    assert set(app) == (set(TENANT_ROWS) | {"key_revision", "ledger_batches"})
    assert app["ledger_batches"] == app["key_revision"] == {"SELECT"}
    assert {p.partition(" ")[0] for granted in app.values() for p in granted} <= {"SELECT", "INSERT", "UPDATE", "DELETE"}
    for kept in ("answers", "requests", "ledger_events", "artefacts", "artefact_links", "tombstones", "guard_policies", "verdicts"):
        emptied = {"UPDATE (content_sealed)"} if kept == "answers" else set()
        assert {p for p in app[kept] if p.startswith(("UPDATE", "DELETE"))} == emptied, f"{kept} can be rewritten"
    roles = owner.execute(
        "select rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication from pg_roles where rolname like 'ondol\\_%'"
    ).fetchall()
    assert {row[0]: row[1:] for row in roles if row[0] != "ondol_root"} == {
        "ondol_owner": (False, False, False, True, False),
        "ondol_app": (False, False, False, False, False),
        "ondol_system": (False, False, False, False, False),
        "ondol_keeper": (False, False, False, False, False),
    }
    assert owner.execute("select rolcanlogin from pg_roles where rolname = 'ondol_keeper'").fetchall() == [(False,)]
    assert owner.execute("select count(*) from pg_auth_members where member in ('ondol_app'::regrole, 'ondol_system'::regrole)").fetchall() == [(0,)]


@pytest.mark.parametrize("table", TENANT_ROWS)
def test_a_tenant_sees_and_changes_its_own_rows_only(table: str, app: Session, owner: Session, worlds: tuple[World, World]) -> None:
    mine, theirs = worlds
    granted = {p.partition(" ")[0] for p in privileges(owner, "ondol_app")[table] if not p.startswith("UPDATE (")}
    target, column = sql.Identifier("ondol", table), sql.Identifier(tenant_column(table))

    def run(statement: str, *values: object) -> int:
        try:
            with app.transaction(force_rollback=True):
                return app.execute(sql.SQL(statement).format(target, column), values).rowcount
        except psycopg.errors.ForeignKeyViolation:
            return -1  # the row was reached, and another one still points to it

    count = 2 if table == "groups" else 1
    assert run("select from {0} where {1} is not null") == 0, "without a tenant nothing is seen"
    act_for(app, mine)
    found = app.execute(sql.SQL("select distinct {1} from {0}").format(target, column)).fetchall()
    assert found == [(mine.tenant_id,)]
    if "UPDATE" in granted:
        assert run("update {0} set {1} = {1}") in (count, -1)
        assert run("update {0} set {1} = {1} where {1} = %s", theirs.tenant_id) == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run("update {0} set {1} = %s", theirs.tenant_id)
    if "DELETE" in granted:
        assert run("delete from {0} where {1} = %s", theirs.tenant_id) == 0
        assert run("delete from {0}") in (count, -1)
    if "INSERT" in granted:
        row = row_of(theirs, table)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"), app.transaction():
            insert(app, table, row)


def test_the_system_role_reaches_only_what_is_open_to_it(module_addresses: DatabaseAddresses, worlds: tuple[World, World]) -> None:
    with psycopg.connect(module_addresses.system, autocommit=True) as system:
        for table in TENANT_ROWS:
            question = sql.SQL("select count(distinct {}) from ondol.{}").format(sql.Identifier(tenant_column(table)), sql.Identifier(table))
            if table in SYSTEM_PRIVILEGES:
                assert system.execute(question).fetchall() == [(len(worlds),)], table
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    system.execute(question)


def test_the_owner_reaches_every_row(owner: Session, worlds: tuple[World, World]) -> None:
    for table in TENANT_ROWS:
        name, column = sql.Identifier(table), sql.Identifier(tenant_column(table))
        changed = owner.execute(sql.SQL("update ondol.{0} set {1} = {1}").format(name, column)).rowcount
        assert changed == (2 if table == "groups" else 1) * len(worlds), table


FORBIDDEN = [
    "set role ondol_owner",
    "set session authorization ondol_owner",
    "create table ondol.mine (id int)",
    "create table public.mine (id int)",
    "create schema mine",
    "create role mine",
    "alter table ondol.people disable row level security",
    "alter table ondol.people no force row level security",
    "drop policy tenant_rows on ondol.people",
    "create policy mine on ondol.people using (true)",
    "truncate ondol.people",
    "select ondol.bind_to_tenant('ondol.people')",
    "set role ondol_keeper",
    "update ondol_migrations.rights set checksum = ''",
    "update ondol.key_revision set revision = 0",
    "insert into ondol_migrations.done (number, name, checksum) values (9, 'x', 'x')",
    "copy (select 1) to program 'true'",
    "select pg_read_file('/etc/passwd')",
    "select passwd from pg_shadow",
    "alter role ondol_app bypassrls",
]


@pytest.mark.parametrize("statement", [*FORBIDDEN, "set role ondol_system", "select ondol.make_partitions('answers', current_date, 1)"])
def test_the_app_role_cannot_step_out(statement: str, app: Session) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement)


@pytest.mark.parametrize("statement", [*FORBIDDEN, "set role ondol_app"])
def test_the_system_role_cannot_either(statement: str, module_addresses: DatabaseAddresses) -> None:
    with psycopg.connect(module_addresses.system) as system, pytest.raises(psycopg.errors.InsufficientPrivilege):
        system.execute(statement)


def test_rows_cannot_be_read_past_their_parent(module_addresses: DatabaseAddresses, owner: Session) -> None:
    partitions = [name for name, (_, _, partition) in tables(owner).items() if partition]
    assert {name.rpartition("_")[0] for name in partitions} == set(PARTITIONED_TABLES)
    for address in (module_addresses.app, module_addresses.system):
        with psycopg.connect(address, autocommit=True) as connection:
            for partition in partitions:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(sql.SQL("select from ondol.{}").format(sql.Identifier(partition)))


def test_row_security_cannot_be_switched_off(app: Session, worlds: tuple[World, World]) -> None:
    app.execute("set row_security = off")
    act_for(app, worlds[0])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("select from ondol.people")


@pytest.mark.anyio
async def test_a_tenant_set_for_a_session_does_not_reach_the_next_transaction(
    module_addresses: DatabaseAddresses, worlds: tuple[World, World], anyio_backend: str
) -> None:
    mine, theirs = worlds
    database = Database(module_addresses, pool_max=1)
    try:
        async with database.tenant_tx(mine.tenant_id) as connection:
            process = connection.info.backend_pid
            await connection.execute("select set_config('ondol.tenant_id', %s, false)", (str(theirs.tenant_id),))
        async with database.tenant_tx(mine.tenant_id) as connection:
            assert connection.info.backend_pid == process
            seen = await (await connection.execute("select id from tenants")).fetchall()
        assert seen == [{"id": mine.tenant_id}]
    finally:
        await database.close()

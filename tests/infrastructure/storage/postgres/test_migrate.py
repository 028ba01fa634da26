from __future__ import annotations

import asyncio
import itertools
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ondol.core.errors import DataFolderError, SettingsError
from ondol.core.ids import first_id_at, new_id
from ondol.infrastructure.jobs import create_job_app, run_jobs
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses
from ondol.infrastructure.storage.postgres import migrate as module
from ondol.infrastructure.storage.postgres.care import make_partitions_ahead
from ondol.infrastructure.storage.postgres.embedded import EmbeddedPostgres
from ondol.infrastructure.storage.postgres.migrate import Migration, MigrationFailed, is_current, make_partitions, migrate, migrations
from ondol.infrastructure.storage.postgres.roles import addresses_from_owner
from tests.infrastructure.storage.postgres.rows import World, insert, row_of

Rows = list[tuple[Any, ...]]


def ask(address: str, question: str, *values: object) -> Rows:
    with psycopg.connect(address, autocommit=True) as connection:
        return connection.execute(question, values).fetchall()


@pytest.fixture
def empty(postgres_server: EmbeddedPostgres, administer: Callable[[str], None]) -> Iterator[DatabaseAddresses]:
    """A database in which nothing has run."""
    name = f"empty_{new_id().hex}"
    administer(f'create database "{name}" owner ondol_owner')
    yield addresses_from_owner(make_conninfo(postgres_server.owner_address(), dbname=name))
    administer(f'drop database "{name}" with (force)')


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes `migrate` believe that these are all migrations of this version."""

    def believe(*wanted: Migration) -> None:
        monkeypatch.setattr(module, "migrations", lambda: list(wanted))

    return believe


def test_two_at_once_migrate_once_and_the_next_finds_nothing_to_do(empty: DatabaseAddresses) -> None:
    assert not is_current(empty)
    ran: list[list[str]] = []
    both = [threading.Thread(target=lambda: ran.append(migrate(empty))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    first, second = sorted(ran)
    assert first == []
    assert second[: len(migrations())] == [migration.name for migration in migrations()]
    assert is_current(empty)
    assert migrate(empty) == []


def test_a_failing_migration_leaves_the_database_as_it_was(addresses: DatabaseAddresses, known: Callable[..., None]) -> None:
    broken = Migration(9999, "9999_broken.sql", "create table ondol.half (id int); select 1 / 0;")
    known(*migrations(), broken)
    with pytest.raises(MigrationFailed, match=r"9999_broken\.sql"):
        migrate(addresses)
    assert ask(addresses.owner, "select to_regclass('ondol.half') is null, (select count(*) from ondol_migrations.done where number = 9999)") == [
        (True, 0)
    ]
    known(*migrations())
    assert is_current(addresses)


def test_what_was_there_before_is_put_into_the_tables_that_a_migration_binds(empty: DatabaseAddresses, known: Callable[..., None]) -> None:
    sums = next(migration for migration in migrations() if migration.name == "0030_request_hours.sql")
    known(*[migration for migration in migrations() if migration.number < sums.number])
    with pytest.raises(MigrationFailed, match="rights"):
        migrate(empty)  # today's rights name tables of later migrations
    with psycopg.connect(empty.owner, autocommit=True) as owner:
        bound = "select c.relname from pg_class c where c.relnamespace = 'ondol'::regnamespace and c.relrowsecurity"
        for (table,) in owner.execute(bound).fetchall():
            policy = sql.SQL("create policy owner_rows on ondol.{} to current_user using (true) with check (true)")
            owner.execute(policy.format(sql.Identifier(table)))
        make_partitions(owner, datetime.now(UTC))
        world = World()
        for table in ("tenants", "people", "requests"):
            insert(owner, table, row_of(world, table))
    known(*migrations())
    migrate(empty)
    assert ask(empty.owner, "select requests, model from ondol.request_hours") == [(1, "m")]
    assert ask(empty.owner, "select requests, model from ondol.request_model_hours") == [(1, "m")]


def test_an_edited_migration_is_refused(addresses: DatabaseAddresses, known: Callable[..., None]) -> None:
    first, *others = migrations()
    known(Migration(first.number, first.name, first.sql + "-- edited"), *others)
    assert not is_current(addresses)
    with pytest.raises(DataFolderError, match="another form"):
        migrate(addresses)


def test_a_newer_database_is_refused(addresses: DatabaseAddresses) -> None:
    ask(addresses.owner, "insert into ondol_migrations.done (number, name, checksum) values (9999, '9999_later.sql', 'x') returning 1")
    assert not is_current(addresses)
    with pytest.raises(DataFolderError, match=r"9999_later\.sql, which this version does not know"):
        migrate(addresses)


def test_a_newer_procrastinate_is_not_current(addresses: DatabaseAddresses) -> None:
    ask(addresses.owner, "delete from ondol_migrations.done_jobs where name = (select max(name) from ondol_migrations.done_jobs) returning 1")
    assert not is_current(addresses)


def test_the_owner_is_told_when_it_cannot_connect(addresses: DatabaseAddresses) -> None:
    wrong = addresses_from_owner(make_conninfo(addresses.owner, password="not the password"))
    with pytest.raises(SettingsError) as caught:
        migrate(wrong)
    assert "not the password" not in caught.value.message + caught.value.hint
    assert not is_current(wrong)


def test_sleeping_through_the_months_with_partitions_is_not_current(module_addresses: DatabaseAddresses) -> None:
    now = datetime.now(UTC)
    assert is_current(module_addresses, now + timedelta(days=62))
    assert not is_current(module_addresses, now + timedelta(days=200))


def months_from(now: datetime, count: int) -> list[datetime]:
    first = datetime(now.year, now.month, 1, tzinfo=UTC)
    return [datetime(first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1, tzinfo=UTC) for n in range(count)]


def unix_ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def test_partitions_of_this_and_the_next_three_months_have_the_bounds_of_their_ids(module_addresses: DatabaseAddresses) -> None:
    for table in module.PARTITIONED_TABLES:
        found = ask(
            module_addresses.owner,
            "select c.relname, pg_get_expr(c.relpartbound, c.oid) from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = to_regclass(%s) order by 1",
            f"ondol.{table}",
        )
        months = months_from(datetime.now(UTC), 5)
        assert found == [
            (f"{table}_{start:%Y%m}", f"FOR VALUES FROM ('{first_id_at(unix_ms(start))}') TO ('{first_id_at(unix_ms(end))}')")
            for start, end in itertools.pairwise(months)
        ]


@given(st.integers(0, unix_ms(datetime(9999, 1, 1, tzinfo=UTC))))
def test_both_sides_agree_on_the_first_id_of_a_moment(milliseconds: int) -> None:
    text = f"{milliseconds:012x}70008000000000000000"
    assert first_id_at(milliseconds) == uuid.UUID(text)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "America/Los_Angeles"])
def test_the_zone_of_the_session_does_not_move_a_month(zone: str, module_addresses: DatabaseAddresses) -> None:
    with psycopg.connect(module_addresses.owner) as owner:
        owner.execute("select set_config('timezone', %s, false)", (zone,))
        make_partitions(owner, datetime(2031, 12, 31, 23, 59, tzinfo=UTC))
        assert owner.execute("select pg_get_expr(relpartbound, oid) from pg_class where relname = 'answers_203112'").fetchall() == [
            (
                f"FOR VALUES FROM ('{first_id_at(unix_ms(datetime(2031, 12, 1, tzinfo=UTC)))}')"
                f" TO ('{first_id_at(unix_ms(datetime(2032, 1, 1, tzinfo=UTC)))}')",
            )
        ]
        moment = datetime(2031, 12, 31, 15, 30, 0, 123000, tzinfo=UTC)
        found = owner.execute("select ondol.first_id_at(%s)", (moment.replace(tzinfo=None),)).fetchall()
        assert found == [(first_id_at(unix_ms(moment) + 123),)]
        owner.rollback()


@pytest.mark.anyio
async def test_events_land_in_their_month_and_the_system_role_makes_the_coming_ones(database: Database) -> None:
    await make_partitions_ahead(database, datetime(2040, 1, 31, 23, tzinfo=UTC))
    world = World()
    with psycopg.connect(database.addresses.owner) as owner:
        insert(owner, "tenants", row_of(world, "tenants"))
        for moment in (datetime(2040, 1, 1, tzinfo=UTC), datetime(2040, 4, 30, 23, 59, 59, tzinfo=UTC)):
            event_id = new_id(unix_ms(moment))
            insert(owner, "ledger_events", {**row_of(world, "ledger_events"), "id": event_id})
            assert owner.execute("select tableoid::regclass::text from ondol.ledger_events where id = %s", (event_id,)).fetchall() == [
                (f"ondol.ledger_events_{moment:%Y%m}",)
            ]
        with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
            insert(owner, "ledger_events", {**row_of(world, "ledger_events"), "id": new_id(unix_ms(datetime(2040, 5, 1, tzinfo=UTC)))})


@pytest.mark.anyio
async def test_a_job_is_deferred_and_done_in_procrastinates_own_schema(addresses: DatabaseAddresses, anyio_backend: str, tmp_path: Path) -> None:
    app, done, stop = create_job_app(addresses), list[int](), asyncio.Event()

    @app.task(name="note")
    async def note(number: int) -> None:
        done.append(number)
        stop.set()

    async with app.open_async():
        await note.defer_async(number=7)
        assert ask(addresses.app, "select task_name, status::text from procrastinate.procrastinate_jobs") == [("note", "todo")]
    async with asyncio.timeout(20):
        await run_jobs(app, stop)
    assert done == [7]
    assert ask(addresses.app, "select count(*) from procrastinate.procrastinate_jobs") == [(0,)]

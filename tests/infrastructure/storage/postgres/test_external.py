"""Any Postgres from 16 on by address, over TCP: here servers of the wheel's two versions, run as a user would run theirs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ondol.core.errors import SettingsError
from ondol.infrastructure.storage.postgres import Database, one
from ondol.infrastructure.storage.postgres.backup import back_up, restore
from ondol.infrastructure.storage.postgres.embedded import binaries_folder
from ondol.infrastructure.storage.postgres.migrate import is_current, migrate
from ondol.infrastructure.storage.postgres.roles import addresses_from_owner
from tests.infrastructure.storage.postgres.rows import World, insert, row_of

OS_USER = os.environ.get("ONDOL_DATABASE_OS_USER", "ondol") if os.geteuid() == 0 else None
PASSWORD = "p@ss/w:rd %한"
SERVERS = {"16": binaries_folder().parents[1] / "pginstall" / "bin", "18": binaries_folder()}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, open_folder: Path) -> Iterator[str]:
    """A server on a free TCP port of the loopback; yields the superuser's URL without a path."""
    binaries = SERVERS[request.param]
    if not (binaries / "postgres").is_file():
        pytest.skip(f"the wheel brings no PostgreSQL {request.param}")
    folder = Path(tempfile.mkdtemp(dir=open_folder))
    if OS_USER is not None:
        shutil.chown(folder, OS_USER)
    password_file = folder / "password"
    password_file.write_text(PASSWORD)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    extra_groups = None if OS_USER is None else list[int]()
    subprocess.run(
        [binaries / "initdb", "-D", folder / "data", "-U", "admin", "--auth", "scram-sha-256", "--pwfile", password_file,
         "-E", "UTF8", "--no-locale"],
        user=OS_USER, extra_groups=extra_groups, env=environment, cwd="/", check=True, capture_output=True,
    )  # fmt: skip
    running = subprocess.Popen(
        [binaries / "postgres", "-D", folder / "data", "-c", "listen_addresses=127.0.0.1", "-p", str(port), "-c", "unix_socket_directories="],
        user=OS_USER, extra_groups=extra_groups, env=environment, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"postgresql://admin:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(f"{url}/postgres", connect_timeout=5).close()
            break
        except psycopg.OperationalError:
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    yield url
    running.terminate()
    running.wait(30)


@pytest.fixture
def owner_url(server: str) -> str:
    """A database whose owner may create roles and nothing else; its name has what a URL must quote."""
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        for statement in (
            "drop database if exists platform with (force)",
            'drop role if exists ondol_app, ondol_system, ondol_keeper, "the owner"',
            f"create role \"the owner\" login createrole password '{PASSWORD}'",
            'create database platform owner "the owner"',
        ):
            admin.execute(statement)
    return server.replace("//admin:", "//the%20owner:") + "/platform"


@pytest.mark.anyio
async def test_the_platform_runs_on_a_postgres_of_the_users_own(owner_url: str, anyio_backend: str, tmp_path: Path) -> None:
    addresses = addresses_from_owner(owner_url)
    assert migrate(addresses)
    assert is_current(addresses)
    assert migrate(addresses) == []
    database, mine, theirs = Database(addresses), World(), World()
    try:
        async with database.system_tx() as connection:
            for world in (mine, theirs):
                await connection.execute(
                    "insert into tenants (id, slug, name, created_at) values (%s, %s, '온돌', now())", (world.tenant_id, f"t-{world.tenant_id}")
                )
        async with database.tenant_tx(mine.tenant_id) as connection:
            assert await one(connection, "select count(*) as seen, min(name) as name from tenants", {}) == {"seen": 1, "name": "온돌"}
        async with database.writer_lock(mine.tenant_id) as free:
            assert free
    finally:
        await database.close()
    with psycopg.connect(addresses.owner) as owner:
        insert(owner, "people", row_of(mine, "people"))
    back_up(addresses, tmp_path / "database.dump")
    restore(addresses, tmp_path / "database.dump", replace=True)
    assert migrate(addresses) == []
    with psycopg.connect(addresses.app) as app:
        assert app.execute("select from ondol.people").fetchall() == []
        app.execute("select set_config('ondol.tenant_id', %s, true)", (str(mine.tenant_id),))
        assert app.execute("select id from ondol.people").fetchall() == [(mine.ids["people"],)]


@pytest.fixture
def second_owner_url(server: str, owner_url: str) -> Iterator[str]:
    """Another database on the same server, whose owner has another name."""
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"create role successor login createrole password '{PASSWORD}'")
        admin.execute("create database second owner successor")
    yield server.replace("//admin:", "//successor:") + "/second"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute("drop database second with (force)")
        admin.execute("drop role if exists second_app, second_system, second_keeper, successor")


def test_two_installations_share_a_server_and_one_takes_the_others_backup(owner_url: str, second_owner_url: str, tmp_path: Path) -> None:
    first, second, world = addresses_from_owner(owner_url), addresses_from_owner(second_owner_url, "second"), World()
    migrate(first)
    with psycopg.connect(first.owner) as owner:
        insert(owner, "tenants", row_of(world, "tenants"))
        insert(owner, "people", row_of(world, "people"))
    back_up(first, tmp_path / "database.dump")
    with pytest.raises(SettingsError, match="ondol_app was made by another owner") as caught:
        migrate(addresses_from_owner(second_owner_url))
    assert "database.role_prefix" in caught.value.hint
    assert migrate(second)
    restore(second, tmp_path / "database.dump", replace=False)
    assert migrate(second) == []
    assert is_current(first)
    assert is_current(second)
    for addresses in (first, second):
        with psycopg.connect(addresses.owner) as owner:
            assert owner.execute("select id from ondol.people").fetchall() == [(world.ids["people"],)]
        with psycopg.connect(addresses.app) as app:
            assert app.execute("select from ondol.people").fetchall() == []
            app.execute("select set_config('ondol.tenant_id', %s, true)", (str(world.tenant_id),))
            assert app.execute("select id from ondol.people").fetchall() == [(world.ids["people"],)]
        with psycopg.connect(addresses.system) as system:
            assert system.execute("select id from ondol.tenants").fetchall() == [(world.tenant_id,)]
            system.execute("select ondol.make_partitions('answers', '2031-01-01', 1)")
    back_up(second, tmp_path / "again.dump")
    with psycopg.connect(conninfo_of(first.app, second.owner)) as stranger, pytest.raises(psycopg.errors.InsufficientPrivilege):
        stranger.execute("select from ondol.people")


def conninfo_of(who: str, where: str) -> str:
    """The role of one address in the database of another."""
    return make_conninfo(who, dbname=conninfo_to_dict(where)["dbname"])


def test_roles_that_are_named_anew_have_the_rights_of_the_old_ones(owner_url: str, server: str) -> None:
    migrate(addresses_from_owner(owner_url))
    renamed = addresses_from_owner(owner_url, "other")
    assert not is_current(renamed)
    assert migrate(renamed) == []
    assert is_current(renamed)
    with psycopg.connect(f"{server}/platform", autocommit=True) as admin:
        policies = admin.execute("select distinct roles[1]::text from pg_policies where schemaname = 'ondol' order by 1").fetchall()
        assert policies == [("other_app",), ("other_keeper",), ("other_system",)]
        admin.execute("drop owned by other_app, other_system, other_keeper")
        admin.execute("drop role other_app, other_system, other_keeper")


def test_a_new_owner_takes_over_the_roles_of_one_that_went(owner_url: str, second_owner_url: str, server: str) -> None:
    migrate(addresses_from_owner(owner_url))
    successor = addresses_from_owner(second_owner_url)
    with pytest.raises(SettingsError, match="another owner") as caught:
        migrate(successor)
    statement = caught.value.hint.rpartition(": ")[2].replace("<owner>", "successor")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(statement)
    assert migrate(successor)
    assert is_current(successor)


def test_an_owner_that_may_not_create_roles_is_told(server: str, owner_url: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute('alter role "the owner" nocreaterole')
    with pytest.raises(SettingsError, match="may not create roles"):
        migrate(addresses_from_owner(owner_url))


def test_an_app_role_that_passes_row_security_is_refused(server: str, owner_url: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute("create role ondol_app bypassrls")
    with pytest.raises(SettingsError, match="passes row-level security"):
        migrate(addresses_from_owner(owner_url))


def test_an_address_without_a_password_is_refused() -> None:
    for address in ("postgresql://owner@localhost/x", "mysql://owner:x@localhost/x"):
        with pytest.raises(SettingsError) as caught:
            addresses_from_owner(address)
        assert ":x@" not in caught.value.message

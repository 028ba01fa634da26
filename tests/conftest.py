"""Shared ground of the tests: one embedded Postgres for the run, a fresh database for each test that asks for one."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses
from ondol.infrastructure.storage.postgres.embedded import EmbeddedPostgres
from ondol.infrastructure.storage.postgres.migrate import migrate
from ondol.infrastructure.storage.postgres.roles import addresses_from_owner

TEMPLATE = "ondol_template"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user can enter: as root the database's user must reach its data."""
    folder = Path(tempfile.mkdtemp(prefix="ondol-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(open_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A real server with a migrated template database."""
    server = EmbeddedPostgres(open_folder / "postgres", open_folder / "keys" / "postgres.secret", os_user=os.environ.get("ONDOL_DATABASE_OS_USER", "ondol"))
    server.start()
    with psycopg.connect(_admin_address(server), autocommit=True) as admin:
        admin.execute("alter database ondol rename to ondol_template")
        admin.execute("create database ondol owner ondol_owner")
    migrate(addresses_from_owner(make_conninfo(server.owner_address(), dbname=TEMPLATE)))
    yield server
    server.stop()


@pytest.fixture
def addresses(postgres_server: EmbeddedPostgres) -> Iterator[DatabaseAddresses]:
    """The three addresses of a fresh, migrated, empty database."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(_admin_address(postgres_server), autocommit=True) as admin:
        admin.execute(f'create database "{name}" template {TEMPLATE} owner ondol_owner')
        yield addresses_from_owner(make_conninfo(postgres_server.owner_address(), dbname=name))
        admin.execute(f'drop database "{name}" with (force)')


@pytest.fixture
async def database(addresses: DatabaseAddresses, anyio_backend: str) -> AsyncIterator[Database]:
    """Both doors to a fresh database. Tests that use it are async: `pytestmark = pytest.mark.anyio`."""
    opened = Database(addresses, pool_max=4)
    yield opened
    await opened.close()


def _admin_address(server: EmbeddedPostgres) -> str:
    return make_conninfo(server.superuser_address(), dbname="postgres")

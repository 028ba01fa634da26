"""Shared ground of the tests: one embedded Postgres for the run, a fresh database for each test that asks for one."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.storage.blobs import FileKeyProvider, KeyRing, open_store
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses
from ondol.infrastructure.storage.postgres.embedded import EmbeddedPostgres
from ondol.infrastructure.storage.postgres.migrate import migrate
from ondol.infrastructure.storage.postgres.roles import addresses_from_owner

TEMPLATE = "ondol_template"

# The machine may be busy, and a first example prepares what the others find ready: how long one takes says nothing.
hypothesis.settings.register_profile("ondol", deadline=None)
hypothesis.settings.load_profile("ondol")


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
    server = EmbeddedPostgres(
        open_folder / "postgres", open_folder / "keys" / "postgres.secret", os_user=os.environ.get("ONDOL_DATABASE_OS_USER", "ondol")
    )
    server.start()
    with psycopg.connect(_admin_address(server), autocommit=True) as admin:
        admin.execute("alter database ondol rename to ondol_template")
        admin.execute("create database ondol owner ondol_owner")
    migrate(addresses_from_owner(make_conninfo(server.owner_address(), dbname=TEMPLATE)))
    yield server
    server.stop()


@contextlib.contextmanager
def _fresh_database(server: EmbeddedPostgres) -> Iterator[DatabaseAddresses]:
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(_admin_address(server), autocommit=True) as admin:
        admin.execute(f'create database "{name}" template {TEMPLATE} owner ondol_owner')
        try:
            yield addresses_from_owner(make_conninfo(server.owner_address(), dbname=name))
        finally:
            admin.execute(f'drop database "{name}" with (force)')


@pytest.fixture
def addresses(postgres_server: EmbeddedPostgres) -> Iterator[DatabaseAddresses]:
    """The three addresses of a fresh, migrated, empty database."""
    with _fresh_database(postgres_server) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def module_addresses(postgres_server: EmbeddedPostgres) -> Iterator[DatabaseAddresses]:
    """The same for all tests of a file, where they leave each other alone."""
    with _fresh_database(postgres_server) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def administer(postgres_server: EmbeddedPostgres) -> Callable[[str], None]:
    """Runs one statement as the server's superuser."""

    def run(statement: str) -> None:
        with psycopg.connect(_admin_address(postgres_server), autocommit=True) as admin:
            admin.execute(statement)

    return run


@pytest.fixture
async def database(addresses: DatabaseAddresses, anyio_backend: str) -> AsyncIterator[Database]:
    """Both doors to a fresh database. Tests that use it are async: `pytestmark = pytest.mark.anyio`."""
    opened = Database(addresses, pool_max=4)
    yield opened
    await opened.close()


@pytest.fixture
def keyring(tmp_path: Path) -> KeyRing:
    """A key ring of its own."""
    return KeyRing(open_store(tmp_path / "keyring"), FileKeyProvider.open_or_create(tmp_path / "root.key"))


@pytest.fixture
async def tenant(database: Database, keyring: KeyRing) -> Tenant:
    """One tenant with its key, called acme."""
    return await create_tenant(database, keyring, slug="acme", name="Acme", now=datetime(2026, 3, 4, tzinfo=UTC))


def _admin_address(server: EmbeddedPostgres) -> str:
    return make_conninfo(server.superuser_address(), dbname="postgres")

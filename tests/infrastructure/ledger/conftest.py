"""Two tenants, a signer, and a table owner who tampers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from ondol.core.ids import new_id
from ondol.infrastructure.ledger import LedgerSigner, PublicKeys
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)


@pytest.fixture
def signer(tmp_path: Path) -> LedgerSigner:
    return LedgerSigner.open_or_create(tmp_path / "keys" / "ledger.key")


@pytest.fixture
def public_keys(signer: LedgerSigner) -> PublicKeys:
    return {signer.key_id: signer.public_key}


@pytest.fixture
async def tenant_ids(database: Database) -> tuple[uuid.UUID, uuid.UUID]:
    made = (new_id(), new_id())
    async with database.system_tx() as connection:
        for number, tenant_id in enumerate(made):
            await connection.execute(
                "insert into tenants (id, slug, name, created_at) values (%s, %s, %s, now())", (tenant_id, f"tenant-{number}", "Tenant")
            )
    return made


@pytest.fixture
async def owner(addresses: DatabaseAddresses, anyio_backend: str) -> AsyncIterator[psycopg.AsyncConnection[DictRow]]:
    """The table owner, in autocommit: what a malicious administrator could do."""
    async with await psycopg.AsyncConnection.connect(addresses.owner, autocommit=True, row_factory=dict_row) as connection:
        await connection.execute("set search_path = ondol")
        yield connection

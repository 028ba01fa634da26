"""A scan is kept sealed, and the ledger leads from it to the policies that it was run against."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ondol.core.errors import RequestError
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.scans import POLICIES_MAX, keep_scan
from ondol.infrastructure.guard.store import put_policy
from ondol.infrastructure.ledger import ancestors
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, SealedBlobs, open_store
from ondol.infrastructure.storage.postgres import Database, rows
from tests.infrastructure.guard.words import policy_of

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
REPORT = b"what was found"


@pytest.fixture
def blobs(tmp_path: Path, keyring: KeyRing) -> SealedBlobs:
    return SealedBlobs(open_store(tmp_path / "blobs"), keyring)


async def test_a_scan_is_sealed_and_linked_to_its_policies(database: Database, tenant: Tenant, blobs: SealedBlobs, tmp_path: Path) -> None:
    policy = policy_of("careful", personal="mask")
    async with database.tenant_tx(tenant.id) as connection:
        stored, _ = await put_policy(connection, tenant.id, policy, by=None, now=NOW, known=None)
    digests = [policy.digest, default_policy().digest, policy.digest]
    kept = await keep_scan(database, blobs, tenant.id, REPORT, scanner="garak/0.17.1", policies=digests, now=NOW)
    again = await keep_scan(database, blobs, tenant.id, REPORT, scanner="garak/0.17.1", policies=digests, now=NOW)
    assert (kept.address, kept.id == again.id) == (again.address, False)
    assert blobs.read(KeyOwner.tenant(tenant.id), kept.path, max_bytes=100) == REPORT
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file() and REPORT in path.read_bytes()]
    async with database.tenant_tx(tenant.id) as connection:
        walk = await ancestors(connection, tenant.id, kept.id)
        other = await ancestors(connection, tenant.id, again.id)
        events = await rows(connection, "select body from ledger_events where kind = 'guard.scan_kept' limit 10", {})
    assert [(item.kind, item.relation) for item in walk.reached] == [("policy", "evaluated_on")] * 2
    assert stored.version.id in {item.id for item in walk.reached}
    assert {item.id for item in walk.reached} == {item.id for item in other.reached}
    assert len(events) == 2 and "found" not in str(events)


async def test_a_scan_of_an_unknown_policy_is_refused_and_leaves_nothing(database: Database, tenant: Tenant, blobs: SealedBlobs) -> None:
    for policies in ([bytes(32)], [bytes([number]) * 32 for number in range(POLICIES_MAX + 1)]):
        with pytest.raises(RequestError):
            await keep_scan(database, blobs, tenant.id, REPORT, scanner="garak/0.17.1", policies=policies, now=NOW)
    async with database.tenant_tx(tenant.id) as connection:
        assert await rows(connection, "select id from artefacts limit 10", {}) == []
    assert list(blobs.list("")) == []

"""Keeps what a scanner found as evidence: the report sealed, its place in the lineage below the policies that it was run against."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ondol.core.canonical import Json
from ondol.core.errors import RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.store import BUILT_IN, find_by_digest
from ondol.infrastructure.ledger import add_artefact, link, record
from ondol.infrastructure.storage.blobs import KeyOwner, SealedBlobs
from ondol.infrastructure.storage.postgres import Connection, Database

SCAN_BYTES_MAX = 256 * 1024 * 1024
POLICIES_MAX = 20
_BUILT_IN_ID = uuid.UUID("5f0e0c5a-2c53-5c5e-9a0b-6d3a3f1f6a11")
"""Below this id the built-in policies have theirs: they are in no table."""


@dataclass(frozen=True, slots=True)
class KeptScan:
    """Where a scan is kept.

    Attributes:
        id: of the artefact, kind `evaluation`.
        path: of the sealed report, which the tenant's own key opens.
        address: the report's keyed content address, 32 bytes.
    """

    id: uuid.UUID
    path: str
    address: bytes


async def keep_scan(
    database: Database, blobs: SealedBlobs, tenant_id: uuid.UUID, report: bytes, *, scanner: str, policies: Sequence[bytes], now: datetime
) -> KeptScan:
    """Seal a report and tell the ledger about it.

    Args:
        report: what the scanner wrote, with what was made of it.
        scanner: name and version, such as ``garak/0.17.1``.
        policies: digests of the guard policies in force during the scan, 32 bytes each.

    Raises:
        RequestError: when the report is too large, there are too many policies, or the tenant has none of that digest.
    """
    if len(report) > SCAN_BYTES_MAX or len(policies) > POLICIES_MAX:
        raise RequestError(
            "The scan is too large to keep.", f"At most {SCAN_BYTES_MAX // 2**20} MiB and {POLICIES_MAX} policies.", code="scan_too_large"
        )
    scan_id = new_id()
    path = f"{tenant_id}/evaluations/{scan_id}/report"
    async with database.tenant_tx(tenant_id) as connection:
        parents = [await _policy_artefact(connection, tenant_id, digest, now) for digest in dict.fromkeys(policies)]
        put = await asyncio.to_thread(blobs.put, KeyOwner.tenant(tenant_id), path, report)
        await add_artefact(connection, tenant_id, "evaluation", artefact_id=scan_id, address=put.content_address, now=now)
        for parent in parents:
            await link(connection, tenant_id, scan_id, parent, "evaluated_on", now)
        body: dict[str, Json] = {"evaluation": scan_id, "scanner": scanner, "policies": list(policies), "address": put.content_address}
        await record(connection, tenant_id, kind="guard.scan_kept", actor_id=None, body=body, now=now)
    return KeptScan(scan_id, path, put.content_address)


async def _policy_artefact(connection: Connection, tenant_id: uuid.UUID, digest: bytes, now: datetime) -> uuid.UUID:
    stored = await find_by_digest(connection, digest)
    if stored is not None and stored.version.name != BUILT_IN:
        return stored.version.id
    if stored is None and digest != default_policy().digest:
        raise RequestError("The tenant has no guard policy of this digest.", "`ondol guard policy list` shows all.", code="policy_not_found")
    return await add_artefact(connection, tenant_id, "policy", artefact_id=uuid.uuid5(_BUILT_IN_ID, digest.hex()), address=digest, now=now)

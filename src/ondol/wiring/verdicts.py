"""The keys that verdicts are signed and checked with, the gate that asks for them, and the end of a key that somebody may have stolen."""

from __future__ import annotations

import asyncio
import uuid

from ondol.application.evaluation.verdicts import Keys, required_gate
from ondol.core.clock import Clock
from ondol.core.errors import NotFound
from ondol.infrastructure.access.people import list_tenants
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.ledger import (
    LedgerSigner,
    PublicKeys,
    public_keys_path,
    read_public_keys,
    read_revoked_keys,
    record,
    revoke_key,
    revoked_keys_path,
)
from ondol.infrastructure.releases import Gate
from ondol.infrastructure.storage.folder import DataFolder
from ondol.infrastructure.storage.postgres import Database

REVOKED = "ledger.key_revoked"


def ledger_keys(folder: DataFolder) -> tuple[PublicKeys, frozenset[str]]:
    """The public keys of this installation's ledger and the ids of those that were revoked; none before the first."""
    listed = public_keys_path(folder.ledger_key)
    public = read_public_keys(listed) if listed.exists() else {}
    return public, read_revoked_keys(revoked_keys_path(folder.ledger_key))


def verdict_keys(folder: DataFolder) -> Keys:
    """The keys of this installation that verdicts may be signed with."""
    return Keys(*ledger_keys(folder))


def gate_of(folder: DataFolder, clock: Clock, tenant_id: uuid.UUID) -> Gate:
    """The gate in front of a tenant's releases."""
    return required_gate(tenant_id, lambda: verdict_keys(folder), clock)


async def revoke_signing_key(database: Database, folder: DataFolder, clock: Clock, key_id: str, by: Principal | None = None) -> bool:
    """Trust a signing key no more, from now on and for every tenant; one that is in use is replaced by a fresh one first.

    Each tenant's ledger tells it: verdicts of any of them may rest on the key.

    Args:
        by: who asked; None for the command line.

    Returns:
        Whether that is a change.

    Raises:
        NotFound: when the ledger never had such a key.
    """
    known = verdict_keys(folder)
    if key_id not in known.public:
        raise NotFound("The ledger has never had such a key.", "`ondol ledger keys` lists all of them.", code="signing_key_not_found")
    if key_id in known.revoked:
        return False
    await asyncio.to_thread(_end, folder, key_id)
    for tenant in await list_tenants(database):
        actor_id = by.person_id if by is not None and by.tenant_id == tenant.id else None
        async with database.tenant_tx(tenant.id) as connection:
            await record(connection, tenant.id, kind=REVOKED, actor_id=actor_id, body={"key": key_id}, now=clock())
    return True


def _end(folder: DataFolder, key_id: str) -> None:
    if LedgerSigner.open_or_create(folder.ledger_key).key_id == key_id:
        LedgerSigner.rotate(folder.ledger_key)
    revoke_key(folder.ledger_key, key_id)

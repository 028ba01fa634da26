"""The keys that verdicts are signed and checked with, and the gate that asks for them."""

from __future__ import annotations

import uuid

from ondol.application.evaluation.verdicts import Keys, required_gate
from ondol.core.clock import Clock
from ondol.infrastructure.ledger import PublicKeys, public_keys_path, read_public_keys, read_revoked_keys, revoked_keys_path
from ondol.infrastructure.releases import Gate
from ondol.infrastructure.storage.folder import DataFolder


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

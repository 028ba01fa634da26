"""Evaluation, joined with the platform: the keys that verdicts are signed and checked with."""

from __future__ import annotations

from ondol.application.evaluation.verdicts import Keys
from ondol.infrastructure.ledger import public_keys_path, read_public_keys, read_revoked_keys, revoked_keys_path
from ondol.infrastructure.storage.folder import DataFolder


def verdict_keys(folder: DataFolder) -> Keys:
    """The keys of this installation that verdicts may be signed with; none before the ledger's first."""
    listed = public_keys_path(folder.ledger_key)
    public = read_public_keys(listed) if listed.exists() else {}
    return Keys(public, read_revoked_keys(revoked_keys_path(folder.ledger_key)))

"""How the guard seals what it keeps: under the data key of the person it comes from, or the tenant's where nobody is known."""

from __future__ import annotations

import uuid

from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes


def seal_text(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID | None, text: str, context: bytes) -> bytes:
    """A text sealed for one row.

    Args:
        context: what it is and the row's id.

    Raises:
        DataFolderError: when the key ring cannot be used.
    """
    owner = _owner(tenant_id, person_id)
    key = keyring.get(owner) if person_id is None else keyring.get_or_create(owner)
    return seal_bytes(key, text.encode("utf-8", "surrogatepass"), context)


def open_text(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID | None, sealed: bytes, context: bytes) -> str:
    """The text of a row.

    Raises:
        KeyDestroyed: when the person was erased.
        SealBroken: when it was altered or moved.
    """
    return open_bytes(keyring.get(_owner(tenant_id, person_id)), sealed, context).decode("utf-8", "surrogatepass")


def tenant_key(keyring: KeyRing, tenant_id: uuid.UUID) -> bytes:
    """The tenant's key for the guard's hashes and tokens, 32 bytes."""
    return keyring.get(KeyOwner.tenant(tenant_id)).derive("guard")


def _owner(tenant_id: uuid.UUID, person_id: uuid.UUID | None) -> KeyOwner:
    return KeyOwner.tenant(tenant_id) if person_id is None else KeyOwner(tenant_id, "subject", person_id)

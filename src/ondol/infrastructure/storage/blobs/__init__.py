"""Sealed blobs: objects of any size, encrypted with one data key per owner, and the key ring that holds those keys."""

from __future__ import annotations

from ondol.infrastructure.storage.blobs.keyring import KeyOwner, KeyRing, OwnerKind
from ondol.infrastructure.storage.blobs.providers import EnvironmentKeyProvider, FileKeyProvider, KeyProvider
from ondol.infrastructure.storage.blobs.seal import DataKey, open_bytes, seal_bytes
from ondol.infrastructure.storage.blobs.sealed import BlobInfo, SealedBlobs
from ondol.infrastructure.storage.blobs.store import open_store

__all__ = [
    "BlobInfo",
    "DataKey",
    "EnvironmentKeyProvider",
    "FileKeyProvider",
    "KeyOwner",
    "KeyProvider",
    "KeyRing",
    "OwnerKind",
    "SealedBlobs",
    "open_bytes",
    "open_store",
    "seal_bytes",
]

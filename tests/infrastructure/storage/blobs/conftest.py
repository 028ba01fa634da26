"""A key ring and blob stores for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from ondol.infrastructure.storage.blobs import FileKeyProvider, KeyOwner, KeyRing, SealedBlobs, open_store

TENANT = UUID("0190a000-0000-7000-8000-000000000001")
DOCUMENT = KeyOwner(TENANT, "document", UUID("0190a000-0000-7000-8000-0000000000d1"))


@pytest.fixture
def provider(tmp_path: Path) -> FileKeyProvider:
    return FileKeyProvider.open_or_create(tmp_path / "root.key")


@pytest.fixture
def keyring(tmp_path: Path, provider: FileKeyProvider) -> KeyRing:
    ring = KeyRing(open_store(tmp_path / "keys"), provider)
    ring.create(KeyOwner.tenant(TENANT))
    ring.create(DOCUMENT)
    return ring


@pytest.fixture(params=["local", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, keyring: KeyRing) -> SealedBlobs:
    return SealedBlobs(open_store("memory://" if request.param == "memory" else tmp_path / "blobs"), keyring)


@pytest.fixture
def owner() -> KeyOwner:
    return DOCUMENT

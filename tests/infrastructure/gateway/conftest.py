"""A gateway over a real socket, one for each file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ondol.infrastructure.storage.postgres import DatabaseAddresses
from tests.infrastructure.gateway.ground import Ground, Tenancy, open_ground


@pytest.fixture(scope="module")
async def ground(module_addresses: DatabaseAddresses, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Ground]:
    """A running gateway. Tests leave each other alone by having tenants of their own."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    async with open_ground(module_addresses, folder) as opened:
        yield opened


@pytest.fixture
async def tenancy(ground: Ground) -> Tenancy:
    """A fresh tenant."""
    return await ground.tenancy()

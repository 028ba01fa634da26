from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ondol.core.config import Settings
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.jobs import create_job_app
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.jobs import register_tasks
from ondol.wiring.platform import open_platform
from tests.application.conftest import SteppedClock

pytestmark = pytest.mark.anyio


async def test_the_worker_sweeps_every_tenant(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    settings = replace(settings, database=replace(settings.database, url=addresses.owner))
    clock = SteppedClock(datetime.now(UTC) + timedelta(days=2))
    async with open_platform(settings, clock=clock) as platform:
        app = create_job_app(addresses)
        register_tasks(app, platform)
        now_ms = int(clock().timestamp() * 1000)
        left: list[KeyOwner] = []
        for slug in ("acme", "other"):
            tenant = await create_tenant(platform.database, platform.keyring, slug=slug, name=slug, now=clock())
            left += [KeyOwner(tenant.id, "document", new_id(now_ms - hours * 3_600_000)) for hours in (25, 23)]
        for owner in left:
            platform.keyring.create(owner)
        await app.tasks["sweep_unnamed"](timestamp=0)
        assert [platform.keyring.exists(owner) for owner in left] == [False, True, False, True]

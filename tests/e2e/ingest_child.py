"""Take a folder into bases of a running platform: says `begin` before the first, and commits in batches of a few documents."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ondol.application.knowledge import ingest
from ondol.core.config import load_settings
from ondol.infrastructure.access.people import find_tenant
from ondol.wiring.platform import open_platform


async def main(tenant_slug: str, folder: str, batch_documents: int, bases: list[str]) -> None:
    """Take the folder into each base."""
    ingest.BATCH_DOCUMENTS_MAX = batch_documents
    async with open_platform(load_settings()) as platform:
        tenant = await find_tenant(platform.database, tenant_slug)
        platform.lance.warm_up()
        print("begin", flush=True)  # noqa: T201
        for base in bases:
            report = await ingest.ingest_folder(platform.knowledge, tenant.id, base, Path(folder), ingest.IngestOptions(), lambda done, total: None)
            assert not report.failed, report.failed
    print("end", flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))

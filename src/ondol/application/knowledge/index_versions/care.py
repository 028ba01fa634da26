"""What the job worker does for index versions: build those that wait, make missing vectors, replace those of another analyser, give up old ones."""

from __future__ import annotations

import logging
import uuid

import msgspec

from ondol.application.knowledge.index import ANALYSER_ID
from ondol.application.knowledge.index_versions import store as versions
from ondol.application.knowledge.index_versions.build import build_version, start_version
from ondol.application.knowledge.index_versions.embed import embed_missing
from ondol.application.knowledge.index_versions.keep import drop_old_versions
from ondol.application.knowledge.index_versions.store import Wanted
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.types import IndexSettings
from ondol.core.errors import OndolError
from ondol.infrastructure.storage.postgres import rows

EMBED_SECONDS_MAX = 30.0
"""So long vectors of one version are made in a row: other tenants' versions wait meanwhile."""

_log = logging.getLogger(__name__)


async def care_for_versions(room: Knowledge, tenant_id: uuid.UUID) -> int:
    """Do what waits in a tenant; how many versions were built. One that fails does not keep the others waiting."""
    async with room.database.tenant_tx(tenant_id) as connection:
        outdated = await rows(connection, versions.QUERIES["bases_outdated"], {"analyser_id": ANALYSER_ID})
    for row in outdated:
        await start_version(room, tenant_id, row["id"], msgspec.convert(row["settings"], IndexSettings), Wanted(activate=True))
    await drop_old_versions(room, tenant_id)
    async with room.database.tenant_tx(tenant_id) as connection:
        waiting = await rows(connection, versions.QUERIES["versions_building"], {})
    built = 0
    for row in waiting:
        try:
            await build_version(room, tenant_id, row["id"], wait_s=0, embed_seconds_max=EMBED_SECONDS_MAX)
            built += 1
        except OndolError as error:
            _log.warning("index version not built", extra={"index_version": str(row["id"]), "reason": error.message})
    await embed_missing(room, tenant_id, seconds_max=EMBED_SECONDS_MAX)
    return built

"""The way to models of a process that is no gateway, such as a command or the job worker: what it asks is counted and recorded there as well."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ondol.core.clock import utc_now
from ondol.infrastructure.access.limits.governor import Governor
from ondol.infrastructure.gateway.purchases import Purchases
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.lines import FORM
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.serving.directory import ServingDirectory
from ondol.infrastructure.serving.http import HttpClient
from ondol.infrastructure.serving.paying import Asking, Pay
from ondol.infrastructure.serving.prices import PriceDirectory
from ondol.infrastructure.serving.providers import new_providers
from ondol.infrastructure.serving.routing import Router
from ondol.infrastructure.serving.tokens import estimate_tokens
from ondol.infrastructure.serving.types import ModelRow, Operation, UpstreamAnswer
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database
from ondol.infrastructure.storage.spool import Spool
from ondol.wiring.live_settings import LiveSettings


@dataclass(frozen=True, slots=True)
class Way:
    """The way to models.

    Attributes:
        purchases: at whose expense they are asked, and how that is counted.
    """

    directory: ServingDirectory
    router: Router
    purchases: Purchases

    def pay(self, tenant_id: uuid.UUID) -> Pay:
        """Asks at the expense of a tenant and whoever acts there."""

        async def paid(row: ModelRow, operation: Operation, texts: Sequence[str], asking: Asking) -> UpstreamAnswer:
            size = sum(len(text.encode("utf-8", "replace")) for text in texts)
            return await self.purchases.ask(tenant_id, row, operation, sum(map(estimate_tokens, texts)), size, asking)

        return paid


@contextlib.asynccontextmanager
async def open_way(database: Database, keyring: KeyRing, live: LiveSettings, spool: Path) -> AsyncIterator[Way]:
    """Open it. When this ends, what was spent is told and what was recorded is written."""
    directory = ServingDirectory(database, keyring)
    await directory.refresh()
    prices = PriceDirectory()
    governor = Governor(database, is_open=lambda tenant_id: directory.tenant(tenant_id).settings.when_away == "open", followers=(prices.read,))
    await governor.beat()
    counting = asyncio.create_task(governor.run(), name="limits")
    recorder = RequestRecorder(Spool(spool / FORM))
    drain = RecordDrain(database, spool / FORM, utc_now, held=recorder)
    client = HttpClient()
    try:
        async with drain, recorder:
            recorder.mark_replica(governor.replica_id)
            purchases = Purchases(governor, prices, recorder.record, utc_now)
            yield Way(directory, Router(client, new_providers(live.now.outbound.proxy_url)), purchases)
    finally:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)
        await client.close()

"""The gateway for what this process itself asks, such as an evaluation: limits, guard, routes, prices and records are those of every request."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from ondol.core.errors import NotFound
from ondol.infrastructure.access.keys import KeyDirectory
from ondol.infrastructure.access.people import list_tenants
from ondol.infrastructure.gateway.application import Gateway
from ondol.infrastructure.gateway.records.content import ContentLog
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.lines import FORM
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.serving.directory import AssistantCard, ModelCard, ServingDirectory, TenantCard
from ondol.infrastructure.serving.types import TargetRow
from ondol.infrastructure.storage.spool import Spool
from ondol.infrastructure.telemetry.observer import Observer
from ondol.infrastructure.telemetry.room import open_telemetry
from ondol.wiring.gateway import GatewayRoom, gateway_of, open_gateway_room
from ondol.wiring.guard import GuardRoom, open_guard
from ondol.wiring.platform import Platform, assistant_room

READY_S = 120.0
"""The guard's policies are prepared anew where nobody has yet."""


@dataclass
class InsideGateway:
    """The gateway, and the same with another release of an assistant in the place of the one that serves."""

    platform: Platform
    keys: KeyDirectory
    room: GatewayRoom
    guard: GuardRoom
    recorder: RequestRecorder
    contents: ContentLog
    observer: Observer
    organisations: dict[uuid.UUID, str]
    _made: dict[tuple[uuid.UUID, AssistantCard] | None, Gateway] = field(default_factory=dict)

    def gateway(self, released: tuple[uuid.UUID, AssistantCard] | None = None) -> Gateway:
        """The gateway.

        Args:
            released: a tenant, and the card of an assistant as it shall be there.
        """
        if released not in self._made:
            directory = self.room.directory if released is None else WithRelease(self.room.directory, *released)
            room = replace(self.room, directory=directory)
            policies, clock = self.guard.policies, self.platform.clock
            assistants = assistant_room(self.platform, self.organisations, room.router, lambda tenant: policies.prompt_canary(tenant, clock()))
            self._made[released] = gateway_of(
                self.platform,
                self.keys,
                room,
                self.guard,
                lambda: assistants,
                record=self.recorder.record,
                observer=self.observer,
                records_full=lambda: self.recorder.full,
                contents=self.contents,
                ready=dict,
                inside=True,
            )
        return self._made[released]


class WithRelease(ServingDirectory):
    """A directory in which one assistant of one tenant serves another release. All else is as the directory below it says at each moment."""

    def __init__(self, below: ServingDirectory, tenant_id: uuid.UUID, card: AssistantCard) -> None:
        self._below = below
        self._tenant_id = tenant_id
        self._card = card

    def tenant(self, tenant_id: uuid.UUID) -> TenantCard:
        """A tenant's card, with the other release where it is that tenant's."""
        card = self._below.tenant(tenant_id)
        if tenant_id != self._tenant_id:
            return card
        if self._card.name not in card.assistants:
            raise NotFound(f"There is no assistant called {self._card.name[:100]} any more.")
        return replace(card, assistants={**card.assistants, self._card.name: self._card})

    def model(self, tenant: TenantCard, name: str) -> ModelCard | AssistantCard:
        """What a name stands for."""
        return self._below.model(tenant, name)

    def operates(self, tenant_id: uuid.UUID) -> bool:
        """Whether a tenant runs this installation."""
        return self._below.operates(tenant_id)


@contextlib.asynccontextmanager
async def open_inside(platform: Platform) -> AsyncIterator[InsideGateway]:
    """Open the gateway for this process, for as long as this lasts."""
    keys = KeyDirectory(platform.database, platform.clock)
    organisations = {tenant.id: tenant.name for tenant in await list_tenants(platform.database)}
    settings = platform.settings
    telemetry = open_telemetry(settings.metrics, settings.telemetry, platform.folder.metrics, lambda _: "other")
    async with open_guard(platform) as guard, telemetry as observer, open_gateway_room(platform, observer) as room:
        recorder = RequestRecorder(Spool(platform.folder.spool / FORM))
        drain = RecordDrain(platform.database, platform.folder.spool / FORM, platform.clock, held=recorder)
        contents = ContentLog(platform.database, platform.keyring, platform.clock, guard.masked)
        async with asyncio.timeout(READY_S):
            await guard.policies.refresh()
        async with drain, recorder, contents.writing:
            recorder.mark_replica(room.governor.replica_id)
            yield InsideGateway(platform, keys, room, guard, recorder, contents, observer, organisations)


def targets_of(directory: ServingDirectory, tenant_id: uuid.UUID) -> list[TargetRow]:
    """Every place that answers some model of a tenant."""
    return [target for card in directory.tenant(tenant_id).models.values() for target in card.row.targets]

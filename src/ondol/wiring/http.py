"""The handler of one HTTP worker: `/v1` and health to the gateway, `/api` to the admin API, everything else to the console."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ondol.application.assistant.answer import AssistantRoom
from ondol.application.assistant.store import list_assistants
from ondol.application.console import create_console
from ondol.application.console.services import AssistantCard, ConsoleServices, OriginalFile, Profile
from ondol.application.knowledge.originals import open_original
from ondol.infrastructure.access import sign_in as signing
from ondol.infrastructure.access.keys import KeyDirectory
from ondol.infrastructure.access.people import get_person, list_tenants
from ondol.infrastructure.access.secrets import PASSWORD_CHARACTERS_MIN
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.records.content import ContentLog
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.lines import FORM
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.gateway.server import AsgiBridge, Handler
from ondol.infrastructure.serving.settings import notice_for
from ondol.infrastructure.storage.spool import Spool
from ondol.wiring.admin import ADMIN_PATHS, admin_application
from ondol.wiring.gateway import GatewayRoom, gateway_of, open_gateway_room
from ondol.wiring.guard import GuardRoom, open_guard
from ondol.wiring.platform import Platform, assistant_room
from ondol.wiring.stores import base_url

GARBAGE_AFTER_OBJECTS = 5_000
"""New containers after which the youngest are searched for circles; a request makes and forgets some hundreds, nearly all without one."""
POSTGRES_SILENT_S = 5.0
"""The keys are read every second; after so long without an answer Postgres counts as away."""

GATEWAY_PATHS = ("/v1/", "/healthz", "/readyz")


@dataclass
class Worker:
    """What one HTTP worker holds beside the platform."""

    platform: Platform
    keys: KeyDirectory
    recorder: RequestRecorder
    drain: RecordDrain
    guard: GuardRoom
    gateway: GatewayRoom
    contents: ContentLog
    organisations: dict[uuid.UUID, str] = field(default_factory=dict)
    warm: bool = False

    def assistants(self) -> AssistantRoom:
        """The assistants' room."""
        policies, clock = self.guard.policies, self.platform.clock
        return assistant_room(self.platform, self.organisations, lambda tenant_id: policies.prompt_canary(tenant_id, clock()))

    def failing(self) -> dict[str, str]:
        """What is not ready, part by part."""
        failing: dict[str, str] = {}
        if self.keys.age_seconds > POSTGRES_SILENT_S:
            failing["postgres"] = "does not answer"
        if not self.warm:
            failing["index"] = "is being opened"
        if self.recorder.full:
            failing["records"] = "the disk takes none"
        return failing | self.guard.policies.failing | self.gateway.directory.failing


@contextlib.asynccontextmanager
async def open_worker(platform: Platform, on_warm: Callable[[], None] = lambda: None) -> AsyncIterator[Handler]:
    """Build the handler and keep what it needs in memory fresh for as long as this lasts.

    Args:
        on_warm: called once, when the first question would be answered without waiting for imports.
    """
    keys = KeyDirectory(platform.database, platform.clock)
    await keys.refresh()
    organisations = await _organisations(platform)
    async with open_guard(platform) as guard, open_gateway_room(platform) as room:
        recorder = RequestRecorder(Spool(platform.folder.spool / FORM))
        drain = RecordDrain(platform.database, platform.folder.spool / FORM, platform.clock, held=recorder)
        contents = ContentLog(platform.database, platform.keyring, platform.clock, guard.masked)
        worker = Worker(platform, keys, recorder, drain, guard, room, contents, organisations)
        fresh = asyncio.create_task(worker.keys.run())
        warming = asyncio.create_task(_warm_up(worker, on_warm))
        try:
            async with worker.drain, worker.recorder, contents.writing:
                # Known before the first record: a worker that dies without one leaves leases that somebody must close.
                recorder.mark_replica(room.governor.replica_id)
                yield _application(worker)
        finally:
            for task in (fresh, warming):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def _application(worker: Worker) -> Handler:
    gateway = gateway_of(
        worker.platform,
        worker.keys,
        worker.gateway,
        worker.guard,
        worker.assistants(),
        record=worker.recorder.record,
        records_full=lambda: worker.recorder.full,
        contents=worker.contents,
        ready=worker.failing,
    )
    console = AsgiBridge(create_console(_console_services(worker)))
    admin = admin_application(worker.platform, worker.keys, worker.guard.policies)

    async def handle(exchange: Exchange) -> None:
        path = exchange.path
        if path.startswith(GATEWAY_PATHS):
            await gateway(exchange)
        elif path.startswith(ADMIN_PATHS):
            await admin(exchange)
        else:
            await console(exchange)

    return handle


def _console_services(worker: Worker) -> ConsoleServices:
    platform = worker.platform
    room = platform.sign_in
    database = platform.database

    async def sign_in(organisation: str, login: str, password: str, client: str) -> str:
        return await signing.sign_in(room, organisation, login, password, client)

    async def sign_out(token: str) -> None:
        await signing.sign_out(room, token)

    async def principal(token: str) -> Principal | None:
        return await signing.principal_of(room, token)

    async def profile(who: Principal) -> Profile:
        async with database.tenant_tx(who.tenant_id) as connection:
            person = await get_person(connection, platform.keyring, who.tenant_id, who.person_id)
        if who.tenant_id not in worker.organisations:
            worker.organisations.update(await _organisations(platform))
        return Profile(person.name, person.login, worker.organisations.get(who.tenant_id, ""), person.roles)

    async def one_time_valid(code: str) -> bool:
        return await signing.one_time_valid(room, code)

    async def redeem_one_time(code: str, new_password: str, _client: str) -> str:
        return await signing.redeem_one_time(room, code, new_password)

    async def assistants(who: Principal) -> list[AssistantCard]:
        async with database.tenant_tx(who.tenant_id) as connection:
            return [AssistantCard(item.name, item.model, _title(item.settings, item.name)) for item in await list_assistants(connection)]

    def notice(who: Principal, language: Literal["ko", "en"]) -> str:
        return notice_for(worker.gateway.directory.tenant(who.tenant_id).settings, language)

    async def organisations() -> list[str]:
        return [tenant.slug for tenant in await list_tenants(database)]

    async def original(who: Principal, version_id: uuid.UUID) -> OriginalFile:
        opened = await open_original(platform.knowledge, who.tenant_id, who.person_id, version_id)
        return OriginalFile(opened.media_type, opened.file_name, opened.chunks)

    return ConsoleServices(
        sign_in=sign_in,
        sign_out=sign_out,
        principal=principal,
        profile=profile,
        one_time_valid=one_time_valid,
        redeem_one_time=redeem_one_time,
        assistants=assistants,
        notice=notice,
        organisations=organisations,
        original=original,
        public_https=base_url(platform.settings).startswith("https://"),
        session_hours=platform.settings.sign_in.session_hours,
        password_characters_min=PASSWORD_CHARACTERS_MIN,
    )


async def _organisations(platform: Platform) -> dict[uuid.UUID, str]:
    return {tenant.id: tenant.name for tenant in await list_tenants(platform.database)}


async def _warm_up(worker: Worker, on_warm: Callable[[], None]) -> None:
    """Import and open what the first question would otherwise wait for."""
    await asyncio.to_thread(worker.platform.lance.warm_up)
    from ondol.application.knowledge.index import analyse

    await asyncio.to_thread(analyse, "준비 ready")
    await worker.guard.policies.refresh()
    _settle_memory()
    worker.warm = True
    on_warm()


def _settle_memory() -> None:
    """What was used while tables were made goes back to the system, and what stays is left out of every later search for garbage.

    Without the second a full search walks some hundred thousand objects of libraries, again and again under load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER_OBJECTS, 20, 100)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc can be asked for it
    if trim is not None:
        trim(0)


def _title(settings: Mapping[str, object], name: str) -> str:
    title = settings.get("title")
    if isinstance(title, dict):
        return " · ".join(dict.fromkeys(str(text) for text in title.values())) or name
    return str(title or name)

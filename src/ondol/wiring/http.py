"""The handler of one HTTP worker: `/v1` and health to the gateway, `/api` to the admin API, `/widget` to other sites, `/bots` to chats, the rest to
the console.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from ondol.application.assistant.answer import AssistantRoom
from ondol.application.assistant.drafts import Trial
from ondol.application.assistant.store import list_assistants
from ondol.application.assistant.threads.originals import open_attachment
from ondol.application.channels.bots.answer import BotRoom
from ondol.application.channels.bots.chat import Line
from ondol.application.channels.bots.front import PREFIX as BOTS
from ondol.application.channels.bots.front import BotFront
from ondol.application.channels.widgets.front import PREFIX, WidgetFront
from ondol.application.console import create_console
from ondol.application.console.services import AssistantCard, ConsoleServices, OriginalFile, Profile
from ondol.application.knowledge.originals import open_original
from ondol.core.config import ModelSettings
from ondol.core.errors import NotFound
from ondol.infrastructure.access import sign_in as signing
from ondol.infrastructure.access.devices import device_of
from ondol.infrastructure.access.keys import KeyDirectory
from ondol.infrastructure.access.people import get_person, list_tenants, own_tenant
from ondol.infrastructure.access.secrets import PASSWORD_CHARACTERS_MIN
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.application import Gateway
from ondol.infrastructure.gateway.errors import CallerLeft
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.gauges import records_gauges, store_gauges
from ondol.infrastructure.gateway.in_process import CallApi
from ondol.infrastructure.gateway.inside import ask_inside
from ondol.infrastructure.gateway.metrics import MetricsPage
from ondol.infrastructure.gateway.records.content import ContentLog
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.lines import FORM
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.gateway.server import AsgiBridge, Handler
from ondol.infrastructure.gateway.streams import Streams
from ondol.infrastructure.ledger.erasure import Gone
from ondol.infrastructure.serving.http import Proxy, parse_proxy
from ondol.infrastructure.serving.routing.breaker import State
from ondol.infrastructure.serving.settings import NOTICE, notice_for
from ondol.infrastructure.storage.spool import Spool
from ondol.infrastructure.telemetry.observer import Observer
from ondol.infrastructure.telemetry.room import open_telemetry
from ondol.wiring.admin import ADMIN_PATHS, admin_application, admin_authentication
from ondol.wiring.drafts import draft_asker
from ondol.wiring.erasure import forget_gone, forgetting, hide_what_came_back
from ondol.wiring.gateway import GatewayRoom, gateway_of, open_gateway_room, streams_of, targets_seen
from ondol.wiring.guard import GuardRoom, open_guard
from ondol.wiring.inside import InsideGateway
from ondol.wiring.platform import Platform, assistant_room, generator_of, release_assistants
from ondol.wiring.stores import base_url

GARBAGE_AFTER_OBJECTS = 5_000
"""New containers after which the youngest are searched for circles; a request makes and forgets some hundreds, nearly all without one."""
POSTGRES_SILENT_S = 5.0
"""The keys are read every second; after so long without an answer Postgres counts as away."""

GATEWAY_PATHS = ("/v1/", "/healthz", "/readyz")
METRICS_PATH = "/metrics"


@dataclass
class Worker:
    """What one HTTP worker holds beside the platform."""

    platform: Platform
    keys: KeyDirectory
    recorder: RequestRecorder
    drain: RecordDrain
    guard: GuardRoom
    gateway: GatewayRoom
    observer: Observer
    contents: ContentLog
    streams: Streams
    organisations: dict[uuid.UUID, str] = field(default_factory=dict)
    warm: bool = False

    def assistants(self) -> AssistantRoom:
        """The assistants' room."""
        policies, clock = self.guard.policies, self.platform.clock
        return assistant_room(self.platform, self.organisations, self.gateway.router, lambda tenant_id: policies.prompt_canary(tenant_id, clock()))

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
async def open_worker(platform: Platform, on_warm: Callable[[], None] = lambda: None) -> AsyncIterator[WorkerHandler]:
    """Build the handler and keep what it needs in memory fresh for as long as this lasts.

    Args:
        on_warm: called once, when the first question would be answered without waiting for imports.
    """
    await hide_what_came_back(platform)
    keys = KeyDirectory(platform.database, platform.clock)
    await keys.refresh()
    organisations = await _organisations(platform)
    await release_assistants(platform)
    settings = platform.settings
    slugs: dict[uuid.UUID, str] = {}
    telemetry = open_telemetry(settings.metrics, settings.telemetry, platform.folder.metrics, lambda tenant_id: slugs.get(tenant_id, "other"))
    async with open_guard(platform) as guard, telemetry as observer, open_gateway_room(platform, observer, slugs) as room:
        recorder = RequestRecorder(Spool(platform.folder.spool / FORM))
        drain = RecordDrain(platform.database, platform.folder.spool / FORM, platform.clock, held=recorder)
        contents = ContentLog(platform.database, platform.keyring, platform.clock, guard.masked)
        streams = streams_of(platform)
        worker = Worker(platform, keys, recorder, drain, guard, room, observer, contents, streams, organisations)
        _add_gauges(worker)
        fresh = asyncio.create_task(worker.keys.run())
        warming = asyncio.create_task(_warm_up(worker, on_warm))
        try:
            async with worker.drain, worker.recorder, contents.writing, streams.kept():
                # Known before the first record: a worker that dies without one leaves leases that somebody must close.
                recorder.mark_replica(room.governor.replica_id)
                handler = WorkerHandler(worker)
                async with forgetting(platform, handler.forget), platform.live.watched(), contextlib.aclosing(handler.bots):
                    yield handler
        finally:
            for task in (fresh, warming):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


class WorkerHandler:
    """Answers every request of one HTTP worker; a `Handler` of the server.

    Attributes:
        observer: what counts, for whoever has figures of its own to add.
        bots: what chats reach; closed with the worker.
    """

    def __init__(self, worker: Worker) -> None:
        self.observer = worker.observer
        self._worker = worker
        self._assistants = worker.assistants()
        self._gateway = self._gateway_for(None)
        self._authenticate = admin_authentication(worker.platform, worker.keys)
        ask_draft = draft_asker(worker.platform, self._gateway_for)
        rooms = (worker.platform, worker.keys, worker.guard.policies, partial(_inside, worker))
        self._admin = admin_application(*rooms, ask_draft=ask_draft, notice_of=self._notices, seen=partial(targets_seen, worker.gateway))
        self._widgets = WidgetFront(worker.platform.knowledge, self._gateway, self._notices)
        self.bots = BotFront(_bot_room(worker, self._gateway))
        self._metrics = self._metrics_page(worker, worker.platform.settings.metrics.open_to)
        self._console = AsgiBridge(create_console(_console_services(worker, self._admin.call)))
        self._follow(worker)

    def _gateway_for(self, trial: Trial | None) -> Gateway:
        """The data plane; for a trial one of this process alone, whose assistants answer as it says."""
        worker = self._worker
        return gateway_of(
            worker.platform,
            worker.keys,
            worker.gateway,
            worker.guard,
            lambda: self._assistants,
            record=worker.recorder.record,
            observer=worker.observer,
            records_full=lambda: worker.recorder.full,
            contents=worker.contents,
            ready=worker.failing,
            streams=worker.streams if trial is None else None,
            inside=trial is not None,
            trial=trial,
        )

    def _follow(self, worker: Worker) -> None:
        """Take changed settings up. What is being answered goes on with what it began with."""
        live = worker.platform.live

        def assistants(model: ModelSettings) -> Callable[[], None]:
            made = replace(self._assistants, generator=generator_of(model, worker.gateway.router))
            return lambda: setattr(self, "_assistants", made)

        def metrics(open_to: str) -> Callable[[], None]:
            made = self._metrics_page(worker, open_to)
            return lambda: setattr(self, "_metrics", made)

        def console(_: object) -> Callable[[], None]:
            return lambda: setattr(self, "_console", AsgiBridge(create_console(_console_services(worker, self._admin.call))))

        live.follow(lambda settings: settings.model, assistants)
        live.follow(lambda settings: settings.metrics.open_to, metrics)
        live.follow(lambda settings: (base_url(settings), settings.sign_in), console)

    def _metrics_page(self, worker: Worker, open_to: str) -> MetricsPage:
        return MetricsPage(worker.observer, open_to, self._authenticate, lambda tenant_id: _is_operator(worker, tenant_id))

    def _notices(self, tenant_id: uuid.UUID) -> Mapping[str, str]:
        settings = self._worker.gateway.directory.tenant(tenant_id).settings
        return {language: notice_for(settings, language) for language in NOTICE}

    def forget(self, gone: Gone) -> None:
        """Drop what was erased from the memory of this worker."""
        forget_gone(self._worker.platform, gone, self._assistants)
        self._worker.guard.remembered.forget_all()

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        path = exchange.path
        if path.startswith(GATEWAY_PATHS):
            await self._gateway(exchange)
        elif path.startswith(ADMIN_PATHS):
            await self._admin(exchange)
        elif path.startswith(PREFIX):
            await _told(exchange, self._widgets)
        elif path.startswith(BOTS):
            await _told(exchange, self.bots)
        elif path == METRICS_PATH:
            await _told(exchange, self._metrics)
        else:
            await self._console(exchange)


async def _told(exchange: Exchange, handler: Handler) -> None:
    """A handler whose errors are told to the caller."""
    try:
        await handler(exchange)
    except CallerLeft:
        return
    except Exception as error:
        exchange.fail(error)


def _bot_room(worker: Worker, gateway: Gateway) -> BotRoom:
    """What bots answer with: the worker's own gateway, and its connections to what lies outside, through the proxy that is set at that moment."""
    platform = worker.platform

    def proxy() -> Proxy | None:
        url = platform.settings.outbound.proxy_url
        return parse_proxy(url, trusted=True) if url else None

    return BotRoom(platform.knowledge, partial(ask_inside, gateway), Line(worker.gateway.client, proxy), lambda: base_url(platform.settings))


def _inside(worker: Worker) -> AbstractAsyncContextManager[InsideGateway]:
    """The worker's own gateway, for what the worker itself reads of models and prices."""
    parts = (worker.gateway, worker.guard, worker.recorder, worker.contents, worker.observer, worker.organisations)
    return contextlib.nullcontext(InsideGateway(worker.platform, worker.keys, *parts))


def _is_operator(worker: Worker, tenant_id: uuid.UUID) -> bool:
    """Whether a tenant's administrators may see what concerns all tenants: the one that is named, else the one that runs this installation."""
    directory, named = worker.gateway.directory, worker.platform.settings.metrics.operator
    return directory.tenant(tenant_id).slug == named if named else directory.operates(tenant_id)


def _add_gauges(worker: Worker) -> None:
    """What the parts of the worker stand at."""
    router = worker.gateway.router
    worker.observer.gauges(records_gauges(worker.recorder, worker.drain, worker.platform.folder.spool / FORM))

    def breakers() -> Iterator[tuple[str, str, State]]:
        for target in worker.gateway.directory.targets():
            yield target.provider.name, target.model, router.breaker(target).state

    worker.observer.gauges(store_gauges(lambda: worker.keys.age_seconds, lambda: worker.gateway.governor.leases, breakers))


def _console_services(worker: Worker, call: CallApi) -> ConsoleServices:
    platform = worker.platform
    room = platform.sign_in
    database = platform.database

    async def sign_in(organisation: str, login: str, password: str, client: str, agent: str) -> str:
        return await signing.sign_in(room, organisation, login, password, client, agent)

    async def sign_out(token: str) -> None:
        await signing.sign_out(room, token)

    async def principal(token: str) -> Principal | None:
        return await signing.principal_of(room, token)

    async def profile(who: Principal) -> Profile:
        async with database.tenant_tx(who.tenant_id) as connection:
            person = await get_person(connection, platform.keyring, who.tenant_id, who.person_id)
            tenant = await own_tenant(connection)
        worker.organisations[who.tenant_id] = tenant.name
        return Profile(person.name, person.login, tenant.name, person.roles, tenant.time_zone)

    async def one_time_valid(code: str) -> bool:
        return await signing.one_time_valid(room, code)

    async def redeem_one_time(code: str, new_password: str, client: str, agent: str) -> str:
        return await signing.redeem_one_time(room, code, new_password, device_of(agent, client))

    async def assistants(who: Principal) -> list[AssistantCard]:
        async with database.tenant_tx(who.tenant_id) as connection:
            return [AssistantCard(item.name, item.model, _title(item.settings, item.name)) for item in await list_assistants(connection)]

    def notice(who: Principal, language: Literal["ko", "en"]) -> str:
        return notice_for(worker.gateway.directory.tenant(who.tenant_id).settings, language)

    async def organisations() -> list[str]:
        return [tenant.slug for tenant in await list_tenants(database)]

    async def original(who: Principal, version_id: uuid.UUID) -> OriginalFile:
        try:
            opened = await open_original(platform.knowledge, who.tenant_id, who.person_id, version_id)
        except NotFound:  # sources of answers are documents, or files of a conversation
            opened = await open_attachment(platform.knowledge, who.tenant_id, who.person_id, version_id)
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
        call=call,
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

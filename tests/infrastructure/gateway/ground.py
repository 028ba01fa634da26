"""A whole gateway for tests: real Postgres, a worker's real rooms, the native server on a loopback socket; and tenants with all they need."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import openai

from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.core.config import Settings
from ondol.core.ids import new_id
from ondol.core.money import Money
from ondol.infrastructure.access.keys import KeyDirectory, create_key, revoke_key
from ondol.infrastructure.access.limits.store import NewBudget, create_budget, create_limit
from ondol.infrastructure.access.limits.types import Bounds, Budget, Limit, Rates, Scope
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.infrastructure.access.types import ApiKey, Person, Tenant
from ondol.infrastructure.gateway.application import Gateway
from ondol.infrastructure.gateway.door import Caller
from ondol.infrastructure.gateway.records import RequestRecord
from ondol.infrastructure.gateway.records.content import ContentLog
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.lines import FORM
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.gateway.server import Limits
from ondol.infrastructure.gateway.streams import Times
from ondol.infrastructure.guard.conversation import Conversation
from ondol.infrastructure.serving.directory import AssistantCard
from ondol.infrastructure.serving.operator import set_operator
from ondol.infrastructure.serving.prices import Price, create_price
from ondol.infrastructure.serving.scripted import Says, ScriptedModel
from ondol.infrastructure.serving.settings import ModelSettings, ProviderSettings, TenantSettings, settings_from
from ondol.infrastructure.serving.store import Target, put_model, put_provider, put_tenant_settings
from ondol.infrastructure.serving.types import ChatEvent, ChatRequest, OwnAnswer, Route, Shown
from ondol.infrastructure.storage.folder import open_folder
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.infrastructure.storage.spool import Spool
from ondol.infrastructure.telemetry.room import open_telemetry
from ondol.wiring.gateway import GatewayRoom, gateway_of, open_gateway_room, streams_of
from ondol.wiring.guard import GuardRoom, open_guard
from ondol.wiring.platform import Platform, assistant_room, build_platform
from tests.infrastructure.gateway.server.wire import eventually, running

ScriptedAnswerer: TypeAlias = Callable[[Caller, AssistantCard, ChatRequest], AsyncIterator[ChatEvent]]

NOW = datetime(2026, 3, 4, tzinfo=UTC)
CREDENTIAL = "sk-upstream-0123456789abcdef"
"""What providers are sent; nobody else may ever see it."""
ASK: list[Any] = [{"role": "user", "content": "How do I return an order?"}]
MILLION = 1_000_000
STREAM_TIMES = Times(write_every_s=0.02, renew_every_s=0.05)


@dataclass
class Tenancy:
    """One tenant with a person and a key, and ways to give it more."""

    ground: Ground
    tenant: Tenant
    person: Person
    api_key: ApiKey
    key: str

    @property
    def id(self) -> uuid.UUID:
        return self.tenant.id

    @contextlib.asynccontextmanager
    async def change(self) -> AsyncIterator[Any]:
        """A transaction of the tenant, in force when this ends."""
        async with self.ground.platform.database.tenant_tx(self.id) as connection:
            yield connection
        await self.ground.fresh()

    async def provider(self, base_url: str, name: str = "up", kind: str = "openai", credential: str = CREDENTIAL, **settings: Any) -> str:
        made = settings_from(ProviderSettings, {"private_network": True, **settings})
        async with self.change() as connection:
            await put_provider(
                connection, self.ground.platform.keyring, self.id,
                name=name, kind=kind, base_url=base_url, credential=credential, settings=made, actor_id=None, now=NOW,
            )  # fmt: skip
        return name

    async def model(
        self, *targets: str | Target, alias: str = "m", prompt: str | None = None, shared: bool = False, disabled: bool = False, **settings: Any
    ) -> str:
        """Add a model. A target as text is ``provider`` or ``provider/model``, earlier ones are asked first."""
        made = [_target(place, target) for place, target in enumerate(targets or ("up",))]
        async with self.change() as connection:
            await put_model(
                connection, self.ground.platform.keyring, self.id,
                alias=alias, targets=made, settings=settings_from(ModelSettings, settings), prompt=prompt, shared=shared, disabled=disabled,
                actor_id=None, now=NOW,
            )  # fmt: skip
        return alias

    async def price(self, provider: str = "up", model: str = "small", *, from_at: datetime = NOW, currency: Any = "USD", **amounts: int) -> Price:
        """A price list; amounts in nano-units, of tokens for a million."""
        price = Price(new_id(), self.id, provider, model, currency, from_at, **(amounts or {"input": 10**9, "output": 2 * 10**9}))
        async with self.change() as connection:
            await create_price(connection, price, NOW)
        return price

    async def limit(self, scope: Scope = "tenant", subject: str = "", bounds: Bounds | None = None, **rates: int) -> Limit:
        async with self.change() as connection:
            return await create_limit(connection, self.id, scope, subject, Rates(**rates), bounds or Bounds(), NOW)

    async def budget(self, amount: int | Money, period: Any = "total", scope: Scope = "tenant", subject: str = "", name: str = "all") -> Budget:
        unit, currency, number = ("money", amount.currency, amount.nano) if isinstance(amount, Money) else ("tokens", None, amount)
        async with self.change() as connection:
            return await create_budget(connection, self.id, NewBudget(name, scope, subject, unit, period, number, currency), NOW)  # type: ignore[arg-type]

    async def settings(self, prompt: str | None = None, **settings: Any) -> None:
        async with self.change() as connection:
            await put_tenant_settings(
                connection, self.ground.platform.keyring, self.id, settings_from(TenantSettings, settings), prompt=prompt, actor_id=None, now=NOW
            )

    async def declare(self, **more: Any) -> None:
        """Apply a declaration's entries for the tenant, such as ``policies``; what guards it is ready then."""
        tenant = self.tenant
        entry = {"slug": tenant.slug, "name": tenant.name, "time_zone": tenant.time_zone, "currency": tenant.currency, **more}
        text = json.dumps({"version": 1, "tenants": [entry]})
        await apply_declaration(self.ground.platform.declaration_room, parse_declaration(text))
        await self.ground.fresh()
        await self.ground.guard.policies.refresh()

    async def another_key(self, models: Sequence[str] | None = None, expires_at: datetime | None = None, person: Person | None = None) -> str:
        async with self.change() as connection:
            now = self.ground.platform.clock()
            _, minted = await create_key(connection, self.id, (person or self.person).id, "more", now, models=models, expires_at=expires_at)
        return minted.text

    async def another_person(self, login: str = "other") -> Person:
        async with self.change() as connection:
            return await add_person(connection, self.ground.platform.keyring, self.id, NewPerson(login, login.title()), NOW)

    async def revoke(self, key: str) -> None:
        async with self.change() as connection:
            await revoke_key(connection, self.id, key.split("-")[2], NOW)

    async def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What a statement finds among the tenant's rows."""
        async with self.ground.platform.database.tenant_tx(self.id) as connection:
            done = await connection.execute(statement, values)
            return [dict(row) for row in await done.fetchall()]

    async def ask(self, body: Any = None, path: str = "/v1/chat/completions", key: str = "", **headers: str) -> httpx.Response:
        """POST a body: an object, or bytes. An object without a model asks ``m``."""
        content = body if isinstance(body, bytes) else json.dumps({"model": "m", **({"messages": ASK} if body is None else body)}).encode()
        told = {"authorization": f"Bearer {key or self.key}", "content-type": "application/json", **headers}
        return await self.ground.http.post(path, content=content, headers=told)

    def client(self, key: str = "", **settings: Any) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{self.ground.url}/v1", api_key=key or self.key, **{"max_retries": 0, "timeout": 10, **settings})

    @property
    def records(self) -> list[RequestRecord]:
        """The tenant's records, in the order in which they were made."""
        return [record for record in self.ground.records if record.tenant_id == self.id]

    async def record(self, count: int = 1) -> RequestRecord:
        """The tenant's last record, once there are so many. A record is there before the answer's last byte; this waits for callers who left."""
        await eventually(lambda: len(self.records) >= count)
        assert len(self.records) == count
        return self.records[-1]


class ScriptedAnswer:
    """An assistant's answer that says what a script says, and notes what of it was shown."""

    def __init__(self, events: AsyncIterator[ChatEvent], shown: list[Shown]) -> None:
        self._events = events
        self._shown = shown

    def __aiter__(self) -> AsyncIterator[ChatEvent]:
        return self._events

    async def aclose(self) -> None:
        await self._events.aclose()  # type: ignore[attr-defined]

    async def settle(self, shown: Shown) -> None:
        self._shown.append(shown)


@dataclass
class Ground:
    """A running gateway.

    Attributes:
        records: what was recorded, in memory beside the real recorder.
        url: where it listens.
        failing, is_full: what readiness and the recorder say, beside what they say themselves.
        operator: the tenant that runs the installation.
        answers: assistants of a test, by tenant, in the place of the real ones.
    """

    platform: Platform
    keys: KeyDirectory
    room: GatewayRoom
    guard: GuardRoom
    recorder: RequestRecorder
    drain: RecordDrain
    contents: ContentLog
    gateway: Gateway | None = None
    url: str = ""
    records: list[RequestRecord] = field(default_factory=list)
    failing: dict[str, str] = field(default_factory=dict)
    is_full: bool = False
    answers: dict[uuid.UUID, ScriptedAnswerer] = field(default_factory=dict)
    shown: list[Shown] = field(default_factory=list)
    http: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)
    operator: Tenancy | None = None
    _made: int = 0
    _held: bool = False

    @contextlib.asynccontextmanager
    async def at_once(self) -> AsyncIterator[None]:
        """Several changes that are in force together, when this ends."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        await self.fresh()

    async def fresh(self) -> None:
        """What was changed is in force. Workers hear of it by themselves too; this waits for it."""
        if self._held:
            return
        _, _, heard = await asyncio.gather(self.keys.refresh(), self.room.directory.refresh(), self.room.governor.beat())
        assert heard

    async def tenancy(self, currency: str = "USD", time_zone: str = "UTC") -> Tenancy:
        """A fresh tenant."""
        platform = self.platform
        self._made += 1
        slug = f"acme{self._made}-{secrets.token_hex(3)}"
        tenant = await create_tenant(
            platform.database, platform.keyring, slug=slug, name=slug.title(), time_zone=time_zone, currency=currency, now=NOW
        )
        async with platform.database.tenant_tx(tenant.id) as connection:
            person = await add_person(connection, platform.keyring, tenant.id, NewPerson("bot", "Bot"), NOW)
            api_key, minted = await create_key(connection, tenant.id, person.id, "k", NOW)
        await self.fresh()
        return Tenancy(self, tenant, person, api_key, minted.text)


@contextlib.asynccontextmanager
async def open_ground(
    addresses: DatabaseAddresses,
    folder: Path,
    *,
    settings: Settings | None = None,
    limits: Limits | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    keep_alive_s: float = 0.05,
    body_bytes_max: int = 0,
) -> AsyncIterator[Ground]:
    """A gateway with all its rooms, listening. Its keep-alives come after 50 ms of silence."""
    platform = build_platform(settings or Settings(data_dir=folder / "data"), open_folder(folder / "data"), addresses, clock)
    keys = KeyDirectory(platform.database, platform.clock)
    await keys.refresh()
    telemetry = open_telemetry(platform.settings.metrics, platform.settings.telemetry, platform.folder.metrics, lambda tenant_id: "acme")
    async with open_guard(platform) as guard, telemetry as observer, open_gateway_room(platform, observer) as room:
        recorder = RequestRecorder(Spool(platform.folder.spool / FORM))
        drain = RecordDrain(platform.database, platform.folder.spool / FORM, platform.clock, held=recorder)
        contents = ContentLog(platform.database, platform.keyring, platform.clock, guard.masked)
        ground = Ground(platform, keys, room, guard, recorder, drain, contents)

        def record(made: RequestRecord) -> None:
            recorder.record(made)
            ground.records.append(made)

        def ready() -> Mapping[str, str]:
            return ground.failing | room.directory.failing

        assistants = assistant_room(platform, {})
        streams = streams_of(platform, STREAM_TIMES)
        gateway = ground.gateway = gateway_of(
            platform, keys, room, guard, lambda: assistants, streams=streams,
            record=record, observer=observer, records_full=lambda: ground.is_full or recorder.full, contents=contents, ready=ready,
        )  # fmt: skip
        door = gateway.pipeline._door

        def answer(caller: Caller, card: AssistantCard, request: ChatRequest, conversation: Conversation, route: Route | None) -> OwnAnswer:
            scripted = ground.answers.get(caller.tenant_id)
            if scripted is None:
                return door.answer(caller, card, request, conversation, route)
            return ScriptedAnswer(scripted(caller, card, request), ground.shown)

        gateway = ground.gateway = Gateway(
            replace(door, keep_alive_s=keep_alive_s, body_bytes_max=lambda: body_bytes_max or door.body_bytes_max(), answer=answer)
        )
        keys.on_gone = gateway.pipeline.end_key
        fresh = asyncio.create_task(keys.run())
        try:
            async with asyncio.timeout(60):
                await guard.policies.refresh()
            async with drain, recorder, contents.writing, streams.kept(), running(gateway, limits) as server:
                ground.url = f"http://127.0.0.1:{server.port}"
                async with httpx.AsyncClient(base_url=ground.url, timeout=30, trust_env=False) as ground.http:
                    ground.operator = await ground.tenancy()
                    await set_operator(platform.database, ground.operator.tenant, NOW)
                    yield ground
        finally:
            fresh.cancel()
            await asyncio.gather(fresh, return_exceptions=True)
    await platform.close()


@contextlib.asynccontextmanager
async def served(ground: Ground, says: Says, **model: Any) -> AsyncIterator[tuple[Tenancy, ScriptedModel]]:
    """A fresh tenant whose model ``m`` is the scripted one."""
    async with ScriptedModel(says) as upstream:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(upstream.base_url)
            await tenancy.model(**model)
        yield tenancy, upstream


def _target(place: int, target: str | Target) -> Target:
    if isinstance(target, Target):
        return target
    provider, _, name = target.partition("/")
    return Target(provider, name or "small", place)


def events_of(text: str) -> list[Any]:
    """The data of a stream's events, ``[DONE]`` as text."""
    found = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in found]

"""The data plane of one HTTP worker: what it keeps in memory of keys, models, limits and prices, and how it reaches providers and assistants."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from ondol.application.assistant.answer import AssistantRoom, answer
from ondol.application.assistant.by_route import by_route
from ondol.application.assistant.drafts import Trial, keep_nothing
from ondol.application.assistant.giving import AnswerGiven, stands_or_is_taken_back
from ondol.application.assistant.record import Keep
from ondol.application.assistant.serving import OpenedReleases
from ondol.application.assistant.store import find_assistant
from ondol.core.config import Settings
from ondol.core.money import NANO_PER_UNIT
from ondol.infrastructure.access.audiences import HeardByOthers
from ondol.infrastructure.access.callers import caller_of
from ondol.infrastructure.access.keys import KeyDirectory
from ondol.infrastructure.access.limits.governor import Governor
from ondol.infrastructure.access.limits.payer import PAYER
from ondol.infrastructure.access.limits.types import Alarm, GiveAlarm
from ondol.infrastructure.access.people import groups_of_person, list_tenants
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.targets import TargetSeen
from ondol.infrastructure.gateway.application import Gateway
from ondol.infrastructure.gateway.door import Answerer, Caller, Door, FeedbackEntry
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.inside import caller_inside
from ondol.infrastructure.gateway.purchases import Purchases
from ondol.infrastructure.gateway.records import RequestRecord
from ondol.infrastructure.gateway.records.content import ContentLog
from ondol.infrastructure.gateway.records.feedback import give_feedback
from ondol.infrastructure.gateway.streams import Streams, Times
from ondol.infrastructure.guard.conversation import Conversation
from ondol.infrastructure.guard.traffic import Asker
from ondol.infrastructure.serving.directory import AssistantCard, ServingDirectory
from ondol.infrastructure.serving.http import HttpClient
from ondol.infrastructure.serving.http.pool import CONNECTIONS_PER_ORIGIN_MAX, SHARE_OF_FREE
from ondol.infrastructure.serving.prices import PriceDirectory
from ondol.infrastructure.serving.providers import new_providers
from ondol.infrastructure.serving.routing import Router
from ondol.infrastructure.serving.types import ChatEvent, ChatRequest, Route
from ondol.infrastructure.telemetry.notices import AlarmFailed, Notice, tell
from ondol.infrastructure.telemetry.observer import Observer
from ondol.infrastructure.telemetry.room import sampling_ratio
from ondol.wiring.guard import GuardRoom
from ondol.wiring.platform import Platform
from ondol.wiring.purchasing import Way

_LOG = logging.getLogger("ondol.gateway")
CALLERS_MAX = 100_000
"""Callers kept ready; each is a few hundred bytes."""


@dataclass(frozen=True, slots=True)
class GatewayRoom:
    """What the data plane keeps fresh.

    Attributes:
        directory: models and settings of all tenants.
        governor: limits and budgets.
        prices: what answers cost.
        client: connections to providers.
        router: the way to them.
    """

    directory: ServingDirectory
    governor: Governor
    prices: PriceDirectory
    client: HttpClient
    router: Router


@contextlib.asynccontextmanager
async def open_gateway_room(platform: Platform, observer: Observer, slugs: dict[uuid.UUID, str] | None = None) -> AsyncIterator[GatewayRoom]:
    """Keep what the data plane needs in memory fresh for as long as this lasts.

    Args:
        slugs: kept up to date with every tenant's.
    """
    directory = ServingDirectory(platform.database, platform.keyring, slugs=slugs)
    tellers: set[asyncio.Task[None]] = set()
    prices = PriceDirectory()
    governor = Governor(
        platform.database,
        give_alarm=_budget_alarms(platform),
        is_open=lambda tenant_id: directory.tenant(tenant_id).settings.when_away == "open",
        tell_open=lambda tenant_id: tellers.add(_tell_open(platform, directory.tenant(tenant_id).slug, tellers)),
        followers=(prices.read,),
    )
    client = HttpClient(connections_per_origin_max=_connections_to_providers(platform.settings))
    router = Router(client, new_providers(platform.settings.outbound.proxy_url), asked=observer.asked_upstream)
    platform.live.follow(lambda settings: settings.outbound.proxy_url, lambda proxy_url: partial(router.speak_by, new_providers(proxy_url)))
    platform.live.follow(_connections_to_providers, lambda most: partial(client.allow, most))
    await directory.refresh()
    await governor.beat()  # whoever comes first need not wait for rules that are not read yet
    tasks = [asyncio.create_task(directory.run(), name="models"), asyncio.create_task(governor.run(), name="limits")]
    try:
        yield GatewayRoom(directory, governor, prices, client, router)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()


def _connections_to_providers(settings: Settings) -> int:
    """As many to one provider as callers may hold: each of them may be waiting for it. And what a tenant alone leaves free to others."""
    held = max(CONNECTIONS_PER_ORIGIN_MAX, settings.http.connections_max)
    return held + held // SHARE_OF_FREE


def _tell_open(platform: Platform, slug: str, tellers: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    """Tell people that a tenant's requests go on uncounted by others, since Postgres is away and the tenant is set so."""
    _LOG.error("requests go on without Postgres", extra={"tenant": slug})
    now = platform.clock()
    lines = (
        f"테넌트 / Tenant: {slug}",
        "Postgres가 응답하지 않아 한도와 예산을 다른 작업자와 맞추지 못한 채 요청을 계속 받습니다.",
        "Postgres does not answer: requests go on without limits and budgets being shared with other workers.",
        f"시각 / Since: {now.isoformat(timespec='seconds')}",
    )
    body = {"event": "limits.open", "tenant": slug, "since": now.isoformat()}
    notice = Notice(f"open-{slug}-{int(now.timestamp())}", f"[Ondol] {slug}: requests go on without Postgres", lines, body)

    async def told() -> None:
        try:
            await tell(platform.settings.guard.alarms, notice, now)
        except AlarmFailed as error:
            _LOG.warning("alarm not given", extra={"reason": error.message})

    task = asyncio.create_task(told())
    task.add_done_callback(tellers.discard)
    return task


def _budget_alarms(platform: Platform) -> GiveAlarm:
    """Tells people of a budget's share that was reached, by the ways that incidents are told. Where none is set up the console shows it."""

    async def give(alarm: Alarm) -> None:
        slug = next((tenant.slug for tenant in await list_tenants(platform.database) if tenant.id == alarm.tenant_id), str(alarm.tenant_id))
        unit = alarm.currency or "tokens"
        scale = NANO_PER_UNIT if alarm.currency else 1
        spent, amount = alarm.spent / scale, alarm.amount / scale
        lines = (
            f"테넌트 / Tenant: {slug}",
            f"예산 / Budget: {alarm.budget_name} {alarm.subject}",
            f"사용 / Used: {spent:,.2f} / {amount:,.2f} {unit} ({alarm.percent} %)",
            f"시각 / At: {alarm.reached_at.isoformat(timespec='seconds')}",
        )
        body = {
            "event": "budget.alarm", "tenant": slug, "budget": alarm.budget_name, "subject": alarm.subject, "percent": alarm.percent,
            "spent": alarm.spent, "amount": alarm.amount, "unit": "nano" if alarm.currency else "tokens", "currency": alarm.currency,
            "reached_at": alarm.reached_at.isoformat(),
        }  # fmt: skip
        subject = f"[Ondol] {slug}: budget {alarm.budget_name} at {alarm.percent} %"
        await tell(platform.settings.guard.alarms, Notice(f"{alarm.pool_id}-{alarm.percent}", subject, lines, body), platform.clock())

    return give


def _answerer(platform: Platform, assistants: Callable[[], AssistantRoom], trial: Trial | None) -> Answerer:
    """What answers as an assistant: by the release of its card, with the model of that release; or as a trial says."""
    opened = OpenedReleases()

    def answered(caller: Caller, card: AssistantCard, request: ChatRequest, conversation: Conversation, route: Route | None) -> AnswerGiven:
        PAYER.set(caller.who)  # of the request's own task: what a search asks of models is counted there too

        async def events(keep: Keep) -> AsyncGenerator[ChatEvent, None]:
            async with platform.database.tenant_tx(caller.tenant_id) as connection:
                # The release is the card's, by which the request was reserved: who moves the pointer meanwhile changes nothing of this answer.
                found = replace(await find_assistant(connection, card.name), release_id=card.release_id)
                assistant, serving = await opened.open(connection, platform.keyring, caller.tenant_id, found)
            asked = _heard(assistants(), caller)
            if trial is not None:
                asked, serving, keep = trial.room(asked), trial.serving(serving), keep_nothing
            room, who, looks = by_route(asked, serving, route), (caller.tenant_id, caller.person_id), (conversation.documents, keep)
            guard: Any = {"screen": conversation.recalled, "shown_of": conversation.as_shown, "policies": conversation.guards.digests}
            told = answer(room, *who, assistant, request, *looks, **guard, serving=serving)
            async with contextlib.aclosing(cast(Any, told)) as closing:
                async for event in closing:
                    yield event

        return AnswerGiven(platform.knowledge, events)

    return answered


def _heard(room: AssistantRoom, caller: Caller) -> AssistantRoom:
    """The assistants' room for a caller: where others read along, nothing is found that they may not read."""
    if caller.listeners is None:
        return room
    return replace(room, knowledge=replace(room.knowledge, visible=HeardByOthers(room.knowledge.visible, caller.listeners)))


def streams_of(platform: Platform, times: Times = Times()) -> Streams:  # noqa: B008 - a frozen record
    """Answers that outlive their connection, at one worker."""
    return Streams(platform.database, platform.keyring, partial(stands_or_is_taken_back, platform.knowledge), times)


def _feedback_keeper(platform: Platform) -> Callable[[Caller, FeedbackEntry], Awaitable[uuid.UUID]]:
    """What keeps what callers think of answers."""

    async def feedback(caller: Caller, entry: FeedbackEntry) -> uuid.UUID:
        async with platform.database.tenant_tx(caller.tenant_id) as connection:
            return await give_feedback(
                connection,
                platform.keyring,
                caller.tenant_id,
                entry.request_id,
                entry.opinion,
                person_id=caller.person_id,
                api_key_id=caller.api_key_id,
                now=platform.clock(),
            )

    return feedback


def targets_seen(room: GatewayRoom, tenant_id: uuid.UUID) -> list[TargetSeen]:
    """The targets of a tenant's own models as this worker sees them; what another tenant shares is that tenant's to see."""
    now = room.router.now()
    own = [card.row for card in room.directory.tenant(tenant_id).models.values() if card.row.tenant_id == tenant_id]
    seen = [(row.alias, target, room.router.breaker(target)) for row in own for target in row.targets]
    return [TargetSeen(alias, target.provider.name, target.model, breaker.state, breaker.rests_s(now)) for alias, target, breaker in seen]


def _answering(ready: Callable[[], Mapping[str, str]]) -> Callable[[], Awaitable[Mapping[str, str]]]:
    async def failing() -> Mapping[str, str]:
        return ready()

    return failing


def _lent(keys: KeyDirectory, exchange: Exchange) -> Caller | None:
    """In whose name this process asks itself. Raises `Unauthenticated` where the key that this is done by was revoked a moment ago."""
    lent = caller_inside(exchange)
    if lent is not None and lent.api_key_id is not None:
        keys.check_not_gone(lent.api_key_id)
    return lent


def gateway_of(
    platform: Platform,
    keys: KeyDirectory,
    room: GatewayRoom,
    guard: GuardRoom,
    assistants: Callable[[], AssistantRoom],
    *,
    record: Callable[[RequestRecord], None],
    observer: Observer,
    records_full: Callable[[], bool],
    contents: ContentLog,
    ready: Callable[[], Mapping[str, str]],
    streams: Streams | None = None,
    inside: bool = False,
    trial: Trial | None = None,
) -> Gateway:
    """The data plane, joined with the stores. Without `streams` no answer outlives its connection.

    With `inside` it answers this process alone, which says in whose name it asks (`ask_inside`); with a `trial` its assistants answer as that says.
    """
    callers: dict[uuid.UUID, tuple[Principal, Caller]] = {}

    def caller_for(principal: Principal) -> Caller:
        """The caller of a key, made once for as long as the directory tells the same principal."""
        assert principal.api_key_id is not None  # noqa: S101 - told by a key
        known = callers.get(principal.api_key_id)
        if known is not None and known[0] is principal:
            return known[1]
        if len(callers) >= CALLERS_MAX:
            callers.clear()
        models = None if principal.models is None else frozenset(principal.models)
        caller = Caller(principal.tenant_id, principal.person_id, principal.api_key_id, models, principal.group_ids)
        callers[principal.api_key_id] = principal, caller
        return caller

    def known_caller(exchange: Exchange) -> Caller | None:
        lent = _lent(keys, exchange)
        if inside or lent is not None:
            return lent
        told = exchange.header(b"authorization")
        if told[:7].lower() == b"bearer ":
            return caller_for(keys.check(told[7:].strip().decode("latin-1")))
        own = exchange.header(b"x-api-key")
        if own and not told:
            return caller_for(keys.check(own.decode("latin-1")))
        return None

    async def authenticate(exchange: Exchange) -> Caller:
        principal = await caller_of(keys, platform.sign_in, exchange.headers())
        async with platform.database.tenant_tx(principal.tenant_id) as connection:
            groups = await groups_of_person(connection, principal.person_id)
        models = None if principal.models is None else frozenset(principal.models)
        return Caller(principal.tenant_id, principal.person_id, principal.api_key_id, models, groups)

    async def guarded(caller: Caller, request_id: uuid.UUID, texts: Sequence[str], model: str, assistant: AssistantCard | None) -> Conversation:
        asker = Asker(caller.tenant_id, caller.person_id, caller.api_key_id, request_id)
        if assistant is None:
            return await guard.conversation(asker, texts, model=model)
        return await guard.conversation(asker, texts, model=model, assistant=assistant.name, base=assistant.base, pinned=assistant.policy)

    def keep_content(caller: Caller, request_id: uuid.UUID, prompt: str, said: str) -> None:
        settings = room.directory.tenant(caller.tenant_id).settings
        if settings.content != "off":
            contents.keep(caller.tenant_id, caller.person_id, request_id, prompt, said, mode=settings.content, days=settings.content_days)

    platform.models.lend(Way(room.directory, room.router, Purchases(room.governor, room.prices, record, platform.clock)))
    gateway = Gateway(
        Door(
            known_caller=known_caller,
            authenticate=authenticate,
            directory=room.directory,
            governor=room.governor,
            router=room.router,
            prices=room.prices,
            guard=guarded,
            answer=_answerer(platform, assistants, trial),
            record=record,
            observer=observer,
            streams=streams,
            trace_ratio=sampling_ratio(platform.settings.telemetry),
            keep_content=keep_content,
            feedback=_feedback_keeper(platform),
            records_full=records_full,
            ready=_answering(ready),
            now=platform.clock,
            body_bytes_max=lambda: platform.settings.http.body_bytes_max,
        )
    )
    if not inside:
        keys.on_gone = gateway.pipeline.end_key
    return gateway

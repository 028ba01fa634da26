"""Reading the ledger: the tenant's events with their proofs, the head of the chain, how it went on from an earlier head, and who signs.

All digests, keys and signatures are in hexadecimal. `text` is always what a digest is taken over (SHA-256 of its UTF-8), so a reader can take it
again without knowing how it is written.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from ondol.core.errors import Conflict, Forbidden, LedgerBroken, NotFound
from ondol.core.ids import first_id_at
from ondol.infrastructure.access.people import find_person, logins_of
from ondol.infrastructure.access.route_roles import READ, WRITE
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import PAGE, PAGE_MAX, GatewayServices, Moment
from ondol.infrastructure.gateway.admin_api.requests import page_end
from ondol.infrastructure.ledger import (
    ListedEvent,
    PublicKeys,
    SealedBatch,
    batch_text,
    event_text,
    get_event,
    head_batch,
    links_after,
    list_events,
    prove,
    record,
    unsealed,
)
from ondol.infrastructure.ledger.read import EVENTS_PAGE_MAX, LINKS_PAGE_MAX
from ondol.infrastructure.serving.store import operates
from ondol.infrastructure.storage.postgres import Connection

SUBJECT_DAYS = 90
"""How far back events are searched for what they name, where nothing says since when."""
KINDS_MAX = 200
LINES_MEDIA_TYPE = "application/jsonl"
NEXT_HEADER = "x-ondol-next"

Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,99}$")]
Limit = Annotated[int, Query(ge=1, le=LINKS_PAGE_MAX)]
Number = Annotated[int, Query(ge=0, le=2**63 - 1)]
KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", max_length=16)]


@dataclass(frozen=True, slots=True)
class LedgerServices(GatewayServices):
    """What the routes work with.

    Attributes:
        keys: the public keys that ever signed, and the ids of those that are revoked.
        revoke: trusts a key no more, by its id and who asked; whether that is a change.
    """

    keys: Callable[[], tuple[PublicKeys, frozenset[str]]]
    revoke: Callable[[str, Principal], Awaitable[bool]]


class EventShown(BaseModel):
    """One thing that happened. `actor` is the login of who did it: empty for the platform itself, and for somebody who was erased.

    `batch` is null while the event waits for the sealer. `sound` says that the row's own digest holds; whether it is what was sealed, a proof says.
    """

    id: uuid.UUID
    kind: str
    actor_id: uuid.UUID | None
    actor: str
    body: dict[str, Any]
    created_at: datetime | None
    digest: str
    batch: int | None
    place: int | None
    sound: bool


class EventPage(BaseModel):
    """Events, the newest first. `next` is what to give as `before` for the next page; `since` is from when on they were read, where it is bounded."""

    events: list[EventShown]
    next: uuid.UUID | None
    since: datetime | None


class BatchShown(BaseModel):
    """A link of the chain, which is over all tenants. The signature (Ed25519) is over ``ondol ledger batch``, a zero byte, and the digest's bytes."""

    number: int
    text: str
    digest: str
    signature: str
    signer: str
    sealed_at: datetime


class ProofShown(BaseModel):
    """That an event is sealed: from SHA-256 of `text`, leaf `place` of `event_count`, `path` leads to the root in the batch's text (RFC 6962)."""

    text: str
    place: int
    event_count: int
    path: list[str]
    batch: BatchShown
    public_key: str


class ProvenEvent(BaseModel):
    """An event with its proof, which is null while the event waits for the sealer."""

    event: EventShown
    proof: ProofShown | None


class HeadShown(BaseModel):
    """The end of the chain: null while nothing is sealed. `waiting` counts the tenant's events that wait for the sealer."""

    head: BatchShown | None
    public_key: str
    waiting: int


class ChainPage(BaseModel):
    """The links after a batch, in order: each text holds the digest of the batch before. `next` is what to give as `after` for the next page."""

    links: list[BatchShown]
    next: int | None


class LedgerKey(BaseModel):
    """A key that signs or signed. Its id is the first 16 digits of its fingerprint, which is SHA-256 of the 32 bytes of the key."""

    id: str
    public_key: str
    revoked: bool


class LedgerKeys(BaseModel):
    """All keys, in the order in which they were first used."""

    keys: list[LedgerKey]


class KeyRevoked(BaseModel):
    """The key is trusted no more."""

    changed: bool


class Filters(BaseModel):
    """Which events are asked for. With `subject`, an id that an event names, the last 90 days are searched where `since` is absent."""

    kind: list[Kind] = Field(default=[], max_length=KINDS_MAX)
    without: list[Kind] = Field(default=[], max_length=KINDS_MAX)
    actor: str = Field(default="", max_length=200, description="A login, or the id of a person.")
    subject: uuid.UUID | None = None
    since: Moment | None = None
    until: Moment | None = None
    before: uuid.UUID | None = None


class PageFilters(Filters):
    """The same, and how many on a page."""

    limit: int = Field(default=PAGE, ge=1, le=PAGE_MAX)


class ExportFilters(Filters):
    """The same, and how many in a file."""

    limit: int = Field(default=EVENTS_PAGE_MAX, ge=1, le=EVENTS_PAGE_MAX)


def ledger_router(services: LedgerServices) -> APIRouter:
    """The routes below ``/ledger``."""
    router = APIRouter(prefix="/ledger", tags=["ledger"])
    _event_routes(router, services)
    _chain_routes(router, services)
    return router


def _event_routes(router: APIRouter, services: LedgerServices) -> None:
    @router.get("/events", openapi_extra=READ)
    async def list_ledger_events(filters: Annotated[PageFilters, Query()], who: Principal = services.reads) -> EventPage:
        """What happened in the tenant, the newest first."""
        since = _since(services, filters)
        async with services.within(who) as connection:
            found = await _found(connection, services, who, filters, since, filters.limit + 1)
            shown = await _shown(connection, services, who, found[: filters.limit])
        return EventPage(events=shown, next=found[filters.limit - 1].id if len(found) > filters.limit else None, since=since)

    @router.get("/events/{event_id}", openapi_extra=READ)
    async def show_ledger_event(event_id: uuid.UUID, who: Principal = services.reads) -> ProvenEvent:
        """One event and the proof that it is sealed. Check the proof yourself: what is gathered here says nothing of whether it holds."""
        async with services.within(who) as connection:
            event = await get_event(connection, who.tenant_id, event_id)
            [shown] = await _shown(connection, services, who, [event])
        return ProvenEvent(event=shown, proof=None if event.batch is None else await _proof(services, who, event_id))

    lines = {"content": {LINES_MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "A line for each event, the newest first."}

    @router.get("/export", openapi_extra=READ, response_class=Response, responses={200: lines})
    async def export_ledger_events(filters: Annotated[ExportFilters, Query()], who: Principal = services.reads) -> Response:
        """The same as JSON lines, each with its digest. Where there are more, the header `x-ondol-next` tells what to give as
        `before`. Taking events out is an event itself."""
        async with services.within(who) as connection:
            found = await _found(connection, services, who, filters, _since(services, filters), filters.limit + 1)
            taken, left = found[: filters.limit], len(found) > filters.limit
            body = {"events": len(taken)}
            await record(connection, who.tenant_id, kind="ledger.exported", actor_id=who.person_id, body=body, now=services.clock())
        headers = {NEXT_HEADER: str(taken[-1].id)} if left else {}
        return Response("".join(_line(event, who.tenant_id) for event in taken), media_type=LINES_MEDIA_TYPE, headers=headers)


def _chain_routes(router: APIRouter, services: LedgerServices) -> None:
    @router.get("/head", openapi_extra=READ)
    async def show_head(who: Principal = services.reads) -> HeadShown:
        """The end of the chain. Whoever keeps its number and digest elsewhere can tell later that nothing before it was changed."""
        async with services.within(who) as connection:
            last = await head_batch(connection)
        head = None if last is None else _batch(last)
        waiting = await unsealed(services.database, tenant_id=who.tenant_id)
        public, _ = await asyncio.to_thread(services.keys)
        return HeadShown(head=head, public_key=public.get(head.signer, b"").hex() if head else "", waiting=waiting.count)

    @router.get("/chain", openapi_extra=READ)
    async def show_chain(after: Number = 0, until: Number | None = None, limit: Limit = LINKS_PAGE_MAX, who: Principal = services.reads) -> ChainPage:
        """How the chain went on from one head to another: the proof that the later one continues the earlier one."""
        async with services.within(who) as connection:
            found = await links_after(connection, after, last=until, limit=limit)
        return ChainPage(links=[_batch(batch) for batch in found], next=found[-1].number if len(found) == limit else None)

    @router.get("/keys", openapi_extra=READ)
    async def list_keys_of_ledger(_who: Principal = services.reads) -> LedgerKeys:
        """The public keys of this installation's ledger. Compare their fingerprints with those that you got another way."""
        public, revoked = await asyncio.to_thread(services.keys)
        return LedgerKeys(keys=[LedgerKey(id=key_id, public_key=key.hex(), revoked=key_id in revoked) for key_id, key in public.items()])

    @router.post("/keys/{key}/revoke", openapi_extra=WRITE)
    async def revoke_key_of_ledger(key: KeyId, who: Principal = services.writes) -> KeyRevoked:
        """Trust a signing key no more: no verdict of any tenant that it signed holds from now on. For the tenant that runs this installation."""
        async with services.within(who) as connection:
            if not await operates(connection, who.tenant_id):
                hint = "On the machine: ondol ledger revoke-key, or ondol tenant operator."
                raise Forbidden("Only the tenant that runs this installation revokes its signing keys.", hint, code="not_operator")
        return KeyRevoked(changed=await services.revoke(key, who))


def _since(services: LedgerServices, filters: Filters) -> datetime | None:
    if filters.since is None and filters.subject is not None:
        return services.clock() - timedelta(days=SUBJECT_DAYS)
    return filters.since


async def _found(
    connection: Connection, services: LedgerServices, who: Principal, filters: Filters, since: datetime | None, limit: int
) -> list[ListedEvent]:
    return await list_events(
        connection,
        who.tenant_id,
        first_id=None if since is None else first_id_at(int(since.timestamp() * 1000)),
        before=page_end(filters.until, filters.before),
        kinds=filters.kind,
        without=filters.without,
        actor_id=await _actor(connection, services, who, filters.actor.strip()),
        subject=filters.subject,
        limit=limit,
    )


async def _actor(connection: Connection, services: LedgerServices, who: Principal, said: str) -> uuid.UUID | None:
    """Who is meant by a login or an id. Raises `NotFound`."""
    if not said:
        return None
    try:
        return uuid.UUID(said)
    except ValueError:
        pass
    try:
        return (await find_person(connection, services.keyring, who.tenant_id, said)).id
    except NotFound as error:
        raise NotFound(error.message, "Give a login or the id of a person.", code="person_not_found", param="actor") from error


async def _shown(connection: Connection, services: LedgerServices, who: Principal, events: Sequence[ListedEvent]) -> list[EventShown]:
    logins = await logins_of(connection, services.keyring, who.tenant_id, {event.actor_id for event in events if event.actor_id is not None})
    return [
        EventShown(
            id=event.id,
            kind=event.kind,
            actor_id=event.actor_id,
            actor=logins.get(event.actor_id, "") if event.actor_id else "",
            body=dict(event.body),
            created_at=event.created_at,
            digest=event.digest.hex(),
            batch=event.batch,
            place=event.place,
            sound=event.sound,
        )
        for event in events
    ]


async def _proof(services: LedgerServices, who: Principal, event_id: uuid.UUID) -> ProofShown:
    """The proof of a sealed event.

    Raises:
        Conflict: when the event or its batch was altered so that there is nothing to prove.
    """
    try:
        proof = await prove(services.database, who.tenant_id, event_id)
        text = event_text(proof.event)
    except (LedgerBroken, TypeError, ValueError, OverflowError, RecursionError) as error:
        said = error.message if isinstance(error, LedgerBroken) else "The event was altered: it holds what no event can hold."
        raise Conflict(said, "`ondol ledger verify` checks the whole ledger.", code="ledger_broken") from error
    public, _ = await asyncio.to_thread(services.keys)
    return ProofShown(
        text=text,
        place=proof.place,
        event_count=proof.batch.event_count,
        path=[beside.hex() for beside in proof.path],
        batch=_batch(proof.batch),
        public_key=public.get(proof.batch.signer, b"").hex(),
    )


def _batch(batch: SealedBatch) -> BatchShown:
    return BatchShown(
        number=batch.number,
        text=batch_text(batch),
        digest=batch.digest.hex(),
        signature=batch.signature.hex(),
        signer=batch.signer,
        sealed_at=batch.sealed_at,
    )


def _line(event: ListedEvent, tenant_id: uuid.UUID) -> str:
    told = {"id": str(event.id), "kind": event.kind, "actor": str(event.actor_id) if event.actor_id else None, "body": event.body}
    at = event.created_at.isoformat() if event.created_at else None
    sealed = {"digest": event.digest.hex(), "batch": event.batch, "place": event.place, "sound": event.sound, "tenant": str(tenant_id)}
    return json.dumps({**told, "created_at": at, **sealed}, ensure_ascii=False) + "\n"

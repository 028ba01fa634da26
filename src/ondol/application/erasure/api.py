"""Erasures in the admin API. What is asked is hidden when the answer comes; the job worker erases and proves it."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field

from ondol.application.erasure.ask import IDENTIFIERS_MAX, REASON_DEFAULT, Outlook, count_document, count_subject, erase_document, erase_subject
from ondol.application.knowledge.identifiers import VALUE_CHARACTERS_MAX
from ondol.application.knowledge.rooms import Knowledge
from ondol.infrastructure.access.people import LOGIN_CHARACTERS_MAX
from ondol.infrastructure.access.route_roles import READ, WRITE, Body, RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.ledger.erasure import (
    Eraser,
    Erasure,
    ErasureKind,
    ErasureState,
    ErasureStore,
    ReceiptCheck,
    Step,
    get_erasure,
    list_erasures,
    steps_of,
)
from ondol.infrastructure.ledger.erasure.store import PAGE_MAX

ErasureId = Annotated[uuid.UUID, Path()]


@dataclass(frozen=True, slots=True)
class ErasureServices(RoleGate):
    """What the routes work with.

    Attributes:
        principal: who sends a request, roles included; it was authenticated before.
        verify: checks a receipt and probes every store again.
        erasers: what erases, in its order.
    """

    knowledge: Knowledge
    verify: Callable[[Erasure], Awaitable[ReceiptCheck]]
    erasers: Callable[[], Sequence[Eraser]]
    principal: Callable[[Request], Principal]


class DocumentNamed(Body):
    """A document of a base: by its id, its key or the path of its file."""

    base: str = Field(min_length=1, max_length=63, pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$")
    document: str = Field(min_length=1, max_length=1000)


class SubjectNamed(Body):
    """A person by login; `identifiers` are more by which documents speak of them."""

    login: str = Field(min_length=1, max_length=LOGIN_CHARACTERS_MAX)
    identifiers: list[Annotated[str, Field(max_length=VALUE_CHARACTERS_MAX)]] = Field(default=[], max_length=IDENTIFIERS_MAX)


class DocumentBody(DocumentNamed):
    """A document of a base, and why."""

    reason: str = Field(default=REASON_DEFAULT, max_length=63, description="A fixed word; it stays in the ledger.")


class SubjectBody(SubjectNamed):
    """A person, and why; `with_documents` erases the documents too that speak of them."""

    with_documents: bool = False
    reason: str = Field(default=REASON_DEFAULT, max_length=63, description="A fixed word; it stays in the ledger.")


class ReachShown(BaseModel):
    """How many things one eraser would remove from its store."""

    name: str
    store: ErasureStore
    method: str
    found: int


class OutlookShown(BaseModel):
    """What an erasure would reach, without anything being erased. `documents` speak of the person."""

    kind: ErasureKind
    target: uuid.UUID
    stores: list[ReachShown]
    documents: int


class StepShown(BaseModel):
    """What one eraser found, and what its probe saw before and after."""

    name: str
    found: int
    before: int | None
    after: int | None
    erased_at: datetime | None


class ErasureShown(BaseModel):
    """An erasure. It has a receipt once it is proved; `failure` is a fixed word."""

    id: uuid.UUID
    kind: ErasureKind
    target: uuid.UUID
    state: ErasureState
    reason: str
    replayed: bool
    failure: str
    hidden_at: datetime
    proved_at: datetime | None
    steps: list[StepShown]
    receipt: dict[str, Any] | None
    digest: str | None
    signature: str | None
    signer: str | None


class ErasureList(BaseModel):
    """Erasures, the newest first, without their steps and receipts."""

    erasures: list[ErasureShown]


class ReceiptShown(BaseModel):
    """Whether a receipt holds: its signature, the ledger's event, and that no probe finds anything again."""

    holds: bool
    signature: bool
    event: bool
    found_again: dict[str, int]


def erasure_router(services: ErasureServices) -> APIRouter:
    """The routes below ``/erasures``."""
    router = APIRouter(prefix="/erasures", tags=["erasures"])
    room = services.knowledge

    @router.post("/documents", openapi_extra=WRITE)
    async def erase_a_document(body: DocumentBody, who: Principal = services.writes) -> ErasureShown:
        """Erase a document in all its versions. Nobody finds it any more when this answers."""
        made = await erase_document(room, who.tenant_id, body.base, body.document, asked_by=who.person_id, reason=body.reason)
        return _shown(made, ())

    @router.post("/subjects", openapi_extra=WRITE)
    async def erase_a_person(body: SubjectBody, who: Principal = services.writes) -> ErasureShown:
        """Erase a person and all that is theirs. Their keys and sessions are shut when this answers."""
        made = await erase_subject(
            room,
            who.tenant_id,
            body.login,
            identifiers=body.identifiers,
            with_documents=body.with_documents,
            asked_by=who.person_id,
            reason=body.reason,
        )
        return _shown(made, ())

    @router.post("/documents/preview", openapi_extra=WRITE)
    async def preview_document_erasure(body: DocumentNamed, who: Principal = services.writes) -> OutlookShown:
        """What erasing a document would remove. Nothing is erased or hidden by this."""
        erasers = services.erasers()
        return _outlook(await count_document(room, erasers, who.tenant_id, body.base, body.document), erasers)

    @router.post("/subjects/preview", openapi_extra=WRITE)
    async def preview_person_erasure(body: SubjectNamed, who: Principal = services.writes) -> OutlookShown:
        """What erasing a person would remove, and how many documents speak of them. Nothing is erased or shut by this."""
        erasers = services.erasers()
        return _outlook(await count_subject(room, erasers, who.tenant_id, body.login, identifiers=body.identifiers), erasers)

    @router.get("", openapi_extra=READ)
    async def list_all_erasures(
        before: Annotated[uuid.UUID | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        who: Principal = services.reads,
    ) -> ErasureList:
        """The tenant's erasures; the next page begins before the last one's id."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await list_erasures(connection, before=before, limit=limit)
        return ErasureList(erasures=[_shown(erasure, (), with_receipt=False) for erasure in found])

    @router.get("/{erasure_id}", openapi_extra=READ)
    async def show_erasure(erasure_id: ErasureId, who: Principal = services.reads) -> ErasureShown:
        """One erasure with its steps and, once it is proved, its receipt."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await get_erasure(connection, erasure_id)
            return _shown(found, await steps_of(connection, erasure_id))

    @router.post("/{erasure_id}/verify", openapi_extra=READ)
    async def verify_erasure(erasure_id: ErasureId, who: Principal = services.reads) -> ReceiptShown:
        """Check the receipt and look into every store again."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await get_erasure(connection, erasure_id)
        check = await services.verify(found)
        return ReceiptShown(holds=check.holds, signature=check.signature, event=check.event, found_again=dict(check.found_again))

    return router


def _outlook(found: Outlook, erasers: Sequence[Eraser]) -> OutlookShown:
    stores = [
        ReachShown(name=eraser.name, store=eraser.store, method=eraser.method, found=found.found[eraser.name])
        for eraser in erasers
        if eraser.name in found.found
    ]
    return OutlookShown(kind=found.kind, target=found.target_id, stores=stores, documents=found.documents)


def _shown(erasure: Erasure, steps: list[Step] | tuple[()], *, with_receipt: bool = True) -> ErasureShown:
    return ErasureShown(
        id=erasure.id,
        kind=erasure.kind,
        target=erasure.target_id,
        state=erasure.state,
        reason=erasure.reason,
        replayed=erasure.replayed,
        failure=erasure.failure,
        hidden_at=erasure.hidden_at,
        proved_at=erasure.proved_at,
        steps=[StepShown(name=step.name, found=step.found, before=step.before, after=step.after, erased_at=step.erased_at) for step in steps],
        receipt=erasure.receipt if with_receipt else None,
        digest=erasure.receipt_digest.hex() if erasure.receipt_digest else None,
        signature=erasure.signature.hex() if erasure.signature else None,
        signer=erasure.signer,
    )

"""Documents in the admin API: editors write them, and everybody sees of them what they may read."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import ClientDisconnect

from ondol.application.knowledge.api import KnowledgeServices
from ondol.application.knowledge.documents import once
from ondol.application.knowledge.documents.change import Changed, delete_document, move_document, rename_document, restrict_document
from ondol.application.knowledge.documents.put import Told
from ondol.application.knowledge.documents.readers import Readers, rule_of
from ondol.application.knowledge.documents.store import Access, Document, ListedState, access_of, document_absent, get_document, page_of_documents
from ondol.application.knowledge.documents.uploads import Reception, UploadState, find_upload
from ondol.application.knowledge.frontmatter import document_key_hash
from ondol.application.knowledge.originals import DOWNLOADABLE_AS_THEMSELVES, download_headers, original_of
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.store import ensure_base, list_bases
from ondol.core.errors import Forbidden, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.route_roles import ASK, EDIT, EDITORS, READERS, WRITE, WRITERS, Body
from ondol.infrastructure.access.types import Principal, SecurityClass
from ondol.infrastructure.storage.postgres import Connection

PAGE_MAX = 500
STREAM_BYTES_BEYOND = 1 << 20
"""A body is read so far beyond the limit that the refusal is ours, which says which setting it is."""

_STREAMED = re.compile(r"/api/v1/bases/[^/]+/documents(/[^/]+)?")
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": _BINARY}}}

BaseName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
FileName = Annotated[str, Query(max_length=200, description="The file's name, whose ending says what it is.")]
Groups = Annotated[list[str] | None, Query(alias="group", max_length=50)]
Class = Annotated[SecurityClass | None, Query(alias="class")]
Rule = Annotated[str | None, Query(max_length=4000, description="An access rule, such as `department in (sales, support)`.")]
Moment = Annotated[AwareDatetime | None, Query()]
OnceKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255, description="The same request with it is done once, for 24 h.")]


@dataclass(frozen=True, slots=True)
class DocumentServices(KnowledgeServices):
    """What the routes work with.

    Attributes:
        reception: takes uploads.
    """

    reception: Reception

    def streams(self, method: str, path: str) -> int | None:
        """How many bytes of a request's body may be read as they come; None for the requests whose body is read whole."""
        found = _STREAMED.fullmatch(path) if method in ("POST", "PUT") else None
        return None if found is None or (method == "PUT") != bool(found[1]) else self.reception.bytes_max() + STREAM_BYTES_BEYOND


class MoveBody(Body):
    """Where a document goes: what it is called from now on, to which base, or both."""

    key: str | None = Field(default=None, max_length=200)
    base: str | None = Field(default=None, max_length=63)


class AccessBody(Body):
    """Who may read a document. What is absent is public, and for everybody; `people` are logins, `access` is a rule over attributes."""

    security_class: SecurityClass | None = Field(default=None, alias="class")
    groups: list[str] = Field(default_factory=list, max_length=50)
    people: list[str] = Field(default_factory=list, max_length=50)
    access: str | None = Field(default=None, max_length=4000)


class ChangedShown(BaseModel):
    """What a change came to; `changed` is false where everything was so before."""

    document: uuid.UUID
    version: uuid.UUID
    changed: bool


class UploadAccepted(BaseModel):
    """A file was received. `GET /bases/{base}/uploads/{upload}` tells what becomes of it."""

    upload: uuid.UUID


class UploadShown(BaseModel):
    """A file that was received. `failure` is a word for why it was not taken in, `detail` a sentence."""

    id: uuid.UUID
    state: UploadState
    bytes: int
    document: uuid.UUID | None
    version: uuid.UUID | None
    failure: str | None
    detail: str
    created_at: datetime
    ended_at: datetime | None


class DocumentShown(BaseModel):
    """A document with its current version. Its readers in full (`groups`, `people`, `access`, `set_by_hand`) are told to editors only."""

    id: uuid.UUID
    key: str
    title: str
    file: str
    state: ListedState
    security_class: SecurityClass = Field(serialization_alias="class")
    groups: list[str] | None
    people: list[uuid.UUID] | None
    access: str | None
    set_by_hand: bool | None
    version: int
    version_id: uuid.UUID
    language: str
    media_type: str
    bytes: int
    passages: int
    origin: Literal["folder", "upload"]
    valid_from: datetime | None
    valid_until: datetime | None
    created_at: datetime


class DocumentPage(BaseModel):
    """Documents, oldest first. `next` is what to give as `after` for the next page."""

    documents: list[DocumentShown]
    next: uuid.UUID | None


class BaseShown(BaseModel):
    """A knowledge base."""

    id: uuid.UUID
    name: str


class BaseList(BaseModel):
    """Knowledge bases, by name."""

    bases: list[BaseShown]


def documents_router(services: DocumentServices) -> APIRouter:
    """The routes of ``/bases``, ``/bases/{base}/documents`` and ``/bases/{base}/uploads``."""
    router = APIRouter(tags=["documents"])
    _base_routes(router, services)
    _upload_routes(router, services)
    _change_routes(router, services)
    _read_routes(router, services)
    return router


def _base_routes(router: APIRouter, services: DocumentServices) -> None:
    room = services.knowledge

    @router.get("/bases", openapi_extra=ASK)
    async def list_knowledge_bases(who: Principal = services.asks) -> BaseList:
        """The knowledge bases."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            return BaseList(bases=[BaseShown(id=base.id, name=base.name) for base in await list_bases(connection)])

    @router.put("/bases/{base}", openapi_extra=WRITE)
    async def make_knowledge_base(base: BaseName, who: Principal = services.writes) -> BaseShown:
        """Make a knowledge base, unless there is one of this name."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            made = await ensure_base(connection, who.tenant_id, base, new_id(), room.clock())
        return BaseShown(id=made.id, name=made.name)


def _upload_routes(router: APIRouter, services: DocumentServices) -> None:
    room = services.knowledge

    @router.post("/bases/{base}/documents", status_code=202, response_model=UploadAccepted, openapi_extra={**EDIT, **_FILE_BODY})
    async def add_document(
        request: Request,
        base: BaseName,
        file: FileName,
        key: Annotated[str | None, Query(max_length=200)] = None,
        replace: bool = False,
        security_class: Class = None,
        groups: Groups = None,
        access: Rule = None,
        valid_from: Moment = None,
        valid_until: Moment = None,
        once_key: OnceKey = None,
        who: Principal = services.edits,
    ) -> Response:
        """Send a file, which a job worker makes a document of within seconds. `replace` lets it be a new version of one that is called so.

        What is told here and what the file says of itself must agree. Without a word of readers, those of the version before stay.
        """
        told = Told(file, key, None, replace, security_class, _tuple(groups), access, valid_from, valid_until)
        return await _received(services, request, who, base, told, once_key)

    @router.put("/bases/{base}/documents/{document}", status_code=202, response_model=UploadAccepted, openapi_extra={**EDIT, **_FILE_BODY})
    async def replace_document(
        request: Request,
        base: BaseName,
        document: uuid.UUID,
        file: FileName,
        security_class: Class = None,
        groups: Groups = None,
        access: Rule = None,
        valid_from: Moment = None,
        valid_until: Moment = None,
        once_key: OnceKey = None,
        who: Principal = services.edits,
    ) -> Response:
        """Send a file that is to be the current version of a document; a job worker takes it in within seconds."""
        base_id = await services.base_id(who, base)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            await get_document(room, connection, who.tenant_id, base_id, document, who.person_id)
        told = Told(file, None, document, True, security_class, _tuple(groups), access, valid_from, valid_until)
        return await _received(services, request, who, base, told, once_key)

    @router.get("/bases/{base}/uploads/{upload}", openapi_extra=EDIT)
    async def get_upload(base: BaseName, upload: uuid.UUID, who: Principal = services.edits) -> UploadShown:
        """What became of a file: one's own, or anybody's for owners and admins. It can be asked for seven days."""
        person_id = None if who.roles & WRITERS else who.person_id
        found = await find_upload(room, who.tenant_id, await services.base_id(who, base), upload, person_id)
        return UploadShown(
            id=found.id,
            state=found.state,
            bytes=found.bytes,
            document=found.document_id,
            version=found.version_id,
            failure=found.failure,
            detail=found.detail,
            created_at=found.created_at,
            ended_at=found.ended_at,
        )


def _change_routes(router: APIRouter, services: DocumentServices) -> None:
    room = services.knowledge

    @router.post("/bases/{base}/documents/{document}/move", openapi_extra=EDIT, response_model=ChangedShown)
    async def move(
        request: Request, base: BaseName, document: uuid.UUID, body: MoveBody, once_key: OnceKey = None, who: Principal = services.edits
    ) -> Response:
        """Call a document otherwise, or move it to another base, where it gets a new id. Its readers stay."""

        async def work(base_id: uuid.UUID) -> Changed:
            if body.base is None or body.base == base:
                if body.key is None:
                    raise RequestError("Nothing says where to.", "Give `key`, `base`, or both.", code="nowhere")
                return await rename_document(room, who.tenant_id, base_id, document, body.key, person_id=who.person_id)
            to_base_id = await services.base_id(who, body.base)
            return await move_document(room, who.tenant_id, base_id, document, to_base_id, key=body.key, person_id=who.person_id)

        return await _changed(services, request, who, base, once_key, work)

    @router.put("/bases/{base}/documents/{document}/access", openapi_extra=EDIT, response_model=ChangedShown)
    async def set_access(
        request: Request, base: BaseName, document: uuid.UUID, body: AccessBody, once_key: OnceKey = None, who: Principal = services.edits
    ) -> Response:
        """Set who may read a document: this version and later ones, whatever their files say."""

        async def work(base_id: uuid.UUID) -> Changed:
            async with room.database.tenant_tx(who.tenant_id) as connection:
                await get_document(room, connection, who.tenant_id, base_id, document, who.person_id)
                readers = Readers(body.security_class, tuple(body.groups), tuple(body.people), body.access)
                rule = await rule_of(room, connection, who.tenant_id, readers)
            return await restrict_document(room, who.tenant_id, base_id, document, rule, person_id=who.person_id)

        return await _changed(services, request, who, base, once_key, work)

    @router.delete("/bases/{base}/documents/{document}", openapi_extra=EDIT, response_model=ChangedShown)
    async def delete(request: Request, base: BaseName, document: uuid.UUID, once_key: OnceKey = None, who: Principal = services.edits) -> Response:
        """Take a document out, with its earlier versions."""

        async def work(base_id: uuid.UUID) -> Changed:
            return await delete_document(room, who.tenant_id, base_id, document, person_id=who.person_id)

        return await _changed(services, request, who, base, once_key, work)


def _read_routes(router: APIRouter, services: DocumentServices) -> None:
    room = services.knowledge

    @router.get("/bases/{base}/documents", openapi_extra=ASK)
    async def list_documents(
        base: BaseName,
        state: ListedState = "current",
        key: Annotated[str | None, Query(max_length=200, description="Only the one that is called so.")] = None,
        after: uuid.UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
        who: Principal = services.asks,
    ) -> DocumentPage:
        """The documents that the caller may read. Those that are not found now (`scheduled`, `expired`, `removed`) are for editors and auditors."""
        _check_state(who, state)
        key_hash = None if key is None else document_key_hash(room.tenant_key(who.tenant_id, "knowledge"), key)
        base_id = await services.base_id(who, base)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found, following = await page_of_documents(
                room, connection, who.tenant_id, base_id, who.person_id, state=state, after=after, limit=limit, key_hash=key_hash
            )
            return DocumentPage(documents=await _shown(room, connection, who, found), next=following)

    @router.get("/bases/{base}/documents/{document}", openapi_extra=ASK)
    async def show_document(base: BaseName, document: uuid.UUID, who: Principal = services.asks) -> DocumentShown:
        """What is known of a document."""
        base_id = await services.base_id(who, base)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await _readable(room, connection, who, base_id, document)
            [shown] = await _shown(room, connection, who, [found])
        return shown

    @router.get(
        "/bases/{base}/documents/{document}/original",
        openapi_extra=ASK,
        response_class=StreamingResponse,
        responses={200: {"content": dict.fromkeys(sorted({*DOWNLOADABLE_AS_THEMSELVES, "application/octet-stream"}), _BINARY)}},
    )
    async def download_document(base: BaseName, document: uuid.UUID, who: Principal = services.asks) -> StreamingResponse:
        """The file that the current version was made of."""
        base_id = await services.base_id(who, base)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await _readable(room, connection, who, base_id, document)
        original = await original_of(room, (who.tenant_id, found.id, found.version_id), found.media_type, found.details)
        headers = {**download_headers(original.media_type, original.file_name), "X-Content-Type-Options": "nosniff"}
        return StreamingResponse(original.chunks, headers=headers)


async def _received(services: DocumentServices, request: Request, who: Principal, base: str, told: Told, key: str | None) -> Response:
    """Receive a file, or answer as before to a request that came before."""
    room, reception = services.knowledge, services.reception
    reception.check_length(request.headers.get("content-length"))
    base_id = await services.base_id(who, base)
    async with room.database.tenant_tx(who.tenant_id) as connection:
        await rule_of(room, connection, who.tenant_id, Readers(told.security_class, told.groups or (), (), told.access))
    keyed = None if key is None else once.keyed_request(room, who.tenant_id, _caller(who), key, _identity(request, b""))
    begun = None if keyed is None else await once.begin(room, keyed)
    try:
        if isinstance(begun, once.Answered):
            if await reception.digest_of(who.tenant_id, request.stream()) != begun.body_digest:
                raise once.IdempotencyKeyReused
            return JSONResponse(begun.answer, begun.status)

        async def also(connection: Connection, upload_id: uuid.UUID, digest: bytes) -> None:
            if begun is not None:
                await once.end(connection, begun, 202, {"upload": str(upload_id)}, digest)

        upload_id = await reception.receive(who.tenant_id, base_id, who.person_id, told, request.stream(), also=also)
    except BaseException as error:
        if isinstance(begun, once.Slot):
            await once.give_up(room, who.tenant_id, begun)
        if isinstance(error, ClientDisconnect):
            return Response(status_code=499)  # nobody is there to read it
        raise
    return JSONResponse({"upload": str(upload_id)}, 202, {"Location": f"/api/v1/bases/{base}/uploads/{upload_id}"})


async def _changed(
    services: DocumentServices, request: Request, who: Principal, base: str, key: str | None, work: Callable[[uuid.UUID], Awaitable[Changed]]
) -> Response:
    """Do a change, or answer as before to a request that came before."""
    room = services.knowledge
    base_id = await services.base_id(who, base)
    begun = None
    if key is not None:
        begun = await once.begin(room, once.keyed_request(room, who.tenant_id, _caller(who), key, _identity(request, await request.body())))
    if isinstance(begun, once.Answered):
        return JSONResponse(begun.answer, begun.status)
    try:
        done = await work(base_id)
        answer: dict[str, object] = {"document": str(done.document_id), "version": str(done.version_id), "changed": done.changed}
    except BaseException:
        if begun is not None:
            await once.give_up(room, who.tenant_id, begun)
        raise
    if begun is not None:
        async with room.database.tenant_tx(who.tenant_id) as connection:
            await once.end(connection, begun, 200, answer)
    return JSONResponse(answer)


def _caller(who: Principal) -> uuid.UUID:
    return who.api_key_id or who.person_id


def _identity(request: Request, body: bytes) -> bytes:
    """All that makes a request this one."""
    return b"\x00".join((request.method.encode(), request.url.path.encode(), request.url.query.encode(), body))


def _check_state(who: Principal, state: ListedState) -> None:
    if state != "current" and not who.roles & (EDITORS | READERS):
        raise Forbidden("Only editors and auditors see documents that are not found now.", "Ask for `state=current`.", code="role_required")


async def _readable(room: Knowledge, connection: Connection, who: Principal, base_id: uuid.UUID, document_id: uuid.UUID) -> Document:
    """A document that the caller may read; one that is not found now is there for editors and auditors only.

    Raises:
        NotFound: when there is none.
    """
    found = await get_document(room, connection, who.tenant_id, base_id, document_id, who.person_id)
    if found.state_at(room.clock()) != "current" and not who.roles & (EDITORS | READERS):
        raise document_absent()
    return found


async def _shown(room: Knowledge, connection: Connection, who: Principal, documents: list[Document]) -> list[DocumentShown]:
    access = await access_of(connection, [document.audience_id for document in documents])
    now = room.clock()
    return [_one_shown(document, access[document.audience_id], who, now) for document in documents]


def _one_shown(document: Document, access: Access, who: Principal, now: datetime) -> DocumentShown:
    is_told = bool(who.roles & EDITORS)
    return DocumentShown(
        id=document.id,
        key=document.details.key,
        title=document.details.title,
        file=document.details.path,
        state=document.state_at(now),
        security_class=access.security_class,
        groups=list(access.groups) if is_told else None,
        people=list(access.people) if is_told else None,
        access=access.rule if is_told else None,
        set_by_hand=document.set_audience_id is not None if is_told else None,
        version=document.declared_version,
        version_id=document.version_id,
        language=document.language,
        media_type=document.media_type,
        bytes=document.original_bytes,
        passages=document.passage_count,
        origin=document.origin,
        valid_from=document.valid_from,
        valid_until=document.valid_until,
        created_at=document.created_at,
    )


def _tuple(groups: list[str] | None) -> tuple[str, ...] | None:
    return None if groups is None else tuple(groups)

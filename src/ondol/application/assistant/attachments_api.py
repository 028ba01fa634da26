"""Files for a conversation in the admin API: everybody's own, and those of threads that are shared with them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from ondol.application.assistant.threads import store as threads
from ondol.application.assistant.threads.originals import open_attachment, readable_file
from ondol.application.knowledge.api import KnowledgeServices
from ondol.application.knowledge.attachments.keep import SETTING, AttachmentDesk, remove_file
from ondol.application.knowledge.attachments.store import Attachment, AttachmentState, files_in_hand, files_of_thread, find_file
from ondol.application.knowledge.documents.api import STREAM_BYTES_BEYOND, FileName
from ondol.application.knowledge.originals import DOWNLOADABLE_AS_THEMSELVES, download_headers
from ondol.application.knowledge.parsing import SUPPORTED_SUFFIXES
from ondol.infrastructure.access.people import groups_of_person
from ondol.infrastructure.access.route_roles import ASK
from ondol.infrastructure.access.types import Principal

PATH = "/api/v1/attachments"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FILE_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": _BINARY}}}
ThreadId = Annotated[uuid.UUID | None, Query(description="A thread; without one, the files that wait for a first question.")]


@dataclass(frozen=True, slots=True)
class AttachmentServices(KnowledgeServices):
    """What the routes work with.

    Attributes:
        desk: receives files.
    """

    desk: AttachmentDesk

    def streams(self, method: str, path: str) -> int | None:
        """How many bytes of a request's body may be read as they come; None for the requests whose body is read whole."""
        return self.desk.limits().file_bytes_max + STREAM_BYTES_BEYOND if (method, path) == ("POST", PATH) else None


class AttachmentShown(BaseModel):
    """A file of a conversation. `failure` is a word for why it could not be read, `detail` a sentence; `thread` is null until it was asked about.

    `digest` is its keyed content address, which the records of answers name.
    """

    id: uuid.UUID
    thread: uuid.UUID | None
    name: str
    title: str
    state: AttachmentState
    media_type: str
    bytes: int
    passages: int
    language: str
    digest: str
    failure: str | None
    detail: str
    created_at: datetime


class AttachmentList(BaseModel):
    """The files of a conversation, in the order in which they came, and how many and how large ones it may have.

    `suffixes` are those of files that are read.
    """

    attachments: list[AttachmentShown]
    files_max: int
    bytes_max: int
    suffixes: list[str]


class Removed(BaseModel):
    """It is gone."""

    removed: bool = True


def attachments_router(services: AttachmentServices) -> APIRouter:
    """The routes below ``/attachments``."""
    router = APIRouter(prefix="/attachments", tags=["threads"])
    _writing_routes(router, services)
    _reading_routes(router, services)
    return router


def _writing_routes(router: APIRouter, services: AttachmentServices) -> None:
    room = services.knowledge

    @router.post("", status_code=202, response_model=AttachmentShown, openapi_extra={**ASK, **_FILE_BODY})
    async def add_attachment(request: Request, file: FileName, thread: ThreadId = None, who: Principal = services.asks) -> Response:
        """Send a file to ask about, to one of your threads or for a new one; a job worker reads it within seconds.

        The first question of a new thread names its files in `ondol.attachments`. What nobody has asked about is removed after a day.
        """
        services.desk.reception.check_length(request.headers.get("content-length"), services.desk.limits().file_bytes_max, SETTING)
        if thread is not None:
            async with room.database.tenant_tx(who.tenant_id) as connection:
                await threads.find_thread(connection, room.keyring, who.tenant_id, who.person_id, thread)
        try:
            added = await services.desk.receive(who.tenant_id, who.person_id, thread, file, request.stream())
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there to read it
        async with room.database.tenant_tx(who.tenant_id) as connection:
            shown = _shown(await find_file(connection, room.keyring, who.tenant_id, added))
        return Response(shown.model_dump_json(), 202, {"Location": f"{PATH}/{added}"}, "application/json")

    @router.delete("/{attachment}", openapi_extra=ASK)
    async def remove_attachment(attachment: uuid.UUID, who: Principal = services.asks) -> Removed:
        """Remove one of your files with all that was read of it. Answers that rest on it are withheld from then on."""
        await remove_file(room, who.tenant_id, who.person_id, attachment)
        return Removed()


def _reading_routes(router: APIRouter, services: AttachmentServices) -> None:
    room = services.knowledge

    @router.get("", openapi_extra=ASK)
    async def list_attachments(thread: ThreadId = None, who: Principal = services.asks) -> AttachmentList:
        """The files of one of your threads, or of one that is shared with you; without a thread, yours that wait for a first question."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            where = (connection, room.keyring, who.tenant_id)
            if thread is None:
                return _listed(services, await files_in_hand(*where, who.person_id))
            groups = await groups_of_person(connection, who.person_id)
            await threads.find_readable_thread(*where, who.person_id, groups, thread)
            return _listed(services, await files_of_thread(*where, thread))

    @router.get("/{attachment}", openapi_extra=ASK)
    async def show_attachment(attachment: uuid.UUID, who: Principal = services.asks) -> AttachmentShown:
        """One file, such as to see whether it was read."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            return _shown(await readable_file(room, connection, who.tenant_id, who.person_id, attachment))

    @router.get(
        "/{attachment}/original",
        openapi_extra=ASK,
        response_class=StreamingResponse,
        responses={200: {"content": dict.fromkeys(sorted({*DOWNLOADABLE_AS_THEMSELVES, "application/octet-stream"}), _BINARY)}},
    )
    async def download_attachment(attachment: uuid.UUID, who: Principal = services.asks) -> StreamingResponse:
        """The file as it was sent."""
        original = await open_attachment(room, who.tenant_id, who.person_id, attachment)
        headers = {**download_headers(original.media_type, original.file_name), "X-Content-Type-Options": "nosniff"}
        return StreamingResponse(original.chunks, headers=headers)


def _listed(services: AttachmentServices, files: Sequence[Attachment]) -> AttachmentList:
    limits = services.desk.limits()
    return AttachmentList(
        attachments=[_shown(file) for file in files],
        files_max=limits.files_max,
        bytes_max=limits.file_bytes_max,
        suffixes=list(SUPPORTED_SUFFIXES),
    )


def _shown(file: Attachment) -> AttachmentShown:
    return AttachmentShown(
        id=file.id,
        thread=file.thread_id,
        name=file.name,
        title=file.title,
        state=file.state,
        media_type=file.media_type,
        bytes=file.size_bytes,
        passages=file.passages,
        language=file.language,
        digest=file.content_address.hex(),
        failure=file.failure,
        detail=file.detail,
        created_at=file.created_at,
    )

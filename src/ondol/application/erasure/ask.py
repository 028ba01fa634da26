"""What is to be erased is found and hidden in one transaction, which also tells every worker to forget it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ondol.application.knowledge.erasure import find_document, hide_document
from ondol.application.knowledge.identifiers import documents_that_name
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.store import find_base
from ondol.core.errors import KeyDestroyed, NotFound, RequestError
from ondol.infrastructure.access.erasure import hide_person
from ondol.infrastructure.access.people import find_person, get_person
from ondol.infrastructure.access.types import Person
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, ErasureKind, note_items, open_erasure
from ondol.infrastructure.storage.postgres import Connection, load_queries, one

REASON_DEFAULT = "request"
IDENTIFIERS_MAX = 100

QUERIES = load_queries("ondol.application.erasure")
_REASON = re.compile(r"[a-z][a-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an erasure would reach.

    Attributes:
        found: how many things each eraser would remove, by its name.
        documents: how many documents speak of a person; they stay unless they are asked for too.
    """

    kind: ErasureKind
    target_id: uuid.UUID
    found: Mapping[str, int]
    documents: int


def check_reason(reason: str) -> str:
    """The reason, which is a fixed word since the ledger keeps it for ever.

    Raises:
        RequestError: when it is a sentence, or could hold somebody's name.
    """
    if not _REASON.fullmatch(reason):
        hint = "Use a word such as `request` or `ticket-4711`: small letters, digits, dots and hyphens, at most 63. It stays in the ledger for ever."
        raise RequestError("The reason is no fixed word.", hint, code="bad_reason", param="reason")
    return reason


async def erase_document(
    room: Knowledge, tenant_id: uuid.UUID, base: str, name: str, *, asked_by: uuid.UUID | None = None, reason: str = REASON_DEFAULT
) -> Erasure:
    """Hide a document of a base for good, in all its versions, and have it erased.

    Args:
        name: its id, its key or the path of its file.

    Raises:
        NotFound: when there is no such base or document.
        RequestError: when the reason is no word.
    """
    check_reason(reason)
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        base_id = (await find_base(connection, base)).id
        document_id = await find_document(room, connection, tenant_id, base_id, name)
        return await _hide_document(connection, tenant_id, base_id, document_id, asked_by=asked_by, reason=reason, now=now)


async def erase_subject(
    room: Knowledge,
    tenant_id: uuid.UUID,
    login: str,
    *,
    identifiers: Sequence[str] = (),
    with_documents: bool = False,
    asked_by: uuid.UUID | None = None,
    reason: str = REASON_DEFAULT,
) -> Erasure:
    """Shut a person out for good and have everything erased that is theirs. Documents that hold their login or one of the identifiers are noted.

    Args:
        identifiers: more by which documents speak of the person, such as a telephone number.
        with_documents: erase those documents too, each with a receipt of its own.

    Raises:
        NotFound: when nobody has this login.
        RequestError: when the reason is no word, or an identifier is none.
    """
    check_reason(reason)
    _check_identifiers(identifiers)
    now = room.clock()
    key = room.tenant_key(tenant_id, "identifiers")
    async with room.database.tenant_tx(tenant_id) as connection:
        person = await find_person(connection, room.keyring, tenant_id, login)
        documents = await _documents_naming(connection, key, person, identifiers)
        await hide_person(connection, person, now)
        options = {"base_id": None, "with_documents": with_documents, "asked_by": asked_by, "reason": reason, "now": now}
        erasure = await open_erasure(connection, tenant_id, "subject", person.id, **options)  # type: ignore[arg-type]
        await note_items(connection, erasure, "document", [document_id for document_id, _ in documents])
        for document_id, base_id in documents if with_documents else ():
            await _hide_document(connection, tenant_id, base_id, document_id, asked_by=asked_by, reason=reason, now=now)
        return erasure


async def count_document(room: Knowledge, erasers: Sequence[Eraser], tenant_id: uuid.UUID, base: str, name: str) -> Outlook:
    """What the erasure of a document would reach. It is begun in a transaction that is taken back, so the counts are those of the real one.

    Raises:
        NotFound: when there is no such base or document.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection, connection.transaction(force_rollback=True):
        base_id = (await find_base(connection, base)).id
        document_id = await find_document(room, connection, tenant_id, base_id, name)
        erasure = await _hide_document(connection, tenant_id, base_id, document_id, asked_by=None, reason=REASON_DEFAULT, now=now)
        return Outlook("document", document_id, await _found(connection, erasers, erasure), 0)


async def count_subject(room: Knowledge, erasers: Sequence[Eraser], tenant_id: uuid.UUID, login: str, *, identifiers: Sequence[str] = ()) -> Outlook:
    """What the erasure of a person would reach, and how many documents speak of them; counted as `count_document` does.

    Raises:
        NotFound: when nobody has this login.
        RequestError: when an identifier is none.
    """
    _check_identifiers(identifiers)
    key = room.tenant_key(tenant_id, "identifiers")
    async with room.database.tenant_tx(tenant_id) as connection, connection.transaction(force_rollback=True):
        person = await find_person(connection, room.keyring, tenant_id, login)
        documents = await _documents_naming(connection, key, person, identifiers)
        options = {"base_id": None, "with_documents": False, "asked_by": None, "reason": REASON_DEFAULT, "now": room.clock()}
        erasure = await open_erasure(connection, tenant_id, "subject", person.id, **options)  # type: ignore[arg-type]
        return Outlook("subject", person.id, await _found(connection, erasers, erasure), len(documents))


async def hide_again(room: Knowledge, tenant_id: uuid.UUID, kind: str, target_id: uuid.UUID, erased_at: datetime) -> Erasure | None:
    """Hide what a restore has brought back, and have it erased again; None when nothing of it came back.

    Args:
        erased_at: when it was erased, by its tombstone.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        if kind == "document":
            found = await one(connection, QUERIES["base_of_document"], {"id": target_id})
            if found is None:
                return None
            return await _hide_document(
                connection, tenant_id, found["base_id"], target_id, asked_by=None, reason=REASON_DEFAULT, now=now, replayed=True
            )
        person = await _person(room, connection, tenant_id, target_id)
        if person is None and await one(connection, QUERIES["anything_of_person"], {"id": target_id}) is None:
            return None
        if person is not None:
            await hide_person(connection, person, now)
        return await open_erasure(
            connection, tenant_id, "subject", target_id, base_id=None, with_documents=False, asked_by=None, reason=REASON_DEFAULT, now=now,
            replayed=True,
        )  # fmt: skip


def _check_identifiers(identifiers: Sequence[str]) -> None:
    if len(identifiers) > IDENTIFIERS_MAX:
        raise RequestError(
            f"More than {IDENTIFIERS_MAX} identifiers are given.", "Give those that matter.", code="bad_identifier", param="identifiers"
        )


async def _documents_naming(connection: Connection, key: bytes, person: Person, identifiers: Sequence[str]) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """The documents that hold a person's login or one of the identifiers, each with its base."""
    values = [*identifiers, *([person.login] if "@" in person.login else [])]
    return await documents_that_name(connection, key, values) if values else []


async def _found(connection: Connection, erasers: Sequence[Eraser], erasure: Erasure) -> dict[str, int]:
    return {eraser.name: await eraser.find(connection, erasure) for eraser in erasers if erasure.kind in eraser.kinds}


async def _hide_document(
    connection: Connection,
    tenant_id: uuid.UUID,
    base_id: uuid.UUID,
    document_id: uuid.UUID,
    *,
    asked_by: uuid.UUID | None,
    reason: str,
    now: datetime,
    replayed: bool = False,
) -> Erasure:
    await hide_document(connection, base_id, document_id, now)
    return await open_erasure(
        connection, tenant_id, "document", document_id, base_id=base_id, with_documents=False, asked_by=asked_by, reason=reason, now=now,
        replayed=replayed,
    )  # fmt: skip


async def _person(room: Knowledge, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID) -> Person | None:
    try:
        return await get_person(connection, room.keyring, tenant_id, person_id)
    except (NotFound, KeyDestroyed):
        return None

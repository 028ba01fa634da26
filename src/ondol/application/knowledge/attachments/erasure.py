"""The attachments' part in erasing a person: their rows, what was sealed of them, and its keys."""

from __future__ import annotations

import asyncio
import uuid
from functools import partial
from pathlib import Path

import obstore

from ondol.application.knowledge.attachments.keep import discard_files
from ondol.application.knowledge.attachments.store import QUERIES
from ondol.application.knowledge.content import documents_prefix
from ondol.application.knowledge.erasure.erasers import StorePlaces
from ondol.application.knowledge.rooms import Knowledge
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, ErasureKind, items_of, row_eraser
from ondol.infrastructure.ledger.erasure.rows import values_of
from ondol.infrastructure.storage.blobs import KeyOwner, open_store
from ondol.infrastructure.storage.blobs.keyring import KEY_SUFFIX
from ondol.infrastructure.storage.postgres import Connection, one

SUBJECTS: frozenset[ErasureKind] = frozenset({"subject"})


def attachment_erasers(room: Knowledge, places: StorePlaces) -> list[Eraser]:
    """Delete the files of a person's conversations, and destroy their keys. Their ids are noted first: by them the rest is found."""

    async def bury(erasure: Erasure) -> None:
        await asyncio.to_thread(_bury, room, erasure.tenant_id, await _ids(room, erasure), erasure)

    async def erase_sealed(erasure: Erasure) -> None:
        await discard_files(room, erasure.tenant_id, await _ids(room, erasure))

    async def erase_rows(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["attachments_tombstones"], {"erasure_id": erasure.id, "now": erasure.hidden_at})
        await connection.execute(QUERIES["attachments_erase_person"], {"person_id": erasure.target_id})

    count = QUERIES["attachments_count"]
    return [
        Eraser(
            name="attachment_keys",
            store="keyring",
            method="key_destroyed",
            kinds=SUBJECTS,
            find=_find,
            erase=bury,
            probe=partial(_probe_keys, room, places.keyring),
        ),
        Eraser(
            name="attachment_blobs",
            store="blobs",
            method="deleted",
            kinds=SUBJECTS,
            find=_find,
            erase=erase_sealed,
            probe=partial(_probe_blobs, room, places.blobs),
        ),
        row_eraser(room.database, "attachments", method="deleted", tables=["attachments"], kinds=SUBJECTS, count=count, erase=erase_rows),
    ]


async def _find(connection: Connection, erasure: Erasure) -> int:
    """Note the files of the person; how many of them have content."""
    await connection.execute(QUERIES["attachments_note"], values_of(erasure))
    found = await one(connection, QUERIES["attachments_sealed_count"], values_of(erasure))
    return int(found["counted"]) if found is not None else 0


async def _ids(room: Knowledge, erasure: Erasure) -> list[uuid.UUID]:
    async with room.database.tenant_tx(erasure.tenant_id) as connection:
        return await items_of(connection, erasure, "version")


def _bury(room: Knowledge, tenant_id: uuid.UUID, ids: list[uuid.UUID], erasure: Erasure) -> None:
    for attachment_id in ids:
        room.keyring.bury(KeyOwner(tenant_id, "document", attachment_id), erasure.hidden_at)


async def _probe_keys(room: Knowledge, place: str | Path, erasure: Erasure) -> int:
    """Keys of the noted files that are left in the key ring, opened anew."""
    names = {f"{erasure.tenant_id}/document/{attachment_id}{KEY_SUFFIX}" for attachment_id in await _ids(room, erasure)}

    def count() -> int:
        listed = obstore.list(open_store(place), f"{erasure.tenant_id}/document")
        return sum(meta["path"] in names for page in listed for meta in page)

    return await asyncio.to_thread(count) if names else 0


async def _probe_blobs(room: Knowledge, place: str | Path, erasure: Erasure) -> int:
    """What is left in the folders of the noted files."""
    folders = [f"{documents_prefix(erasure.tenant_id)}/{attachment_id}" for attachment_id in await _ids(room, erasure)]

    def count() -> int:
        store = open_store(place)
        return sum(len(page) for folder in folders for page in obstore.list(store, folder))

    return await asyncio.to_thread(count)

"""The erasers of a document, in the order in which they work; its key goes last."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import obstore

from ondol.application.knowledge.content import documents_prefix
from ondol.application.knowledge.erasure.hide import QUERIES
from ondol.application.knowledge.erasure.index import erase_from_index, find_in_index
from ondol.application.knowledge.erasure.lance_probe import segments_holding
from ondol.application.knowledge.rooms import Knowledge
from ondol.infrastructure.ledger.erasure import EVERY_KIND, Eraser, Erasure, ErasureKind, items_of, row_eraser
from ondol.infrastructure.storage.blobs import KeyRing, open_store
from ondol.infrastructure.storage.postgres import Connection, one

ONLY_DOCUMENTS: frozenset[ErasureKind] = frozenset({"document"})


@dataclass(frozen=True, slots=True)
class StorePlaces:
    """Where blobs and keys lie: probes open them by themselves. Paths or URLs."""

    blobs: str | Path
    keyring: str | Path


def document_erasers(room: Knowledge, places: StorePlaces) -> list[Eraser]:
    """What knowledge does for the erasure of a document; its key is erased by `key_eraser`, after everything else."""
    return [
        Eraser(
            name="index",
            store="lance",
            method="rewritten_without_it",
            kinds=ONLY_DOCUMENTS,
            tables=frozenset({"segment_documents", "index_segments"}),
            find=find_in_index,
            erase=partial(erase_from_index, room),
            probe=partial(_probe_index, room),
        ),
        Eraser(
            name="blobs",
            store="blobs",
            method="deleted",
            kinds=ONLY_DOCUMENTS,
            find=_find_blobs,
            erase=partial(_erase_blobs, room),
            probe=partial(_probe_blobs, places),
        ),
        row_eraser(
            room.database,
            "identifiers",
            method="deleted",
            kinds=ONLY_DOCUMENTS,
            tables=["document_identifiers"],
            count=QUERIES["identifiers_count"],
            erase=partial(_run, ("identifiers_erase",)),
        ),
        row_eraser(
            room.database,
            "documents",
            method="emptied",
            kinds=ONLY_DOCUMENTS,
            tables=["documents", "document_versions"],
            count=QUERIES["document_rows_count"],
            erase=partial(_run, ("document_versions_empty", "document_empty")),
        ),
        row_eraser(
            room.database,
            "uploads",
            method="emptied",
            kinds=ONLY_DOCUMENTS,
            tables=["uploads"],
            count=QUERIES["uploads_count"],
            erase=partial(_run, ("uploads_empty",)),
        ),
    ]


def key_eraser(keyring: KeyRing, places: StorePlaces) -> Eraser:
    """The end of every erasure: the data key of the document or the person."""

    async def find(_connection: Connection, erasure: Erasure) -> int:
        return int(await asyncio.to_thread(keyring.exists, erasure.owner))

    async def erase(erasure: Erasure) -> None:
        await asyncio.to_thread(keyring.bury, erasure.owner, erasure.hidden_at)

    async def probe(erasure: Erasure) -> int:
        folder = f"{erasure.tenant_id}/{erasure.kind}"
        return await asyncio.to_thread(_count_objects, places.keyring, folder, str(erasure.target_id))

    return Eraser(name="key", store="keyring", method="key_destroyed", kinds=EVERY_KIND, find=find, erase=erase, probe=probe)


async def _find_blobs(connection: Connection, erasure: Erasure) -> int:
    """How many versions have sealed blobs; where they lie is for the stores to say."""
    found = await one(connection, QUERIES["document_rows_count"], {"tenant_id": erasure.tenant_id, "document_id": erasure.target_id})
    return int(found["counted"]) if found is not None else 0


async def _run(queries: Sequence[str], connection: Connection, erasure: Erasure) -> None:
    for query in queries:
        await connection.execute(QUERIES[query], {"document_id": erasure.target_id})


async def _probe_index(room: Knowledge, erasure: Erasure) -> int:
    """Passages and postings of the document in all folders below its base."""
    assert erasure.base_id is not None  # noqa: S101 - a document lies in a base
    async with room.database.tenant_tx(erasure.tenant_id) as connection:
        versions, segments = await items_of(connection, erasure, "version"), await items_of(connection, erasure, "segment")
    lance = room.lance
    holding = await segments_holding(
        lance.url, lance.options, erasure.tenant_id, erasure.base_id, versions, replaced=segments, written_since=erasure.id
    )
    return sum(found.passages + found.postings for found in holding)


async def _erase_blobs(room: Knowledge, erasure: Erasure) -> None:
    def delete_all() -> None:
        for path in list(room.blobs.list(_blob_folder(erasure))):
            room.blobs.delete(path)

    await asyncio.to_thread(delete_all)


async def _probe_blobs(places: StorePlaces, erasure: Erasure) -> int:
    return await asyncio.to_thread(_count_objects, places.blobs, _blob_folder(erasure), "")


def _blob_folder(erasure: Erasure) -> str:
    return f"{documents_prefix(erasure.tenant_id)}/{erasure.target_id}"


def _count_objects(place: str | Path, folder: str, part: str) -> int:
    """Objects below a folder of a store, opened anew, whose name holds a text."""
    listed = obstore.list(open_store(place), folder)
    return sum(part in meta["path"].removeprefix(folder) for page in listed for meta in page)

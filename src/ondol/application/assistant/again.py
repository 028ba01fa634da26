"""What an answer rests on and how its sentences were checked, told again from its record to somebody who reads it later."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any, get_args

from ondol.application.assistant.record import AnswerRecord, parse_record, said_hash
from ondol.application.assistant.sources import files_searched, searched_extension, source_extension
from ondol.application.assistant.store import answer_records
from ondol.application.assistant.verify import Verdict
from ondol.application.knowledge import store as documents
from ondol.application.knowledge.attachments.store import files_told
from ondol.application.knowledge.attachments.terms import CUT
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.store import ReadableVersion
from ondol.core.errors import Conflict, KeyDestroyed, NotFound
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres import Connection


async def facts_of(
    room: Knowledge,
    connection: Connection,
    tenant_id: uuid.UUID,
    reader_id: uuid.UUID,
    thread_id: uuid.UUID,
    texts: Mapping[uuid.UUID, str],
) -> dict[uuid.UUID, dict[str, Any]]:
    """Of some answers `language`, `sources`, `verification` and `searched`, as the `ondol` field told them when they were given.

    A source is told to whoever may be reminded of its document; one that cannot be opened any more is left out, and so is the record
    of an answer that another version of the platform gave.

    Args:
        thread_id: the thread in which they were given, which the reader may read with its files.
        texts: the answers as the reader sees them, by id. Where one differs from what was checked, no sentence of it is told as checked.
    """
    records: list[AnswerRecord] = []
    for stored in (await answer_records(connection, texts)).values():
        try:
            records.append(parse_record(stored))
        except Conflict:
            continue
    visible = await room.visible.of(connection, tenant_id, reader_id)
    cited = {version for one in records for version in one.cited}
    versions = await documents.seen_versions(connection, room.keyring, tenant_id, cited, visible.audience_ids)
    versions |= await files_told(connection, room.keyring, tenant_id, cited, thread_id=thread_id)
    indexes = await documents.index_names(connection, {one.index.version for one in records if one.index.version is not None})
    return {one.answer: await asyncio.to_thread(_told, room, tenant_id, one, versions, indexes, texts[one.answer]) for one in records}


def _told(
    room: Knowledge,
    tenant_id: uuid.UUID,
    record: AnswerRecord,
    versions: Mapping[uuid.UUID, ReadableVersion],
    indexes: Mapping[uuid.UUID, tuple[str, int]],
    text: str,
) -> dict[str, Any]:
    base, number = indexes.get(record.index.version, ("", None)) if record.index.version is not None else ("", None)
    return {
        "language": record.language,
        "sources": _sources(room, tenant_id, record, versions),
        "verification": _verification(record, is_same=_is_same(room, tenant_id, record, text)),
        "searched": searched_extension(base, record.index.version, number, len(record.evidence))
        | files_searched(len(record.files), alone=record.alone),
    }


def _sources(room: Knowledge, tenant_id: uuid.UUID, record: AnswerRecord, versions: Mapping[uuid.UUID, ReadableVersion]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for cited in record.sources:
        read = record.evidence[cited.evidence]
        version = versions.get(read.version)
        cut = CUT.cut if read.attached else record.index.cut
        if version is None or cut is None:
            continue
        try:
            content = room.texts.get(tenant_id, read.document, read.version, cut)
        except (KeyDestroyed, NotFound):
            continue
        passage, score = content.passages[read.passage], read.score_thousandths / 1000
        text = content.text[read.start : read.end]
        where = (cited.n, version, read.passage, passage.heading_path, passage.page, score)
        found.append(source_extension(*where, text=text, quotes=cited.quotes, attached=read.attached))
    return found


def _verification(record: AnswerRecord, *, is_same: bool) -> dict[str, Any]:
    counts = {verdict: sum(one.verdict == verdict for one in record.sentences) for verdict in get_args(Verdict)}
    checks = [
        {
            "start": one.start,
            "end": one.end,
            "verdict": one.verdict,
            "coverage": one.coverage_thousandths / 1000,
            "sources": list(one.sources),
            "spans": [{"n": number, "start": start, "end": end} for number, start, end in one.spans],
            "reasons": [{"kind": kind} for kind in one.reasons],
        }
        for one in record.sentences
        if one.state == "shown" and is_same
    ]
    left_out = sum(one.state == "left_out" for one in record.sentences)
    return {"sentences": len(record.sentences), **counts, "left_out": left_out, "checks": checks}


def _is_same(room: Knowledge, tenant_id: uuid.UUID, record: AnswerRecord, text: str) -> bool:
    try:
        return said_hash(room.keyring.get(KeyOwner(tenant_id, "subject", record.person)), "answer", text) == record.shown
    except KeyDestroyed:
        return False

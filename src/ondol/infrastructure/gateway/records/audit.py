"""That a request's record is what it was: each batch of a tenant has one event in the ledger, with the Merkle root over its records' digests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ondol.core.ids import new_id
from ondol.infrastructure.gateway.records.lines import FORM, current_line, line_digest
from ondol.infrastructure.ledger import record
from ondol.infrastructure.ledger.merkle import RootBuilder
from ondol.infrastructure.storage.postgres import Connection

KIND = "requests.recorded"
LINES_AT_ONCE = 200
"""Digested before requests are served again: less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one tenant that were written together.

    Attributes:
        id: of the batch and of its event.
        first_id, last_id: the smallest and the largest id of its requests.
        root: over the digests of its lines, in the order of their ids.
    """

    id: uuid.UUID
    tenant_id: uuid.UUID
    first_id: uuid.UUID
    last_id: uuid.UUID
    count: int
    root: bytes


async def make_batches(lines: Sequence[bytes]) -> tuple[list[Batch], list[bytes]]:
    """Lines as batches, one for each tenant, and as what is copied: each line behind its batch and place, in pieces.

    A place is the order of ids within the batch. Ids that occur twice are copied twice; the table takes one of them, which the caller notices.
    """
    ordered = sorted(lines)
    batches: list[Batch] = []
    pieces: list[bytes] = []
    tenant, first, before, prefix, builder = b"", b"", b"", b"", RootBuilder()

    def end() -> None:
        if builder.count:
            identifier = uuid.UUID(prefix[:32].decode())
            batches.append(Batch(identifier, _uuid(tenant), _uuid(first), _uuid(before), builder.count, builder.root()))

    for begin in range(0, len(ordered), LINES_AT_ONCE):
        piece: list[bytes] = []
        for line in ordered[begin : begin + LINES_AT_ONCE]:
            if line[:32] != tenant:
                end()
                tenant, first, builder = line[:32], line[33:65], RootBuilder()
                prefix = new_id().hex.encode() + b"\t"
            whole = current_line(line)
            piece.append(b"%b%d\t%b\n" % (prefix, builder.count, whole))
            builder.add(line_digest(whole))
            before = line[33:65]
        pieces.append(b"".join(piece))
        await asyncio.sleep(0)
    end()
    return batches, pieces


async def record_batches(connection: Connection, batches: Sequence[Batch], now: datetime) -> None:
    """Write each batch's event, in the transaction that keeps its rows."""
    async with connection.pipeline():
        for batch in batches:
            await record(
                connection,
                batch.tenant_id,
                kind=KIND,
                actor_id=None,
                body={"form": FORM, "count": batch.count, "first": batch.first_id, "last": batch.last_id, "root": batch.root},
                now=now,
                event_id=batch.id,
            )


def _uuid(text: bytes) -> uuid.UUID:
    return uuid.UUID(text.decode())

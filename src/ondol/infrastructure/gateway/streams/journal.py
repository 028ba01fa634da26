"""What Postgres keeps of answers on their way, sealed under the asker's key."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ondol.core.errors import KeyDestroyed, NotFound
from ondol.infrastructure.gateway.streams.place import Place, with_ids
from ondol.infrastructure.gateway.streams.running import Running
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, row_eraser
from ondol.infrastructure.storage.blobs import DataKey, KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

BATCHES_READ_MAX = 200
KEPT_S = 900.0
"""So long after its end an answer can be read on."""
SWEEP_MAX = 10_000
QUERIES = load_queries("ondol.infrastructure.gateway.streams")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an answer behind a place.

    Attributes:
        data: events as they go out.
        place: where one is after them.
        is_ended: nothing more will come.
        is_free: the worker that answers is gone.
    """

    data: bytes
    place: Place
    is_ended: bool
    is_free: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """An answer whose worker is gone.

    Attributes:
        place: how far it came.
        body: the request's.
        last: its end, if it came so far; empty otherwise.
    """

    place: Place
    body: bytes
    last: bytes
    is_stopping: bool


@dataclass(frozen=True, slots=True)
class Journal:
    """The rows of one worker."""

    database: Database
    keyring: KeyRing
    worker_id: uuid.UUID
    lease_s: float

    async def add(self, running: Running, body: bytes) -> None:
        """An answer has begun. Raises `DatabaseAway`."""
        sealed = seal_bytes(self._key(running), body, b"stream-request" + running.id.bytes)
        values = {"tenant_id": running.tenant_id, "person_id": running.person_id, "request_sealed": sealed, "lease_s": self.lease_s}
        async with self.database.tenant_tx(running.tenant_id) as connection:
            await connection.execute(QUERIES["stream_add"], {**values, **self._own(running.id)})

    async def drop(self, running: Running) -> None:
        """It never came to an event."""
        async with self.database.tenant_tx(running.tenant_id) as connection:
            await connection.execute(QUERIES["stream_drop"], self._own(running.id))

    async def write(self, connection: Connection, those: Iterable[Running]) -> list[tuple[Running, int]]:
        """Keep what is new of some answers of one tenant; how far each will be kept once the transaction is through. Nobody waits for the disk."""
        new = [(running, len(running.events)) for running in those if len(running.events) > running.written]
        values = [self._batch(running, until) for running, until in new]
        await connection.execute(QUERIES["soon"])
        if values:
            async with connection.cursor() as cursor:
                await cursor.executemany(QUERIES["events_add"], values)
        return new

    async def renew(self, connection: Connection, ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, tuple[bool, float]]:
        """Say that this worker is still there. Of each answer that is its own: whether its asker has stopped it, and for how many seconds nobody
        has read it at another worker."""
        found = await rows(connection, QUERIES["streams_renew"], {"ids": list(ids), "worker_id": self.worker_id, "lease_s": self.lease_s})
        return {row["id"]: (row["is_stopping"], row["alone_s"]) for row in found}

    async def close(self, connection: Connection, running: Running, last: bytes) -> bool:
        """Keep an answer's end before its record; False when it is another worker's."""
        sealed = seal_bytes(self._key(running), last, b"stream-last" + running.id.bytes)
        values = {"last_sealed": sealed, "lease_s": self.lease_s, **self._own(running.id)}
        return await one(connection, QUERIES["stream_close"], values) is not None

    async def end(self, connection: Connection, answer_id: uuid.UUID) -> None:
        """Nothing more will come."""
        await connection.execute(QUERIES["stream_end"], self._own(answer_id))

    async def stop(self, tenant_id: uuid.UUID, person_id: uuid.UUID, answer_id: uuid.UUID) -> bool:
        """Its asker wants no more of it; False when they have no such answer on its way."""
        async with self.database.tenant_tx(tenant_id) as connection:
            found = await one(connection, QUERIES["stream_stop"], {"id": answer_id, "person_id": person_id})
        return found is not None

    async def read(self, tenant_id: uuid.UUID, person_id: uuid.UUID, answer_id: uuid.UUID, after: Place, *, follows: bool) -> Kept:
        """What is kept of an answer behind a place.

        Args:
            follows: say that it is read.

        Raises:
            NotFound: when the person has no such answer on its way.
        """
        named: dict[str, object] = {"id": answer_id, "person_id": person_id}
        async with self.database.tenant_tx(tenant_id) as connection:
            if follows:
                await connection.execute(QUERIES["stream_follow"], named)
            row = await one(connection, QUERIES["stream_read"], named)
            if row is None:
                raise stream_not_found()
            run, sent = row["run"], after.number if after.run == row["run"] else 0
            wanted = {"id": answer_id, "run": run, "after": sent, "limit": BATCHES_READ_MAX}
            found = await rows(connection, QUERIES["events_after"], wanted)
        pieces: list[bytes] = []
        for batch in found:
            events = self._opened(tenant_id, person_id, answer_id, run, batch)
            fresh = events[max(sent + 1 - batch["first"], 0) :]
            pieces.append(with_ids(fresh, run, sent + 1))
            sent += len(fresh)
        is_all = len(found) < BATCHES_READ_MAX
        return Kept(b"".join(pieces), Place(run, sent), row["is_ended"] and is_all, row["is_free"] and is_all)

    async def claim(self, tenant_id: uuid.UUID, person_id: uuid.UUID, answer_id: uuid.UUID) -> Claimed | None:
        """Take over from a worker that is gone; None when it is not, or another worker was faster."""
        values = {"person_id": person_id, "lease_s": self.lease_s, **self._own(answer_id)}
        async with self.database.tenant_tx(tenant_id) as connection:
            row = await one(connection, QUERIES["stream_claim"], values)
        if row is None:
            return None
        key = self._key_of(tenant_id, person_id)
        body = open_bytes(key, bytes(row["request_sealed"]), b"stream-request" + answer_id.bytes)
        last = open_bytes(key, bytes(row["last_sealed"]), b"stream-last" + answer_id.bytes) if row["last_sealed"] is not None else b""
        return Claimed(Place(row["run"], row["events"]), body, last, row["is_stopping"])

    async def restart(self, running: Running) -> None:
        """The answer is begun again: what went out before is forgotten."""
        async with self.database.tenant_tx(running.tenant_id) as connection:
            await connection.execute(QUERIES["stream_restart"], {"run": running.run, **self._own(running.id)})
            await connection.execute(QUERIES["events_drop"], {"run": running.run, "id": running.id})

    def _batch(self, running: Running, until: int) -> dict[str, object]:
        first = running.written + 1
        data = b"\n\n".join(running.events[running.written : until])
        sealed = seal_bytes(self._key(running), data, _context(running.id, running.run, first))
        values = {"tenant_id": running.tenant_id, "run": running.run, "first": first, "events": until - running.written, "events_sealed": sealed}
        return {**values, **self._own(running.id)}

    def _opened(self, tenant_id: uuid.UUID, person_id: uuid.UUID, answer_id: uuid.UUID, run: int, batch: Mapping[str, object]) -> list[bytes]:
        first, sealed = batch["first"], batch["events_sealed"]
        assert isinstance(first, int) and isinstance(sealed, bytes)  # noqa: S101 - as the table says
        return open_bytes(self._key_of(tenant_id, person_id), sealed, _context(answer_id, run, first)).split(b"\n\n")

    def _own(self, answer_id: uuid.UUID) -> dict[str, object]:
        return {"id": answer_id, "worker_id": self.worker_id}

    def _key(self, running: Running) -> DataKey:
        return self.keyring.get_or_create(KeyOwner(running.tenant_id, "subject", running.person_id))

    def _key_of(self, tenant_id: uuid.UUID, person_id: uuid.UUID) -> DataKey:
        try:
            return self.keyring.get(KeyOwner(tenant_id, "subject", person_id))
        except KeyDestroyed:
            raise stream_not_found() from None


def stream_not_found() -> NotFound:
    """There is no such answer on its way, or it is somebody else's: nobody is told which."""
    return NotFound(
        "There is no such answer on its way.", "An answer can be read on for some minutes after its end, by whoever asked.", code="stream_not_found"
    )


async def expire_streams(database: Database) -> int:
    """Remove what nobody reads on from any more; how many answers that were."""
    async with database.system_tx() as connection:
        return (await connection.execute(QUERIES["streams_expire"], {"kept_s": KEPT_S, "limit": SWEEP_MAX})).rowcount


def stream_erasers(database: Database) -> list[Eraser]:
    """Remove what a person was answered, or the answers that were shown a document."""

    async def erase(connection: Connection, erasure: Erasure) -> None:
        person_id = erasure.target_id if erasure.kind == "subject" else None
        await connection.execute(QUERIES["streams_erase"], {"person_id": person_id, "erasure_id": erasure.id})

    tables = ["answer_streams", "answer_events"]
    return [row_eraser(database, "answer_streams", method="deleted", tables=tables, count=QUERIES["streams_count"], erase=erase)]


def _context(answer_id: uuid.UUID, run: int, first: int) -> bytes:
    return b"stream-events" + answer_id.bytes + run.to_bytes(4, "big") + first.to_bytes(4, "big")

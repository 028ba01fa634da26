"""Where the worlds stand: one database for a whole run, and two platforms with data folders and caches of their own, in memory where there is such a
place.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg import sql

from ondol.core.config import Settings
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.storage.folder import open_folder
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.platform import Platform, build_platform
from ondol.wiring.stores import Stores

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made there is private
DIMENSIONS = 16
Result = TypeVar("Result")


@dataclass
class SteppedClock:
    """A clock that stands still until it is moved."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 21, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move it on."""
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Stand:
    """Two platforms over one database, with one clock.

    Attributes:
        real: holds everything.
        twin: holds, tenant by tenant, what one reader may read at one moment, and never held anything else.
        embedder: answers embeddings on a socket of this machine, for both.
    """

    runner: asyncio.Runner
    folder: Path
    clock: SteppedClock
    real: Platform
    twin: Platform
    embedder: ScriptedModel

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for it."""
        return self.runner.run(work)

    def forget(self, platform: Platform, tenant_id: uuid.UUID) -> None:
        """Remove the files of a tenant that is asked no more; its rows stay and are in nobody's way."""
        for store in (platform.folder.blobs, platform.folder.lance, platform.folder.keyring):
            shutil.rmtree(store / str(tenant_id), ignore_errors=True)


@contextlib.contextmanager
def open_stand(addresses: DatabaseAddresses | None = None) -> Iterator[Stand]:
    """Open a stand; without addresses with a Postgres of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ondol-worlds-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    folder.chmod(0o711)
    try:
        if addresses is not None:
            yield from _opened(folder, addresses)
            return
        stores = Stores(Settings(data_dir=folder / "database"), open_folder(folder / "database"))
        stores.start_or_join()
        try:
            yield from _opened(folder, stores.addresses())
        finally:
            stores.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _opened(folder: Path, addresses: DatabaseAddresses) -> Iterator[Stand]:
    with psycopg.connect(addresses.owner, autocommit=True) as owner:
        # What a crash would lose is of no use to anybody here, and waiting for the disk is most of a step.
        owner.execute(sql.SQL("alter database {} set synchronous_commit = off").format(sql.Identifier(owner.info.dbname)))
    clock = SteppedClock()
    real, twin = (_platform(folder / name, addresses, clock) for name in ("real", "twin"))
    embedder = ScriptedModel(_embedded)
    with asyncio.Runner() as runner:
        runner.run(embedder.__aenter__())
        try:
            yield Stand(runner, folder, clock, real, twin, embedder)
        finally:
            runner.run(embedder.__aexit__(None, None, None))
            for platform in (real, twin):
                runner.run(platform.models.close())
                runner.run(platform.database.close())
                platform.lance.close()


def _embedded(body: Mapping[str, Any]) -> Reply:
    """The answer to a request for embeddings."""
    data = [{"object": "embedding", "index": place, "embedding": _vector(text)} for place, text in enumerate(body["input"])]
    answer = msgspec.json.encode({"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": 1, "total_tokens": 1}})
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(answer)}\r\n\r\n"
    return Reply(raw=[head.encode() + answer])


def _vector(text: str) -> list[float]:
    """Each word points in one of few directions, so that many passages are equally near."""
    vector = [0.01] * DIMENSIONS
    for word in text.lower().split():
        vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    return vector


def _platform(folder: Path, addresses: DatabaseAddresses, clock: SteppedClock) -> Platform:
    return build_platform(Settings(data_dir=folder), open_folder(folder), addresses, clock)

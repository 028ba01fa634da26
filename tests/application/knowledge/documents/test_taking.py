"""The job worker takes uploads in: in time, once, and not for ever."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from ondol.application.knowledge.documents import taking
from ondol.application.knowledge.documents.once import forget_keys
from ondol.application.knowledge.documents.put import put_file
from ondol.application.knowledge.documents.taking import documents_of, run_takers, take_in
from ondol.application.knowledge.documents.uploads import forget_uploads
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.sweep import sweep_unnamed
from ondol.core.errors import RequestError
from ondol.infrastructure.storage.postgres import rows
from tests.application.knowledge.documents.conftest import DOCUMENTS, Api

pytestmark = pytest.mark.anyio

WHITE = b"# Beacon\n\nThe beacon is white."
GREEN = b"# Beacon\n\nThe beacon is green."


@contextlib.asynccontextmanager
async def takers(api: Api) -> AsyncIterator[None]:
    """The job worker's part, running."""
    stop = asyncio.Event()
    running_takers = asyncio.create_task(run_takers(api.house.platform.database, documents_of(api.house.platform.knowledge), stop))
    try:
        yield
    finally:
        stop.set()
        await running_takers


@pytest.fixture(params=["told", "lost"])
def notices(request: pytest.FixtureRequest, api: Api) -> Iterator[str]:
    """With the notice of an upload, and with none: the trigger that sends it is taken away."""
    if request.param == "lost":
        with psycopg.connect(api.house.platform.database.addresses.owner, autocommit=True) as connection:
            connection.execute("drop trigger upload_received on ondol.uploads")
    yield request.param


async def test_an_upload_is_found_within_five_seconds_also_when_its_notice_is_lost(api: Api, notices: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()

    async def seen(room: Knowledge, tenant_id: uuid.UUID, upload_id: uuid.UUID) -> bool:
        if done := await take_in(room, tenant_id, upload_id):
            ended.put_nowait(str(upload_id))
        return done

    monkeypatch.setattr(taking, "take_in", seen)
    async with takers(api), asyncio.timeout(60):
        assert await api.send(b"# First\n\nThe first.", f"{DOCUMENTS}?file=first.md") == await ended.get()
        loop = asyncio.get_running_loop()
        sent = loop.time()
        assert await api.send(WHITE) == await ended.get()
        assert await api.house.titles("white") == ["Beacon"]
        took = loop.time() - sent
    assert took < 5.0, notices


async def test_a_file_whose_worker_dies_again_and_again_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    room, tenant_id = api.house.platform.knowledge, api.house.tenant_id
    upload = uuid.UUID(await api.send(WHITE))

    class Killed(BaseException):
        """Stands for SIGKILL."""

    async def die(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(taking, "put_file", die)
    for _ in range(taking.ATTEMPTS_MAX):
        with pytest.raises(Killed):
            await take_in(room, tenant_id, upload)
        assert (await api.state(str(upload)))["state"] == "received"
    monkeypatch.setattr(taking, "put_file", put_file)
    assert await take_in(room, tenant_id, upload)
    assert ((await api.state(str(upload)))["failure"], api.sealed()) == ("gave_up", (set(), 0))


async def test_what_passes_is_tried_again_and_one_file_is_taken_in_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    room, tenant_id = api.house.platform.knowledge, api.house.tenant_id
    upload = uuid.UUID(await api.send(WHITE))
    async with room.database.writer_lock(upload) as free:
        assert (free, await take_in(room, tenant_id, upload)) == (True, False)

    async def busy(*_: object, **__: object) -> None:
        raise RequestError("Others write.", code="base_busy")

    monkeypatch.setattr(taking, "put_file", busy)
    for _ in range(2 * taking.ATTEMPTS_MAX):
        assert not await take_in(room, tenant_id, upload)
    monkeypatch.setattr(taking, "put_file", put_file)
    assert sorted(await asyncio.gather(take_in(room, tenant_id, upload), take_in(room, tenant_id, upload))) == [False, True]
    assert (await api.keys(), await take_in(room, tenant_id, upload)) == (["a"], False)


async def test_a_sweep_leaves_uploads_that_wait_and_takes_what_a_dead_process_left(api: Api) -> None:
    house = api.house
    house.clock.now = datetime.now(UTC)
    upload = await api.send(WHITE)
    house.clock.advance(days=30)
    report = await sweep_unnamed(house.platform.knowledge, house.tenant_id)
    assert (report.blobs, report.keys) == (0, 0)
    assert await take_in(house.platform.knowledge, house.tenant_id, uuid.UUID(upload))
    assert await api.keys() == ["a"]


async def test_what_ended_long_ago_is_forgotten(api: Api) -> None:
    platform, clock = api.house.platform, api.house.clock
    waits = await api.send(WHITE, key="k-7")
    ended = (await api.put(GREEN, f"{DOCUMENTS}?file=b.md"))["id"]
    assert (await forget_uploads(platform.database, clock()), await forget_keys(platform.database, clock())) == (0, 0)
    clock.advance(days=8)
    assert (await forget_uploads(platform.database, clock()), await forget_keys(platform.database, clock())) == (1, 1)
    assert await api.ask("editor", "GET", f"/bases/base/uploads/{ended}") == (404, "upload_not_found")
    assert (await api.state(waits))["state"] == "received"


async def test_nothing_of_an_upload_lies_open(api: Api) -> None:
    word = "Zanzibarkaffee"
    await api.send(f"# {word}".encode(), f"{DOCUMENTS}?file={word}.md&key={word}-key", key=f"{word}-once")
    failed = await api.put(f"---\nversion: {word}\n---\n".encode(), f"{DOCUMENTS}?file={word}.md")
    assert word in failed["detail"]
    stored = [path for path in api.house.platform.folder.root.rglob("*") if path.is_file()]
    assert [path for path in stored if word.encode() in path.read_bytes()] == []
    async with api.house.platform.database.tenant_tx(api.house.tenant_id) as connection:
        for table in ("uploads", "idempotency_keys"):
            found = json.dumps(await rows(connection, f"select t::text as row from {table} t", {}))
            assert word not in found
            assert word.encode().hex() not in found

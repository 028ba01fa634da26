"""Where the console is measured: a data folder with its history that outlives the run, and one worker of it within this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import httpx
import uvloop

from benchmarks.console.cast import Cast, open_cast
from benchmarks.console.history import fill
from benchmarks.gateway.stand import running
from ondol.application.console.calling import Api
from ondol.core.config import load_settings
from ondol.infrastructure.access.sign_in import open_session
from ondol.infrastructure.gateway.in_process import ApiReply
from ondol.infrastructure.gateway.server import Server
from ondol.wiring.http import open_worker
from ondol.wiring.platform import Platform, open_platform

START_SECONDS_MAX: Final = 120.0
SESSION: Final = "ondol_session"
TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """One question of a page to the admin API: what was asked, and how long the page waited, in milliseconds."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    waited_ms: float


@dataclass(slots=True)
class Stand:
    """A worker that answers on a socket of this process.

    Attributes:
        calls: of pages to the API, in their order.
    """

    folder: Path
    address: str
    token: str
    requests: int
    calls: list[Call] = field(default_factory=list)

    def client(self) -> httpx.Client:
        """The owner's browser, as far as cookies go."""
        return httpx.Client(base_url=self.address, cookies={SESSION: self.token}, timeout=TIMEOUT_S)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """With somebody who takes documents in, in a process of its own as in every installation."""
        environment = {"ONDOL_DATA_DIR": (self.folder / "data").as_posix()}
        with running([sys.executable, "-m", "ondol.cli.main", "work"], self.folder / "work.log", environment):
            yield


@contextlib.contextmanager
def standing(folder: Path, wanted: int, build_s: float) -> Iterator[Stand]:
    """A worker on a history, until this ends.

    Args:
        folder: where it is kept; made when absent.
        wanted: how many requests it should hold.
        build_s: how long may be spent on bringing it there.
    """
    ready, stop = threading.Event(), threading.Event()
    stands: list[Stand] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(folder, wanted, build_s, stands, ready, stop))
        except BaseException as error:
            failures.append(error)
            ready.set()

    thread = threading.Thread(target=work, name="console-worker")
    thread.start()
    try:
        ready.wait()
        if failures:
            raise failures[0]
        [stand] = stands
        with _noting(stand.calls):
            yield stand
    finally:
        stop.set()
        thread.join()


async def _serve(folder: Path, wanted: int, build_s: float, stands: list[Stand], ready: threading.Event, stop: threading.Event) -> None:
    until = time.monotonic() + build_s
    settings = load_settings(environment={**os.environ, "ONDOL_DATA_DIR": (folder / "data").as_posix(), "ONDOL_LOG_LEVEL": "error"})
    async with open_platform(settings) as platform:
        cast = await open_cast(platform)
        await fill(platform, cast, folder / "history.json", wanted, until)
        listener = socket.create_server(("127.0.0.1", 0))
        warm = asyncio.Event()
        async with open_worker(platform, warm.set) as handler:
            server = Server(handler, [listener])
            await server.start()
            await warm.wait()
            token = await _token(platform, cast.tenant_id, cast.owner_id)
            stands.append(Stand(folder, f"http://127.0.0.1:{server.port}", token, await _counted(platform, cast)))
            ready.set()
            await asyncio.to_thread(stop.wait)
            await server.drain(1.0)


async def _token(platform: Platform, tenant_id: uuid.UUID, person_id: uuid.UUID) -> str:
    async with platform.database.tenant_tx(tenant_id) as connection:
        return await open_session(connection, platform.settings.sign_in, tenant_id, person_id, platform.clock())


async def _counted(platform: Platform, cast: Cast) -> int:
    async with platform.database.tenant_tx(cast.tenant_id) as connection:
        found = await (await connection.execute("select count(*) as counted from requests")).fetchone()
    assert found is not None
    return int(found["counted"])


@contextlib.contextmanager
def _noting(calls: list[Call]) -> Iterator[None]:
    """Note what pages ask the API, and how long each answer takes; nothing of it is changed."""
    send = Api._send

    async def noting(api: Api, method: str, path: str, **given: Any) -> ApiReply:
        began = time.perf_counter()
        try:
            return await send(api, method, path, **given)
        finally:
            calls.append(Call(method, path, tuple(given.get("query", ())), (time.perf_counter() - began) * 1e3))

    with patch.object(Api, "_send", noting):
        yield

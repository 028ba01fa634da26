"""Who may read /metrics, and that a real server's figures stand there."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from ondol.core.errors import SettingsError, Unauthenticated
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.gauges import server_gauges, store_gauges
from ondol.infrastructure.gateway.metrics import FORWARDED, MetricsPage
from ondol.infrastructure.gateway.server import Limits, Server, TrustedProxies
from ondol.infrastructure.serving.routing.breaker import State
from ondol.infrastructure.telemetry.observer import Observer
from tests.infrastructure.gateway.server.wire import running
from tests.infrastructure.telemetry.samples import RECORD
from tests.infrastructure.telemetry.test_metrics import samples

OPERATOR, CUSTOMER = uuid.uuid4(), uuid.uuid4()
KEYS = {
    "Bearer operator-auditor": Principal(OPERATOR, uuid.uuid4(), frozenset({"auditor"})),
    "Bearer operator-member": Principal(OPERATOR, uuid.uuid4(), frozenset({"member", "editor"})),
    "Bearer customer-admin": Principal(CUSTOMER, uuid.uuid4(), frozenset({"admin", "owner"})),
}


async def authenticate(headers: Mapping[str, str], _client: str) -> Principal:
    try:
        return KEYS[headers.get("authorization", "")]
    except KeyError:
        raise Unauthenticated("No.", "Send a key.") from None


def page(observer: Observer, open_to: str = "127.0.0.0/8,::1") -> MetricsPage:
    return MetricsPage(observer, open_to, authenticate, lambda tenant_id: tenant_id == OPERATOR)


async def ask(open_to: str, headers: dict[str, str], *, method: str = "GET", trusted: str = "") -> httpx.Response:
    observer = Observer()
    observer.observe(RECORD, overhead_us=150)
    handler = page(observer, open_to)

    async def handle(exchange: Exchange) -> None:
        try:
            await handler(exchange)
        except Exception as error:
            exchange.fail(error)

    async with running(handle, proxies=TrustedProxies(trusted.split(","))) as server, httpx.AsyncClient() as client:
        return await client.request(method, f"http://127.0.0.1:{server.port}/metrics", headers=headers)


def test_a_scraper_on_this_machine_reads_it() -> None:
    answer = asyncio.run(ask("127.0.0.0/8", {}))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert samples(answer.content)["ondol_tokens_total", (("kind", "input"), ("model", "helper"))] == 120
    head = asyncio.run(ask("127.0.0.0/8", {}, method="HEAD"))
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("name", FORWARDED)
def test_a_proxy_on_this_machine_does_not_open_it_to_all(name: bytes) -> None:
    assert asyncio.run(ask("127.0.0.0/8", {name.decode(): "203.0.113.9"})).status_code == 401
    assert asyncio.run(ask("127.0.0.0/8", {name.decode(): "127.0.0.1"}, trusted="127.0.0.1")).status_code == 401


@pytest.mark.parametrize(
    ("key", "status"), [("operator-auditor", 200), ("operator-member", 403), ("customer-admin", 403), ("nobody", 401), (None, 401)]
)
def test_from_elsewhere_it_takes_a_key_of_the_operator(key: str | None, status: int) -> None:
    assert asyncio.run(ask("10.0.0.0/8", {"authorization": f"Bearer {key}"} if key else {})).status_code == status


def test_a_key_that_came_counts_even_from_near() -> None:
    assert asyncio.run(ask("127.0.0.0/8", {"authorization": "Bearer customer-admin"})).status_code == 403


def test_it_is_only_read() -> None:
    assert asyncio.run(ask("127.0.0.0/8", {}, method="POST")).status_code == 405


def test_a_network_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(SettingsError, match=r"metrics\.open_to"):
        page(Observer(), "10.0.0.0/33")


def test_the_servers_own_figures_are_told(tmp_path: Path) -> None:
    async def run() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        async with Observer(tmp_path) as observer:
            server: Server
            async with running(page(observer), limits=Limits()) as server, httpx.AsyncClient() as client:
                observer.gauges(server_gauges(server.counters, lambda: server.connections_open))
                targets: list[tuple[str, str, State]] = [("north", "m", "closed"), ("north", "m", "open"), ("south", "m", "half_open")]
                observer.gauges(store_gauges(lambda: 0.25, lambda: 3, lambda: iter(targets)))
                await client.get(f"http://127.0.0.1:{server.port}/metrics")
                return samples((await client.get(f"http://127.0.0.1:{server.port}/metrics")).content)

    found = asyncio.run(run())
    assert found["ondol_connections", ()] == 1
    assert found["ondol_connections_opened_total", ()] == 1
    assert found["ondol_in_flight", ()] == 1
    assert found["ondol_http_answers_total", (("class", "2xx"),)] == 1
    assert found["ondol_postgres_age_seconds", ()] == 0.25
    assert found["ondol_leases_outstanding", ()] == 3
    assert found["ondol_breaker_state", (("model", "m"), ("provider", "north"))] == 2
    assert found["ondol_breaker_state", (("model", "m"), ("provider", "south"))] == 1


WORKER = """
import asyncio, socket, sys
from pathlib import Path
from ondol.infrastructure.gateway.gauges import server_gauges
from ondol.infrastructure.gateway.metrics import MetricsPage
from ondol.infrastructure.gateway.server import Server
from ondol.infrastructure.telemetry.observer import Observer
from tests.infrastructure.telemetry.samples import RECORD

async def run():
    async with Observer(Path(sys.argv[2])) as observer:
        page = MetricsPage(observer, "127.0.0.0/8", None, None)
        async def handle(exchange):
            if exchange.path == "/metrics":
                await page(exchange)
            else:
                observer.observe(RECORD, overhead_us=150)
                observer.tick()
                exchange.answer(200, sys.argv[3].encode())
        server = Server(handle, [socket.socket(fileno=int(sys.argv[1]))])
        await server.start()
        observer.gauges(server_gauges(server.counters, lambda: server.connections_open))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await server.drain(0)
asyncio.run(run())
"""


def test_workers_on_one_port_tell_the_same_page_also_when_one_is_killed(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def start(name: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(listener.fileno()), str(tmp_path / "metrics"), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[listener.fileno()],
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def get(path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", port)  # one of its own each time: any worker may take it
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read()

    def told() -> tuple[float, float]:
        found = samples(get("/metrics"))
        return found["ondol_overhead_seconds_count", (("route", "chat.completions"),)], found["ondol_workers", ()]

    workers = {name: start(name) for name in ("one", "two")}
    try:
        by = Counter(get("/").decode() for _ in range(200))
        assert told() == (200, 2)
        victim = max(by, key=by.__getitem__)
        workers[victim].kill()
        workers[victim].wait()
        assert told() == (200, 1), "what a killed worker counted stays counted"
        workers["three"] = start("three")
        for _ in range(50):
            get("/")
        assert {told() for _ in range(10)} == {(250, 2)}, "whichever worker is asked"
    finally:
        listener.close()
        for worker in workers.values():
            worker.communicate()

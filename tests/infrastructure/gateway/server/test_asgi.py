"""ASGI applications behind the server: both ways as it comes, no further ahead than is taken, and told when the caller leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from ondol.infrastructure.gateway.server import AsgiBridge
from ondol.infrastructure.gateway.server import asgi as bridge_module
from tests.infrastructure.gateway.server.wire import running, wired

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_an_application_sees_the_request_as_it_was_sent() -> None:
    app = FastAPI(redirect_slashes=False)

    @app.post("/a/{name}", status_code=201)
    async def post(name: str, q: str, request: Request) -> dict[str, Any]:
        body = await request.body()
        return {"name": name, "q": q, "body": len(body), "url": str(request.url), "client": request.client.host if request.client else ""}

    async with running(AsgiBridge(app)) as server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        answer = await client.post("/a/가?q=%20x", content=b"x" * 300_000)
        told = answer.json()
        assert told["url"] == f"http://127.0.0.1:{server.port}/a/가?q=%20x"
        assert (await client.post("/a/b?q=1", content=b"")).status_code == 201
        # An escaped slash is a slash, as ASGI servers have it.
        assert (await client.post("/a/b%2Fc?q=1")).status_code == 404
    assert (answer.status_code, told["name"], told["q"], told["body"], told["client"]) == (201, "가", " x", 300_000, "127.0.0.1")
    assert len(answer.headers.get_list("content-length")) == 1
    assert len(answer.headers.get_list("x-request-id")) == 1
    assert answer.headers["x-ondol-duration-ms"]


async def test_both_bodies_flow_as_they_come() -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"X-Own", b"1")]})
        while True:
            message = await receive()
            await send({"type": "http.response.body", "body": message["body"], "more_body": message["more_body"]})
            if not message["more_body"]:
                return

    async with wired(AsgiBridge(echo)) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await wire.until(lambda: wire.received.endswith(b"2\r\nab\r\n"))
        wire.send(b"2\r\ncd\r\n0\r\n\r\n")
        await wire.quiet()
        (answer,) = wire.answers()
        assert (answer.body, answer.header(b"x-own"), wire.closed) == (b"abcd", b"1", True)  # it began before all had come


async def test_an_application_produces_no_more_than_is_taken() -> None:
    produced = 0
    app = FastAPI()

    @app.get("/")
    async def get() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            nonlocal produced
            while True:
                produced += 1
                yield b"x" * 100_000

        return StreamingResponse(pieces())

    async with wired(AsgiBridge(app)) as wire:
        wire.send(GET)
        before = -1
        while produced != before:
            before = produced
            await wire.turn(50)
        assert 1 <= produced < 100
        wire.hang_up()
        await wire.turn(50)
        assert not wire.state.running


async def test_an_application_is_told_that_the_caller_left_and_not_cancelled() -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["more_body"] is False
        heard.append(await receive())
        for message in ({"type": "http.response.start", "status": 200}, {"type": "http.response.body", "body": b"x"}):
            with pytest.raises(OSError, match="left"):
                await send(message)
        await asyncio.sleep(0)
        heard.append("tidied")
        raise OSError("of no interest any more")

    async with wired(AsgiBridge(app)) as wire:
        wire.send(GET)
        await wire.turn(5)
        wire.hang_up()
        await wire.turn(10)
    assert heard == [{"type": "http.disconnect"}, "tidied"]


async def test_leaving_in_the_middle_of_an_upload_is_a_disconnect() -> None:
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            heard.append(message["type"])
            if message["type"] == "http.disconnect":
                return

    async with wired(AsgiBridge(app)) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
        await wire.turn(8)
        wire.hang_up()
        await wire.turn(8)
    assert heard == ["http.request", "http.disconnect"]


async def test_an_application_that_does_not_hear_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge_module, "GONE_S", 0.01)
    cancelled = asyncio.Event()

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with wired(AsgiBridge(deaf)) as wire:
        wire.send(GET)
        await wire.turn(5)
        wire.hang_up()
        async with asyncio.timeout(5):
            await cancelled.wait()


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body_and_head(status: int) -> None:
    app = FastAPI()

    @app.get("/none", status_code=status)
    async def none() -> None:
        return None

    @app.head("/")
    @app.get("/")
    async def some() -> dict[str, int]:
        return {"a": 1}

    async with running(AsgiBridge(app)) as server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        for _ in range(2):
            answer = await client.get("/none")
            assert (answer.status_code, answer.content) == (status, b"")
            head = await client.head("/")
            assert (head.content, head.headers["content-length"]) == (b"", str(len((await client.get("/")).content)))
        assert server.counters.connections == 1


async def test_an_application_that_breaks_its_answer_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/early":
            raise ZeroDivisionError("secret")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError("secret")

    async with wired(AsgiBridge(app)) as wire:
        wire.send(b"GET /early HTTP/1.1\r\nHost: x\r\n\r\n")
        await wire.quiet()
        assert wire.answers()[0].status == 500
        wire.send(GET)
        await wire.until(lambda: wire.closed)
        assert b"secret" not in wire.received
        assert wire.state.counters.cut == 1

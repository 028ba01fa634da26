"""Calls of an application without a socket: what comes piece by piece comes whole, whoever listens for the caller's leave."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import Message

from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.in_process import ApiRequest, caller_in_process

pytestmark = pytest.mark.anyio
WHO = Principal(tenant_id=uuid.uuid4(), person_id=uuid.uuid4(), session_id=None, api_key_id=None, roles=frozenset())


async def pieces() -> AsyncIterator[bytes]:
    for piece in (b"one ", b"two ", b"three"):
        await anyio.lowlevel.checkpoint()
        yield piece


async def streamed(request: Request) -> StreamingResponse:
    assert await request.body() == b"asked"
    assert not await request.is_disconnected()
    return StreamingResponse(pieces())


async def test_a_streamed_reply_comes_whole() -> None:
    call = caller_in_process(Starlette(routes=[Route("/api/streamed", streamed, methods=["POST"])]), "/api")
    reply = await call(WHO, ApiRequest("POST", "/streamed", body=b"asked"))
    assert (reply.status, reply.body) == (200, b"one two three")


async def test_nobody_leaves_while_a_reply_is_made() -> None:
    heard: list[Message] = []

    async def app(scope: object, receive: object, send: object) -> None:
        heard.append(await receive())  # type: ignore[operator]
        with anyio.move_on_after(0.01):
            heard.append(await receive())  # type: ignore[operator]
        await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[operator]

    assert (await caller_in_process(app, "")(WHO, ApiRequest("GET", "/"))).status == 204
    assert [message["type"] for message in heard] == ["http.request"]

"""A body in pieces from a real socket: its end is told once, whichever it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ondol.core.errors import UpstreamError
from ondol.infrastructure.serving.http import HttpClient
from ondol.infrastructure.serving.routing.pieces import PieceStream
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import chunked, head, whole
from ondol.infrastructure.serving.types import DEFAULT_TIMEOUTS
from tests.infrastructure.serving.grounds import post

pytestmark = pytest.mark.anyio

CHUNKED = head(b"transfer-encoding: chunked")
SOUND = bytes(range(256)) * 300


@asynccontextmanager
async def stream(reply: Reply, bytes_max: int = 1 << 20) -> AsyncIterator[tuple[PieceStream, list[UpstreamError | None], HttpClient]]:
    """The pieces of an answer, and what was told of its end."""
    told: list[UpstreamError | None] = []
    client = HttpClient()
    async with ScriptedModel(reply) as upstream:
        request, egress = post(upstream.base_url)
        answer = await client.send(request, DEFAULT_TIMEOUTS, egress)
        yield PieceStream(answer, bytes_max, told.append), told, client
        await client.close()


@pytest.mark.parametrize(
    "reply", [Reply(raw=[whole(SOUND)]), Reply(raw=[CHUNKED, *[chunked(SOUND[:1000], end=b"")] * 5, b"0\r\n\r\n"], between_s=0.01)]
)
async def test_all_of_it_comes_and_the_connection_is_kept(reply: Reply) -> None:
    async with stream(reply) as (pieces, told, client):
        await pieces.begin()
        got = [piece async for piece in pieces]
        assert b"".join(got) in (SOUND, SOUND[:1000] * 5)
        assert all(got)
        assert [piece async for piece in pieces] == []
        assert (told, client.idle) == ([None], 1)


async def test_a_body_without_a_byte_is_whole() -> None:
    async with stream(Reply(raw=[whole(b"")])) as (pieces, told, _):
        await pieces.begin()
        assert [piece async for piece in pieces] == []
        assert told == [None]


async def test_what_breaks_off_is_told_behind_what_came() -> None:
    async with stream(Reply(raw=[CHUNKED + chunked(SOUND, end=b"")], then="close")) as (pieces, told, client):
        await pieces.begin()
        got = b""
        with pytest.raises(UpstreamError, match="broke off"):
            async for piece in pieces:
                got += piece
        assert got == SOUND
        [error] = told
        assert error is not None
        assert (error.code, client.connections) == ("upstream_cut_off", 0)


async def test_what_is_too_long_is_cut() -> None:
    raw = [CHUNKED, *[chunked(SOUND, end=b"")] * 50]
    async with stream(Reply(raw=raw, between_s=0.001, then="hold"), bytes_max=len(SOUND) * 10) as (pieces, told, client):
        await pieces.begin()
        size = 0
        with pytest.raises(UpstreamError, match="too large"):
            async for piece in pieces:
                size += len(piece)
        assert size <= len(SOUND) * 10
        [error] = told
        assert error is not None
        assert (error.code, client.connections) == ("upstream_garbage", 0)


async def test_who_lets_it_go_is_told_nothing() -> None:
    async with stream(Reply(raw=[CHUNKED + chunked(SOUND, end=b"")], then="hold")) as (pieces, told, client):
        await pieces.begin()
        pieces.cancel()
        await asyncio.sleep(0)
        assert (told, client.connections) == ([], 0)

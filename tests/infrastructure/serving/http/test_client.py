"""The pooled client against a real socket: reuse, bounds, time-outs, ends of connections."""

from __future__ import annotations

import asyncio

import pytest

from ondol.core.errors import RequestError, UpstreamError
from ondol.core.ids import new_id
from ondol.infrastructure.serving.http import HttpAnswer, HttpClient, HttpRequest, Origin
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import BODY, DELTA, chunked, head, whole
from ondol.infrastructure.serving.types import DEFAULT_TIMEOUTS, Timeouts
from tests.infrastructure.serving.grounds import StillClock, post

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


async def fetch(client: HttpClient, base_url: str, body: bytes = b"{}") -> bytes:
    request, egress = post(base_url, body)
    answer = await client.send(request, DEFAULT_TIMEOUTS, egress)
    return await answer.read(1 << 20)


async def settle() -> None:
    """Let what is ready run: closing a socket takes the loop a few rounds."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_connection_is_used_again_and_a_closed_one_is_not() -> None:
    client = HttpClient()
    async with ScriptedModel(Reply(raw=[whole()])) as upstream:
        for _ in range(5):
            assert await fetch(client, upstream.base_url) == BODY
        assert (upstream.connections_made, client.connections, client.idle) == (1, 1, 1)
        upstream.say(Reply(raw=[whole(BODY, b"connection: close")]))
        assert await fetch(client, upstream.base_url) == BODY
        await settle()
        assert client.connections == 0
    await client.close()


async def test_a_half_closed_connection_costs_one_more_connection_and_no_error() -> None:
    client = HttpClient()
    async with ScriptedModel([Reply(raw=[whole()]), Reply(raw=[], then="close"), Reply(raw=[whole()])]) as upstream:
        assert await fetch(client, upstream.base_url) == BODY
        assert await fetch(client, upstream.base_url) == BODY
        assert upstream.connections_made == 2
        assert len(upstream.requests) == 3
    await client.close()


async def test_a_fresh_connection_that_closes_is_not_asked_again() -> None:
    client = HttpClient()
    async with ScriptedModel(Reply(raw=[], then="close")) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await fetch(client, upstream.base_url)
        assert caught.value.code == "upstream_cut_off"
        assert len(upstream.requests) == 1
    await client.close()


async def test_a_reused_connection_that_said_something_is_not_asked_again() -> None:
    client = HttpClient()
    async with ScriptedModel([Reply(raw=[whole()]), Reply(raw=[b"HTTP/1.1 200"], then="close"), Reply(raw=[whole()])]) as upstream:
        await fetch(client, upstream.base_url)
        with pytest.raises(UpstreamError) as caught:
            await fetch(client, upstream.base_url)
        assert caught.value.code == "upstream_cut_off"
        assert len(upstream.requests) == 2
    await client.close()


async def test_bytes_that_nobody_asked_for_close_the_connection() -> None:
    client = HttpClient()
    async with ScriptedModel(Reply(raw=[whole(), whole(b'{"answer":"of somebody else"}')], between_s=0.01)) as upstream:
        assert await fetch(client, upstream.base_url) == BODY
        for _ in range(5000):  # Nothing tells a client's user that an idle connection closed.
            if not client.connections:
                break
            await asyncio.sleep(0.001)
        upstream.say(Reply(raw=[whole()]))
        assert await fetch(client, upstream.base_url) == BODY
        assert upstream.connections_made == 2
    await client.close()


async def test_an_answer_before_the_request_is_sent_is_taken_and_the_connection_given_up() -> None:
    client = HttpClient()
    async with ScriptedModel(Reply(raw=[])) as upstream:
        upstream.says_early = whole(b"{}", status=b"413 Too Large")
        request, egress = post(upstream.base_url, b"x" * (40 << 20))
        answer = await client.send(request, DEFAULT_TIMEOUTS, egress)
        assert (answer.status, await answer.read(100)) == (413, b"{}")
        await settle()
        assert client.idle == 0
    await client.close()


async def test_time_outs_by_the_clock() -> None:
    clock = StillClock()
    client = HttpClient(now=clock)
    timeouts = Timeouts(connect_s=5, first_byte_s=30, between_s=10, whole_s=100)
    async with ScriptedModel(Reply(trouble="hang_before_headers")) as upstream:
        request, egress = post(upstream.base_url)
        task = asyncio.create_task(client.send(request, timeouts, egress))
        await upstream.requests_came(1)
        clock.now += 29.9
        client.watch.tick()
        await settle()
        assert not task.done()
        clock.now += 0.2
        client.watch.tick()
        with pytest.raises(UpstreamError) as caught:
            await task
        assert (caught.value.code, caught.value.status, client.connections) == ("upstream_timeout", 504, 0)
    await client.close()


async def test_between_pieces_only_a_waiting_reader_counts_and_the_whole_always() -> None:
    clock = StillClock()
    client = HttpClient(now=clock)
    timeouts = Timeouts(connect_s=5, first_byte_s=30, between_s=10, whole_s=100)
    async with ScriptedModel(Reply(raw=[head(b"transfer-encoding: chunked") + chunked(DELTA, end=b"")])) as upstream:
        request, egress = post(upstream.base_url)
        answer = await client.send(request, timeouts, egress)
        for _ in range(3):
            clock.now += 20  # The reader is slow, not the upstream.
            client.watch.tick()
        assert await answer.piece() == DELTA
        reading = asyncio.create_task(answer.piece())
        await settle()
        clock.now += 9.9
        client.watch.tick()
        await settle()
        assert not reading.done()
        clock.now += 0.2
        client.watch.tick()
        with pytest.raises(UpstreamError, match="go on"):
            await reading
        answer = await client.send(request, timeouts, egress)
        clock.now += 101  # Nobody reads and nobody cancels: the whole time ends it, so nothing leaks.
        client.watch.tick()
        assert client.connections == 0
        assert await answer.piece() == DELTA
        with pytest.raises(UpstreamError):
            await answer.piece()
    await client.close()


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    clock = StillClock()
    client = HttpClient(now=clock)
    async with ScriptedModel(Reply(raw=[whole()])) as upstream:
        await fetch(client, upstream.base_url)
        clock.now += 3.9
        client.watch.tick()
        assert client.idle == 1
        clock.now += 0.2
        client.watch.tick()
        assert client.connections == 0
    await client.close()


async def test_a_connection_that_is_never_idle_grows_old() -> None:
    clock = StillClock()
    client = HttpClient(now=clock)
    async with ScriptedModel(Reply(raw=[whole()])) as upstream:
        for _ in range(100):
            await fetch(client, upstream.base_url)
            clock.now += 3.5
            client.watch.tick()
        assert upstream.connections_made == 2
    await client.close()


async def test_the_pool_is_bounded_and_those_who_wait_are_served_in_order() -> None:
    client = HttpClient(connections_per_origin_max=2)
    async with ScriptedModel(Reply(raw=[whole()], before_s=0.001)) as upstream:
        bodies = await asyncio.gather(*(fetch(client, upstream.base_url) for _ in range(20)))
        assert (bodies, upstream.connections_made) == ([BODY] * 20, 2)
        upstream.say(Reply(trouble="hang_before_headers"))
        hanging = [asyncio.create_task(fetch(client, upstream.base_url)) for _ in range(2)]
        await upstream.requests_came(22)
        request, egress = post(upstream.base_url)
        with pytest.raises(UpstreamError) as caught:
            await client.send(request, Timeouts(connect_s=0.02), egress)
        assert (caught.value.code, caught.value.status) == ("upstream_busy", 503)
        waiting = asyncio.create_task(fetch(client, upstream.base_url))
        await settle()
        waiting.cancel()
        hanging[0].cancel()
        upstream.say(Reply(raw=[whole()]))
        assert await fetch(client, upstream.base_url) == BODY
        hanging[1].cancel()
        await asyncio.gather(*hanging, waiting, return_exceptions=True)
        await settle()
        assert client.connections == client.idle == 1
    await client.close()


async def test_one_tenant_leaves_connections_to_the_next_however_long_its_answers_hang() -> None:
    """Of 18 it may hold 16; then it waits for its own, and what is free is for others, of whom each holds at most eight times what is free."""
    mine, theirs = new_id(), new_id()
    client = HttpClient(connections_per_origin_max=18)
    async with ScriptedModel(Reply(trouble="hang_before_headers")) as upstream:
        request, egress = post(upstream.base_url)
        hanging = [asyncio.create_task(client.send(request, Timeouts(connect_s=30), egress, mine)) for _ in range(40)]
        await upstream.requests_came(16)
        with pytest.raises(UpstreamError) as caught:
            await client.send(request, Timeouts(connect_s=0.02), egress, mine)
        assert (caught.value.code, client.connections) == ("upstream_busy", 16)
        upstream.say(Reply(raw=[whole()]))
        for _ in range(20):
            answer = await client.send(request, Timeouts(connect_s=5), egress, theirs)
            assert await answer.read(1000) == BODY
        assert client.connections == 17
        hanging[0].cancel()
        await upstream.requests_came(37 + 1)  # one of those who wait has its place
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await settle()
        pool = next(iter(client._pools.values()))
        assert (pool._held, pool._waiting, len(pool._waiters)) == ({}, {}, 0)
    await client.close()


async def test_more_connections_may_be_allowed_later() -> None:
    client = HttpClient(connections_per_origin_max=1)
    async with ScriptedModel([Reply(trouble="hang_before_headers"), Reply(raw=[whole()])]) as upstream:
        hanging = asyncio.create_task(fetch(client, upstream.base_url))
        await upstream.requests_came(1)
        client.allow(2)
        assert await fetch(client, upstream.base_url) == BODY
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
    await client.close()


async def test_who_leaves_while_a_connection_is_handed_over_gives_it_back() -> None:
    client = HttpClient(connections_per_origin_max=1)
    async with ScriptedModel([Reply(trouble="hang_before_headers"), Reply(raw=[whole()])]) as upstream:
        first = asyncio.create_task(fetch(client, upstream.base_url))
        await upstream.requests_came(1)
        second = asyncio.create_task(fetch(client, upstream.base_url))
        await settle()
        first.cancel()
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert await fetch(client, upstream.base_url) == BODY
    await client.close()


async def test_a_slow_reader_holds_the_upstream_back() -> None:
    piece = b"x" * 60_000
    client = HttpClient()
    async with ScriptedModel(Reply(raw=[head(b"transfer-encoding: chunked"), *[chunked(piece, end=b"")] * 400, b"0\r\n\r\n"])) as upstream:
        request, egress = post(upstream.base_url)
        answer = await client.send(request, DEFAULT_TIMEOUTS, egress)
        for _ in range(200):
            await asyncio.sleep(0)
        assert answer.size < 1 << 20
        assert sum([len(piece) async for piece in answer.pieces()]) == 400 * 60_000
        assert client.idle == 1
    await client.close()


async def test_a_body_has_a_largest_size() -> None:
    client = HttpClient()
    async with ScriptedModel(Reply(raw=[head(b"transfer-encoding: chunked"), *[chunked(b"x" * 50_000, end=b"")] * 100])) as upstream:
        request, egress = post(upstream.base_url)
        answer = await client.send(request, DEFAULT_TIMEOUTS, egress)
        with pytest.raises(UpstreamError) as caught:
            await answer.read(300_000)
        assert caught.value.code == "upstream_garbage"
        assert client.connections == 0
    await client.close()


async def test_pieces_that_came_before_a_break_are_not_lost() -> None:
    client = HttpClient()
    async with ScriptedModel(Reply(raw=[head(b"content-length: 100") + b"half"], then="close")) as upstream:
        request, egress = post(upstream.base_url)
        answer = await client.send(request, DEFAULT_TIMEOUTS, egress)
        found: list[bytes] = []
        with pytest.raises(UpstreamError, match="broke off"):
            found.extend([piece async for piece in answer.pieces()])
        assert found in ([], [b"half"])
    await client.close()


@pytest.mark.parametrize("bad", [b"a\r\nx-evil: 1", b"a\nb", b"a\0", b"a\r"])
async def test_nothing_can_split_a_request(bad: bytes) -> None:
    for request in (
        HttpRequest(b"POST", Origin("http", "h", 80), b"/", [(b"x", bad)]),
        HttpRequest(b"POST", Origin("http", "h", 80), b"/" + bad, []),
        HttpRequest(b"POST", Origin("http", "h", 80), b"/ HTTP/1.1", []),
        HttpRequest(b"POST", Origin("http", "h", 80), b"/", [(b"x", b"y" * 40_000)]),
    ):
        with pytest.raises(RequestError):
            request.head()


async def test_a_closed_client_sends_nothing_and_ends_what_runs() -> None:
    client = HttpClient()
    async with ScriptedModel(Reply(trouble="hang_before_headers")) as upstream:
        task = asyncio.create_task(fetch(client, upstream.base_url))
        await upstream.requests_came(1)
        await client.close()
        with pytest.raises(UpstreamError, match="broke off"):
            await task
        with pytest.raises(UpstreamError):
            await fetch(client, upstream.base_url)


def test_an_answer_without_a_connection_ends() -> None:
    class Nothing:
        def __getattr__(self, name: str) -> object:
            return lambda *_, **__: None

    answer = HttpAnswer(200, [(b"a", b"1"), (b"a", b"2")], Nothing())  # type: ignore[arg-type]
    answer.cancel()
    assert (asyncio.run(answer.piece()), answer.header(b"a"), answer.header(b"b")) == (b"", b"1", b"")

"""From an alias to an answer: order, retries, fallback and breakers, by a clock that stands still and waits that are written down.

Rules out of the field's defects: fallback limits that follow the requested and not the served target need to know which one answered (Kong), so the
answer names its target; retry storms on an upstream that is down; an error inside a stream with status 200 that stops fallback (Portkey #1047).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from ondol.core.errors import RequestError, UpstreamError, UpstreamRateLimited
from ondol.core.ids import new_id
from ondol.infrastructure.serving.http import HttpClient
from ondol.infrastructure.serving.providers import new_providers
from ondol.infrastructure.serving.routing import RetryBudget, Router
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import DELTA, DONE, STOP, chunked, head, whole
from ondol.infrastructure.serving.types import ModelRow, Outgoing, Secret, TargetRow, UpstreamAnswer
from tests.infrastructure.serving.grounds import CREDENTIAL, StillClock, model, outgoing, row, target, text_of, words_of

pytestmark = pytest.mark.anyio
ERROR_500 = Reply(raw=[whole(b"{}", status=b"500 No")])
GOOD = Reply(raw=[whole()])
STREAM = Reply(raw=[head(b"content-type: text/event-stream", b"transfer-encoding: chunked") + chunked(DELTA, STOP, DONE)])


def limited(*lines: bytes) -> Reply:
    return Reply(raw=[whole(b"{}", *lines, status=b"429 Slowly")])


@dataclass
class Ground:
    """A router over some upstreams."""

    upstreams: list[ScriptedModel]
    client: HttpClient
    router: Router
    clock: StillClock
    waits: list[float] = field(default_factory=list)

    def target(self, place: int, **fields: int) -> TargetRow:
        return target(row(self.upstreams[place].base_url, place), place, **fields)

    def asked(self) -> list[int]:
        return [len(upstream.requests) for upstream in self.upstreams]

    async def open(self, way: ModelRow, *, stream: bool = False, deadline_s: float = 100, key: bytes = b"") -> UpstreamAnswer:
        return await self.router.open(way, outgoing(stream=stream), stream=stream, sticky_key=key, deadline_s=deadline_s)

    async def code(self, way: ModelRow, *, stream: bool = False, deadline_s: float = 100) -> str:
        try:
            answer = await self.open(way, stream=stream, deadline_s=deadline_s)
            await text_of(answer)
        except UpstreamError as error:
            assert CREDENTIAL not in words_of(error)
            return error.code
        return ""


@asynccontextmanager
async def grounds(*says: object, chance: float = 0.5, budget: RetryBudget | None = None) -> AsyncIterator[Ground]:
    clock = StillClock()
    waits: list[float] = []

    async def pause(seconds: float) -> None:
        waits.append(seconds)
        clock.now += seconds

    client = HttpClient(now=clock)
    upstreams = [ScriptedModel(words) for words in says]  # type: ignore[arg-type]
    for upstream in upstreams:
        await upstream.start()
    router = Router(client, new_providers(), budget=budget, chance=lambda: chance, pause=pause)
    yield Ground(upstreams, client, router, clock, waits)
    await client.close()
    for upstream in upstreams:
        await upstream.close()


async def test_the_first_priority_answers_and_is_named() -> None:
    async with grounds(GOOD, GOOD) as ground:
        answer = await ground.open(model(ground.target(1, priority=5), ground.target(0, priority=1)))
        assert (await text_of(answer), answer.target.model, answer.attempts) == ("Hi.", "model-0", 1)
        assert answer.first_byte_us > 0
        assert ground.asked() == [1, 0]
        assert ground.upstreams[0].requests[0].body["model"] == "model-0"
        assert ground.upstreams[0].requests[0].headers["authorization"] == f"Bearer {CREDENTIAL}"


@pytest.mark.parametrize(
    "reply",
    [
        ERROR_500,
        limited(b"retry-after: 1"),
        Reply(raw=[whole(b"{}", status=b"401 Who")]),
        Reply(raw=[whole(b"{}", status=b"404 What")]),
        Reply(raw=[whole(b"{}", status=b"408 Late")]),
        Reply(raw=[], then="close"),
        Reply(raw=[b"SSH-2.0\r\n\r\n"]),
        Reply(raw=[whole(b"<p>", content_type=b"text/html")]),
    ],
)
async def test_another_target_answers_when_the_first_cannot(reply: Reply) -> None:
    async with grounds(reply, GOOD) as ground:
        answer = await ground.open(model(ground.target(0), ground.target(1, priority=1), retries_max=3))
        assert (await text_of(answer), answer.target.model, answer.attempts) == ("Hi.", "model-1", 2)
        assert (ground.asked(), ground.waits) == ([1, 1], [])


async def test_an_error_inside_a_stream_before_its_first_frame_falls_back_and_after_it_does_not() -> None:
    error = chunked(b'data: {"error":{"message":"x","type":"server_error"}}\n\n')
    stream_head = head(b"content-type: text/event-stream", b"transfer-encoding: chunked")
    async with grounds([Reply(raw=[stream_head + error]), Reply(raw=[stream_head + chunked(DELTA, end=b"") + error])], STREAM) as ground:
        way = model(ground.target(0), ground.target(1, priority=1))
        answer = await ground.open(way, stream=True)
        assert (await text_of(answer), answer.target.model) == ("Hi.", "model-1")
        answer = await ground.open(way, stream=True)
        assert answer.target.model == "model-0"
        with pytest.raises(UpstreamError) as caught:
            await text_of(answer)
        assert caught.value.code == "upstream_failed"
        assert ground.asked() == [2, 1]


@pytest.mark.parametrize("status", [b"400", b"402", b"405", b"413", b"415", b"422", b"451"])
async def test_a_refused_request_is_not_sent_again_and_blames_nobody(status: bytes) -> None:
    body = b'{"error":{"message":"sk-very-secret-4711 is bad","code":"context_length_exceeded","param":"messages[0].content"}}'
    async with grounds(Reply(raw=[whole(body, status=status + b" No")]), GOOD) as ground:
        way = model(ground.target(0), ground.target(1, priority=1), retries_max=3)
        for _ in range(10):
            with pytest.raises(UpstreamError) as caught:
                await ground.open(way)
            assert (caught.value.code, caught.value.status) == ("upstream_refused", 400)
            assert vars(caught.value)["reason"] == "context_length_exceeded"
            assert vars(caught.value)["param"] == "messages[0].content"
            assert CREDENTIAL not in words_of(caught.value)
        assert ground.asked() == [10, 0]


async def test_retries_wait_longer_each_time_and_end() -> None:
    async with grounds(ERROR_500) as ground:
        assert await ground.code(model(ground.target(0), retries_max=3)) == "upstream_failed"
        assert (ground.asked(), ground.waits) == ([4], [0.1, 0.2, 0.4])


async def test_a_retry_helps() -> None:
    async with grounds([ERROR_500, GOOD]) as ground:
        answer = await ground.open(model(ground.target(0), retries_max=2))
        assert (await text_of(answer), answer.attempts) == ("Hi.", 2)


async def test_a_retry_after_is_obeyed_and_a_long_one_is_the_callers() -> None:
    async with grounds([limited(b"retry-after: 3"), GOOD]) as ground:
        answer = await ground.open(model(ground.target(0), retries_max=1))
        assert await text_of(answer) == "Hi."
        assert ground.waits == pytest.approx([3.0], abs=0.02)
    async with grounds(limited(b"retry-after: 30")) as ground:
        way = model(ground.target(0), retries_max=5)
        with pytest.raises(UpstreamRateLimited) as caught:
            await ground.open(way)
        assert (caught.value.retry_after_s, ground.asked(), ground.waits) == (30, [1], [])
        ground.clock.now += 12
        with pytest.raises(UpstreamRateLimited) as caught:  # Not sent: the provider asked for quiet.
            await ground.open(way)
        assert (caught.value.retry_after_s, caught.value.status, ground.asked()) == (18, 503, [1])
        ground.clock.now += 18
        assert await ground.code(way) == "upstream_rate_limited"
        assert ground.asked() == [2]


@pytest.mark.parametrize("value", [b"999999999999", b"3600", b"Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_one_answer_cannot_silence_a_target_for_an_hour(value: bytes) -> None:
    async with grounds([limited(b"retry-after: " + value), GOOD]) as ground:
        way = model(ground.target(0))
        assert await ground.code(way) == "upstream_rate_limited"
        ground.clock.now += 60
        assert await ground.code(way) == ""


async def test_what_one_tenant_spends_on_retries_is_its_own() -> None:
    async with grounds(ERROR_500) as ground:
        way = model(ground.target(0), retries_max=1)
        mine, theirs = new_id(), new_id()

        async def attempts(share: uuid.UUID) -> int:
            before = ground.asked()[0]
            with pytest.raises(UpstreamError):
                await ground.router.open(way, outgoing(), stream=False, deadline_s=100, share=share)
            ground.router._breakers.clear()  # what is shared by all is not what is asked here
            return ground.asked()[0] - before

        ground.clock.now = 0.0
        ground.waits.clear()
        used_up = 0
        while await attempts(mine) == 2:
            used_up += 1
            ground.clock.now = 0.0
        assert used_up >= 10
        ground.clock.now = 0.0
        assert (await attempts(mine), await attempts(theirs)) == (1, 2)


async def test_a_storm_of_errors_is_not_doubled_by_retries() -> None:
    async with grounds(ERROR_500, budget=RetryBudget(0.1, 0.0, 50)) as ground:
        way = model(ground.target(0), retries_max=5)
        ground.router._settings = replace(ground.router._settings, consecutive_max=10**9, rate_max=2.0)
        for _ in range(200):
            await ground.code(way)
        assert 200 <= ground.asked()[0] <= 221


async def test_a_broken_target_is_left_alone_and_probed_by_one() -> None:
    async with grounds([ERROR_500] * 5 + [Reply(raw=[whole()], before_s=0.02), GOOD], GOOD) as ground:
        way = model(ground.target(0), ground.target(1, priority=1))
        for _ in range(20):
            assert await ground.code(way) == ""
        assert ground.asked() == [5, 20]
        ground.clock.now += 2.5
        await asyncio.gather(*(ground.code(way) for _ in range(5)))
        assert ground.asked() == [6, 24]
        assert ground.router.breaker(way.targets[0]).state == "closed"
        assert await ground.code(way) == ""
        assert ground.asked() == [7, 24]


async def test_a_stream_probes_too_and_a_caller_who_leaves_frees_the_probe() -> None:
    async with grounds([ERROR_500] * 5 + [Reply(trouble="hang_before_headers"), STREAM]) as ground:
        way = model(ground.target(0))
        for _ in range(5):
            await ground.code(way)
        assert await ground.code(way) == "upstream_unavailable"
        ground.clock.now += 3
        task = asyncio.create_task(ground.code(way, stream=True))
        await ground.upstreams[0].requests_came(6)
        assert await ground.code(way) == "upstream_unavailable"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        answer = await ground.open(way, stream=True)
        assert ground.router.breaker(way.targets[0]).state == "closed"
        assert await text_of(answer) == "Hi."


async def test_a_stream_that_goes_on_for_long_lets_others_pass_from_its_first_part_on() -> None:
    """The probe has done its work then: what is counted at its end may be minutes away, and nobody waits for that."""
    async with grounds([ERROR_500] * 5 + [Reply(trouble="hang_mid_stream"), GOOD]) as ground:
        way = model(ground.target(0))
        for _ in range(5):
            await ground.code(way)
        ground.clock.now += 3
        going = await ground.open(way, stream=True)
        assert ground.router.breaker(way.targets[0]).state == "closed"
        assert await ground.code(way) == ""
        going.cancel()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_empty_answer_blames_nobody(stream: bool) -> None:
    """llama.cpp's server answers some requests with status 200 and nothing: it is well, and serves the next one."""
    kind = b"content-type: text/event-stream" if stream else b"content-type: application/json"
    nothing = Reply(raw=[head(kind, b"content-length: 0")])
    async with grounds([nothing] * 8 + [STREAM if stream else GOOD]) as ground:
        way = model(ground.target(0), retries_max=0)
        assert {await ground.code(way, stream=stream) for _ in range(8)} == {"upstream_cut_off" if stream else "upstream_garbage"}
        assert await ground.code(way, stream=stream) == ""
        assert ground.router.breaker(way.targets[0]).state == "closed"


async def test_streams_that_break_off_open_the_breaker() -> None:
    broken = Reply(raw=[head(b"content-type: text/event-stream", b"transfer-encoding: chunked") + chunked(DELTA, end=b"")], then="close")
    async with grounds(broken) as ground:
        way = model(ground.target(0), retries_max=3)
        assert [await ground.code(way, stream=True) for _ in range(6)] == ["upstream_cut_off"] * 5 + ["upstream_unavailable"]
        assert ground.asked() == [5]


async def test_a_callers_own_deadline_does_not_blame_the_target() -> None:
    async with grounds(Reply(trouble="hang_before_headers")) as ground:
        way = model(ground.target(0), retries_max=3)
        for asked in range(1, 8):
            task = asyncio.create_task(ground.code(way, deadline_s=0.5))
            await ground.upstreams[0].requests_came(asked)
            ground.clock.now += 0.6
            ground.client.watch.tick()
            assert await task == "upstream_timeout"
        assert ground.router.breaker(way.targets[0]).state == "closed"
        assert ground.waits == []


async def test_a_deadline_that_ends_while_connecting_does_not_blame_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    async with grounds(GOOD) as ground:

        async def never(*_: object, **__: object) -> list[str]:
            ground.clock.now += 1
            await asyncio.sleep(60)
            return []

        monkeypatch.setattr("ondol.infrastructure.serving.http.client.checked_addresses", never)
        way = model(ground.target(0), retries_max=3)
        assert {await ground.code(way, deadline_s=0.02) for _ in range(7)} == {"upstream_unreachable"}
        assert (ground.router.breaker(way.targets[0]).state, ground.asked()) == ("closed", [0])


async def test_a_whole_answer_that_breaks_off_was_paid_for_and_is_not_asked_again() -> None:
    async with grounds(Reply(raw=[head(b"content-type: application/json", b"content-length: 99") + b"{"], then="close"), GOOD) as ground:
        assert await ground.code(model(ground.target(0), ground.target(1, priority=1), retries_max=3)) == "upstream_cut_off"
        assert ground.asked() == [1, 0]


async def test_a_conversation_stays_where_it_is() -> None:
    async with grounds(GOOD, GOOD, GOOD) as ground:
        way = model(*(ground.target(place) for place in range(3)), sticky=True)
        places = {key: (await ground.open(way, key=b"%d" % key)).target.id for key in range(30)}
        assert len(set(places.values())) == 3
        assert {key: (await ground.open(way, key=b"%d" % key)).target.id for key in range(30)} == places
        gone = way.targets[1]
        less = replace(way, targets=(way.targets[0], way.targets[2]))
        for key, place in places.items():
            now = (await ground.open(less, key=b"%d" % key)).target.id
            assert place in (now, gone.id)


async def test_what_cannot_be_sent_is_an_error_with_a_code() -> None:
    async with grounds(GOOD) as ground:
        base = ground.upstreams[0].base_url
        for provider, code in (
            (row(base, kind="unknown"), "upstream_not_allowed"),
            (row("http://user:hidden@127.0.0.1/"), "upstream_misconfigured"),
            (row(base, credential=Secret("two\r\nlines hidden")), "upstream_misconfigured"),
            (row(base, headers=(("authorization", "hidden"),)), "upstream_misconfigured"),
            (row(base, private_network=False), "upstream_not_allowed"),
            (row(base, kind="anthropic"), "upstream_unsupported"),
            (row("http://127.0.0.1:1/v1"), "upstream_unreachable"),
        ):
            with pytest.raises(UpstreamError) as caught:
                await ground.open(model(target(provider)))
            assert caught.value.code == code
            assert "hidden" not in words_of(caught.value)
        assert await ground.code(model()) == "upstream_unavailable"
        assert await ground.code(model(ground.target(0, weight=0))) == "upstream_unavailable"
        assert ground.asked() == [0]


async def test_what_the_gateway_cannot_make_goes_up_and_frees_the_target() -> None:
    def make(place: TargetRow) -> Outgoing:
        raise RequestError("no")

    async with grounds(GOOD) as ground:
        way = model(ground.target(0))
        for _ in range(10):
            with pytest.raises(RequestError):
                await ground.router.open(way, make, stream=False, deadline_s=5)
        assert await ground.code(way) == ""


async def test_an_anthropic_stream_ends_with_its_own_mark() -> None:
    events = [
        b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n',
        b'event: ping\ndata: {"type":"ping"}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi."}}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ]
    reply = Reply(raw=[head(b"content-type: text/event-stream", b"transfer-encoding: chunked"), *(chunked(event, end=b"") for event in events)])
    async with grounds(reply) as ground:
        provider = row(ground.upstreams[0].base_url.removesuffix("/v1"), kind="anthropic")
        make = outgoing(stream=True, operation="messages")
        answer = await ground.router.open(model(target(provider)), make, stream=True, deadline_s=5)
        assert answer.frames is not None
        names = [frame.name async for frames in answer.frames for frame in frames]
        assert names == ["message_start", "ping", "content_block_delta", "message_delta", "message_stop"]
        request = ground.upstreams[0].requests[0]
        assert (request.path, request.headers["x-api-key"], "authorization" in request.headers) == ("/v1/messages", CREDENTIAL, False)
        assert request.headers["anthropic-version"] == "2023-06-01"
        ground.clock.now += 2
        ground.client.watch.tick()  # The rest of the body never comes: the connection is given up, the answer is not.
        assert ground.client.connections == 0

"""A broken or hostile upstream: each fault is an error with its code, or an answer all the same; never a crash, a hang, a leak or a poisoned
connection. Rules out of the field's defects: an error inside a stream with status 200 that stops fallback (Portkey #1047, #1142), no way on when
an upstream fails (LiteLLM #6957), and Bifrost's and LiteLLM's upstream connections that live on when a caller leaves (LiteLLM #17364).
"""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

import pytest

from ondol.core.errors import UpstreamError
from ondol.infrastructure.serving.http import HttpClient
from ondol.infrastructure.serving.providers import new_providers
from ondol.infrastructure.serving.routing import Router
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import STREAM_FAULTS, WHOLE_FAULTS, Fault, chunked, whole
from ondol.infrastructure.serving.types import DEFAULT_TIMEOUTS
from tests.infrastructure.serving.grounds import CREDENTIAL, HASTY, model, outgoing, row, target, text_of, words_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that workers run on."""
    return "asyncio", {"use_uvloop": True}


FAULTS = [pytest.param(fault, id=f"whole: {name}") for name, fault in WHOLE_FAULTS.items()]
FAULTS += [pytest.param(fault, id=f"stream: {name}") for name, fault in STREAM_FAULTS.items()]


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_has_its_code_and_leaves_nothing_behind(fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    client = HttpClient()
    router = Router(client, new_providers())
    async with ScriptedModel([fault.reply, whole_reply()]) as upstream:
        hangs = fault.code == "upstream_timeout"
        place = target(row(upstream.base_url, timeouts=HASTY if hangs else DEFAULT_TIMEOUTS))
        error: UpstreamError | None = None
        found = ""
        try:
            answer = await router.open(model(place), outgoing(stream=fault.stream), stream=fault.stream, deadline_s=20)
            found = await text_of(answer)
        except UpstreamError as raised:
            error = raised
        assert (error.code if error else "", found) == (fault.code, "" if fault.code else fault.content), words_of(error)
        assert CREDENTIAL not in words_of(error) + caplog.text
        # Whatever it was: the next request on the same client gets its own answer.
        answer = await router.open(model(target(place.provider, 2)), outgoing(), stream=False, deadline_s=20)
        assert await text_of(answer) == "Hi."
        assert client.connections <= 2
    await client.close()
    assert client.connections == 0
    gc.collect()  # A future whose error nobody took would warn here, and warnings are errors.


def whole_reply() -> Reply:
    return Reply(raw=[whole()])


async def test_a_trickle_of_comments_is_no_answer() -> None:
    begin = STREAM_FAULTS["is silent before an event"].reply.raw or ()
    reply = Reply(raw=[*begin, *[chunked(b": still here\n\n", end=b"")] * 1000], between_s=0.01)
    client = HttpClient()
    async with ScriptedModel(reply) as upstream:
        place = target(row(upstream.base_url, timeouts=replace(DEFAULT_TIMEOUTS, first_byte_s=0.2)))
        with pytest.raises(UpstreamError) as caught:
            await Router(client, new_providers()).open(model(place), outgoing(stream=True), stream=True, deadline_s=20)
        assert caught.value.code == "upstream_timeout"
        await upstream.callers_left(1)
    await client.close()


async def test_a_trickle_of_bytes_inside_an_event_is_no_progress() -> None:
    begin = STREAM_FAULTS["is silent after an event"].reply.raw or ()
    reply = Reply(raw=[*begin, chunked(b"data: {", end=b""), *[chunked(b" ", end=b"")] * 1000], between_s=0.01)
    client = HttpClient()
    async with ScriptedModel(reply) as upstream:
        place = target(row(upstream.base_url, timeouts=replace(DEFAULT_TIMEOUTS, between_s=0.2)))
        answer = await Router(client, new_providers()).open(model(place), outgoing(stream=True), stream=True, deadline_s=20)
        with pytest.raises(UpstreamError) as caught:
            await text_of(answer)
        assert caught.value.code == "upstream_timeout"
        await upstream.callers_left(1)
        assert client.connections == 0
    await client.close()


async def test_a_caller_who_leaves_lets_the_upstream_go_at_once() -> None:
    client = HttpClient()
    router = Router(client, new_providers())
    for trouble, stream in (("hang_before_headers", False), ("hang_before_headers", True), ("hang_mid_stream", True)):
        async with ScriptedModel(Reply("one two three four", trouble=trouble)) as upstream:  # type: ignore[arg-type]

            async def ask(place: str = upstream.base_url, stream: bool = stream) -> None:
                answer = await router.open(model(target(row(place))), outgoing(stream=stream), stream=stream, deadline_s=60)
                await text_of(answer)

            task = asyncio.create_task(ask())
            await upstream.requests_came(1)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(5):
                await upstream.callers_left(1)
            assert client.connections == 0
            assert router.breaker(target(row(upstream.base_url))).state == "closed"
    await client.close()


async def test_cancelling_an_answer_closes_its_connection() -> None:
    client = HttpClient()
    async with ScriptedModel(Reply("one two", trouble="hang_mid_stream")) as upstream:
        answer = await Router(client, new_providers()).open(model(target(row(upstream.base_url))), outgoing(stream=True), stream=True, deadline_s=60)
        answer.cancel()
        answer.cancel()
        assert client.connections == 0
        await upstream.callers_left(1)
    await client.close()

"""Speech as it comes, over real sockets: the first byte before the last, held back by who listens slowly, ended by faults, keys and leaving."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ondol.core.money import Money
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import chunked, head
from ondol.infrastructure.serving.store import Target
from tests.infrastructure.gateway.ground import Ground, Tenancy, served
from tests.infrastructure.gateway.server.wire import eventually, running

pytestmark = pytest.mark.anyio

PATH = "/v1/audio/speech"
SAY: Any = {"model": "m", "input": "Hello there.", "voice": "alloy"}
SAY_EVENTS: Any = {**SAY, "stream_format": "sse"}
PIECE = bytes(range(256)) * 256
MPEG = b"content-type: audio/mpeg"
CHUNKED = b"transfer-encoding: chunked"
FAST: dict[str, Any] = {"first_byte_s": 0.3, "between_s": 0.3, "whole_s": 5, "connect_s": 1}
CHARACTER_NANO = 15_000
COST_NANO = CHARACTER_NANO * len(SAY["input"])
MEMORY_BYTES_MAX = 64 << 20
BUFFERS_BYTES_MAX = 24 << 20
"""What two loopback connections and the gateway may hold between them, the kernel's largest buffers included."""


@dataclass
class Speaker:
    """A provider that says pieces, the rest of them once it is let.

    Attributes:
        first: pieces that come at once; None for all.
        length: bytes, where they are told.
        sent: bytes that were handed over.
        let_go: the gateway hung up before the end.
    """

    pieces: Iterable[bytes]
    first: int | None = None
    length: int | None = None
    content_type: bytes = b"audio/mpeg"
    sent: int = 0
    asked: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.body(1 << 20)
        self.asked += 1
        exchange.when_left(self.let_go.set)
        exchange.open(200, [(b"content-type", self.content_type)], self.length)
        for place, piece in enumerate(self.pieces):
            if place == self.first:
                await self.go.wait()
            await exchange.write(piece)
            self.sent += len(piece)
        if self.first is not None and not self.go.is_set():
            await self.go.wait()
        exchange.end()


@contextlib.asynccontextmanager
async def spoken(ground: Ground, speaker: Speaker) -> AsyncIterator[Tenancy]:
    """A fresh tenant whose model it is, priced by the character."""
    async with running(speaker) as server:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(f"http://127.0.0.1:{server.port}/v1")
            await tenancy.model()
            await tenancy.price(character=CHARACTER_NANO)
        yield tenancy


def listen(ground: Ground, tenancy: Tenancy, body: Any = None, key: str = "") -> contextlib.AbstractAsyncContextManager[httpx.Response]:
    return ground.http.stream("POST", PATH, json=body or SAY, headers={"authorization": f"Bearer {key or tenancy.key}"})


@pytest.mark.parametrize("length", [None, 2 * len(PIECE)], ids=["chunked", "length told"])
async def test_the_first_byte_comes_before_the_last_was_sent(ground: Ground, length: int | None) -> None:
    speaker = Speaker([PIECE, PIECE], first=1, length=length)
    async with spoken(ground, speaker) as tenancy:
        async with listen(ground, tenancy) as response:
            pieces = response.aiter_raw()
            heard = await anext(pieces)
            while len(heard) < len(PIECE):
                heard += await anext(pieces)
            assert (speaker.sent, tenancy.records) == (len(PIECE), []), "the upstream has not said the rest, and nothing is settled"
            speaker.go.set()
            async for piece in pieces:
                heard += piece
        assert heard == PIECE + PIECE
        assert (response.status_code, response.headers["content-type"]) == (200, "audio/mpeg")
        assert response.headers.get("content-length") == (str(length) if length else None)
        assert response.headers["x-ondol-cost"] == "0.00018 USD"
        [record] = tenancy.records
    assert (record.status, record.outcome, record.route, record.stream, record.cost_nano) == (200, "answered", "speech", True, COST_NANO)
    assert (record.usage_estimated, record.output_tokens) == (True, 18), "of twelve letters, a second of sound"
    assert record.first_token_us is not None
    assert 0 < record.first_token_us <= record.duration_us


async def test_events_of_sound_come_as_they_are_said(ground: Ground) -> None:
    delta = _event({"type": "speech.audio.delta", "audio": base64.b64encode(PIECE).decode()})
    done = _event({"type": "speech.audio.done", "usage": {"input_tokens": 2, "output_tokens": 5}})
    speaker = Speaker([delta, done], first=1, content_type=b"text/event-stream")
    async with spoken(ground, speaker) as tenancy:
        async with listen(ground, tenancy, SAY_EVENTS) as response:
            lines = response.aiter_lines()
            # After the pause that a comment fills, the first sound still counts as the first.
            first = await _event_of(lines)
            assert base64.b64decode(first["audio"]) == PIECE
            assert not tenancy.records
            speaker.go.set()
            last = await _event_of(lines)
        assert (last["type"], last["usage"]["total_tokens"]) == ("speech.audio.done", 7)
        record = await tenancy.record()
    assert (record.outcome, record.input_tokens, record.output_tokens, record.usage_estimated) == ("answered", 2, 5, False)
    assert record.first_token_us


async def test_the_first_sound_after_a_comment_has_its_time(ground: Ground) -> None:
    events = chunked(_event({"type": "speech.audio.delta", "audio": "QUJD"}), _event({"type": "speech.audio.done"}))
    reply = Reply(raw=[head(b"content-type: text/event-stream", CHUNKED) + events], before_s=0.2)
    async with served(ground, reply) as (tenancy, _):
        answer = await tenancy.ask(SAY_EVENTS, PATH)
        assert answer.text.startswith(":"), "a comment opened the stream"
        record = await tenancy.record()
    assert record.first_token_us is not None
    assert record.first_token_us >= 200_000


async def test_hours_of_events_are_let_through(ground: Ground) -> None:
    """Sound in base64 is large: a bound made for text would cut it after some minutes."""
    delta = _event({"type": "speech.audio.delta", "audio": base64.b64encode(PIECE * 8).decode()})
    count = (24 << 20) // len(delta)
    speaker = Speaker([*([delta] * count), _event({"type": "speech.audio.done"})], content_type=b"text/event-stream")
    async with spoken(ground, speaker) as tenancy:
        answer = await tenancy.ask(SAY_EVENTS, PATH)
        assert answer.text.count('"speech.audio.delta"') == count
        assert answer.text.count('"speech.audio.done"') == 1


async def test_who_listens_slowly_holds_the_upstream_and_no_memory(ground: Ground) -> None:
    count = (200 << 20) // len(PIECE)
    speaker = Speaker(PIECE for _ in range(count))
    async with spoken(ground, speaker) as tenancy:
        before = _memory_bytes()
        reader, writer = await _asking(ground, tenancy)
        head_bytes = await reader.readuntil(b"\r\n\r\n")
        assert head_bytes.startswith(b"HTTP/1.1 200")
        await _still(speaker)
        assert 0 < speaker.sent < BUFFERS_BYTES_MAX, "a caller who takes nothing holds the upstream"
        most = _memory_bytes()
        heard = hashlib.sha256()
        async for piece in _chunks(reader):
            heard.update(piece)
            most = max(most, _memory_bytes())
        writer.close()
        assert speaker.sent == count * len(PIECE)
        assert heard.digest() == hashlib.sha256(PIECE * count).digest()
        assert (await tenancy.record()).outcome == "answered"
    assert most - before < MEMORY_BYTES_MAX


BROKEN = {
    "closes inside its chunks": (Reply(raw=[head(MPEG, CHUNKED) + chunked(PIECE, end=b"")], then="close"), "upstream_cut_off"),
    "closes before its length": (Reply(raw=[head(MPEG, b"content-length: 99999") + PIECE], then="close"), "upstream_cut_off"),
    "is silent": (Reply(raw=[head(MPEG, CHUNKED) + chunked(PIECE, end=b"")], then="hold"), "upstream_timeout"),
    "has a bad chunk": (Reply(raw=[head(MPEG, CHUNKED) + chunked(PIECE, end=b""), b"zz\r\n"], between_s=0.05), "upstream_garbage"),
}


@pytest.mark.parametrize("old", [False, True], ids=["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("name", BROKEN)
async def test_half_a_sound_is_never_taken_for_whole(ground: Ground, name: str, old: bool) -> None:
    """After the first byte there is no other way to say so than to cut the connection; the upstream is not asked a second time."""
    reply, code = BROKEN[name]
    async with _hasty(ground, reply, retries_max=2) as (tenancy, up):
        reader, writer = await _asking(ground, tenancy, old=old)
        answer, reset = b"", False
        try:
            while piece := await reader.read(1 << 20):
                answer += piece
        except ConnectionResetError:
            reset = True
        writer.close()
        told, _, body = answer.partition(b"\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 200")
        assert b"error" not in body, "no words are put where sound is listened for"
        assert not answer.endswith(b"0\r\n\r\n")
        record = await tenancy.record()
        assert len(up.requests) == 1
        assert reset or not old, "where the end of the connection is the end of the answer, it ends otherwise"
    assert (record.outcome, record.status >= 500, record.cost_nano) == (code, True, COST_NANO)
    assert record.usage_estimated


async def test_clients_notice_that_it_broke_off(ground: Ground) -> None:
    async with _hasty(ground, BROKEN["closes inside its chunks"][0]) as (tenancy, _):
        with pytest.raises(httpx.RemoteProtocolError):
            await tenancy.ask(SAY, PATH)


EARLY = {
    "an error": Reply(trouble="broken"),
    "no answer": Reply(raw=[], then="close"),
    "a head and no sound": Reply(raw=[head(MPEG, CHUNKED)], then="close"),
    "a head and silence": Reply(raw=[head(MPEG, CHUNKED)], then="hold"),
    "words": Reply(raw=[head(b"content-type: text/html", b"content-length: 2") + b"hi"]),
}


@pytest.mark.parametrize("name", EARLY)
async def test_before_the_first_byte_another_target_may_answer(ground: Ground, name: str) -> None:
    async with ScriptedModel(EARLY[name]) as broken, ScriptedModel(Reply(raw=[head(MPEG, CHUNKED) + chunked(PIECE)])) as sound:
        tenancy = await ground.tenancy()
        async with ground.at_once():
            await tenancy.provider(broken.base_url, "first", **FAST)
            await tenancy.provider(sound.base_url, "second")
            await tenancy.model(Target("first", "small", 0), Target("second", "small", 1), retries_max=0)
        answer = await tenancy.ask(SAY, PATH)
        assert (answer.status_code, answer.content, len(broken.requests)) == (200, PIECE, 1)
        record = await tenancy.record()
        assert (record.attempts, record.provider, record.outcome) == (2, "second", "answered")


@pytest.mark.parametrize("name", EARLY)
async def test_before_the_first_byte_an_error_is_told_in_words(ground: Ground, name: str) -> None:
    async with _hasty(ground, EARLY[name]) as (tenancy, _):
        answer = await tenancy.ask(SAY, PATH)
        record = await tenancy.record()
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["request_id"]) == (record.status, record.outcome, answer.headers["x-request-id"])
        assert answer.status_code >= 500


@pytest.mark.parametrize("body", [SAY, SAY_EVENTS], ids=["sound", "events"])
async def test_who_leaves_early_lets_the_upstream_go_within_100_ms_and_pays(ground: Ground, body: Any) -> None:
    took_s = []
    event = _event({"type": "speech.audio.delta", "audio": "QUJD"})
    for _ in range(3):
        streams = body is SAY_EVENTS
        speaker = Speaker([event if streams else PIECE], first=1, content_type=b"text/event-stream" if streams else b"audio/mpeg")
        async with spoken(ground, speaker) as tenancy:
            await tenancy.limit(concurrent_max=1)
            await tenancy.budget(Money(COST_NANO * 2, "USD"))
            async with listen(ground, tenancy, body) as response:
                await anext(response.aiter_raw())
                started = asyncio.get_running_loop().time()
            async with asyncio.timeout(5):
                await speaker.let_go.wait()
            took_s.append(asyncio.get_running_loop().time() - started)
            record = await tenancy.record()
            assert (record.status, record.outcome, record.cost_nano) == (499, "caller_left", COST_NANO)
            assert record.characters == len(body["input"])
            assert record.settlement is not None
            assert [charge.amount for charge in record.settlement.charges] == [COST_NANO]
            speaker.go.set()
            assert (await tenancy.ask(body, PATH)).status_code == 200, "its slot is free"
    assert min(took_s) < 0.1, took_s


async def test_a_budget_holds_what_may_be_said_and_is_charged_what_was(ground: Ground) -> None:
    speaker = Speaker([PIECE, PIECE], first=1)
    async with spoken(ground, speaker) as tenancy:
        budget = await tenancy.budget(Money(COST_NANO * 2, "USD"))
        async with listen(ground, tenancy) as first, listen(ground, tenancy) as second:
            await anext(first.aiter_raw())
            await anext(second.aiter_raw())
            refused = await tenancy.ask(SAY, PATH)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "budget_exceeded"), "both are reserved while they speak"
        await tenancy.record(3)
        await ground.fresh()
        [pool] = await tenancy.rows("select spent from limit_pools where rule_id = %s", budget.id)
    assert pool["spent"] == COST_NANO * 2


async def test_a_revoked_key_ends_the_sound(ground: Ground) -> None:
    speaker = Speaker([PIECE], first=1)
    async with spoken(ground, speaker) as tenancy:
        key = await tenancy.another_key()
        async with listen(ground, tenancy, key=key) as response:
            pieces = response.aiter_raw()
            await anext(pieces)
            await tenancy.revoke(key)
            with pytest.raises(httpx.RemoteProtocolError):
                while True:
                    await anext(pieces)
        async with asyncio.timeout(5):
            await speaker.let_go.wait()
        record = await tenancy.record()
    assert (record.status, record.outcome, record.cost_nano) == (401, "revoked_api_key", COST_NANO)


async def test_the_client_of_openai_hears_it_as_it_comes(ground: Ground, tmp_path: Path) -> None:
    speaker = Speaker([PIECE, PIECE], first=1)
    async with spoken(ground, speaker) as tenancy, tenancy.client() as client:
        ask = client.audio.speech.with_streaming_response.create
        async with ask(model="m", input=SAY["input"], voice="alloy") as response:
            pieces = response.iter_bytes(len(PIECE))
            heard = await anext(pieces)
            assert speaker.sent == len(PIECE)
            speaker.go.set()
            async for piece in pieces:
                heard += piece
        assert heard == PIECE + PIECE
        async with ask(model="m", input=SAY["input"], voice="alloy", response_format="mp3") as response:
            await response.stream_to_file(tmp_path / "said.mp3")
        assert (tmp_path / "said.mp3").read_bytes() == PIECE + PIECE
        assert [record.outcome for record in tenancy.records] == ["answered", "answered"]


@contextlib.asynccontextmanager
async def _hasty(ground: Ground, reply: Reply, retries_max: int = 0) -> AsyncIterator[tuple[Tenancy, ScriptedModel]]:
    """A tenant whose provider is given little time."""
    async with ScriptedModel(reply) as up:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(up.base_url, **FAST)
            await tenancy.model(retries_max=retries_max)
            await tenancy.price(character=CHARACTER_NANO)
        yield tenancy, up


async def _asking(ground: Ground, tenancy: Tenancy, *, old: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection of small buffers that has asked, and reads nothing by itself."""
    url = httpx.URL(ground.url)
    ours = socket.socket()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    ours.setblocking(False)
    await asyncio.get_running_loop().sock_connect(ours, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=ours, limit=64 << 10)
    body = json.dumps(SAY).encode()
    line = b"POST %b HTTP/1.%d\r\n" % (PATH.encode(), 0 if old else 1)
    writer.write(line + b"host: x\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b" % (tenancy.key.encode(), len(body), body))
    return reader, writer


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The chunks of a body up to its end."""
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()


async def _still(speaker: Speaker) -> None:
    """Wait until the upstream has sent nothing for a while."""
    before = -1
    await eventually(lambda: speaker.sent > 0)
    while before != speaker.sent:
        before = speaker.sent
        for _ in range(5_000):
            await asyncio.sleep(0)


async def _event_of(lines: AsyncIterator[str]) -> Any:
    """The next event; comments are passed over."""
    async for line in lines:
        if line.startswith("data: "):
            return json.loads(line[6:])
    raise AssertionError("no event came")


def _event(data: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(data).encode()


def _memory_bytes() -> int:
    """What this process holds: upstream, gateway and caller together."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096

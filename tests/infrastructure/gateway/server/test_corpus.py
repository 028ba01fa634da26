"""Requests that mean well and requests that mean two things: each from the corpus, cut anywhere, and changed at random.

Rules out the request smuggling and header injection that gateways have had (field notes, section 3, number 11).
"""

from __future__ import annotations

import asyncio
import itertools
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.infrastructure.gateway.server.wire import Answer, Seen, wired

CORPUS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "requests.toml").read_text("utf-8"))["request"]
RAW = [item["bytes"].encode("latin-1") for item in CORPUS]
EXAMPLES = 300


async def feed(pieces: Sequence[bytes]) -> tuple[list[Answer], Seen]:
    """What is answered to pieces that are read one by one; checks what always holds."""
    seen = Seen()
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    async with wired(seen) as wire:
        for piece in pieces:
            wire.send(piece)
            await wire.turn()
        await wire.quiet()
        answers = wire.answers(*(method.encode() for method, _, _ in seen.requests))
        counters = wire.state.counters
        good = [answer for answer in answers if answer.status == 200]
        # One answer to each request that was handled, one to what was refused, nothing behind that, and the connection closed.
        assert len(good) == len(seen.requests)
        assert answers[: len(good)] == good
        assert len(answers) - len(good) <= 1
        assert counters.in_flight <= 1  # it waits for a body that is not whole
        assert counters.cut == 0
        if len(answers) > len(good):
            assert wire.closed
            assert answers[-1].header(b"connection") == b"close"
        assert all(answer.header(b"x-request-id") and answer.header(b"x-ondol-duration-ms") and answer.header(b"date") for answer in answers)
    assert failures == []
    return answers, seen


@pytest.mark.anyio
@pytest.mark.parametrize("item", CORPUS, ids=lambda item: item["name"])
async def test_each_request_has_its_statuses_however_it_is_cut(item: dict[str, Any]) -> None:
    raw = item["bytes"].encode("latin-1")
    whole, seen = await feed([raw])
    assert [answer.status for answer in whole] == item["statuses"]
    for cut in range(1, len(raw)):
        answers, again = await feed([raw[:cut], raw[cut:]])
        assert [answer.status for answer in answers] == item["statuses"], cut
        assert again.requests == seen.requests
    answers, again = await feed([raw[place : place + 1] for place in range(len(raw))])
    assert [answer.status for answer in answers] == item["statuses"]
    assert again.requests == seen.requests


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """One or two requests of the corpus with bytes put in, taken out, doubled or exchanged."""
    raw = bytearray(b"".join(draw(st.lists(st.sampled_from(RAW), min_size=1, max_size=2))))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(raw)))
        length = draw(st.integers(0, 12))
        match draw(st.sampled_from(["in", "out", "twice", "other"])):
            case "in":
                raw[place:place] = draw(
                    st.sampled_from([b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b"0", b",", b";", b"Transfer-Encoding: chunked\r\n"])
                )
            case "out":
                del raw[place : place + length]
            case "twice":
                raw[place:place] = raw[place : place + length]
            case _:
                raw[place : place + 1] = draw(st.binary(min_size=1, max_size=2))
    return bytes(raw)


@settings(max_examples=EXAMPLES, deadline=None)
@given(raw=changed(), cuts=st.lists(st.integers(1, 400), max_size=4))
def test_whatever_is_sent_is_answered_once_or_closed_and_read_as_others_read_it(raw: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    pieces = [raw[start:end] for start, end in itertools.pairwise(places)]
    answers, seen = asyncio.run(feed(pieces))
    whole, seen_whole = asyncio.run(feed([raw]))
    assert [answer.status for answer in answers] == [answer.status for answer in whole]
    assert seen.requests == seen_whole.requests
    others = read_by_llhttp(raw)
    if others is not None:
        assert seen.requests[: len(others)] == others[: len(seen.requests)]


def read_by_llhttp(raw: bytes) -> list[tuple[str, bytes, bytes]] | None:
    """What Node's parser sees in the same bytes; None when it refuses them or goes another way (upgrades, absolute addresses)."""

    class Reader:
        def __init__(self) -> None:
            self.requests: list[tuple[str, bytes, bytes]] = []
            self.target = self.body = b""

        def on_message_begin(self) -> None:
            self.target = self.body = b""

        def on_url(self, piece: bytes) -> None:
            self.target += piece

        def on_body(self, piece: bytes) -> None:
            self.body += piece

        def on_message_complete(self) -> None:
            self.requests.append((parser.get_method().decode(), self.target, self.body))

    reader = Reader()
    parser = httptools.HttpRequestParser(reader)
    try:
        parser.feed_data(raw)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    return None if any(not target.startswith(b"/") for _, target, _ in reader.requests) else reader.requests

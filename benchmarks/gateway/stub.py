"""The upstream: an OpenAI-compatible server that costs next to nothing. `python -m benchmarks.gateway.stub --ports 9001,9002`.

What it does is asked for by the model's name:

- ``whole``: one of a few fixed answers, or as many tokens as the request's `max_tokens` says (``whole-sized``), or from a quarter of them to all
  (``whole-drawn``), with the usage that belongs to it; a stream of `EVENTS` events if `stream` is true, `STEP_S` apart;
- ``slow``: the same stream, `SLOW_STEP_S` apart;
- ``idle``: a stream that says one word and then nothing until the caller leaves.

A step of all streams is one turn of one timer, and each event is a write of its own, so that whoever reads has to wake up for each as it would
behind a real model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
from collections.abc import Iterator
from typing import Final, cast

import uvloop

EVENTS: Final = 30
STEP_S: Final = 0.002
SLOW_STEP_S: Final = 0.02
CHARACTERS_PER_TOKEN: Final = 4
ANSWERS: Final = (
    "환불은 상품을 받은 날부터 7일 안에 신청할 수 있고, 영업일 기준 사흘 안에 처리됩니다. 배송이 이미 시작된 주문은 반품 절차를 먼저 거쳐야 합니다.",
    "A pod is the smallest unit that the scheduler places on a node. It holds one or more containers that share an address and storage volumes.",
    "회의실은 사내 포털의 예약 화면에서 잡을 수 있으며, 시작 십 분이 지나도록 아무도 들어오지 않으면 "
    "예약이 자동으로 풀립니다. 반복 예약은 석 달까지입니다.",
    "Backups run every night after two and are kept for thirty days. To restore one, stop the service, pick the folder of the day and start again.",
    "세종대왕은 조선의 네 번째 임금으로, 훈민정음을 만들어 반포하였다. 재위 기간에는 과학과 음악, 농업에 걸쳐 많은 책과 기구가 만들어졌다.",
    "The train leaves at the full hour and takes about fifty minutes. Tickets are checked on board, and seats can be chosen when booking.",
    "이 함수는 목록을 한 번만 훑으므로 시간은 원소의 수에 비례합니다. "
    "같은 값이 여러 번 나오면 처음 나온 자리의 번호를 돌려주고, 없으면 음수를 돌려줍니다.",
    "Travel costs are paid back within two weeks if the receipts are complete. A day abroad is counted from midnight to midnight of that place.",
)
_MAX_TOKENS: Final = re.compile(rb'"max(?:_completion)?_tokens":\s*(\d+)')
_LENGTH: Final = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_SENTENCE: Final = "문서에 따르면 신청은 사흘 안에 처리됩니다. The request is handled within three days as the page says. "
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def whole_answer(text: str, input_tokens: int = 64, output_tokens: int = 0) -> bytes:
    """An answer in one piece, as JSON."""
    used = output_tokens or len(text) // CHARACTERS_PER_TOKEN
    usage = {"prompt_tokens": input_tokens, "completion_tokens": used, "total_tokens": input_tokens + used}
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = {"id": "chatcmpl-stub", "object": "chat.completion", "created": 1700000000, "model": "whole", "choices": [choice], "usage": usage}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def stream_events() -> list[bytes]:
    """The events of one stream, each as a chunk of HTTP; the last holds the end mark and the end of the body as well."""
    words = (ANSWERS[1] + " " + ANSWERS[5]).split(" ")[: EVENTS - 2]
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": words[0]}, *({"content": f" {word}"} for word in words[1:])]
    events = [_event([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    events.append(_event([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    usage = {"prompt_tokens": 64, "completion_tokens": EVENTS, "total_tokens": 64 + EVENTS}
    events.append(_event([], usage))
    chunks = [_chunk(event) for event in events]
    chunks[-1] += _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    return chunks


def _event(choices: list[dict[str, object]], usage: dict[str, int] | None = None) -> bytes:
    body: dict[str, object] = {"id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 1700000000, "model": "whole", "choices": choices}
    if usage is not None:
        body["usage"] = usage
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Pace:
    """Writes the next event of all streams of one speed, once a step."""

    def __init__(self, step_s: float, events: list[bytes]) -> None:
        self._step_s = step_s
        self._events = events
        self._running: dict[Upstream, int] = {}

    def begin(self, upstream: Upstream) -> None:
        """The head and the first event at once, the rest step by step."""
        upstream.transport.write(_STREAM_HEAD + self._events[0])
        if not self._running:
            asyncio.get_running_loop().call_later(self._step_s, self._step)
        self._running[upstream] = 1

    def leave(self, upstream: Upstream) -> None:
        """Whoever read is gone."""
        self._running.pop(upstream, None)

    def _step(self) -> None:
        for upstream, place in list(self._running.items()):
            upstream.transport.write(self._events[place])
            if place + 1 < len(self._events):
                self._running[upstream] = place + 1
            else:
                del self._running[upstream]
        if self._running:
            asyncio.get_running_loop().call_later(self._step_s, self._step)


class Answers:
    """What is sent, made ready once."""

    def __init__(self) -> None:
        bodies = [whole_answer(text) for text in ANSWERS]
        self._whole = [_HEAD % len(body) + body for body in bodies]
        self._next = 0
        self._draw = random.Random(7)  # noqa: S311 - a load, not a secret
        events = stream_events()
        self.fast = Pace(STEP_S, events)
        self.slow = Pace(SLOW_STEP_S, events)
        self.first = _STREAM_HEAD + events[0]

    def whole(self, request: bytes) -> bytes:
        """The answer to a request that wants no stream."""
        told = _MAX_TOKENS.search(request) if b'"whole-' in request else None
        if told is None:
            self._next = (self._next + 1) % len(self._whole)
            return self._whole[self._next]
        most = int(told[1])
        tokens = self._draw.randint(max(1, most // 4), most) if b'"whole-drawn"' in request else most
        sized = b'"whole-sized"' in request
        text = (_SENTENCE * (tokens * CHARACTERS_PER_TOKEN // len(_SENTENCE) + 1))[: tokens * CHARACTERS_PER_TOKEN] if sized else _SENTENCE
        body = whole_answer(text, 64, tokens)
        return _HEAD % len(body) + body


class Upstream(asyncio.Protocol):
    """One connection; requests come one after the other, as from a client with keep-alive."""

    def __init__(self, answers: Answers) -> None:
        self.transport: asyncio.Transport
        self._answers = answers
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Write no more."""
        del error
        self._answers.fast.leave(self)
        self._answers.slow.leave(self)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            told = _LENGTH.search(self._received, 0, end)
            length = end + 4 + (int(told[1]) if told else 0)
            if len(self._received) < length:
                return
            request, self._received = self._received[:length], self._received[length:]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        answers = self._answers
        if b'"stream":true' not in request and b'"stream": true' not in request:
            self.transport.write(answers.whole(request))
        elif b'"idle"' in request:
            self.transport.write(answers.first)
        elif b'"slow"' in request:
            answers.slow.begin(self)
        else:
            answers.fast.begin(self)


async def serve(ports: list[int]) -> None:
    """Listen until the process ends."""
    answers = Answers()
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Upstream(answers), "127.0.0.1", port, backlog=4096) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def _numbers(text: str) -> Iterator[int]:
    return map(int, text.split(","))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--ports", type=str, required=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(list(_numbers(parser.parse_args().ports))))

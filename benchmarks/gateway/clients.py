"""Clients that a load generator does not have: thousands of streams that stand still, and a crowd that spends a budget to its end.

Each runs as a process of its own, reads its wishes as JSON from its standard input and prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, Final, cast

import uvloop

from benchmarks.gateway.prompts import body_of

OPENING_MAX: Final = 200
"""Streams that are being opened at once."""
OPEN_SECONDS_MAX: Final = 120.0


class Standing(asyncio.Protocol):
    """One connection with a stream that says something once. The process keeps nothing of it but that it did."""

    def __init__(self, request: bytes, said: asyncio.Future[bool]) -> None:
        self._request = request
        self._said = said
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        """The head, or the first event."""
        if not self._said.done() and (b"data:" in data or not data.startswith(b"HTTP/1.1 200")):
            self._said.set_result(b"data:" in data)

    def connection_lost(self, error: Exception | None) -> None:
        """Closed from there."""
        del error
        self.lost = True
        if not self._said.done():
            self._said.set_result(False)


async def hold(wishes: dict[str, Any]) -> None:
    """Open streams, say how many stand, hold them until standard input ends, and say how many stand still."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(OPENING_MAX)
    standing: list[Standing] = []

    async def one(number: int) -> bool:
        model = wishes["models"][number % len(wishes["models"])]
        async with gate:
            said: asyncio.Future[bool] = loop.create_future()
            request = _request(wishes, body_of(model, wishes["prompts"][number % len(wishes["prompts"])], stream=True))
            _, protocol = await loop.create_connection(lambda: Standing(request, said), "127.0.0.1", wishes["port"])
            standing.append(protocol)
            return await said

    began = time.perf_counter()
    opened = await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(wishes["count"]))), OPEN_SECONDS_MAX)
    _say({"open": sum(opened), "seconds": time.perf_counter() - began})
    await asyncio.to_thread(sys.stdin.readline)
    _say({"open": sum(not one.lost for one in standing)})


async def spend(wishes: dict[str, Any]) -> None:
    """Clients that ask until they are told that nothing is left; what the answers cost by their usage."""
    told: dict[str, Any] = {"answered": 0, "refused": 0, "failed": 0, "spent_nano": 0, "said": {}}
    until = time.monotonic() + wishes["seconds"]

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", wishes["port"])
        asked = 0
        while time.monotonic() < until:
            prompt = wishes["prompts"][(number * 7919 + asked) % len(wishes["prompts"])]
            asked += 1
            writer.write(_request(wishes, body_of(wishes["models"][0], f"{number}-{asked} {prompt}", max_tokens=wishes["max_tokens"])))
            status, headers, body = await _answer(reader)
            if status == 200:
                usage = json.loads(body)["usage"]
                cost = usage["prompt_tokens"] * wishes["price_input"] + usage["completion_tokens"] * wishes["price_output"]
                told["spent_nano"] += cost // 1_000_000
                told["answered"] += 1
            elif status == 429:
                told["refused"] += 1
                if headers.get("x-should-retry") == "false":
                    break
                await asyncio.sleep(0.05)
            else:
                told["failed"] += 1
                told["said"][str(status)] = body[:200].decode("utf-8", "replace")
                await asyncio.sleep(0.05)
        writer.close()

    began = time.monotonic()
    await asyncio.gather(*(client(number) for number in range(wishes["clients"])))
    _say({**told, "seconds": time.monotonic() - began})


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return int(head[0].split(" ")[1]), headers, await reader.readexactly(int(headers["content-length"]))


def _request(wishes: dict[str, Any], body: bytes) -> bytes:
    told = {"host": f"127.0.0.1:{wishes['port']}", "content-type": "application/json", **wishes["headers"]}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST /v1/chat/completions HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _say(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _wishes = json.loads(sys.stdin.readline())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as _runner:
        _runner.run({"hold": hold, "spend": spend}[_wishes["do"]](_wishes))

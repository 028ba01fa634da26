"""Load at a constant rate, open loop: each request has a moment at which it is to begin, and its time counts from that moment.

So a server that stalls is charged for every request that should have begun meanwhile, which a client that waits for answers would leave out
(coordinated omission). One thread, plain sockets and `select`, whose time-outs are exact to some 50 microseconds where an event loop's are whole
milliseconds. Run as a process of its own: `python -m benchmarks.gateway.pace PORT --rate 1000 --seconds 3 < WISHES`, where the first line of
`WISHES` holds the headers as JSON and each further line one body as JSON text. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import re
import select
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.gateway.stand import PROJECT, NotStarted, Side, python_module

CONNECTIONS_MAX: Final = 400
"""`select` takes descriptors below 1,024."""
LEFT_OVER_SECONDS: Final = 10.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_END_OF_CHUNKS: Final = b"\r\n0\r\n\r\n"
_TEXT: Final = re.compile(rb'"content":"[^"]')


@dataclass(frozen=True, slots=True)
class Paced:
    """Times of a run at a constant rate, in milliseconds.

    Attributes:
        said: answers that were not 200, by status; what broke off or came too late is not among them.
        first_ms, text_ms: of streams, to the first event, and to the first event that holds text.
        late_p99_ms: how late the generator itself began requests.
    """

    count: int
    failed: int
    said: dict[str, int]
    per_s: float
    whole_ms: dict[str, float]
    first_ms: dict[str, float]
    text_ms: dict[str, float]
    late_p99_ms: float


@dataclass(slots=True)
class _Line:
    """One connection and the request that it carries."""

    socket: socket.socket
    due: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    first_s: float = 0.0
    text_s: float = 0.0


class Generator:
    """Sends requests when they are due and reads what comes."""

    def __init__(self, port: int, requests: Sequence[bytes], connections: int) -> None:
        self._requests = requests
        self._lines = {line.socket: line for line in (_Line(_connected(port)) for _ in range(connections))}
        self._idle = deque(self._lines.values())
        self._busy: list[socket.socket] = []
        self.whole_s: list[float] = []
        self.first_s: list[float] = []
        self.text_s: list[float] = []
        self.late_s: list[float] = []
        self.failed = 0
        self.said: Counter[str] = Counter()

    def run(self, rate: float, seconds: float) -> float:
        """Send `rate` requests a second for so many seconds, and wait for the answers; the seconds that it took."""
        began = time.perf_counter() + 0.01
        count, sent = round(rate * seconds), 0
        until = began + seconds + LEFT_OVER_SECONDS
        while sent < count or self._busy:
            now = time.perf_counter()
            if now > until or not self._lines:
                self.failed += count - sent + len(self._busy)
                break
            while sent < count and self._idle and (due := began + sent / rate) <= now:
                self._send(self._idle.popleft(), due, self._requests[sent % len(self._requests)])
                self.late_s.append(now - due)
                sent += 1
            wait = began + sent / rate - time.perf_counter() if sent < count and self._idle else 0.5
            readable, _, _ = select.select(self._busy, [], [], max(0.0, wait))
            for ready in readable:
                self._read(self._lines[ready])
        return time.perf_counter() - began

    def _send(self, line: _Line, due: float, request: bytes) -> None:
        line.due, line.first_s, line.text_s = due, 0.0, 0.0
        line.received.clear()
        self._busy.append(line.socket)
        line.socket.sendall(request)

    def _read(self, line: _Line) -> None:
        data = line.socket.recv(262_144)
        now = time.perf_counter()
        if not data:
            self._lose(line)
            return
        received = line.received
        received += data
        head = received.find(b"\r\n\r\n")
        if head < 0:
            return
        told = _LENGTH.search(received, 0, head)
        if told is None:
            if not line.first_s and received.find(b"data:", head) > 0:
                line.first_s = now - line.due
            if not line.text_s and _TEXT.search(received, head):
                line.text_s = now - line.due
        if received.endswith(_END_OF_CHUNKS) if told is None else len(received) >= head + 4 + int(told[1]):
            self._finish(line, now)

    def _finish(self, line: _Line, now: float) -> None:
        if line.received.startswith(b"HTTP/1.1 200"):
            self.whole_s.append(now - line.due)
            if line.first_s:
                self.first_s.append(line.first_s)
                self.text_s.append(line.text_s or line.first_s)
        else:
            self.failed += 1
            self.said[line.received[9:12].decode("latin-1")] += 1
        self._busy.remove(line.socket)
        self._idle.append(line)

    def _lose(self, line: _Line) -> None:
        self.failed += 1
        self._busy.remove(line.socket)
        del self._lines[line.socket]
        line.socket.close()


def pace(side: Side, bodies: Sequence[bytes], rate: float, seconds: float, connections: int = 64) -> Paced:
    """Run the generator in a process of its own.

    Raises:
        NotStarted: when it does not end well.
    """
    wishes = json.dumps(dict(side.headers)).encode() + b"\n" + b"\n".join(bodies) + b"\n"
    options = [str(side.port), "--rate", str(rate), "--seconds", str(seconds), "--connections", str(connections)]
    done = subprocess.run(python_module("pace", *options), input=wishes, capture_output=True, check=False, timeout=seconds + 60, cwd=PROJECT)
    if done.returncode != 0:
        raise NotStarted(f"the generator failed: {done.stderr.decode()[-300:]}")
    return Paced(**json.loads(done.stdout))


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] * 1e3 for share in (50, 90, 99)}


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    for name in ("rate", "seconds"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    lines = sys.stdin.buffer.read().splitlines()
    told = {"host": f"127.0.0.1:{options.port}", "content-type": "application/json", **json.loads(lines[0])}
    head = "POST /v1/chat/completions HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items())
    requests = [f"{head}content-length: {len(body)}\r\n\r\n".encode() + body for body in lines[1:]]
    generator = Generator(options.port, requests, min(options.connections, CONNECTIONS_MAX))
    took_s = generator.run(options.rate, options.seconds)
    figures = {
        "count": len(generator.whole_s), "failed": generator.failed, "said": generator.said, "per_s": len(generator.whole_s) / took_s,
        "whole_ms": _percentiles(generator.whole_s), "first_ms": _percentiles(generator.first_s), "text_ms": _percentiles(generator.text_s),
        "late_p99_ms": _percentiles(generator.late_s).get("p99", 0.0),
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    _main()

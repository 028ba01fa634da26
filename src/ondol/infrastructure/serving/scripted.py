"""A fake model that ships with the package: it speaks OpenAI's chat completions over a real loopback socket, says what it is told and misbehaves
on request. Tests, demonstrations without a provider and fault drills use it.

    async with ScriptedModel("Hello.") as model:
        provider = ChatModel(router, model.base_url, "any key", "scripted", timeout_s=5)

    python -m ondol.infrastructure.serving.scripted --port 8080 --say "Hello." --between-ms 50
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Literal, TypeAlias, cast, get_args

import msgspec

from ondol.infrastructure.serving.tokens import TOKENS_PER_REQUEST, estimate_tokens
from ondol.infrastructure.serving.types import FinishReason, Usage

Trouble = Literal[
    "hang_before_headers",  # accepts the request and never answers
    "hang_mid_stream",  # half of the text, then silence
    "hang_after_finish",  # everything, then silence on an open connection
    "close_before_headers",  # hangs up at once
    "cut_off",  # half of the text, then hangs up
    "garbage",  # an event that is not JSON
    "not_http",  # bytes that are not HTTP
    "wrong_content_type",  # HTML with status 200
    "huge_line",  # one line of several megabytes
    "error_event",  # half of the text, then an error in the stream
    "rate_limited",  # 429 with Retry-After
    "refused",  # 400 with an error code
    "unauthorised",  # 401 that quotes the key it was sent
    "broken",  # 500
]

REQUEST_BYTES_MAX = 64 << 20
REQUESTS_KEPT_MAX = 10_000
HUGE_LINE_BYTES = 3 << 20

_STAMP: Mapping[str, Any] = {"id": "chatcmpl-scripted", "created": 0, "model": "scripted"}
_WORD = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say to one request, and how.

    Attributes:
        text: the whole answer.
        pieces: the deltas; words of the text when absent.
        trouble: how to misbehave.
        before_s: seconds before the headers.
        between_s: seconds before each delta.
        usage: the usage to tell; an estimate when absent.
        tells_usage: false leaves usage out.
        tells_done: false leaves ``[DONE]`` out.
        line_end: what ends a line of the stream.
        retry_after_s: of ``rate_limited``.
        raw: bytes to send instead of all that, each piece in a write of its own, with `between_s` before it; on any path. See `scripted_faults`.
        then: what happens behind `raw`: the connection waits for the next request, is closed, or stays open in silence.
    """

    text: str = "Hello from the scripted model."
    pieces: Sequence[str] | None = None
    trouble: Trouble | None = None
    before_s: float = 0.0
    between_s: float = 0.0
    finish_reason: FinishReason = "stop"
    usage: Usage | None = None
    tells_usage: bool = True
    tells_done: bool = True
    line_end: str = "\n"
    retry_after_s: int = 7
    raw: Sequence[bytes] | None = None
    then: Literal["keep", "close", "hold"] = "keep"

    def deltas(self) -> Sequence[str]:
        """The pieces of the answer in order."""
        return self.pieces if self.pieces is not None else _WORD.findall(self.text)


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came in. Header names are lower-case; `body` is None when there was none or it is not JSON; `sent` is its bytes."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    sent: bytes = b""


Says: TypeAlias = "str | Reply | Sequence[str | Reply] | Callable[[Mapping[str, Any]], str | Reply]"
"""One answer for all requests; a list, used in order with the last one repeated; or a function of the request's body."""


@dataclass(slots=True)
class _Meeting:
    """Counts and wakes those who wait for a number."""

    count: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def wait_for(self, count: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.count >= count)

    async def add(self) -> None:
        async with self.changed:
            self.count += 1
            self.changed.notify_all()


class ScriptedModel:
    """The server. Use it as an async context manager, or `start` and `close`.

    Args:
        says: what it answers.
        model: the name under ``/v1/models``.
        port: 0 for any free one.

    Attributes:
        requests: what came in, oldest first.
        base_url: ``http://127.0.0.1:<port>/v1``, once started.
        connections_made: connections since the beginning.
        says_early: sent as soon as a request's head is here while its body is not.
    """

    def __init__(self, says: Says = Reply(), *, model: str = "scripted", port: int = 0) -> None:
        self.requests: deque[RecordedRequest] = deque(maxlen=REQUESTS_KEPT_MAX)
        self.base_url = ""
        self.connections_made = 0
        self.says_early = b""
        self._says = says
        self._model = model
        self._port = port
        self._place = 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._came = _Meeting()
        self._left = _Meeting()

    def say(self, says: Says) -> None:
        """Say this from now on."""
        self._says, self._place = says, 0

    async def start(self) -> None:
        """Listen on the loopback interface."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", self._port)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
            for connection in tuple(self._connections):
                connection.hang_up()
            await asyncio.gather(*(connection.ended.wait() for connection in tuple(self._connections)))
            await self._server.wait_closed()
            self._server = None

    async def requests_came(self, count: int) -> None:
        """Wait until this many chat requests have come."""
        await self._came.wait_for(count)

    async def callers_left(self, count: int) -> None:
        """Wait until this many callers have hung up before their answer was whole."""
        await self._left.wait_for(count)

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self._connections)

    async def __aenter__(self) -> ScriptedModel:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def _reply_to(self, body: Mapping[str, Any]) -> Reply:
        says = self._says
        if callable(says):
            says = says(body)
        elif not isinstance(says, str | Reply):
            says, self._place = says[min(self._place, len(says) - 1)], self._place + 1
        return Reply(says) if isinstance(says, str) else says


class _Connection(asyncio.Protocol):
    """One connection: HTTP/1.1 with Content-Length bodies and keep-alive, one request at a time."""

    def __init__(self, owner: ScriptedModel) -> None:
        self.ended = asyncio.Event()
        self._owner = owner
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._work: asyncio.Task[None] | None = None
        self._early = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is no subclass of it.
        self._owner._connections.add(self)
        self._owner.connections_made += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > REQUEST_BYTES_MAX:
            self.hang_up()
        elif self._work is None:
            self._next_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner._connections.discard(self)
        self._writable.set()
        self.ended.set()
        if self._work is not None:
            self._work.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def hang_up(self) -> None:
        """Close without saying goodbye."""
        if self._transport is not None:
            self._transport.abort()

    def _next_request(self) -> None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            if self._owner.says_early and not self._early and self._transport is not None:
                self._early = True
                self._transport.write(self._owner.says_early)
            return
        method, path, *_ = first.split(" ")
        try:
            body = msgspec.json.decode(rest[:length]) if length else None
        except ValueError:
            body = None
        self._buffer = rest[length:]
        request = RecordedRequest(method, path, headers, body, bytes(rest[:length]))
        self._work = asyncio.get_running_loop().create_task(self._answer(request))
        self._work.add_done_callback(self._answered)

    def _answered(self, work: asyncio.Task[None]) -> None:
        self._work = None
        if work.cancelled() or self.ended.is_set():
            return
        if work.exception() is not None:
            self.hang_up()
        else:
            self._next_request()

    async def _answer(self, request: RecordedRequest) -> None:
        owner = self._owner
        owner.requests.append(request)
        if request.method == "GET" and request.path == "/v1/models":
            card = {"id": owner._model, "object": "model", "created": 0, "owned_by": "ondol"}
            await self._send(_whole(200, {"object": "list", "data": [card]}))
        elif request.method != "POST" or not isinstance(request.body, dict):
            await self._send(_whole(404, _error("There is nothing here.", "not_found")))
        else:
            reply = owner._reply_to(request.body)
            await owner._came.add()
            try:
                if reply.raw is not None:
                    await self._raw(reply, reply.raw)
                elif request.path == "/v1/chat/completions":
                    await self._chat(request, reply)
                else:
                    await self._send(_whole(404, _error("There is nothing here.", "not_found")))
            except asyncio.CancelledError:
                await owner._left.add()
                raise

    async def _raw(self, reply: Reply, pieces: Sequence[bytes]) -> None:
        await asyncio.sleep(reply.before_s)
        for piece in pieces:
            await asyncio.sleep(reply.between_s)
            await self._send(piece)
        if reply.then == "close":
            self.hang_up_after_writing()
        elif reply.then == "hold":
            await self.ended.wait()

    async def _chat(self, request: RecordedRequest, reply: Reply) -> None:
        await asyncio.sleep(reply.before_s)
        early = _early_trouble(reply, request)
        if early is not None:
            await self._send(early)
            if reply.trouble == "not_http":
                self.hang_up_after_writing()
        elif reply.trouble == "close_before_headers":
            self.hang_up_after_writing()
        elif reply.trouble == "hang_before_headers":
            await self.ended.wait()
        elif not request.body.get("stream"):
            await self._send(_whole(200, _completion(reply, request.body)))
        else:
            await self._send(_head(200, "text/event-stream", "transfer-encoding: chunked"))
            async for event in _stream(reply, request.body):
                await self._send(b"%x\r\n%b\r\n" % (len(event), event))
            if reply.trouble in {"hang_mid_stream", "hang_after_finish"}:
                await self.ended.wait()
            elif reply.trouble == "cut_off":
                self.hang_up_after_writing()
            else:
                await self._send(b"0\r\n\r\n")

    def hang_up_after_writing(self) -> None:
        """Send what is written, then close."""
        if self._transport is not None:
            self._transport.close()

    async def _send(self, data: bytes) -> None:
        await self._writable.wait()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _early_trouble(reply: Reply, request: RecordedRequest) -> bytes | None:
    """The whole answer of those troubles that have no stream."""
    answers: Mapping[str | None, bytes] = {
        "rate_limited": _whole(429, _error("Too many requests.", "rate_limit_exceeded"), f"retry-after: {reply.retry_after_s}"),
        "refused": _whole(400, _error("This model's context is too short.", "context_length_exceeded")),
        "unauthorised": _whole(401, _error(f"Incorrect API key: {request.headers.get('authorization', '')}", "invalid_api_key")),
        "broken": _whole(500, _error("The scripted model is broken.", "server_error")),
        "wrong_content_type": _head(200, "text/html", "content-length: 14") + b"<p>Sign in</p>",
        "not_http": b"SSH-2.0-scripted\r\n\r\n",
    }
    return answers.get(reply.trouble)


async def _stream(reply: Reply, body: Mapping[str, Any]) -> AsyncIterator[bytes]:
    """The events of a streamed answer, up to its trouble."""

    def event(data: str) -> bytes:
        return f"data: {data}{reply.line_end}{reply.line_end}".encode()

    def chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
        return event(_json({**_STAMP, "object": "chat.completion.chunk", "choices": choices}))

    deltas = reply.deltas()
    yield f": hello{reply.line_end}".encode() + chunk({"role": "assistant", "content": ""})
    half = (len(deltas) + 1) // 2 if reply.trouble in {"cut_off", "hang_mid_stream", "error_event"} else len(deltas)
    for delta in deltas[:half]:
        await asyncio.sleep(reply.between_s)
        yield chunk({"content": delta})
    match reply.trouble:
        case "cut_off" | "hang_mid_stream":
            return
        case "garbage":
            yield event("{this is not JSON}")
        case "huge_line":
            yield b"data: " + b"x" * HUGE_LINE_BYTES
        case "error_event":
            yield event(_json(_error("Something failed.", "server_error")))
            return
    yield chunk({}, reply.finish_reason)
    if reply.tells_usage and (body.get("stream_options") or {}).get("include_usage"):
        yield event(_json({**_STAMP, "object": "chat.completion.chunk", "choices": [], "usage": _usage(reply, body)}))
    if reply.tells_done:
        yield event("[DONE]")


def _completion(reply: Reply, body: Mapping[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(reply.deltas())}
    choices = [{"index": 0, "message": message, "finish_reason": reply.finish_reason}]
    return {**_STAMP, "object": "chat.completion", "choices": choices} | ({"usage": _usage(reply, body)} if reply.tells_usage else {})


def _usage(reply: Reply, body: Mapping[str, Any]) -> dict[str, int]:
    texts = "".join(str(message.get("content", "")) for message in body.get("messages") or ())
    usage = reply.usage or Usage(estimate_tokens(texts) + TOKENS_PER_REQUEST, estimate_tokens("".join(reply.deltas())))
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def _error(message: str, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "scripted", "param": None, "code": code}}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _head(status: int, content_type: str, *lines: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status} Scripted", f"content-type: {content_type}", *lines, "", "")).encode("latin-1")


def _whole(status: int, value: object, *lines: str) -> bytes:
    body = msgspec.json.encode(value)
    return _head(status, "application/json", f"content-length: {len(body)}", *lines) + body


async def _serve(reply: Reply, model: str, port: int) -> None:
    async with ScriptedModel(reply, model=model, port=port) as server:
        sys.stdout.write(server.base_url + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the server until it is interrupted. The first line it prints is its base URL."""
    parser = argparse.ArgumentParser(prog="python -m ondol.infrastructure.serving.scripted", description="A fake model over real HTTP.")
    parser.add_argument("--port", type=int, default=0, help="port on the loopback interface; 0 for any free one")
    parser.add_argument("--model", default="scripted", help="its name under /v1/models")
    parser.add_argument("--say", default=Reply().text, help="what it answers")
    parser.add_argument("--trouble", choices=get_args(Trouble), help="how it misbehaves")
    parser.add_argument("--before-ms", type=float, default=0.0, help="milliseconds before the headers")
    parser.add_argument("--between-ms", type=float, default=0.0, help="milliseconds before each word")
    options = parser.parse_args(arguments)
    reply = replace(Reply(options.say, trouble=options.trouble), before_s=options.before_ms / 1000, between_s=options.between_ms / 1000)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(reply, options.model, options.port))


if __name__ == "__main__":
    main()

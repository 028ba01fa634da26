"""Calls of the admin API from inside the same process: what a page of the console does, a script can do by the same route under the same roles."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote, urlencode

from ondol.core.ids import new_id
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.types import AsgiApp

REPLY_BYTES_MAX = 16 << 20
"""A reply is held whole; what is larger is downloaded by the browser itself."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One call.

    Attributes:
        path: below ``/api/v1``, percent-encoded where a name needs it.
        query: names and values, in order; a name may come several times.
        body: whole, or as it comes.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: bytes | AsyncIterator[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiReply:
    """What was answered. Names of headers are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body) if self.body else None


CallApi: TypeAlias = Callable[[Principal, ApiRequest], Awaitable[ApiReply]]
"""In the name of somebody whom the caller has authenticated a moment ago, with the roles of this moment."""


def caller_in_process(app: AsgiApp, prefix: str) -> CallApi:
    """How to call an ASGI application without a socket.

    Args:
        prefix: what stands before every path.
    """

    async def call(who: Principal, asked: ApiRequest) -> ApiReply:
        run = _Run(asked.body)
        raw = (prefix + asked.path).encode("ascii")
        scope: MutableMapping[str, Any] = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": asked.method, "scheme": "http",
            "path": unquote(prefix + asked.path), "raw_path": raw, "query_string": urlencode(asked.query).encode(), "root_path": "",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in asked.headers.items()], "client": None, "server": None,
            "state": {"principal": who, "request_id": str(new_id())},
        }  # fmt: skip
        await app(scope, run.receive, run.send)
        return run.reply()

    return call


class _Run:
    """The two ends that the application is given."""

    def __init__(self, body: bytes | AsyncIterator[bytes]) -> None:
        self._pieces = _once(body) if isinstance(body, bytes) else body
        self._has_ended = False
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    async def receive(self) -> MutableMapping[str, Any]:
        if self._has_ended:
            await asyncio.Event().wait()  # nobody leaves: who listens for that waits until the reply is whole
        piece = await anext(self._pieces, None)
        self._has_ended = piece is None
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = {bytes(name).decode("latin-1").lower(): bytes(value).decode("latin-1") for name, value in message.get("headers", ())}
            return
        self._body += message.get("body", b"")
        if len(self._body) > REPLY_BYTES_MAX:
            raise RuntimeError(f"a reply of over {REPLY_BYTES_MAX} bytes is not for a page")

    def reply(self) -> ApiReply:
        return ApiReply(self._status, self._headers, bytes(self._body))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body

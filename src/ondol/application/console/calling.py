"""How a page asks the admin API: by the routes that a script would call, in the visitor's name and under the visitor's roles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.in_process import ApiReply, ApiRequest, CallApi


class Refused(Exception):
    """The API refused a call; the page says so in its own place, and loses nothing that was typed.

    Attributes:
        status: of HTTP.
        code: a stable word.
        message: a sentence for people.
        param: the field that is wrong; empty where it is none.
    """

    def __init__(self, status: int, code: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class Api:
    """The admin API as one visitor may use it."""

    _call: CallApi
    _who: Principal

    async def get(self, path: str, /, **query: Any) -> Any:
        """What a route tells. Names of the query whose value is None or empty are left out; a list stands several times.

        Raises:
            Refused: when the API refuses.
        """
        return (await self._send("GET", path, query=_pairs(query))).json()

    async def text(self, path: str, accept: str, /, **query: Any) -> ApiReply:
        """What a route tells in another form than JSON.

        Raises:
            Refused: when the API refuses.
        """
        return await self._send("GET", path, query=_pairs(query), headers={"accept": accept})

    async def post(self, path: str, body: Mapping[str, Any] | None = None, /, **query: Any) -> Any:
        """Have something done. Raises `Refused`."""
        return (await self._write("POST", path, body, query)).json()

    async def put(self, path: str, body: Mapping[str, Any], /, **query: Any) -> Any:
        """Have something be as told. Raises `Refused`."""
        return (await self._write("PUT", path, body, query)).json()

    async def patch(self, path: str, body: Mapping[str, Any], /, **query: Any) -> Any:
        """Have something changed. Raises `Refused`."""
        return (await self._write("PATCH", path, body, query)).json()

    async def delete(self, path: str, /, **query: Any) -> Any:
        """Have something taken away. Raises `Refused`."""
        return (await self._send("DELETE", path, query=_pairs(query))).json()

    async def _write(self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, Any]) -> ApiReply:
        sent = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"content-type": "application/json"} if sent else {}
        return await self._send(method, path, query=_pairs(query), body=sent, headers=headers)

    async def _send(
        self, method: str, path: str, *, query: Iterable[tuple[str, str]] = (), body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> ApiReply:
        reply = await self._call(self._who, ApiRequest(method, path, tuple(query), body, headers or {}))
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise _refusal(reply)
        return reply


def part(name: object) -> str:
    """A name as one part of a path."""
    return quote(str(name), safe="")


def _pairs(query: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in query.items():
        values = value if isinstance(value, (list, tuple)) else (value,)
        found += [(name, str(one)) for one in values if one is not None and one != ""]
    return found


def _refusal(reply: ApiReply) -> Refused:
    told = reply.json()["error"]
    return Refused(reply.status, told["code"], told["message"], told.get("param") or "")

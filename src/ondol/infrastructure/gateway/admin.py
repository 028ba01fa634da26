"""The admin API below ``/api/v1``, as one handler. Rooms bring their routers; here stand who asks, limits, and the one shape of errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ondol import __version__
from ondol.core.errors import NotFound, RequestError
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.errors import MethodNotAllowed, answer_to
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.in_process import CallApi, caller_in_process
from ondol.infrastructure.gateway.server.asgi import run_asgi
from ondol.infrastructure.gateway.server.types import Handler
from ondol.infrastructure.gateway.types import Receive, Scope, Send

ADMIN_PREFIX = "/api/v1"
ADMIN_BODY_BYTES_MAX = 2 << 20
OPENAPI_PATH = f"{ADMIN_PREFIX}/openapi.json"

Authenticate = Callable[[Mapping[str, str], str], Awaitable[Principal]]
"""Headers (lower-case names) and the client's address to a principal with its roles; raises `Unauthenticated`."""


Streams = Callable[[str, str], int | None]
"""Of a request's method and path: how many bytes of its body may be read, by a route that takes them as they come; None when it takes them whole."""


class ErrorDetail(BaseModel):
    """What failed. `code` is a stable word for programs; `request_id` is also in the header `x-request-id`."""

    message: str
    type: str
    param: str | None
    code: str
    request_id: str


class ErrorBody(BaseModel):
    """The one shape of errors."""

    error: ErrorDetail


REFUSED: dict[str, Any] = {"model": ErrorBody, "description": "The request is refused: its mistake, its caller, or its subject."}
FAILED: dict[str, Any] = {"model": ErrorBody, "description": "The installation cannot answer now."}


class _Described(FastAPI):
    """Describes what there is: a key or session for every route, and mistakes in our shape, where FastAPI would tell its own."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            described = super().openapi()
            for route in (route for path in described["paths"].values() for route in path.values()):
                route["responses"].pop("422", None)
            parts = described.setdefault("components", {})
            for name in ("HTTPValidationError", "ValidationError"):
                parts.get("schemas", {}).pop(name, None)
            parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "A key such as sk-ondol-..."}}
            described["security"] = [{"key": []}]
            self.openapi_schema = described
        return self.openapi_schema


@dataclass(frozen=True, slots=True)
class AdminApi:
    """The admin API of one worker; itself a handler of what comes over the network, which asks first who sends it.

    Attributes:
        call: answers the same routes in the name of somebody who is known already.
    """

    handler: Handler
    call: CallApi

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        await self.handler(exchange)


def _never(_method: str, _path: str) -> int | None:
    """Every body is read whole."""
    return None


def create_admin(
    authenticate: Authenticate, routers: Sequence[APIRouter], *, body_bytes_max: int = ADMIN_BODY_BYTES_MAX, streams: Streams = _never
) -> AdminApi:
    """What begins with ``/api/``. What its handler raises, the server tells the caller.

    Args:
        authenticate: who sends a request. Everything but the description of the API needs somebody.
        routers: the rooms' routes, without ``/api/v1``.
        streams: which requests' bodies a route reads as they come.
    """
    app = _Described(title="Ondol admin API", version=__version__, openapi_url=OPENAPI_PATH, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in routers:
        app.include_router(router, prefix=ADMIN_PREFIX, responses={"4XX": REFUSED, "5XX": FAILED})
    for kind in (RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _told)

    async def told_once(scope: Scope, receive: Receive, send: Send) -> None:
        """What the application fails with it has told already by the handler of `Exception`, unless nothing has gone out."""
        started = False

        async def write(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), (b"cache-control", b"no-store")]}
            await send(message)

        try:
            await app(scope, receive, write)
        except Exception:
            if not started:
                raise

    async def admin(exchange: Exchange) -> None:
        principal = None if exchange.path == OPENAPI_PATH else await authenticate(exchange.headers(), exchange.client)
        state = {"principal": principal, "request_id": exchange.id}
        streamed = streams(exchange.method, exchange.path)
        if streamed is not None:
            await run_asgi(told_once, exchange, body_bytes_max=streamed, state=state)
            return
        body = await exchange.body(body_bytes_max)
        await run_asgi(told_once, exchange, body_bytes_max=body_bytes_max, body=body, state=state)

    return AdminApi(admin, caller_in_process(told_once, ADMIN_PREFIX))


def principal_of_request(request: Request) -> Principal:
    """Who was authenticated for a request."""
    return cast(Principal, request.state.principal)


async def _told(request: Request, error: Exception) -> Response:
    """An error in the shape of the whole API."""
    answer = answer_to(_as_ours(request, error), request.state.request_id)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    return Response(answer.body, answer.status, headers, media_type="application/json")


def _as_ours(request: Request, error: Exception) -> Exception:
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return RequestError(f"{place or 'The body'}: {first['msg']}.", f"See {OPENAPI_PATH}.", param=place or None)
    if isinstance(error, psycopg.DataError):
        return RequestError("Something in the request cannot be kept, such as a zero character.", "Take it out.", code="bad_text")
    if isinstance(error, HTTPException):
        if error.status_code == 405:
            return MethodNotAllowed(request.method, (error.headers or {}).get("Allow", (error.headers or {}).get("allow", "another method")))
        if error.status_code == 404:
            return NotFound("There is nothing at this address.", f"{OPENAPI_PATH} lists what there is.")
        return RequestError(str(error.detail), f"See {OPENAPI_PATH}.")
    return error

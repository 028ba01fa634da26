"""The console as an ASGI application, and the boundary where a failure becomes a page."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ondol.core.errors import RequestError, TooManyRequests, UpstreamError

from .assets import load_assets
from .calling import Refused
from .headers import SecurityHeaders
from .language import load_catalogues
from .pages import Site, make_environment, page
from .routes import make_routes
from .services import ConsoleServices

_log = logging.getLogger(__name__)

_BY_CODE = {"form_refused": ("error.form.title", "error.form.body")}
_BY_STATUS: dict[int, tuple[str, str]] = {
    HTTPStatus.FORBIDDEN: ("error.forbidden.title", "error.forbidden.body"),
    HTTPStatus.NOT_FOUND: ("error.not_found.title", "error.not_found.body"),
    HTTPStatus.TOO_MANY_REQUESTS: ("error.busy.title", "error.busy.body"),
}
_REQUEST = ("error.request.title", "error.request.body")
_SERVER = ("error.server.title", "error.server.body")


def create_console(services: ConsoleServices) -> FastAPI:
    """Build the console.

    Raises:
        SettingsError: its vendored assets are missing.
    """
    site = Site(services, load_catalogues(), load_assets(), make_environment())
    app = FastAPI(title="Ondol", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.include_router(make_routes(site))
    app.add_exception_handler(HTTPException, _handler(site))
    app.add_middleware(Boundary, site=site)
    app.add_middleware(SecurityHeaders)
    return app


class Boundary:
    """ASGI middleware that turns every error into a page in the visitor's language.

    It stands inside `SecurityHeaders`, which Starlette's own last resort does not. What fails after the response began is raised on:
    the server then cuts the connection, so that no half file looks whole.
    """

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self.app = app
        self.site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer for it when it fails."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = False

        async def send_noting(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        except Exception as error:
            if began:
                raise
            if not isinstance(error, (RequestError, Refused)):
                _log.exception("a console page failed")
            await _error_page(self.site, Request(scope, receive), error)(scope, receive, send)


def _handler(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        return _error_page(site, request, error)

    return handle


def _error_page(site: Site, request: Request, error: Exception) -> Response:
    """The page of an error. Only its status and code choose the words: a message may name what the visitor must not know."""
    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    code = ""
    headers: dict[str, str] = {}
    if isinstance(error, (RequestError, UpstreamError, Refused)):
        status, code = error.status, error.code
    elif isinstance(error, HTTPException):
        status = error.status_code
        headers.update(error.headers or {})
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_s)
    fallback = _SERVER if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _REQUEST
    title, body = _BY_CODE.get(code) or _BY_STATUS.get(status, fallback)
    response = page(site, request, "error.html", {"title": title, "body": body, "status": status}, status=status)
    response.headers.update(headers)
    return response

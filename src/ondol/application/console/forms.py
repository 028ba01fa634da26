"""Forms and cookies: what protects a POST of the console from pages that are not ours.

Three things must agree: the browser's word on where the request comes from (Sec-Fetch-Site, Origin), a ``SameSite=Strict`` cookie, and a
token in the form that is an HMAC keyed by that cookie (the session's, or before signing in a random one). The token needs no secret of
the server, so it holds on every replica and after a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ondol.core.errors import Forbidden, RequestError

from .services import ConsoleServices

FORM_BYTES_MAX = 256 * 1024
FORM_FIELDS_MAX = 512
FORM_TOKEN_FIELD = "form_token"  # noqa: S105 - the name of a field

Purpose = Literal["enter", "leave", "act"]
"""What a form token is for: signing in or redeeming a code, signing out, or doing something in a section."""


def session_cookie(services: ConsoleServices) -> str:
    """The name of the cookie that holds the session token; the prefix makes browsers refuse it from a sister domain."""
    return "__Host-ondol_session" if services.public_https else "ondol_session"


def visitor_cookie(services: ConsoleServices) -> str:
    """The name of the cookie that binds a form before there is a session."""
    return "__Host-ondol_visitor" if services.public_https else "ondol_visitor"


def set_cookie(response: Response, services: ConsoleServices, name: str, value: str, *, seconds: int | None) -> None:
    """Set a cookie as all of ours are: HttpOnly, SameSite=Strict, whole site, Secure on HTTPS. `seconds` None: until the browser closes."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=services.public_https, httponly=True, samesite="strict")


def delete_cookie(response: Response, services: ConsoleServices, name: str) -> None:
    """Have the browser forget a cookie."""
    response.delete_cookie(name, path="/", secure=services.public_https, httponly=True, samesite="strict")


def new_visitor() -> str:
    """A random value for the visitor cookie, 256 bits."""
    return secrets.token_urlsafe(32)


def form_token(purpose: Purpose, cookie: str) -> str:
    """The token of a form: HMAC-SHA256 keyed by the cookie that must come back with it."""
    return hmac.new(cookie.encode(), f"ondol console form v1 {purpose}".encode(), hashlib.sha256).hexdigest()


def check_form(request: Request, fields: dict[str, str], purpose: Purpose, cookie: str) -> None:
    """Let a POST through only when it comes from our own page.

    Raises:
        Forbidden: with code ``form_refused``.
    """
    expected = form_token(purpose, cookie).encode() if cookie else b""
    if not cookie or not hmac.compare_digest(expected, fields.get(FORM_TOKEN_FIELD, "").encode()):
        raise Forbidden("The form does not belong to this browser's visit.", "Open the page again and repeat.", code="form_refused")


def check_origin(request: Request, services: ConsoleServices) -> None:
    """Refuse what another site sends.

    Our pages send no referrer, so browsers name the origin of their forms ``null`` (Fetch, 3.2 "Origin header"); then Sec-Fetch-Site
    speaks. Browsers leave that out on plain HTTP only, where cookie and token decide alone.

    Raises:
        Forbidden: with code ``form_refused``.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "null")
    scheme = "https" if services.public_https else request.url.scheme
    ours = f"{scheme}://{request.headers.get('host', '')}".lower()
    if site is not None and site != "same-origin":
        refused = True
    elif origin != "null":
        refused = origin.lower() != ours or not urlsplit(origin).netloc
    else:
        refused = site is None and services.public_https
    if refused:
        raise Forbidden("The form was sent from another site.", "Open the page again and repeat.", code="form_refused")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a URL-encoded form; of a field that comes twice, the last.

    Raises:
        RequestError: it is of another type, too long, not UTF-8 or has too many fields.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise RequestError("A form must be application/x-www-form-urlencoded.", code="form_malformed")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise RequestError(f"A form may have at most {FORM_BYTES_MAX} bytes.", code="form_malformed")
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="strict"))
    except ValueError as error:
        raise RequestError("The form cannot be read.", code="form_malformed") from error

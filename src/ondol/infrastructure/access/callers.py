"""Who sends an API request: a key in the `authorization` header, or the console's session cookie from the console's own pages."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ondol.core.errors import Forbidden, Unauthenticated
from ondol.infrastructure.access.keys import KeyDirectory
from ondol.infrastructure.access.sign_in import SignIn, principal_of
from ondol.infrastructure.access.types import Principal

SESSION_COOKIES = ("__Host-ondol_session", "ondol_session")
CONSOLE_HEADER = "x-ondol-request"


async def caller_of(keys: KeyDirectory, room: SignIn, headers: Mapping[str, str]) -> Principal:
    """The caller of a request, by its headers (lower-case names).

    A cookie counts only with the console's own header and from the console's own origin: another site's page can send neither.

    Raises:
        Unauthenticated: when nothing valid came.
        Forbidden: when a session came from a foreign origin.
    """
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if credentials:
        if scheme.lower() != "bearer":
            raise Unauthenticated("The authorization header is not a bearer token.", "Send `Authorization: Bearer sk-ondol-...`.")
        return keys.check(credentials.strip())
    if headers.get(CONSOLE_HEADER) == "console":
        if not _same_origin(headers):
            raise Forbidden("A session can be used from the console's own pages only.", "Use an API key elsewhere.", code="foreign_origin")
        token = _session_token(headers.get("cookie", ""))
        principal = await principal_of(room, token) if token else None
        if principal is not None:
            return principal
        raise Unauthenticated("You are signed out.", "Sign in again.", code="signed_out")
    raise Unauthenticated("No API key came with the request.", "Send `Authorization: Bearer sk-ondol-...`.", code="missing_api_key")


def _same_origin(headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    return bool(headers.get("host")) and urlsplit(origin).netloc == headers["host"]


def _session_token(cookie: str) -> str | None:
    # Not http.cookies: it drops all cookies for one odd one, and other programs on the same host set what they like.
    pairs = (pair.partition("=") for pair in cookie.split(";"))
    found = {name.strip(): value.strip() for name, _, value in pairs}
    return next((found[name] for name in SESSION_COOKIES if found.get(name)), None)

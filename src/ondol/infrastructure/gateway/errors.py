"""The one JSON shape in which `/v1` says that something failed: OpenAI's, with the request's id."""

from __future__ import annotations

import logging
import math
import uuid
from dataclasses import dataclass

import msgspec

from ondol.core.errors import RequestError, TooManyRequests, UpstreamError, UpstreamRateLimited
from ondol.infrastructure.storage.postgres import DatabaseAway

MESSAGE_CHARS_MAX = 1_000
STORE_RETRY_AFTER_S = 5

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_logger = logging.getLogger(__name__)


class BodyTooLarge(RequestError):
    """The request's body is larger than the installation allows."""

    status = 413
    code = "body_too_large"


class BodyTooSlow(RequestError):
    """The request's body did not arrive in time."""

    status = 408
    code = "body_too_slow"


class MethodNotAllowed(RequestError):
    """The path exists, but not for this method.

    Args:
        allowed: the methods it has, such as ``GET, HEAD``.
    """

    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method} is not allowed here.", f"Use {allowed}.")
        self.allowed = allowed


class Refused(RequestError):
    """The server itself refuses a request, before any route sees it.

    Args:
        status: the HTTP status.
    """

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint, code=code)
        self.status = status


class Stopping(RequestError):
    """The server stops, and this request took longer than it may wait."""

    status = 503
    code = "server_stopping"

    def __init__(self) -> None:
        super().__init__("The server is being stopped.", "Try again.")


class GuardBusy(RequestError):
    """The guard has so many long texts of this organisation to read that this one would wait too long. What is not read does not go on."""

    status = 503
    code = "guard_busy"

    def __init__(self) -> None:
        super().__init__("Too many long texts of your organisation wait to be looked at.", "Try again in a few seconds.")


class RecordsUnavailable(RequestError):
    """Nothing more can be recorded: neither in Postgres nor on this machine. What cannot be answered for is not done."""

    status = 503
    code = "records_unavailable"

    def __init__(self) -> None:
        super().__init__("This installation cannot record requests now.", "Try again shortly; an administrator is needed if it lasts.")


class ContentRefused(RequestError):
    """A policy refuses a request, and its answer has no place to say so in words.

    Args:
        told: what people are told.
        param: where the text stands.
    """

    code = "content_filter"

    def __init__(self, told: str, param: str | None = None) -> None:
        super().__init__(told or "The request is not allowed by the content policy.", "Change the text.", param=param)


class CallerLeft(Exception):
    """The caller hung up before the answer was whole."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error as it goes out.

    Attributes:
        body: the answer.
        event: what tells it in an event stream; empty for ``data:`` and the body.
    """

    status: int
    code: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    event: bytes = b""


def verdict_of(error: Exception) -> tuple[int, str]:
    """The HTTP status and the code of an error. Those that are not meant for callers are ``internal_error``."""
    match error:
        case RequestError() | UpstreamError():
            return error.status, error.code
        case DatabaseAway():
            return 503, "store_unavailable"
    return 500, "internal_error"


def answer_to(error: Exception, request_id: uuid.UUID) -> ErrorAnswer:
    """What the caller is told. The rest of an error that is not meant for callers is logged with the request's id."""
    status, code = verdict_of(error)
    kind = "upstream_error" if isinstance(error, UpstreamError) else "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")
    if isinstance(error, RequestError | UpstreamError):
        message, hint = error.message, error.hint
    elif isinstance(error, DatabaseAway):
        _logger.error("store unavailable", extra={"request_id": str(request_id)})
        message, hint = "A part of this installation is not available.", "Try again shortly."
    else:
        _logger.error("request failed", exc_info=error, extra={"request_id": str(request_id)})
        message, hint = "Something failed inside.", f"Give this id to an administrator: {request_id}."
    text = f"{message} {hint}".strip()[:MESSAGE_CHARS_MAX].encode("utf-8", "replace").decode()
    param = getattr(error, "param", None)
    shape = {"message": text, "type": kind, "param": param, "code": code, "request_id": str(request_id)}
    return ErrorAnswer(status, code, msgspec.json.encode({"error": shape}), _headers(error))


def _headers(error: Exception) -> tuple[tuple[bytes, bytes], ...]:
    told = getattr(error, "headers", None)
    if callable(told):  # limits and budgets know best when to come back
        return tuple(told())
    headers: list[tuple[bytes, bytes]] = []
    wait_s = getattr(error, "retry_after_s", 0)
    if isinstance(error, TooManyRequests | UpstreamRateLimited) or wait_s > 0:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(wait_s))))
    if isinstance(error, DatabaseAway):
        headers.append((b"retry-after", b"%d" % STORE_RETRY_AFTER_S))
    if isinstance(error, RequestError) and error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allowed.encode("latin-1")))
    if isinstance(error, BodyTooLarge | BodyTooSlow):
        headers.append((b"connection", b"close"))
    return tuple(headers)

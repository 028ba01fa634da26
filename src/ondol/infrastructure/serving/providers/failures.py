"""What a provider's error answer means: whether to ask again, when, and whether somebody else may do better.

A provider's own message never goes on: it may quote the credential, an internal address or another tenant's prompt. Its code and the name of the
field it complains of do, when they are plain words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import msgspec

from ondol.core.clock import Clock, utc_now
from ondol.core.errors import UpstreamError
from ondol.infrastructure.serving.errors import UpstreamFailure, UpstreamLimited
from ondol.infrastructure.serving.types import Headers

RETRY_AFTER_S_DEFAULT = 10
RETRY_AFTER_S_MAX = 3600
ERROR_BODY_BYTES_MAX = 64 << 10

RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})
"""Of the 400s; others are never sent again."""

_CODE = re.compile(r"[a-z][a-z_]{2,59}")
_PARAM = re.compile(r"[a-z][a-z_]{0,39}(?:\.[a-z][a-z_]{0,39}|\[\d{1,4}\]|\.\d{1,4}){0,8}")
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})
_LIMIT_CODES = frozenset({"rate_limit_exceeded", "rate_limit_error", "too_many_requests"})
_OVERLOAD_CODES = frozenset({"overloaded_error", "overloaded", "server_overloaded", "service_unavailable", "engine_overloaded"})
_REFUSAL_CODES = frozenset({"invalid_request_error", "context_length_exceeded", "content_filter", "content_policy_violation", "invalid_prompt"})

Fate = Literal["limited", "quota", "overloaded", "auth", "missing", "refused", "failed"]

_FATES: Mapping[int, Fate] = {401: "auth", 403: "auth", 404: "missing", 503: "overloaded", 529: "overloaded"}
"""529 is Anthropic's own, and Cloudflare's."""


def failure_of(status: int, headers: Headers, body: bytes, *, credential: str = "", clock: Clock = utc_now) -> UpstreamError:
    """What an answer with an error status, or a redirect, means.

    Args:
        body: at most `ERROR_BODY_BYTES_MAX` of it; need not be JSON.
        credential: never repeated, not even when the provider chose it as its error code.
    """
    reason, param = _words_of(_decoded(body), credential)
    if 300 <= status < 400:
        return UpstreamFailure("The model provider answered with a redirect, which is never followed.", code="upstream_garbage", retryable=False)
    fate: Fate = "refused" if 400 <= status < 500 and status not in RETRYABLE_STATUSES else "failed"
    if status == 429:
        fate = "quota" if reason in _QUOTA_CODES else "limited"
    fate = _FATES.get(status, fate)
    return _failure(fate, status, reason, param, retry_after_s(headers, clock))


def failure_in_stream(error: Any, *, credential: str = "") -> UpstreamError:
    """What an error event in a stream with status 200 means: by its code, or by a number in the code's place, as vLLM has it."""
    number = error.get("code") if isinstance(error, dict) else None
    if isinstance(number, int) and 400 <= number < 600:
        return failure_of(number, (), msgspec.json.encode({"error": {**error, "code": None}}), credential=credential)
    reason, param = _words_of({"error": error}, credential)
    fate: Fate = "failed"
    if reason in _QUOTA_CODES:
        fate = "quota"
    elif reason in _LIMIT_CODES:
        fate = "limited"
    elif reason in _OVERLOAD_CODES:
        fate = "overloaded"
    elif reason in _REFUSAL_CODES:
        fate = "refused"
    return _failure(fate, 200, reason, param, None)


def retry_after_s(headers: Headers, clock: Clock = utc_now) -> int | None:
    """Seconds of a `Retry-After` (RFC 9110, section 10.2.3: seconds or a date) or of OpenAI's `retry-after-ms`, between 1 and
    `RETRY_AFTER_S_MAX`. None when there is none; `RETRY_AFTER_S_DEFAULT` for what is neither."""
    found = {name: value.strip() for name, value in headers if name in {b"retry-after", b"retry-after-ms"}}
    milliseconds = found.get(b"retry-after-ms", b"")
    if milliseconds.isdigit() and len(milliseconds) < 12:
        return _bounded(-(-int(milliseconds) // 1000))
    value = found.get(b"retry-after")
    if value is None:
        return None
    if value.isdigit():
        return RETRY_AFTER_S_MAX if len(value) > 9 else _bounded(int(value))
    try:
        when = parsedate_to_datetime(value.decode("ascii"))
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        return _bounded(_seconds_between(clock(), when))
    except (ValueError, TypeError, IndexError, OverflowError):
        return RETRY_AFTER_S_DEFAULT


def _seconds_between(now: datetime, when: datetime) -> int:
    return -int((now - when).total_seconds() // 1)


def _bounded(seconds: int) -> int:
    return min(max(1, seconds), RETRY_AFTER_S_MAX)


def _failure(fate: Fate, status: int, reason: str, param: str | None, told_s: int | None) -> UpstreamError:  # noqa: PLR0911 (a table of fates)
    if fate == "limited":
        return UpstreamLimited(told_s or RETRY_AFTER_S_DEFAULT, told_s=told_s or 0, reason=reason)
    words = ", ".join(filter(None, (str(status) if status != 200 else "", reason)))
    words = f" ({words})" if words else ""
    told = float(told_s or 0)
    match fate:
        case "quota":
            said, hint = "This installation's account at the model provider is used up.", "An administrator can add credit there."
            return UpstreamFailure(said, hint, status=503, code="upstream_quota", retryable=False, reason=reason, retry_after_s=told)
        case "overloaded":
            said, hint = f"The model provider is overloaded{words}.", "Try again shortly."
            return UpstreamFailure(said, hint, status=503, code="upstream_overloaded", reason=reason, retry_after_s=told)
        case "auth":
            said, hint = f"The model provider refused this installation's credentials{words}.", "An administrator can mend the provider's key."
            return UpstreamFailure(said, hint, code="upstream_auth", retryable=False, reason=reason)
        case "missing":
            said, hint = f"The model provider does not have what this target asks for{words}.", "An administrator can mend the target."
            return UpstreamFailure(said, hint, code="upstream_missing", retryable=False, blames=False, reason=reason)
        case "refused":
            said = f"The model provider refused the request{words}."
            failure = UpstreamFailure(said, status=400, code="upstream_refused", retryable=False, elsewhere=False, blames=False, reason=reason)
            failure.param = param
            return failure
    said, hint = f"The model provider failed{words}.", "Try again shortly."
    blames, again = status >= 500 or status == 200, status not in {501, 505}
    return UpstreamFailure(said, hint, reason=reason, retry_after_s=told, blames=blames, retryable=again)


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body[:ERROR_BODY_BYTES_MAX])
    except (ValueError, RecursionError):
        return None


def _words_of(answer: Any, credential: str) -> tuple[str, str | None]:
    """The provider's code (or else its type) and field: of OpenAI's shape, of Anthropic's, and of vLLM's older one without ``error``."""
    if not isinstance(answer, dict):
        return "", None
    error = answer.get("error", answer)
    if not isinstance(error, dict):
        return "", None

    def plain(value: object, pattern: re.Pattern[str]) -> str:
        sound = isinstance(value, str) and pattern.fullmatch(value) and not (credential and (credential in value or value in credential))
        return str(value) if sound else ""

    reason = plain(error.get("code"), _CODE) or plain(error.get("type"), _CODE)
    return reason, plain(error.get("param"), _PARAM) or None

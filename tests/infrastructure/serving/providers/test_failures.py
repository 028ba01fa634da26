"""What an error answer means; Retry-After in every form; nothing of a provider's own message goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.errors import UpstreamError, UpstreamRateLimited
from ondol.infrastructure.serving.providers.failures import RETRY_AFTER_S_MAX, failure_in_stream, failure_of, retry_after_s
from tests.infrastructure.serving.grounds import CREDENTIAL, words_of

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at_noon() -> datetime:
    return NOON


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"7", 7),
        (b" 7 ", 7),
        (b"0", 1),
        (b"007", 7),
        (b"99999", RETRY_AFTER_S_MAX),
        (b"9" * 4000, RETRY_AFTER_S_MAX),
        (b"Sat, 21 Nov 2026 12:01:30 GMT", 90),
        (b"Sat, 21 Nov 2026 11:00:00 GMT", 1),
        (b"Saturday, 21-Nov-26 12:01:30 GMT", 90),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_S_MAX),
        (b"-5", 10),
        (b"1.5", 10),
        (b"soon", 10),
        (b"", 10),
        (b"\xff\xfe", 10),
        ("\u0667".encode(), 10),
        (b"Sat, 99 Nov 2026 99:99:99 GMT", 10),
    ],
)
def test_retry_after(value: bytes, seconds: int) -> None:
    assert retry_after_s([(b"retry-after", value)], at_noon) == seconds


def test_retry_after_in_milliseconds_and_none() -> None:
    assert retry_after_s([(b"retry-after", b"60"), (b"retry-after-ms", b"1500")]) == 2
    assert retry_after_s([(b"x", b"y")]) is None


@given(st.binary(max_size=60))
def test_any_retry_after_is_bounded(value: bytes) -> None:
    found = retry_after_s([(b"retry-after", value)], at_noon)
    assert found is not None and 1 <= found <= RETRY_AFTER_S_MAX


def told(status: int, body: Any = None) -> tuple[str, int, bool, bool, bool]:
    error = failure_of(status, (), msgspec.json.encode(body), clock=at_noon)
    words = vars(error)
    return error.code, error.status, words["retryable"], words["elsewhere"], words["blames"]


def test_statuses() -> None:
    assert told(429) == ("upstream_rate_limited", 503, True, True, False)
    assert told(429, {"error": {"code": "insufficient_quota"}}) == ("upstream_quota", 503, False, True, True)
    assert {told(status) for status in (401, 403)} == {("upstream_auth", 502, False, True, True)}
    assert told(404) == ("upstream_missing", 502, False, True, False)
    assert {told(status) for status in (400, 402, 405, 406, 410, 413, 415, 422, 451, 499)} == {("upstream_refused", 400, False, False, False)}
    assert {told(status) for status in (408, 409, 425)} == {("upstream_failed", 502, True, True, False)}
    assert {told(status) for status in (500, 502, 504, 520, 599)} == {("upstream_failed", 502, True, True, True)}
    assert {told(status) for status in (501, 505)} == {("upstream_failed", 502, False, True, True)}
    assert {told(status) for status in (503, 529)} == {("upstream_overloaded", 503, True, True, True)}
    assert {told(status) for status in (301, 302, 307, 308)} == {("upstream_garbage", 502, False, True, True)}


def test_the_limit_is_told_as_ours() -> None:
    error = failure_of(429, [(b"retry-after", b"12")], b"")
    assert isinstance(error, UpstreamRateLimited)
    assert (error.status, error.retry_after_s) == (503, 12)


@pytest.mark.parametrize(
    ("body", "reason", "param"),
    [
        (b'{"error":{"message":"m","type":"t","param":"messages[3].content","code":"context_length"}}', "context_length", "messages[3].content"),
        (b'{"type":"error","error":{"type":"invalid_request_error","message":"m"}}', "invalid_request_error", None),
        (b'{"object":"error","message":"m","type":"BadRequestError","param":"stop","code":400}', "", "stop"),
        (b'{"error":"model overloaded"}', "", None),
        (b'{"detail":"Not Found"}', "", None),
        (b"<html>", "", None),
        (b"", "", None),
        (b"[" * 100_000, "", None),
        (b'{"error":{"code":"sk-very-secret-4711","param":"sk-very-secret-4711"}}', "", None),
        (b'{"error":{"code":"Bearer x","param":"a b"}}', "", None),
        (b'{"error":{"code":["x"],"param":{"a":1}}}', "", None),
    ],
)  # fmt: skip
def test_only_plain_words_go_on(body: bytes, reason: str, param: str | None) -> None:
    error = failure_of(400, (), body, credential=CREDENTIAL)
    assert (vars(error)["reason"], vars(error)["param"]) == (reason, param)


@given(st.integers(300, 599), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_message_of_a_provider_and_no_credential_is_repeated(status: int, code: str, param: str, message: str) -> None:
    marked = f"«{message}»"
    body = msgspec.json.encode(
        {"error": {"message": marked + CREDENTIAL, "code": code + CREDENTIAL, "param": param + CREDENTIAL, "type": CREDENTIAL}}
    )
    words = words_of(failure_of(status, [(b"retry-after", CREDENTIAL.encode())], body, credential=CREDENTIAL))
    assert CREDENTIAL not in words and marked not in words


def test_a_credential_that_is_a_plain_word_is_not_repeated_as_a_code() -> None:
    error = failure_of(401, (), b'{"error":{"code":"correct_horse_battery"}}', credential="correct_horse_battery")
    assert "correct_horse" not in words_of(error)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "overloaded_error", "message": "m"}, "upstream_overloaded"),
        ({"type": "rate_limit_error"}, "upstream_rate_limited"),
        ({"code": "insufficient_quota"}, "upstream_quota"),
        ({"code": "context_length_exceeded"}, "upstream_refused"),
        ({"code": 429}, "upstream_rate_limited"),
        ({"code": 400, "message": "m"}, "upstream_refused"),
        ({"code": 200}, "upstream_failed"),
        ({"message": "m"}, "upstream_failed"),
        ("words", "upstream_failed"),
        (None, "upstream_failed"),
        ([1], "upstream_failed"),
    ],
)
def test_errors_inside_a_stream(event: Any, code: str) -> None:
    error = failure_in_stream(event)
    assert isinstance(error, UpstreamError)
    assert error.code == code

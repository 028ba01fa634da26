"""Chat requests in OpenAI's form, and their answers, as targets send and read them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_args

from ondol.application.evaluation.suites import Fields
from ondol.application.evaluation.targets.base import Replied, failed
from ondol.application.evaluation.types import Answer, CitedSource, Turn
from ondol.core.money import Currency, parse_money

TOKENS_MAX = 100_000
SAMPLES_MAX = 20
"""Answers that one request may ask for."""
TOP_LOGPROBS_MAX = 20
WAITS_MAX = 5
"""A target that says when it may be asked again is waited for so often."""
WAIT_S_MAX = 60.0
_PASSING = frozenset({"rate_limit_exceeded", "upstream_rate_limited", "too_many_requests", "rate_limited"})


def chat_settings(fields: Fields) -> dict[str, Any]:
    """The settings of a suite that go into each request as they are.

    Raises:
        SuiteError: when one cannot be.
    """
    told = {
        "temperature": fields.number("temperature", None, low=0, high=2),
        "top_p": fields.number("top_p", None, low=0, high=1),
        "max_tokens": fields.whole("max_tokens", None, low=1, high=TOKENS_MAX),
        "top_logprobs": fields.whole("top_logprobs", None, low=1, high=TOP_LOGPROBS_MAX),
        "n": fields.whole("samples", None, low=1, high=SAMPLES_MAX),
    }
    if fields.flag("logprobs") or told["top_logprobs"]:
        told["logprobs"] = True
    return {name: value for name, value in told.items() if value is not None}


def messages_of(turns: tuple[Turn, ...], system: str = "") -> list[dict[str, str]]:
    """The conversation as messages."""
    first = [{"role": "system", "content": system}] if system else []
    return first + [{"role": turn.role, "content": turn.text} for turn in turns]


async def exchanged(send: Callable[[], Awaitable[Replied]], read: Callable[[Replied, float], Answer] | None = None) -> Answer:
    """Send a chat request, again where the other side asks for patience, and read the answer.

    Args:
        read: reads the reply and the milliseconds that it took; `read_answer` when absent.
    """
    for left in range(WAITS_MAX, -1, -1):
        began = time.perf_counter()
        replied = await send()
        latency_ms = (time.perf_counter() - began) * 1_000
        wait_s = _wait_s(replied) if left else None
        if wait_s is None:
            break
        await asyncio.sleep(wait_s)
    return (read or read_answer)(replied, latency_ms)


def read_answer(replied: Replied, latency_ms: float) -> Answer:
    """The answer of a chat reply, or what went wrong."""
    if replied.status != 200:
        error = replied.body.get("error")
        told = error if isinstance(error, Mapping) else {}
        said = str(told.get("message") or "it answered nothing that can be read")
        return failed(f"HTTP {replied.status}: {said}", code=str(told.get("code") or ""), http_status=replied.status)
    try:
        choice = replied.body["choices"][0]
        message = choice["message"]
        text = message.get("content") or ""
        if not isinstance(text, str):
            raise TypeError("the content is no text")
        usage = replied.body.get("usage") or {}
        cost_nano, currency = _cost(replied.headers.get("x-ondol-cost", ""))
        tokens = (choice.get("logprobs") or {}).get("content") or []
        logprobs = [float(item["logprob"]) for item in tokens]
        likely = {str(item["token"]): float(item["logprob"]) for item in tokens[0].get("top_logprobs") or ()} if tokens else {}
        samples = tuple(str(other["message"].get("content") or "") for other in replied.body["choices"][:SAMPLES_MAX])
        return Answer(
            text=text,
            tool_calls=tuple(dict(call) for call in message.get("tool_calls") or ()),
            logprobs=tuple(logprobs) or None,
            samples=samples if len(samples) > 1 else (),
            input_tokens=int(usage.get("prompt_tokens") or 0),
            output_tokens=int(usage.get("completion_tokens") or 0),
            cost_nano=cost_nano,
            currency=currency,
            latency_ms=latency_ms,
            is_refusal=True if message.get("refusal") else None,
            details={
                "finish": str(choice.get("finish_reason") or ""),
                "route": replied.headers.get("x-ondol-route", ""),
                **({"first_token": likely} if likely else {}),
            },
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return failed(f"The reply is no chat answer: {type(error).__name__}: {error}")


def read_sources(told: Mapping[str, Any]) -> tuple[CitedSource, ...]:
    """The sources of an assistant's `ondol` field, documents named as `document_name` does."""
    found = []
    for source in told.get("sources") or ():
        quotes = tuple(source["text"][quote["start"] : quote["end"]] for quote in source.get("quotes") or ())
        found.append(CitedSource(source["n"], document_name(source["path"]), quotes))
    return tuple(found)


def document_name(path: str) -> str:
    """How golden sets name a document: its path without the ending that tells its format."""
    stem, dot, ending = path.rpartition(".")
    return stem if dot and "/" not in ending and len(ending) <= 5 else path


def _wait_s(replied: Replied) -> float | None:
    """How long to wait before asking again; None where there is no use in it."""
    error = replied.body.get("error")
    code = str(error.get("code") or "") if isinstance(error, Mapping) else ""
    after = replied.headers.get("retry-after", "")
    if replied.status not in (429, 503) or not after.isdecimal() or (replied.status == 429 and code and code not in _PASSING):
        return None
    return float(after) if float(after) <= WAIT_S_MAX else None


def _cost(told: str) -> tuple[int, str]:
    amount, _, currency = told.partition(" ")
    known = next((each for each in get_args(Currency) if each == currency), None)
    return (parse_money(amount, known).nano, known) if known is not None else (0, "USD")

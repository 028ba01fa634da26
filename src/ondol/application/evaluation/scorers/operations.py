"""What an answer took: time, money, tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ondol.application.evaluation.scorers.base import Loader, Rule, Tools, skipped
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score, Unit

CURRENCIES = ("USD", "KRW")


def _latency(_: Case, answer: Answer) -> Score:
    return Score(value=answer.latency_ms)


def _first_token(_: Case, answer: Answer) -> Score:
    return skipped("The target does not stream.") if answer.first_token_ms is None else Score(value=answer.first_token_ms)


def _tokens(_: Case, answer: Answer) -> Score:
    details = {"input": answer.input_tokens, "output": answer.output_tokens}
    return Score(value=float(answer.input_tokens + answer.output_tokens), details=details)


_RULES: Mapping[str, tuple[Callable[[Case, Answer], Score], Unit]] = {
    "first_token": (_first_token, "ms"),
    "latency": (_latency, "ms"),
    "tokens": (_tokens, "tokens"),
}


def load(kind: str) -> Loader:
    """The loader of `latency` (milliseconds to the end), `first_token` (milliseconds, of what streams) or `tokens` (in and out together). No
    settings."""

    def loader(name: str, told: Mapping[str, Any], _: Tools) -> Rule:
        Settings(name, told).close()
        of, unit = _RULES[kind]
        return Rule(name=name, of=of, unit=unit, better="lower")

    return loader


def load_cost(name: str, told: Mapping[str, Any], _: Tools) -> Rule:
    """The price of the answer by the price list, in nano-units of a currency; other currencies are not mixed in. Settings: `currency` (USD)."""
    settings = Settings(name, told)
    currency = settings.choice("currency", "USD", CURRENCIES)
    settings.close()

    def of(_: Case, answer: Answer) -> Score:
        if answer.cost_nano and answer.currency != currency:
            return skipped(f"The answer was paid in {answer.currency}.")
        return Score(value=float(answer.cost_nano))

    return Rule(name=name, of=of, unit="nano", better="lower")

"""What a run will cost, before anything is asked: the price list times prompts that were measured, answers taken as long as they may be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from ondol.application.evaluation.suites import Suite
from ondol.application.evaluation.types import Case
from ondol.core.money import Currency
from ondol.infrastructure.serving.tokens import estimate_tokens

OUTPUT_TOKENS = 300
"""What an answer is taken to have where nothing bounds it."""
JUDGE_TOKENS = 700
"""What a judge's instructions take, beside the question and the answer; its verdict is taken as `OUTPUT_TOKENS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrice:
    """Nano-units for a million tokens."""

    input: int
    output: int
    currency: Currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The prompts of a suite as they were measured: how many there are, and their tokens in all."""

    count: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run is expected to cost.

    Attributes:
        nano: in all; None where a price is missing.
        missing: models that have no price.
        input_tokens, output_tokens: of one question, on average.
    """

    nano: int | None
    currency: Currency
    questions: int
    input_tokens: int
    output_tokens: int
    missing: tuple[str, ...] = ()


async def measure_prompts(cases: AsyncIterator[Case]) -> Prompts:
    """The prompts of all cases; the texts of a conversation are told again with each of its questions."""
    count = tokens = 0
    async for case in cases:
        sizes = [estimate_tokens(turn.text) for turn in case.turns]
        for number, turn in enumerate(case.turns):
            if number == len(case.turns) - 1 or (turn.role == "assistant" and not turn.text):
                count += 1
                tokens += sum(sizes[: number + 1])
    return Prompts(count=count, tokens=tokens)


def estimate(suite: Suite, prompts: Prompts, prices: dict[str, TokenPrice | None]) -> Estimate:
    """What a run of a suite will cost.

    Args:
        prices: of the model that is asked, under ``target`` (absent where it costs nothing that we know), and of each judge, by its scorer's name.
    """
    bound = suite.target.settings.get("max_tokens")
    output = bound if isinstance(bound, int) else OUTPUT_TOKENS
    count, tokens = prompts.count * suite.repeats, prompts.tokens * suite.repeats
    nano, missing = 0, []
    currency: Currency = suite.limits.currency
    for name, price in prices.items():
        if price is None:
            missing.append(name)
            continue
        currency = price.currency
        if name == "target":
            nano += (tokens * price.input + count * output * price.output) // 1_000_000
        else:
            read = tokens + count * (output + JUDGE_TOKENS)
            nano += (read * price.input + count * OUTPUT_TOKENS * price.output) // 1_000_000
    return Estimate(
        nano=None if missing else nano,
        currency=currency,
        questions=count,
        input_tokens=round(tokens / count) if count else 0,
        output_tokens=output,
        missing=tuple(missing),
    )

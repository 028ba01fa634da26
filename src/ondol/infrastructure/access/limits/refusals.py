"""What a refused request is told: which limit or budget, what is left of it, and when to come back."""

from __future__ import annotations

import math
from decimal import Decimal

from ondol.core.money import NANO_PER_UNIT, Currency
from ondol.infrastructure.access.limits.pools import Account, remaining_of
from ondol.infrastructure.access.limits.types import Budget, BudgetExceeded, LimitReached, LimitsUnavailable, Need, PriceUnknown

SOON_S = 1
"""When requests in flight hold what is missing."""
A_DAY_S = 86_400
"""When nothing is known of when it will be there again."""

_CODES = {"requests": "requests_limit", "tokens": "tokens_limit", "concurrent": "concurrency_limit"}
_OF = {"requests": "requests a minute", "tokens": "tokens a minute", "concurrent": "requests at once"}
_WHOSE = {"tenant": "the organisation", "group": "a group of yours", "person": "this person", "key": "this API key", "model": "this model"}


def refusal(account: Account, amount: int, now: float) -> LimitReached | BudgetExceeded:
    """The error for a request that needs `amount` of an account."""
    rule = account.rule
    return _budget_refusal(account, rule, amount, now) if isinstance(rule, Budget) else _limit_refusal(account, amount, now)


def refilled_in_s(account: Account, amount: int, now: float) -> float:
    """Seconds until a limit by the minute has risen to an amount."""
    return max(amount - remaining_of(account, now), 0) * 60 / account.amount


def unavailable() -> LimitsUnavailable:
    """The error when limits cannot be looked up."""
    return LimitsUnavailable(
        "Limits and budgets cannot be looked up now: the database is away.", "Try again shortly; an administrator sees more in `ondol doctor`."
    )


def price_unknown(model: str, need: Need, currency: Currency | None) -> PriceUnknown:
    """The error for a caller with a budget in money and a request whose cost cannot be compared with it."""
    if need.cost is not None or currency is None:
        given = need.cost.currency if need.cost is not None else "two currencies"
        return PriceUnknown(
            f"The budget that holds here and the price of the model {model!r} are in different currencies ({currency or 'mixed'}, {given}).",
            "An administrator gives both in one currency; amounts are never converted.",
            code="currency_mismatch",
        )
    return PriceUnknown(
        f"The model {model!r} has no price, so its cost cannot be held against the budget in {currency}.", "An administrator adds its price."
    )


def _limit_refusal(account: Account, amount: int, now: float) -> LimitReached:
    kind = account.kind
    scope = account.rule.scope
    said = f"The limit of {account.amount} {_OF[kind]} for {_WHOSE[scope]}"
    if amount > account.amount:
        return LimitReached(
            f"{said} is less than this request alone needs ({amount}).",
            "Send a shorter prompt or a lower bound on the output.",
            code=_CODES[kind], scope=scope, should_retry=False, retry_after_s=60,
        )  # fmt: skip
    seconds = SOON_S if kind == "concurrent" else max(math.ceil(refilled_in_s(account, amount, now)), 1)
    needs = f" This request needs {amount}; {remaining_of(account, now)} are left." if kind == "tokens" else ""
    return LimitReached(
        f"{said} is reached.{needs}", f"Try again in {seconds} s.", code=_CODES[kind], scope=scope, should_retry=True, retry_after_s=seconds
    )


def _budget_refusal(account: Account, budget: Budget, amount: int, now: float) -> BudgetExceeded:
    pool = account.pool
    left = max(account.left - (pool.spent if pool is not None else 0), 0)
    gone = amount > left
    until = pool.until - now if pool is not None and pool.until != math.inf else None
    shown = _shown(left, budget)
    if gone:
        message = f"The budget {budget.name!r} has {shown} left, and this request may take {_shown(amount, budget)}."
        if account.ends_at is not None:
            hint = f"It begins anew at {account.ends_at.isoformat()}; a shorter prompt or a lower bound on the output may still fit."
        else:
            hint = "An administrator can add to it; a shorter prompt or a lower bound on the output may still fit."
    else:
        message = f"The budget {budget.name!r} has {shown} left, and requests in flight hold so much of it that {_shown(amount, budget)} do not fit."
        hint = "Try again in a moment: what they do not use comes back."
    wait = A_DAY_S if until is None else max(math.ceil(until), 1)
    return BudgetExceeded(
        message, hint, budget=budget.name, remaining=left, should_retry=not gone, retry_after_s=wait if gone else SOON_S, resets_at=account.ends_at
    )


def _shown(amount: int, budget: Budget) -> str:
    if budget.currency is None:
        return f"{amount} tokens"
    return f"{(Decimal(amount) / NANO_PER_UNIT).normalize():f} {budget.currency}"

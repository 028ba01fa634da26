"""Records of limits and budgets, who is limited, what a request needs, and what a refusal says."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from ondol.core.errors import Forbidden, RequestError, TooManyRequests
from ondol.core.money import Currency, Money

Scope = Literal["tenant", "group", "person", "key", "model"]
Unit = Literal["money", "tokens"]
Period = Literal["day", "month", "total"]
PoolKind = Literal["money", "budget_tokens", "requests", "tokens", "concurrent"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
EACH = "*"
"""The subject of a rule for every subject of its scope that has no rule of its own."""
BUDGET_KINDS: frozenset[PoolKind] = frozenset({"money", "budget_tokens"})


class Who:
    """Whom a request is counted against. Hashed once: the gateway keeps one for each key.

    Args:
        tenant_id: the organisation.
        group_ids: the groups the person belongs to, nested ones included.
        person_id: who acts; None for nobody in particular.
        key_id: the API key; None for a session.
    """

    __slots__ = ("_hash", "_identity", "group_ids", "key_id", "person_id", "tenant_id")

    def __init__(
        self, tenant_id: uuid.UUID, group_ids: tuple[uuid.UUID, ...] = (), person_id: uuid.UUID | None = None, key_id: uuid.UUID | None = None
    ) -> None:
        self.tenant_id = tenant_id
        self.group_ids = group_ids
        self.person_id = person_id
        self.key_id = key_id
        self._identity = (tenant_id, group_ids, person_id, key_id)
        self._hash = hash(self._identity)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Who) and self._identity == other._identity)


class Need:
    """The worst that a request can use, reserved before it goes out.

    Args:
        tokens: input tokens as counted here and the most output tokens, for all choices together.
        cost: the same at the dearest target that may answer; None when a target's price is not known.
    """

    __slots__ = ("cost", "tokens")

    def __init__(self, tokens: int, cost: Money | None = None) -> None:
        self.tokens = tokens
        self.cost = cost


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may be at most; None: not bounded here."""

    body_bytes_max: int | None = None
    prompt_tokens_max: int | None = None
    output_tokens_max: int | None = None
    deadline_s: int | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """What all requests of a subject may be together; None: not limited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_max: int | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in force.

    Attributes:
        subject: a group's, person's or key's id, a model's alias, empty for the tenant, or `EACH`.
    """

    tenant_id: uuid.UUID
    id: uuid.UUID
    scope: Scope
    subject: str
    rates: Rates = Rates()
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget in force.

    Attributes:
        subject: as in `Limit`.
        currency: of a budget in money; None for one in tokens.
        amount: nano-units of the currency, or tokens, for each window; of a total what it began with.
        credited: what was paid in since, for a total (a prepaid balance).
        alarm_percents: shares of the amount that somebody is told of, once in each window.
    """

    tenant_id: uuid.UUID
    id: uuid.UUID
    name: str
    scope: Scope
    subject: str
    unit: Unit
    currency: Currency | None
    period: Period
    amount: int
    credited: int = 0
    alarm_percents: tuple[int, ...] = ()

    @property
    def kind(self) -> PoolKind:
        """The kind of its pools."""
        return "money" if self.unit == "money" else "budget_tokens"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A share of a budget's window that was reached. `pool_id` and `percent` name it once and for all."""

    tenant_id: uuid.UUID
    budget_id: uuid.UUID
    budget_name: str
    subject: str
    pool_id: uuid.UUID
    percent: int
    spent: int
    amount: int
    unit: Unit
    currency: Currency | None
    reached_at: datetime


GiveAlarm = Callable[[Alarm], Awaitable[None]]
"""Tells somebody. When it raises, it is asked again later."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What a finished request was charged to one pool of a budget."""

    tenant_id: uuid.UUID
    pool_id: uuid.UUID
    amount: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the record of a finished request carries, so that it is charged even if its replica dies before it has told.

    Attributes:
        number: rises with each settlement of the replica.
    """

    replica_id: uuid.UUID
    number: int
    charges: tuple[Charge, ...]


class BudgetExceeded(TooManyRequests):
    """What is left of a budget is less than the request may cost (429).

    Attributes:
        budget: its name.
        remaining: nano-units or tokens that are not spent.
        should_retry: False when the money is gone until the window ends; True when requests in flight hold it and may give some back.
        resets_at: when the window ends; None for a total.
    """

    code = "budget_exceeded"

    def __init__(
        self, message: str, hint: str, *, budget: str, remaining: int, should_retry: bool, retry_after_s: int, resets_at: datetime | None
    ) -> None:
        super().__init__(message, hint, retry_after_s=retry_after_s)
        self.budget = budget
        self.remaining = remaining
        self.should_retry = should_retry
        self.resets_at = resets_at

    def headers(self) -> list[tuple[bytes, bytes]]:
        """``retry-after`` and ``x-should-retry``, which the vendors' client libraries obey."""
        return [(b"retry-after", b"%d" % self.retry_after_s), (b"x-should-retry", b"true" if self.should_retry else b"false")]


class LimitReached(TooManyRequests):
    """A limit on requests, tokens or concurrent requests is reached (429): code ``requests_limit``, ``tokens_limit`` or ``concurrency_limit``.

    Attributes:
        scope: whose limit it is.
        should_retry: False when the request alone is more than the limit, so that waiting is of no use.
    """

    def __init__(self, message: str, hint: str, *, code: str, scope: str, should_retry: bool, retry_after_s: int) -> None:
        super().__init__(message, hint, code=code, retry_after_s=retry_after_s)
        self.scope = scope
        self.should_retry = should_retry

    def headers(self) -> list[tuple[bytes, bytes]]:
        """``retry-after`` and ``x-should-retry``, which the vendors' client libraries obey."""
        return [(b"retry-after", b"%d" % self.retry_after_s), (b"x-should-retry", b"true" if self.should_retry else b"false")]


class LimitsUnavailable(RequestError):
    """Postgres is away and what this worker had borrowed is used up or too old (503)."""

    status = 503
    code = "limits_unavailable"


class PriceUnknown(Forbidden):
    """A caller with a budget in money asked for a model whose price is not known, or is in another currency (403)."""

    code = "price_unknown"

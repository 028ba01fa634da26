"""What a request is counted in: pools, accounts, plans, and the admission that holds a part of each.

A `Pool` is the worker's part of one row in Postgres. At every moment ``granted == free + held + spent``: what it was lent is free, or requests in
flight hold it, or finished requests have used it and Postgres has not been told yet. `free` is below 0 where more was used than lent. An `Account`
is one rule for one subject; it has the pool of the window that is open now. A window that has ended keeps its pool until the requests that were
reserved in it are settled.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from ondol.core.money import Currency, Money
from ondol.infrastructure.access.limits.types import BUDGET_KINDS, Bounds, Budget, Charge, Limit, PoolKind, Settlement

REQUESTS, TOKENS, NANO, SLOTS = range(4)
"""Places in the amounts of a request."""
_UNITS: dict[PoolKind, int] = {"requests": REQUESTS, "tokens": TOKENS, "budget_tokens": TOKENS, "money": NANO, "concurrent": SLOTS}

RATE_KINDS: frozenset[PoolKind] = frozenset({"requests", "tokens"})
"""What rises with time."""
_HEADERS: dict[PoolKind, tuple[bytes, bytes, bytes]] = {
    "requests": (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    "tokens": (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
}


class Pool:
    """This worker's part of one pool.

    Attributes:
        granted: its lease, as Postgres has it.
        free: what a request may take.
        spent: what finished requests have used and Postgres has not been told.
        until: when the window ends, on the worker's monotonic clock; infinite for limits.
        low: below this, never less than 0, a longer lease is asked for before anything has to wait.
    """

    __slots__ = (
        "account", "counted", "free", "granted", "held_before", "hungry", "id", "idle_beats", "low", "rate", "recalled", "spent", "tenant_id", "told",
        "unit", "until",
    )  # fmt: skip

    def __init__(self, account: Account, pool_id: uuid.UUID, granted: int, until: float) -> None:
        self.account = account
        self.id = pool_id
        self.tenant_id = account.tenant_id
        self.unit = account.unit
        self.until = until
        self.granted = granted
        self.free = granted
        self.spent = 0
        self.low = 0
        self.rate = 0.0
        # What Postgres was told in all, and what that, what was spent and what was held came to when use was last counted.
        self.told = 0
        self.counted = 0
        self.held_before = 0
        self.hungry = False
        self.recalled = False
        self.idle_beats = 0

    @property
    def held(self) -> int:
        """What requests in flight have reserved."""
        return self.granted - self.free - self.spent


class Account:
    """One figure of one rule for one subject.

    Attributes:
        ruled: the limit or the budget's amount, as the directory has it.
        amount: the same, as Postgres last told with a lease.
        left: what is not spent of a budget, as Postgres last told: nobody can have more. Of a limit, the whole.
        rest: what could still be leased when Postgres was last asked, at `asked_at`.
        refused_from, refused_until: so much or more was refused lately and is refused in memory until then.
        needed, waiting: the smallest and the sum of what requests wait for.
        others: what other workers hold of it.
    """

    __slots__ = (
        "amount", "asked_at", "ends_at", "kind", "left", "needed", "others", "pool", "refused_from", "refused_until", "rest", "rule", "ruled",
        "subject", "tenant_id", "unit", "waiting",
    )  # fmt: skip

    def __init__(self, rule: Limit | Budget, kind: PoolKind, subject: str, amount: int) -> None:
        self.rule = rule
        self.tenant_id = rule.tenant_id
        self.kind = kind
        self.unit = _UNITS[kind]
        self.subject = subject
        self.pool: Pool | None = None
        self.ends_at: datetime | None = None
        self.needed = 0
        self.waiting = 0
        self.asked_at = float("-inf")
        self.reset(amount)

    def reset(self, amount: int) -> None:
        """The rule has another amount, or a window begins: what was known of its end is forgotten."""
        self.ruled = amount
        self.amount = amount
        self.left = amount
        self.rest = 0
        self.others = 0
        self.refused_from = 0
        self.refused_until = float("-inf")

    def want(self, amount: int) -> None:
        """A request waits for so much."""
        self.needed = min(self.needed, amount) if self.needed else amount
        self.waiting += amount


class Plan:
    """What holds for one caller and model.

    Args:
        accounts: everything that is counted.
        bounds: what one request may be at most.
        currency: of the budgets in money; None without any.
    """

    __slots__ = ("accounts", "bounds", "currency", "steps")

    def __init__(self, accounts: Sequence[Account], bounds: Bounds, currency: Currency | None = None) -> None:
        self.accounts = tuple(accounts)
        self.bounds = bounds
        self.currency = currency
        self.steps = tuple((account, account.unit) for account in accounts)


class Tally:
    """What the admissions of one worker share.

    Attributes:
        replica_id: what the worker is called in Postgres.
        settled: how many admissions were settled: the number of the last settlement.
        now: when something was last asked, for the headers.
    """

    __slots__ = ("now", "replica_id", "settled")

    def __init__(self, replica_id: uuid.UUID) -> None:
        self.replica_id = replica_id
        self.settled = 0
        self.now = 0.0


class Admission:
    """A reservation. It must be settled or released; either of them a second time does nothing.

    Attributes:
        tokens, nano: what it holds.
        used: tokens that a stream has brought so far, counted by whoever reads it.
    """

    __slots__ = ("_closed", "_number", "_tally", "nano", "plan", "pools", "tokens", "used")

    def __init__(self, tally: Tally, plan: Plan, pools: Sequence[Pool], tokens: int, nano: int) -> None:
        self._tally = tally
        self._closed = False
        self._number = 0
        self.plan = plan
        self.pools = pools
        self.tokens = tokens
        self.nano = nano
        self.used = 0

    @property
    def exhausted(self) -> bool:
        """Whether a stream has used up what it holds: it must be extended or cut."""
        return self.used >= self.tokens

    def extend(self, tokens: int, cost: Money | None = None) -> bool:
        """Hold more for a stream, if every pool has it in memory; False changes nothing.

        Raises:
            ValueError: when the cost is in another currency than before.
        """
        nano = _nano(cost, self.plan.currency)
        amounts = (0, tokens, nano, 0)
        if self._closed or any(pool.free < amounts[pool.unit] for pool in self.pools):
            return False
        for pool in self.pools:
            pool.free -= amounts[pool.unit]
        self.tokens += tokens
        self.nano += nano
        return True

    def settle(self, tokens: int | None, cost: Money | None) -> None:
        """The request has ended. What was held and not used is free again; what was used beyond it is charged.

        Args:
            tokens: input and output tokens; None when nobody knows: then all that was held counts as used.
            cost: what they cost; None when nobody knows.

        Raises:
            ValueError: when the cost is in another currency than what was held.
        """
        if self._closed:
            return
        used_tokens = self.tokens if tokens is None else tokens
        nano = self.nano if cost is None else _nano(cost, self.plan.currency)
        self._closed = True
        tally = self._tally
        tally.settled += 1
        self._number = tally.settled
        for pool in self.pools:
            unit = pool.unit
            if unit == NANO:
                pool.spent += nano
                pool.free += self.nano - nano
            elif unit == TOKENS:
                pool.spent += used_tokens
                pool.free += self.tokens - used_tokens
            elif unit == SLOTS:
                pool.free += 1
            else:
                pool.spent += 1
        # Kept for the record.
        self.tokens = used_tokens
        self.nano = nano

    def release(self) -> None:
        """Nothing happened: everything that was held is free again, the request itself too."""
        if self._closed:
            return
        self._closed = True
        amounts = (1, self.tokens, self.nano, 1)
        for pool in self.pools:
            pool.free += amounts[pool.unit]
        self.tokens = self.nano = 0

    @property
    def settlement(self) -> Settlement | None:
        """What the request's record carries: None before `settle`, after `release`, and where no budget was charged."""
        if not self._number:
            return None
        amounts = (1, self.tokens, self.nano, 1)
        charges = tuple(Charge(pool.tenant_id, pool.id, amounts[pool.unit]) for pool in self.pools if pool.account.kind in BUDGET_KINDS)
        return Settlement(self._tally.replica_id, self._number, charges) if charges else None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """``x-ratelimit-{limit,remaining,reset}-{requests,tokens}`` of the tightest limit of each kind."""
        return rate_headers(self.pools, self._tally.now)


def _nano(cost: Money | None, currency: Currency | None) -> int:
    if cost is None:
        return 0
    if currency is not None and cost.nano and cost.currency != currency:
        raise ValueError(f"a cost in {cost.currency} cannot be charged to a budget in {currency}")
    return cost.nano


def rate_headers(pools: Sequence[Pool], now: float) -> list[tuple[bytes, bytes]]:
    """The headers of the tightest limit on requests and on tokens."""
    tightest: dict[PoolKind, tuple[float, int, Account]] = {}
    for pool in pools:
        account = pool.account
        kind = account.kind
        if kind in RATE_KINDS:
            rest = remaining_of(account, now)
            share = rest / account.amount
            known = tightest.get(kind)
            if known is None or share < known[0]:
                tightest[kind] = (share, rest, account)
    found: list[tuple[bytes, bytes]] = []
    for kind, (share, rest, account) in tightest.items():
        limit, remaining, reset = _HEADERS[kind]
        found += ((limit, b"%d" % account.amount), (remaining, b"%d" % rest), (reset, b"%dms" % int((1.0 - share) * 60_000)))
    return found


def remaining_of(account: Account, now: float) -> int:
    """What is left of a limit: what this worker has free and what Postgres had when it was last asked, risen since if it rises by the minute."""
    pool = account.pool
    amount = account.amount
    left = account.rest if account.rest > 0 else 0
    if pool is not None and pool.free > 0:
        left += pool.free
    if account.kind in RATE_KINDS and account.asked_at > 0:
        left += int(amount * (now - account.asked_at) / 60.0)
    return left if left < amount else amount

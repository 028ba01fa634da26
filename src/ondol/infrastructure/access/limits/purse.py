"""What one worker has borrowed, and how requests spend it: memory only, no clock of the wall, no I/O.

A `Pool` is the worker's part of one row in Postgres. At every moment ``granted == free + held + spent``: what it was lent is free, or requests in
flight hold it, or finished requests have used it and Postgres has not been told yet. `free` is below 0 where more was used than lent. An `Account`
is one rule for one subject; it has the pool of the window that is open now. A window that has ended keeps its pool until the requests that were
reserved in it are settled.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ondol.core.money import Currency, Money
from ondol.infrastructure.access.limits.types import BUDGET_KINDS, Bounds, Budget, Charge, Limit, Need, PoolKind, Settlement

REQUESTS, TOKENS, NANO, SLOTS = range(4)
"""Places in the amounts of a request."""
_UNITS: dict[PoolKind, int] = {"requests": REQUESTS, "tokens": TOKENS, "budget_tokens": TOKENS, "money": NANO, "concurrent": SLOTS}

RATE_KINDS: frozenset[PoolKind] = frozenset({"requests", "tokens"})
"""What rises with time."""

AHEAD_S = 4.0
"""A lease is wished for so many seconds of what was lately used."""
NEEDS_AHEAD = 8
"""And at least for so many requests like the one that waits."""
IDLE_BEATS = 5
"""A pool that nothing was taken from for so many exchanges is given back."""
OPENED_MAX = 500
"""Accounts that one exchange asks leases for; the others wait for the next one."""
STEP_S = 1.0
"""A difference of two clocks that moves by more is a step of one of them."""
COUNT_S = 0.2
"""Use is counted over at least so long."""


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


class Admission:
    """A reservation. It must be settled or released; either of them a second time does nothing.

    Attributes:
        tokens, nano: what it holds.
        used: tokens that a stream has brought so far, counted by whoever reads it.
    """

    __slots__ = ("_closed", "_number", "_purse", "nano", "plan", "pools", "tokens", "used")

    def __init__(self, purse: Purse, plan: Plan, pools: Sequence[Pool], tokens: int, nano: int) -> None:
        self._purse = purse
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
        purse = self._purse
        purse.settled += 1
        self._number = purse.settled
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
        return Settlement(self._purse.replica_id, self._number, charges) if charges else None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """``x-ratelimit-{limit,remaining,reset}-{requests,tokens}`` of the tightest limit of each kind."""
        return self._purse.headers(self.pools)


def _nano(cost: Money | None, currency: Currency | None) -> int:
    if cost is None:
        return 0
    if currency is not None and cost.currency != currency:
        raise ValueError(f"a cost in {cost.currency} cannot be charged to a budget in {currency}")
    return cost.nano


@dataclass(slots=True)
class Report:
    """What is told of one pool."""

    pool: Pool
    spent: int
    returned: int
    less: int


@dataclass(slots=True)
class Want:
    """A lease that is asked for."""

    account: Account
    wished: int
    needed: int


@dataclass(slots=True)
class Exchange:
    """One transaction with Postgres, as it is sent; kept until it is known whether it arrived."""

    number: int
    through: int
    opening: list[Account] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    wants: list[Want] = field(default_factory=list)
    stray: list[tuple[uuid.UUID, uuid.UUID, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Grant:
    """What Postgres gave of a pool, and how it stands now."""

    tenant_id: uuid.UUID
    pool_id: uuid.UUID
    granted: int
    amount: int
    spent: int
    leased: int
    level: float

    def rest(self, kind: PoolKind) -> int:
        """What can still be leased."""
        if kind in BUDGET_KINDS:
            return self.amount - self.spent - self.leased
        return self.amount - self.leased if kind == "concurrent" else int(self.level)


@dataclass(frozen=True, slots=True)
class Opened:
    """A window that holds this moment, as Postgres has it.

    Attributes:
        leased: what this replica has of it.
        left_s: seconds to its end, on the database's clock; infinite for those without one.
    """

    pool_id: uuid.UUID
    amount: int
    spent: int
    leased: int
    ends_at: datetime | None
    left_s: float


class Purse:
    """All pools of one worker.

    Attributes:
        settled: how many admissions were settled: the number of the last settlement.
        next_end: when the first window ends.
        now: when something was last asked, for the headers.
        stray: leases that Postgres knows and this memory does not; given back with the next exchange.
    """

    def __init__(self, replica_id: uuid.UUID) -> None:
        self.replica_id = replica_id
        self.settled = 0
        self.pools: dict[uuid.UUID, Pool] = {}
        self.accounts: dict[tuple[uuid.UUID, PoolKind, str], Account] = {}
        self.short: dict[Account, None] = {}
        self.hungry = False
        self.stray: list[tuple[uuid.UUID, uuid.UUID, int]] = []
        self.now = 0.0
        self.next_end = float("inf")
        self._exchanges = 0
        self._counted_at = 0.0
        self._offset_s: float | None = None

    def admit(self, plan: Plan, need: Need, now: float) -> Admission | Account:
        """Reserve in every pool of the plan, or nowhere: then the account that is short.

        The caller has seen to it that the leases are fresh and the cost is of the plan's currency.
        """
        if now >= self.next_end:
            self._end_windows(now)
        cost = need.cost
        nano = 0 if cost is None else cost.nano
        tokens = need.tokens
        amounts = (1, tokens, nano, 1)
        pools: list[Pool] = []
        for account, unit in plan.steps:
            pool = account.pool
            if pool is None:
                return self._give_up(pools, amounts, account)
            free = pool.free - amounts[unit]
            if free < pool.low:
                if free < 0:
                    return self._give_up(pools, amounts, account)
                pool.hungry = self.hungry = True
            pool.free = free
            pools.append(pool)
        return Admission(self, plan, pools, tokens, nano)

    def admit_on_trust(self, plan: Plan, need: Need) -> Admission:
        """Reserve what there is no lease for: for a tenant that is open while Postgres is away. It is told and counted when Postgres is back."""
        nano = 0 if need.cost is None else need.cost.nano
        amounts = (1, need.tokens, nano, 1)
        pools = [account.pool for account in plan.accounts if account.pool is not None]
        for pool in pools:
            pool.free -= amounts[pool.unit]
        return Admission(self, plan, pools, need.tokens, nano)

    def want(self, plan: Plan, need: Need, now: float) -> None:
        """Ask for whatever this request lacks."""
        amounts = (1, need.tokens, 0 if need.cost is None else need.cost.nano, 1)
        for account in plan.accounts:
            pool = account.pool
            amount = amounts[account.unit]
            if pool is None or now >= pool.until or pool.free < amount:
                account.want(amount)
                self.short[account] = None

    def account(self, rule: Limit | Budget, kind: PoolKind, subject: str, amount: int) -> Account:
        """The account of a rule and a subject, made when it is first asked for."""
        key = (rule.id, kind, subject)
        known = self.accounts.get(key)
        if known is None:
            known = self.accounts[key] = Account(rule, kind, subject, amount)
        return known

    def prepare(self, now: float) -> Exchange:
        """What the next exchange says: all that was spent, what is given back, what is asked for, and which windows are to be opened."""
        if now >= self.next_end:
            self._end_windows(now)
        self._exchanges += 1
        self.hungry = False
        exchange = Exchange(self._exchanges, self.settled, stray=self.stray)
        seconds = now - self._counted_at
        if seconds >= COUNT_S:
            self._counted_at = now
            for pool in self.pools.values():
                _count(pool, seconds)
        wanting: dict[Account, None] = dict.fromkeys(list(self.short)[:OPENED_MAX])
        for account in wanting:
            del self.short[account]
            if account.pool is None:
                exchange.opening.append(account)
        for pool in list(self.pools.values()):
            report = _report(pool, pool.account in wanting)
            if pool.hungry and pool.account not in wanting and pool.account.pool is pool and not pool.recalled:
                wanting[pool.account] = None
            if pool.hungry:
                pool.low = 0
            pool.hungry = pool.recalled = False
            if report is not None:
                exchange.reports.append(report)
            else:
                self._forget(pool)
        exchange.wants = [_want(account) for account in wanting]
        return exchange

    def commit(self, exchange: Exchange, grants: Iterable[Grant], now: float) -> None:
        """The exchange arrived: what it told is told."""
        self.stray = []
        for report in exchange.reports:
            pool = report.pool
            pool.granted -= report.less
            pool.spent -= report.spent
            pool.told += report.spent
            if pool.account.pool is pool:
                pool.account.rest += report.returned
                pool.account.left -= report.spent if pool.account.kind in BUDGET_KINDS else 0
            # What was spent beyond the lease has been counted: it is owed no more.
            pool.free += report.spent - (report.less - report.returned)
            self._forget(pool)
        for grant in grants:
            granted_pool = self.pools.get(grant.pool_id)
            if granted_pool is None:
                # Its rule went away while this was under way.
                self.stray.append((grant.tenant_id, grant.pool_id, grant.granted))
                continue
            granted_pool.granted += grant.granted
            granted_pool.free += grant.granted
            account = granted_pool.account
            account.amount = grant.amount
            account.left = grant.amount - grant.spent if account.kind in BUDGET_KINDS else grant.amount
            account.rest = grant.rest(account.kind)
            account.others = grant.leased - granted_pool.granted
            account.asked_at = now

    def reconcile(self, exchange: Exchange | None, arrived: bool, leases: Iterable[tuple[uuid.UUID, uuid.UUID, int]]) -> None:
        """After a broken exchange, a loss or a new beginning: the leases are what Postgres says.

        Args:
            exchange: the one whose fate was unknown.
            arrived: whether its transaction was committed.
            leases: tenant, pool and amount of every lease of this replica.
        """
        for report in exchange.reports if exchange is not None else ():
            # So that `held` is right again: what was to be returned is not held.
            report.pool.free += report.returned
            if arrived:
                report.pool.spent -= report.spent
                report.pool.granted -= report.spent
        self.stray = []
        amounts = {}
        for tenant_id, pool_id, amount in leases:
            amounts[pool_id] = amount
            if pool_id not in self.pools and amount:
                self.stray.append((tenant_id, pool_id, amount))
        for pool in self.pools.values():
            held = pool.held
            pool.granted = amounts.get(pool.id, 0)
            pool.free = pool.granted - held - pool.spent

    def open(self, account: Account, opened: Opened, until: float) -> None:
        """The window of an account is open, until a moment of the monotonic clock."""
        pool = self.pools.get(opened.pool_id)
        if pool is None:
            # What this memory did not know of went back in the exchange that opened the window.
            returned = sum(amount for _, pool_id, amount in self.stray if pool_id == opened.pool_id)
            pool = self.pools[opened.pool_id] = Pool(account, opened.pool_id, opened.leased - returned, until)
        pool.until = until
        self.next_end = min(self.next_end, until)
        pool.account = account
        account.pool = pool
        account.ends_at = opened.ends_at
        account.reset(opened.amount)
        if account.kind in BUDGET_KINDS:
            account.left = opened.amount - opened.spent

    def step(self, offset_s: float) -> None:
        """Where the database's clock has been set, windows end by it.

        Args:
            offset_s: the database's time less this worker's monotonic one.
        """
        stepped_s = offset_s - self._offset_s if self._offset_s is not None else 0.0
        if self._offset_s is None or abs(stepped_s) > STEP_S:
            self._offset_s = offset_s
            for pool in self.pools.values():
                pool.until -= stepped_s
            self.next_end = min((pool.until for pool in self.pools.values()), default=float("inf"))

    def recall(self, pool_id: uuid.UUID) -> bool:
        """Another worker starves: give back what is free. Whether there is any."""
        pool = self.pools.get(pool_id)
        if pool is None or pool.free <= 0:
            return False
        pool.recalled = True
        return True

    def renew(self, amounts: Mapping[tuple[uuid.UUID, PoolKind], int]) -> None:
        """Rules have changed: accounts of rules that are gone are closed, those with another amount begin anew and give back what is free."""
        for key, account in list(self.accounts.items()):
            ruled = amounts.get((key[0], key[1]))
            if ruled == account.ruled:
                continue
            if account.pool is not None:
                account.pool.recalled = True
            if ruled is not None:
                account.reset(ruled)
            else:
                account.pool = None
                self.short.pop(account, None)
                del self.accounts[key]

    def headers(self, pools: Sequence[Pool]) -> list[tuple[bytes, bytes]]:
        """The headers of the tightest limit on requests and on tokens."""
        found: list[tuple[bytes, bytes]] = []
        for kind, name in (("requests", b"requests"), ("tokens", b"tokens")):
            tightest: Account | None = None
            least = 2.0
            rest = 0
            for pool in pools:
                account = pool.account
                if account.kind == kind:
                    remaining = remaining_of(account, self.now)
                    if remaining < least * account.amount:
                        least, tightest, rest = remaining / account.amount, account, remaining
            if tightest is not None:
                seconds = (tightest.amount - rest) * 60 / tightest.amount
                found += [
                    (b"x-ratelimit-limit-" + name, b"%d" % tightest.amount),
                    (b"x-ratelimit-remaining-" + name, b"%d" % rest),
                    (b"x-ratelimit-reset-" + name, b"%.3gs" % seconds),
                ]
        return found

    def _give_up(self, pools: Sequence[Pool], amounts: Sequence[int], short: Account) -> Account:
        for pool in pools:
            pool.free += amounts[pool.unit]
        return short

    def _end_windows(self, now: float) -> None:
        self.next_end = float("inf")
        for pool in self.pools.values():
            if now < pool.until:
                self.next_end = min(self.next_end, pool.until)
            elif pool.account.pool is pool:
                pool.account.pool = None

    def _forget(self, pool: Pool) -> None:
        if pool.granted or pool.held or pool.spent:
            return
        account = pool.account
        if account.pool is pool and pool.idle_beats >= IDLE_BEATS:
            account.pool = None
        if account.pool is not pool:
            self.pools.pop(pool.id, None)


def _count(pool: Pool, seconds: float) -> None:
    """How fast the pool is used up; of concurrent requests, how many there are."""
    held = pool.held
    used = pool.told + pool.spent - pool.counted + max(held - pool.held_before, 0)
    pool.rate = (held + NEEDS_AHEAD) / AHEAD_S if pool.unit == SLOTS else max(used / seconds, pool.rate * 0.7)
    pool.idle_beats = 0 if used or held else pool.idle_beats + 1
    pool.low = int(pool.rate) if used else 0
    pool.counted = pool.told + pool.spent
    pool.held_before = held


def _report(pool: Pool, is_short: bool) -> Report | None:
    spent = 0 if pool.unit == SLOTS else pool.spent
    leaves = min(pool.granted, spent)
    keep = int(pool.rate * AHEAD_S * 2)
    if is_short or pool.recalled or pool.idle_beats >= IDLE_BEATS or pool.account.pool is not pool:
        # Where this worker is short too, its fragment goes back and the whole is asked for: else two workers could starve on two halves.
        keep = 0
    returned = min(pool.free, pool.granted - leaves) if not keep else min(pool.free - keep, pool.granted - leaves) if pool.free > 2 * keep else 0
    returned = max(returned, 0)
    pool.free -= returned
    return Report(pool, spent, returned, leaves + returned) if spent or returned else None


def _want(account: Account) -> Want:
    pool = account.pool
    needed, waiting = account.needed, account.waiting
    account.needed = account.waiting = 0
    if pool is None:
        return Want(account, max(waiting, needed * NEEDS_AHEAD), needed)
    # What was used or is held without a lease is to be covered first.
    debt = max(-pool.free, 0)
    return Want(account, max(int(pool.rate * AHEAD_S), waiting, needed * NEEDS_AHEAD) + debt, needed + debt)


def remaining_of(account: Account, now: float) -> int:
    """What is left of a limit: what this worker has free and what Postgres had when it was last asked, risen since if it rises by the minute."""
    pool = account.pool
    free = max(pool.free, 0) if pool is not None else 0
    risen = account.amount / 60.0 * max(now - account.asked_at, 0.0) if account.kind in RATE_KINDS and account.asked_at > 0 else 0.0
    return max(min(int(max(account.rest, 0) + risen) + free, account.amount), 0)

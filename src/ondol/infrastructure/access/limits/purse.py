"""What one worker has borrowed: admits from it, and says what the next exchange with Postgres tells and asks. Memory only, no clock of the wall."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ondol.core.money import INT64_MAX
from ondol.infrastructure.access.limits.pools import SLOTS, Account, Admission, Plan, Pool, Tally
from ondol.infrastructure.access.limits.types import BUDGET_KINDS, Budget, Limit, Need, PoolKind

__all__ = ["Account", "Admission", "Exchange", "Grant", "Opened", "Plan", "Pool", "Purse", "Report", "Tally", "Want"]

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
        tally: what the admissions share.
        next_end: when the first window ends.
        stray: leases that Postgres knows and this memory does not; given back with the next exchange.
    """

    def __init__(self, replica_id: uuid.UUID) -> None:
        self.tally = Tally(replica_id)
        self.pools: dict[uuid.UUID, Pool] = {}
        self.accounts: dict[tuple[uuid.UUID, PoolKind, str], Account] = {}
        self.short: dict[Account, None] = {}
        self.hungry = False
        self.stray: list[tuple[uuid.UUID, uuid.UUID, int]] = []
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
        return Admission(self.tally, plan, pools, tokens, nano)

    def admit_on_trust(self, plan: Plan, need: Need) -> Admission:
        """Reserve what there is no lease for: for a tenant that is open while Postgres is away. It is told and counted when Postgres is back."""
        nano = 0 if need.cost is None else need.cost.nano
        amounts = (1, need.tokens, nano, 1)
        pools = [account.pool for account in plan.accounts if account.pool is not None]
        for pool in pools:
            pool.free -= amounts[pool.unit]
        return Admission(self.tally, plan, pools, need.tokens, nano)

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

    def tidy(self) -> None:
        """Forget accounts without a pool. Whoever still has a plan with one of them is to throw it away."""
        self.accounts = {key: account for key, account in self.accounts.items() if account.pool is not None or account in self.short}

    def prepare(self, now: float) -> Exchange:
        """What the next exchange says: all that was spent, what is given back, what is asked for, and which windows are to be opened."""
        if now >= self.next_end:
            self._end_windows(now)
        self._exchanges += 1
        self.hungry = False
        exchange = Exchange(self._exchanges, self.tally.settled, stray=self.stray)
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
    # A column holds no more: what is beyond it is told next time. One tenant's amounts must not stop the exchange of all.
    spent = 0 if pool.unit == SLOTS else min(pool.spent, INT64_MAX)
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
        return Want(account, min(max(waiting, needed * NEEDS_AHEAD), INT64_MAX), min(needed, INT64_MAX))
    # What was used or is held without a lease is to be covered first.
    debt = max(-pool.free, 0)
    wished = max(int(pool.rate * AHEAD_S), waiting, needed * NEEDS_AHEAD) + debt
    return Want(account, min(wished, INT64_MAX), min(needed + debt, INT64_MAX))

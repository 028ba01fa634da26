"""Admits requests under all limits and budgets that hold for them, from leases in memory.

The contract, for each window of a budget with amount A:

- What is reserved over all workers never passes A. With an upstream that obeys the bound it was given (a request without one is given one), what is
  spent is at most what was reserved, so it never passes A either.
- What a disobedient upstream adds is what it bills beyond the reservation of each request that was in flight when the last lease ran out; a retry
  that is billed twice adds at most its own reservation, unless the caller reserves for it. From then on nothing is admitted, because
  what was spent beyond a lease is taken from what is free.
- A crash adds at most what the requests in flight in that worker held, so at most that worker's lease. Until its records are settled, its whole lease
  counts as spent.
- A worker that is closed as gone and yet comes back adds at most what it had in flight.
- At least A less the larger of 2 % and one reservation can be used: a worker that finds too little free has the others give back theirs.
- While a tenant is set open and Postgres is away, each worker goes on until what it last heard to be left is used up: so the sum passes A by at most
  the number of workers less one times what was left. It is charged when Postgres is back.

Requests and tokens by the minute are buckets that hold one minute's worth: within t minutes at most (1 + t) times the limit passes.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from ondol.core.errors import OndolError
from ondol.core.ids import new_id
from ondol.infrastructure.access.limits import bank
from ondol.infrastructure.access.limits.directory import Rules, figures, read_rules, rules_for, strictest
from ondol.infrastructure.access.limits.pools import RATE_KINDS, Account, Admission, Plan
from ondol.infrastructure.access.limits.purse import Exchange, Purse
from ondol.infrastructure.access.limits.refusals import price_unknown, refilled_in_s, refusal, unavailable
from ondol.infrastructure.access.limits.types import BUDGET_KINDS, Bounds, BudgetExceeded, GiveAlarm, LimitReached, Need, Who
from ondol.infrastructure.storage.postgres import Connection, Database
from ondol.infrastructure.storage.postgres.database import DatabaseAway

BEAT_S = 1.0
"""Between two heartbeats."""
LEASE_S = 20.0
"""A worker that has not reached Postgres for so long spends nothing more: less than `bank.EXPIRY_S`."""
GAP_S = 0.02
"""Between two exchanges while requests wait."""
LEASE_WAIT_S = 3.0
"""The longest that a request waits for Postgres."""
RECALL_WAIT_S = 0.3
"""The longest that a request waits for other workers to give back."""
REFUSED_S = 0.25
"""What was refused after that wait is refused at once for so long."""
EXCHANGE_S_MAX = 5.0
WAITING_MAX = 10_000
"""Requests that wait for a lease in one worker."""
PLANS_MAX = 50_000
"""Callers and models whose rules are kept joined."""
PRUNE_S = 3600.0

Follower = Callable[[Connection], Awaitable[None]]
_LOG = logging.getLogger("ondol.access")


def _boot_clock() -> float:
    """Seconds that pass while the machine sleeps too, where there is such a clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


MONOTONIC: Callable[[], float] = _boot_clock if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic


class Governor:
    """Limits and budgets of one worker process.

    Args:
        give_alarm: told of each share of a budget that is reached.
        is_open: whether a tenant's requests go on, uncounted by others, while Postgres is away.
        tell_open: told once, per tenant and outage, that this has begun.
        followers: called with a connection of the system role whenever a rule or a price has changed, and at first.
        monotonic: seconds; the only clock that this process is asked for.
    """

    def __init__(
        self,
        database: Database,
        *,
        give_alarm: GiveAlarm | None = None,
        is_open: Callable[[uuid.UUID], bool] = lambda tenant_id: False,
        tell_open: Callable[[uuid.UUID], None] = lambda tenant_id: None,
        followers: Sequence[Follower] = (),
        monotonic: Callable[[], float] = MONOTONIC,
    ) -> None:
        self._database = database
        self._give_alarm = give_alarm
        self._is_open = is_open
        self._tell_open = tell_open
        self._followers = followers
        self._monotonic = monotonic
        self._purse = Purse(new_id())
        self._registered = False
        self._rules = Rules()
        self._plans: dict[tuple[Who, str, str], Plan] = {}
        self._fresh_until = float("-inf")
        self._heard_at = float("-inf")
        self._away = False
        self._told_open: set[uuid.UUID] = set()
        self._unknown: Exchange | None = None
        self._must_return = False
        self._wake = asyncio.Event()
        self._waiters: list[asyncio.Future[None]] = []
        self._exchanging = asyncio.Lock()
        self._failures = 0
        self._telling: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._pruned_at = monotonic()

    @property
    def replica_id(self) -> uuid.UUID:
        """What this worker is called in Postgres; it changes only when it was closed as gone and yet came back."""
        return self._purse.tally.replica_id

    @property
    def settled_number(self) -> int:
        """The number of the last settlement."""
        return self._purse.tally.settled

    @property
    def leases(self) -> int:
        """Windows and buckets of which this worker holds a share."""
        return len(self._purse.pools)

    def bounds(self, who: Who, model: str, via: str = "") -> Bounds:
        """What one request of this caller may be at most. `via` is as in `admit`; what one request to that model may be holds for itself alone.

        Raises:
            LimitsUnavailable: before the rules were read for the first time.
        """
        return self._plan(who, model, via).bounds

    def admit(self, who: Who, model: str, need: Need, via: str = "") -> Admission | None:
        """Reserve from memory. None: a lease must be fetched first, see `admit_waiting`.

        Args:
            via: the model that `model` asks in turn, as an assistant does: what is counted for that one is counted too.

        Raises:
            LimitReached: a limit is reached.
            BudgetExceeded: a budget is, or is too small for this request.
            PriceUnknown: there is a budget in money, and no cost, or one in another currency. Nothing costs nothing in every currency.
            LimitsUnavailable: the rules have not been read yet.
        """
        plan = self._plans.get((who, model, via)) or self._plan(who, model, via)
        purse = self._purse
        now = purse.tally.now = self._monotonic()
        currency = plan.currency
        if currency is not None and (need.cost is None or (need.cost.nano and need.cost.currency != currency)):
            raise price_unknown(model, need, currency)
        if now >= self._fresh_until and plan.accounts:
            return None
        admitted = purse.admit(plan, need, now)
        if type(admitted) is Admission:
            if purse.hungry:
                self._wake.set()
            return admitted
        self._refuse_known(plan, need, now)
        return None

    async def admit_waiting(self, who: Who, model: str, need: Need, via: str = "") -> Admission:
        """Reserve, after fetching the leases that are missing; waits `LEASE_WAIT_S` at most, `RECALL_WAIT_S` when others hold what is left.

        Raises:
            LimitReached, BudgetExceeded, PriceUnknown: as `admit`.
            LimitsUnavailable: Postgres is away and what this worker has is not enough, or too many requests wait already.
        """
        began_at = self._monotonic()
        starving_since: float | None = None
        while True:
            admission = self.admit(who, model, need, via)
            if admission is not None:
                return admission
            now = self._monotonic()
            plan = self._plan(who, model, via)
            waited = now - began_at > LEASE_WAIT_S
            if (self._away and self._registered) or (waited and self._heard_at < began_at):
                return self._while_away(who, plan, need)
            if len(self._waiters) >= WAITING_MAX:
                raise unavailable()
            if waited:
                raise self._refuse(self._short(plan, need), need, now)
            starving = self._starving(plan, need, began_at)
            if starving is None:
                starving_since = None
            elif starving_since is None:
                starving_since = now
            elif now - starving_since >= RECALL_WAIT_S:
                raise self._refuse(starving, need, now)
            self._purse.want(plan, need, now)
            await self._next_exchange(LEASE_WAIT_S if starving is None else RECALL_WAIT_S)

    async def run(self) -> None:
        """Keep everything going until cancelled; then tell and give back what there is."""
        listening = asyncio.create_task(self._listen())
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self.beat()
                if self._wake.is_set():
                    await asyncio.sleep(GAP_S)
                # Not `wait_for`: where it is cancelled as the event comes, Python 3.11 loses the cancellation.
                timer = loop.call_later(BEAT_S, self._wake.set)
                try:
                    await self._wake.wait()
                finally:
                    timer.cancel()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self.close()

    async def close(self) -> None:
        """Tell what was spent and give everything back. Requests still in flight count as having used all they held."""
        self._fresh_until = float("-inf")
        try:
            async with asyncio.timeout(EXCHANGE_S_MAX):
                if self._unknown is not None or self._must_return:
                    await self._come_back()
                for pool in self._purse.pools.values():
                    pool.spent += pool.held
                    pool.recalled = True
                await self._exchange()
                async with self._database.system_tx() as connection:
                    await bank.leave(connection, self.replica_id)
        except (OndolError, psycopg.Error, TimeoutError) as error:
            _LOG.warning("leases not given back", extra={"reason": type(error).__name__})

    async def beat(self) -> bool:
        """One exchange with Postgres and what comes with it. Whether it arrived."""
        self._wake.clear()
        arrived = True
        try:
            async with asyncio.timeout(EXCHANGE_S_MAX):
                await self._exchange()
        except (OndolError, psycopg.Error, TimeoutError) as error:
            _LOG.warning("limits not refreshed", extra={"reason": type(error).__name__})
            self._failures += 1
            # One failure may be a connection that was cut; the next exchange says more.
            self._away = self._failures > 1 or isinstance(error, DatabaseAway | TimeoutError)
            arrived = False
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            _give_up(waiter)
        if arrived:
            try:
                async with asyncio.timeout(EXCHANGE_S_MAX):
                    await self._afterwards()
            except (OndolError, psycopg.Error, TimeoutError) as error:
                _LOG.warning("limits not looked after", extra={"reason": type(error).__name__})
        return arrived

    # ---- Plans

    def _plan(self, who: Who, model: str, via: str = "") -> Plan:
        known = self._plans.get((who, model, via))
        if known is not None:
            return known
        if self._rules.revision < 0:
            raise unavailable()
        limits, budgets = rules_for(self._rules, who, model, via)
        account = self._purse.account
        accounts = [account(limit, kind, subject, amount) for limit, subject in limits for kind, amount in figures(limit)]
        accounts += [account(budget, budget.kind, subject, budget.amount + budget.credited) for budget, subject in budgets]
        currencies = {budget.currency for budget, _ in budgets if budget.currency is not None}
        if len(currencies) > 1:
            raise price_unknown(model, Need(0), None)
        bounds = strictest(limit.bounds for limit, subject in limits if limit.scope != "model" or subject == model)
        plan = Plan(accounts, bounds, currencies.pop() if currencies else None)
        if len(self._plans) >= PLANS_MAX:
            self._plans.clear()
            self._purse.tidy()
        self._plans[(who, model, via)] = plan
        return plan

    # ---- Refusals

    def _refuse_known(self, plan: Plan, need: Need, now: float) -> None:
        """Raise if it is known in memory that this cannot be admitted now."""
        amounts = _amounts(need)
        for account in plan.accounts:
            amount = amounts[account.unit]
            pool = account.pool
            if pool is None or pool.free >= amount:
                continue
            spent = pool.spent if account.kind in BUDGET_KINDS else 0
            may_fit = pool.free + account.rest >= amount or now >= account.refused_until or amount < account.refused_from
            if amount > account.left - spent or not may_fit:
                raise refusal(account, amount, now)

    def _starving(self, plan: Plan, need: Need, since: float) -> Account | None:
        """The account for which Postgres, asked since, has too little.

        Raises:
            LimitReached: when no other worker could give any back.
        """
        amounts = _amounts(need)
        now = self._monotonic()
        for account in plan.accounts:
            pool = account.pool
            if pool is None or account.asked_at < since or pool.free + account.rest >= amounts[account.unit]:
                continue
            if account.others <= 0 and account.kind not in BUDGET_KINDS:
                raise self._refuse(account, need, now)
            return account
        return None

    def _short(self, plan: Plan, need: Need) -> Account:
        amounts = _amounts(need)
        short = (one for one in plan.accounts if one.pool is None or one.pool.free < amounts[one.unit])
        return next(short, plan.accounts[0])

    def _refuse(self, account: Account, need: Need, now: float) -> LimitReached | BudgetExceeded:
        """The error, which is also given in memory for a little while."""
        amount = _amounts(need)[account.unit]
        wait = min(REFUSED_S, refilled_in_s(account, amount, now)) if account.kind in RATE_KINDS else REFUSED_S
        account.refused_from = min(amount, account.refused_from) if now < account.refused_until else amount
        account.refused_until = now + wait
        return refusal(account, amount, now)

    def _while_away(self, who: Who, plan: Plan, need: Need) -> Admission:
        if not self._is_open(who.tenant_id):
            raise unavailable()
        if who.tenant_id not in self._told_open:
            self._told_open.add(who.tenant_id)
            self._tell_open(who.tenant_id)
        return self._purse.admit_on_trust(plan, need)

    async def _next_exchange(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters.append(waiter)
        self._wake.set()
        timer = loop.call_later(wait_s, _give_up, waiter)
        try:
            await waiter
        finally:
            timer.cancel()

    # ---- Exchanges

    async def _exchange(self) -> None:
        async with self._exchanging:
            try:
                await self._exchange_as_known()
            except bank.ReplicaLost:
                self._must_return = True
                await self._exchange_as_known()

    async def _exchange_as_known(self) -> None:
        if self._unknown is not None or self._must_return:
            await self._come_back()
        purse = self._purse
        began_at = self._monotonic()
        async with self._database.system_tx() as connection:
            if not self._registered:
                await bank.begin(connection, purse.tally.replica_id)
            await self._adopt(connection, await read_rules(connection, self._rules))
            exchange = self._unknown = purse.prepare(began_at)
            brought = await bank.exchange_once(connection, purse.tally.replica_id, exchange, self._rules.zones)
        self._registered = True
        self._unknown = None
        for account, opened in brought.opened:
            purse.open(account, opened, began_at + opened.left_s)
        purse.commit(exchange, brought.grants, self._monotonic())
        purse.step(brought.now_s - began_at)
        # From before the statement that moved the expiry, so that this worker stops before it is taken for lost.
        self._fresh_until = began_at + LEASE_S
        self._heard_at = began_at
        self._away = False
        self._failures = 0
        self._told_open.clear()

    async def _come_back(self) -> None:
        """Settle what is not known: whether the last exchange arrived, whether the replica was lost, what its leases are."""
        purse = self._purse
        if not self._registered:
            # The beginning itself may have arrived; a new name leaves an empty replica behind, which is lost and holds nothing.
            purse.tally.replica_id = new_id()
            purse.reconcile(self._unknown, False, ())
        else:
            async with self._database.system_tx() as connection:
                returned = await bank.come_back(connection, purse.tally.replica_id)
            if returned is None:
                _LOG.warning("worker was closed as gone; it goes on under a new name")
                purse.tally.replica_id = new_id()
                self._registered = False
                purse.reconcile(self._unknown, False, ())
            else:
                arrived = self._unknown is not None and returned.exchange == self._unknown.number
                purse.reconcile(self._unknown, arrived, returned.leases)
        self._unknown = None
        self._must_return = False

    async def _adopt(self, connection: Connection, rules: Rules) -> None:
        if rules is not self._rules:
            for follow in self._followers:
                await follow(connection)
            self._rules = rules
            self._plans.clear()
            self._purse.renew(rules.amounts)

    async def _afterwards(self) -> None:
        """Once a second: replicas that are overdue, notices that were lost, alarms, old rows."""
        now = self._monotonic()
        if now - self._looked_at < BEAT_S * 0.9:
            return
        self._looked_at = now
        await bank.lose_overdue(self._database)
        async with self._database.system_tx() as connection:
            starved = await bank.starved(connection, self.replica_id)
        for pool_id in starved:
            if self._purse.recall(pool_id):
                self._wake.set()
        if self._give_alarm is not None and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell_alarms(self._give_alarm))
        if now - self._pruned_at > PRUNE_S:
            self._pruned_at = now
            await bank.prune(self._database)

    async def _tell_alarms(self, give_alarm: GiveAlarm) -> None:
        try:
            for alarm in await bank.claim_alarms(self._database):
                await give_alarm(alarm)
                await bank.alarm_told(self._database, alarm)
        except Exception as error:
            # Whoever tells it may fail in any way; the claim runs out and it is told again.
            _LOG.warning("budget alarm not given", extra={"reason": type(error).__name__})

    async def _listen(self) -> None:
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute("listen ondol_limits")
                    self._wake.set()
                    async for notice in connection.notifies():
                        if not notice.payload or self._purse.recall(uuid.UUID(notice.payload)):
                            self._wake.set()
            except (OndolError, psycopg.Error, TimeoutError, ValueError) as error:
                _LOG.warning("notices of limits not heard", extra={"reason": type(error).__name__})
                await asyncio.sleep(BEAT_S)

    async def _connect(self) -> Connection:
        return await Connection.connect(
            make_conninfo(
                self._database.addresses.system, options="-c search_path=ondol,pg_temp", application_name="ondol limits", connect_timeout=10
            ),
            autocommit=True,
            row_factory=dict_row,
        )


def _give_up(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _amounts(need: Need) -> tuple[int, int, int, int]:
    return 1, need.tokens, 0 if need.cost is None else need.cost.nano, 1

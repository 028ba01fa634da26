"""The contract of a budget, against the real Postgres code: workers that crash, freeze, lose answers of Postgres and lose settlements.

Rules out by construction: litellm #26672 and #34732 (spent beyond the budget), #27735 (blocked on stale spend: what comes back can be used), #35533
and #32232 (each replica counts alone).
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from psycopg.rows import dict_row

from ondol.core.ids import new_id
from ondol.core.money import Money
from ondol.infrastructure.access.limits.bank import close_replica, lose_overdue, settle_records
from ondol.infrastructure.access.limits.governor import RECALL_WAIT_S, Governor
from ondol.infrastructure.access.limits.pools import Admission
from ondol.infrastructure.access.limits.store import NewBudget, change_budget, create_budget
from ondol.infrastructure.access.limits.types import BudgetExceeded, LimitsUnavailable, Need, Settlement, Who
from ondol.infrastructure.storage.postgres import Connection, Database, DatabaseAddresses
from ondol.infrastructure.storage.postgres.database import DatabaseAway
from tests.infrastructure.access.limits.conftest import Ticks

CAP = 10_000_000_000
NOW = datetime(2026, 3, 4, tzinfo=UTC)
WORKERS = 3
TENANT = "insert into tenants (id, slug, name, created_at) values (%s, %s, 'T', now())"


class ShakyDatabase(Database):
    """Breaks the next transaction when told: before its commit, or after it, so that nobody hears that it arrived."""

    breaks: str = ""

    @asynccontextmanager
    async def system_tx(self) -> AsyncIterator[Connection]:
        breaks, self.breaks = self.breaks, ""
        async with super().system_tx() as connection:
            yield connection
            if breaks == "before":
                raise DatabaseAway("cut before the commit")
        if breaks == "after":
            raise DatabaseAway("cut after the commit")


@dataclass
class Flight:
    admission: Admission
    hold: int


@dataclass
class Worker:
    governor: Governor
    database: ShakyDatabase
    flights: list[Flight] = field(default_factory=list)
    records: list[tuple[uuid.UUID, Settlement]] = field(default_factory=list)


class Contract(RuleBasedStateMachine):
    """One budget, three workers, and everything that may befall them."""

    addresses: DatabaseAddresses

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.owner = psycopg.connect(self.addresses.owner, autocommit=True, row_factory=dict_row, options="-c search_path=ondol")
        self.tenant_id = new_id()
        self.owner.execute(TENANT, (self.tenant_id, f"t{self.tenant_id.hex[-12:]}"))
        self.who = Who(self.tenant_id)
        self.ticks = Ticks()
        self.plain = Database(self.addresses, pool_max=2)
        self.cap = self.cap_max = CAP
        self.billed = 0
        """What upstreams have billed, whoever knows of it."""
        self.beyond = 0
        """The part of it that the contract does not cover: more than was reserved, or in flight in a worker that crashed and was closed."""
        self.dead: list[Worker] = []
        self.budget = self.run(self._make())
        self.workers = [self.run(self._worker()) for _ in range(WORKERS)]

    def run(self, awaitable: Any) -> Any:
        return self.runner.run(awaitable)

    async def _make(self) -> Any:
        async with self.plain.tenant_tx(self.tenant_id) as connection:
            new = NewBudget("all", "tenant", "", "money", "total", CAP, "USD", (50,))
            return await create_budget(connection, self.tenant_id, new, NOW)

    async def _worker(self) -> Worker:
        database = ShakyDatabase(self.addresses, pool_max=2)
        governor = Governor(database, monotonic=self.ticks)
        assert await governor.beat()
        return Worker(governor, database)

    # ---- What happens

    @rule(places=st.lists(st.integers(0, WORKERS - 1), min_size=1, max_size=4), hold=st.sampled_from([500_000, 400_000_000, 3_000_000_000]))
    def ask(self, places: list[int], hold: int) -> None:
        """Requests come; they may have to wait, and everybody else goes on meanwhile."""
        for place in places:
            self.run(self._ask(self.workers[place], hold))

    async def _ask(self, worker: Worker, hold: int) -> bool:
        asking = asyncio.ensure_future(worker.governor.admit_waiting(self.who, "m", Need(10, Money(hold, "USD"))))
        for _ in range(40):
            await asyncio.sleep(0)
            if asking.done():
                break
            for other in self.workers:
                await other.governor.beat()
            self.ticks.seconds += RECALL_WAIT_S
        assert asking.done(), "a request waits without end"
        try:
            worker.flights.append(Flight(asking.result(), hold))
        except (BudgetExceeded, LimitsUnavailable):
            return False
        return True

    @rule(place=st.integers(0, WORKERS - 1), percents=st.lists(st.integers(0, 100), min_size=1, max_size=3), again=st.booleans())
    def finish(self, place: int, percents: list[int], again: bool) -> None:
        self._finish(self.workers[place], percents, again)

    def _finish(self, worker: Worker, percents: list[int], again: bool = False) -> None:
        for percent, flight in zip(percents, worker.flights[:3], strict=False):
            self._settle(worker, flight, percent)
            worker.flights.remove(flight)
            if again:
                worker.records.append(worker.records[-1])

    def _settle(self, worker: Worker, flight: Flight, percent: int) -> None:
        cost = flight.hold * percent // 100
        flight.admission.settle(10, Money(cost, "USD"))
        flight.admission.settle(10, Money(cost * 3, "USD"))
        settlement = flight.admission.settlement
        assert settlement is not None
        worker.records.append((new_id(), settlement))
        self.billed += cost
        self.beyond += max(cost - flight.hold, 0)

    @rule(place=st.integers(0, WORKERS - 1), percent=st.integers(101, 400))
    def disobey(self, place: int, percent: int) -> None:
        """An upstream bills more than it was allowed to."""
        worker = self.workers[place]
        if worker.flights:
            self._settle(worker, worker.flights.pop(0), percent)

    @rule(place=st.integers(0, WORKERS - 1))
    def never_told(self, place: int) -> None:
        """Nobody knows what it cost: the whole reservation is charged."""
        worker = self.workers[place]
        if worker.flights:
            flight = worker.flights.pop()
            flight.admission.settle(None, None)
            assert flight.admission.settlement is not None
            worker.records.append((new_id(), flight.admission.settlement))
            self.billed += flight.hold

    @rule(place=st.integers(0, WORKERS - 1))
    def nothing_happened(self, place: int) -> None:
        worker = self.workers[place]
        if worker.flights:
            worker.flights.pop().admission.release()

    @rule(place=st.integers(0, WORKERS - 1), seconds=st.sampled_from([0.1, 1.1, 7.0, 90.0]))
    def beat(self, place: int, seconds: float) -> None:
        self.ticks.seconds += seconds
        self.run(self.workers[place].governor.beat())

    @rule(place=st.integers(0, WORKERS - 1), breaks=st.sampled_from(["before", "after"]), percent=st.integers(1, 100))
    def cut(self, place: int, breaks: str, percent: int) -> None:
        """The connection breaks while an exchange is on its way."""
        worker = self.workers[place]
        self._finish(worker, [percent, percent])
        worker.database.breaks = breaks
        self.run(worker.governor.beat())

    @rule(place=st.integers(0, WORKERS - 1))
    def freeze(self, place: int) -> None:
        """A worker stands still longer than its lease, is taken for lost, and comes back with the next beat."""
        self._overdue(self.workers[place])
        self.ticks.seconds += 60.0
        need = Need(1, Money(1, "USD"))
        assert self.workers[place].governor.admit(self.who, "m", need) is None, "a heartbeat is overdue: nothing is spent"

    def _overdue(self, worker: Worker) -> None:
        self.owner.execute("update limit_replicas set expires_at = limits_now() - interval '1 s' where id = %s", (worker.governor.replica_id,))
        self.run(lose_overdue(self.plain))

    @rule(seconds=st.sampled_from([-3600, 0, 3600]))
    def step_clock(self, seconds: int) -> None:
        """The database's clock is set; the workers' own does not come into it."""
        self._set_clock(seconds)

    def _set_clock(self, seconds: int) -> None:
        self.owner.execute(
            "create or replace function ondol.limits_now() returns timestamptz language sql stable parallel safe"
            f" return now() + make_interval(secs => {seconds})"
        )

    @rule(place=st.integers(0, WORKERS - 1), percents=st.lists(st.integers(0, 100), min_size=5, max_size=5))
    def crash(self, place: int, percents: list[int]) -> None:
        """A worker dies with requests in flight, which may be billed, and with settlements that it has not told."""
        worker = self.workers[place]
        self._finish(worker, percents[:1])
        for flight, percent in zip(worker.flights, percents * 20, strict=False):
            self.billed += flight.hold * percent // 100
            self.beyond += flight.hold * percent // 100
        self.run(worker.database.close())
        self.dead.append(worker)
        self.workers[place] = self.run(self._worker())

    @precondition(lambda self: self.dead)
    @rule(seed=st.integers(0, 99))
    def bury(self, seed: int) -> None:
        """The records of a dead worker arrive: in any order, some twice; then it is closed, twice."""
        self._bury(self.dead.pop(0), random.Random(seed))

    def _bury(self, worker: Worker, chance: random.Random) -> None:
        records = list(dict(worker.records).items()) * 2
        chance.shuffle(records)

        async def settle() -> None:
            replica = worker.governor.replica_id
            for start in range(0, len(records), 3):
                async with self.plain.system_tx() as connection:
                    await settle_records(connection, replica, records[start : start + 3])
            for closed in (True, False):
                async with self.plain.system_tx() as connection:
                    assert await close_replica(connection, replica) is closed

        self._overdue(worker)
        self.run(settle())

    @rule(cap=st.sampled_from([CAP // 5, CAP]))
    def change_amount(self, cap: int) -> None:
        async def change() -> None:
            async with self.plain.tenant_tx(self.tenant_id) as connection:
                await change_budget(connection, self.budget.id, NOW, amount=cap)

        self.run(change())
        self.cap = cap
        self.cap_max = max(self.cap_max, cap)

    # ---- What holds

    def pool(self) -> dict[str, int]:
        found = self.owner.execute(
            "select p.spent, p.leased, p.amount, coalesce((select sum(amount) from limit_leases l where l.pool_id = p.id), 0)::bigint as leases"
            " from limit_pools p where p.tenant_id = %s", (self.tenant_id,),
        ).fetchone()  # fmt: skip
        return dict(found) if found else {"spent": 0, "leased": 0, "amount": self.cap, "leases": 0}

    @invariant()
    def the_sum_never_passes_the_amount(self) -> None:
        row = self.pool()
        assert row["leased"] == row["leases"]
        assert row["amount"] == self.cap
        held = sum(flight.hold for worker in self.workers for flight in worker.flights)
        assert self.billed + held - self.beyond <= self.cap_max

    @invariant()
    def what_is_free_is_never_made_up(self) -> None:
        """No worker believes to have more than Postgres lent it, unless it has yet to hear that it was lost."""
        for worker in self.workers:
            purse = worker.governor._purse
            if worker.governor._unknown is None:
                for pool in purse.pools.values():
                    assert pool.free + pool.held + pool.spent == pool.granted
                    lent = self.owner.execute(
                        "select amount from limit_leases where pool_id = %s and replica_id = %s", (pool.id, purse.tally.replica_id)
                    ).fetchone()
                    assert pool.granted == (lent["amount"] if lent else 0)

    def teardown(self) -> None:
        try:
            self._end()
        finally:
            self._set_clock(0)
            for worker in self.workers:
                self.run(worker.database.close())
            self.run(self.plain.close())
            self.owner.execute("update limit_replicas set state = 'closed'")
            self.owner.execute("delete from budgets")
            self.owner.close()
            self.runner.close()

    def _end(self) -> None:
        """Everything is settled: Postgres counted what was billed, nothing is stuck, and what is left can be used."""
        self.change_amount(CAP * 2)
        for worker in self.workers:
            for flight in worker.flights:
                self._settle(worker, flight, 100)
            worker.flights.clear()
        for worker in self.dead:
            self._bury(worker, random.Random(1))
        for _ in range(3):
            for worker in self.workers:
                self.ticks.seconds += 1.5
                assert self.run(worker.governor.beat()), "nothing is stuck"
        row = self.pool()
        unknown = self.beyond
        assert row["spent"] <= self.billed
        assert row["spent"] >= self.billed - unknown
        left = self.cap - row["spent"]
        hold = 400_000_000
        for number in range(left // hold if left > 0 else 0):
            assert self.run(self._ask(self.workers[number % WORKERS], hold)), "what is left can be used"
        if left < hold:
            assert not self.run(self._ask(self.workers[0], hold))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_worker_ever_spends_what_is_not_there(module_addresses: DatabaseAddresses) -> None:
    Contract.addresses = module_addresses
    run_state_machine_as_test(
        Contract,
        settings=settings(max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True),
    )

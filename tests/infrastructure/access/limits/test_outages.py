"""Workers that stand still, die and come back, alarms, and a Postgres that goes away."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.access.limits import bank
from ondol.infrastructure.access.limits import governor as module
from ondol.infrastructure.access.limits.bank import close_replica, settle_records
from ondol.infrastructure.access.limits.governor import LEASE_S, Governor
from ondol.infrastructure.access.limits.types import (
    Alarm,
    BudgetExceeded,
    LimitsUnavailable,
    Need,
)
from ondol.infrastructure.storage.postgres import Connection, Database
from ondol.infrastructure.storage.postgres.database import DatabaseAway
from tests.infrastructure.access.limits.conftest import MODEL, Bench, ask, refused, running, usd

pytestmark = pytest.mark.anyio

DAY_S = 86_400.0


async def test_a_worker_that_stood_still_spends_nothing_until_it_was_heard_again(bench: Bench) -> None:
    await bench.budget(usd(10))
    worker, other = await bench.worker(), await bench.worker()
    flight = await ask(bench, worker, Need(1, usd(1)))
    bench.ticks.seconds += LEASE_S + 1
    assert worker.admit(bench.who, MODEL, Need(1, usd(0.001))) is None
    bench.lose(worker)
    await other.beat()
    assert bench.sql("select state from limit_replicas where id = %s", worker.replica_id) == [{"state": "lost"}]
    await refused(bench, other, Need(1, usd(10)))
    flight.settle(1, usd(0.5))
    assert await worker.beat()
    assert bench.sql("select state from limit_replicas where id = %s", worker.replica_id) == [{"state": "live"}]
    assert bench.pool()["spent"] == usd(0.5).nano


async def test_a_process_that_was_stopped_does_not_spend_its_old_lease(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP, longer than the lease, and SIGCONT."""
    monkeypatch.setattr(bank, "EXPIRY_S", 0.8)
    await bench.budget(usd(10))
    await bench.limit(concurrent_max=4)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.infrastructure.access.limits.sleeper", str(bench.tenant.id),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[4],
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(bench.addresses.owner.encode() + b"\n")
        assert await process.stdout.readline() == b"admits from memory\n"
        process.send_signal(signal.SIGSTOP)
        async with asyncio.timeout(20):
            while bench.sql("select 1 from limit_replicas where state = 'lost'") == []:
                await bank.lose_overdue(bench.database)
                await asyncio.sleep(0.05)
        left = bench.pool_of("concurrent")
        assert left["leased"] == 0, "its slots are free for the others"
        assert bench.pool_of("money")["leased"] > 0, "its money is not"
        process.send_signal(signal.SIGCONT)
        out, _ = await process.communicate(b"go\n")
        assert out.decode().splitlines() == ["refuses to spend", "heard again: True", "admits from memory"]
        assert bench.pool_of("money")["leased"] == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_worker_that_was_closed_as_gone_comes_back_with_nothing(bench: Bench) -> None:
    await bench.budget(usd(1))
    worker, other = await bench.worker(), await bench.worker()
    flight = await ask(bench, worker, Need(1, usd(0.5)))
    name = worker.replica_id
    bench.lose(worker)
    bench.ticks.seconds += 2
    await other.beat()
    async with bench.database.system_tx() as connection:
        assert await close_replica(connection, name)
    assert await ask(bench, other, Need(1, usd(1))), "what it had is free again"
    assert await worker.beat()
    assert worker.replica_id != name
    flight.settle(1, usd(0.5))
    await worker.beat()
    assert bench.pool()["spent"] == usd(0.5).nano, "beyond the amount by what was in flight, and counted"
    await refused(bench, worker, Need(1, usd(0.1)), others=(other,))


async def test_settlements_of_a_dead_worker_are_charged_once_however_often_they_come(bench: Bench) -> None:
    await bench.budget(usd(10), alarm_percents=(5,))
    worker, other = await bench.worker(), await bench.worker()
    told, untold = await ask(bench, worker, Need(1, usd(1))), await ask(bench, worker, Need(1, usd(1)))
    told.settle(1, usd(0.25))
    await worker.beat()
    untold.settle(1, usd(0.5))
    assert told.settlement is not None
    assert untold.settlement is not None
    records = [(new_id(), told.settlement), (new_id(), untold.settlement)]
    bench.lose(worker)
    bench.ticks.seconds += 2
    await other.beat()
    for _ in range(3):
        async with bench.database.system_tx() as connection:
            await settle_records(connection, worker.replica_id, records)
    assert bench.pool()["spent"] == usd(0.25).nano
    assert bench.pool()["leased"] > 0, "until it is closed its lease counts as spent"
    async with bench.database.system_tx() as connection:
        assert await close_replica(connection, worker.replica_id)
        assert await settle_records(connection, worker.replica_id, records) == 0
    row = bench.pool()
    assert (row["spent"], row["leased"]) == (usd(0.75).nano, 0)
    assert bench.sql("select percent from budget_alarms") == [{"percent": 5}]


async def test_records_of_a_living_worker_change_nothing(bench: Bench) -> None:
    await bench.budget(usd(10))
    worker = await bench.worker()
    admission = await ask(bench, worker, Need(1, usd(1)))
    admission.settle(1, usd(0.5))
    assert admission.settlement is not None
    async with bench.database.system_tx() as connection:
        assert await settle_records(connection, worker.replica_id, [(new_id(), admission.settlement)]) == 1
        assert not await close_replica(connection, worker.replica_id), "it lives"
    await worker.beat()
    assert bench.pool()["spent"] == usd(0.5).nano
    assert bench.sql("select 1 from limit_replays") == []


async def test_each_share_is_told_once_by_whoever_reaches_it(bench: Bench) -> None:
    await bench.budget(usd(10), alarm_percents=(50, 80, 100))
    heard: list[Alarm] = []
    broken = True

    async def give(alarm: Alarm) -> None:
        if broken:
            raise RuntimeError("the webhook is down")
        heard.append(alarm)

    workers = [await bench.worker(give_alarm=give) for _ in range(2)]

    async def look() -> None:
        for _ in range(3):
            bench.ticks.seconds += 1.5
            for worker in workers:
                await worker.beat()
                if worker._telling is not None:
                    await worker._telling

    (await ask(bench, workers[0], Need(1, usd(4)), others=tuple(workers))).settle(1, usd(4))
    (await ask(bench, workers[1], Need(1, usd(5)), others=tuple(workers))).settle(1, usd(4.5))
    await look()
    assert heard == []
    broken = False
    bench.set_clock(61)
    await look()
    await look()
    assert sorted(alarm.percent for alarm in heard) == [50, 80]
    assert {(alarm.budget_name, alarm.currency, alarm.amount) for alarm in heard} == {("total money tenant", "USD", usd(10).nano)}
    (await ask(bench, workers[1], Need(1, usd(1.5)), others=tuple(workers))).settle(1, usd(1.5))
    await look()
    assert sorted(alarm.percent for alarm in heard) == [50, 80, 100]


class DeadDatabase(Database):
    """Postgres, until it is gone."""

    is_dead = False

    @asynccontextmanager
    async def system_tx(self) -> AsyncIterator[Connection]:
        if self.is_dead:
            raise DatabaseAway("gone")
        async with super().system_tx() as connection:
            yield connection


@pytest.fixture
async def mortal(bench: Bench) -> AsyncIterator[DeadDatabase]:
    database = DeadDatabase(bench.addresses, pool_max=2)
    yield database
    await database.close()


async def test_while_postgres_is_away_leases_are_spent_and_then_nothing(bench: Bench, mortal: DeadDatabase) -> None:
    await bench.budget(usd(10))
    worker = Governor(mortal, monotonic=bench.ticks)
    await worker.beat()
    (await ask(bench, worker, Need(1, usd(0.1)))).settle(1, usd(0.1))
    mortal.is_dead = True
    assert not await worker.beat()
    lease = worker._purse.pools[next(iter(worker._purse.pools))].free
    admitted = 0
    with pytest.raises(LimitsUnavailable) as caught:
        while True:
            (await worker.admit_waiting(bench.who, MODEL, Need(1, usd(0.1)))).settle(1, usd(0.1))
            admitted += 1
    assert (caught.value.status, caught.value.code) == (503, "limits_unavailable")
    assert admitted == lease // usd(0.1).nano > 0
    mortal.is_dead = False
    await worker.beat()
    assert bench.pool()["spent"] == usd(0.1).nano * (admitted + 1)
    assert await ask(bench, worker, Need(1, usd(0.1)))
    bench.ticks.seconds += LEASE_S + 1
    mortal.is_dead = True
    await worker.beat()
    with pytest.raises(LimitsUnavailable):
        await worker.admit_waiting(bench.who, MODEL, Need(1, usd(0.0001)))


async def test_a_tenant_that_is_set_open_goes_on_with_an_alarm_and_is_charged_later(bench: Bench, mortal: DeadDatabase) -> None:
    await bench.budget(usd(1))
    told: list[uuid.UUID] = []
    worker = Governor(mortal, monotonic=bench.ticks, is_open=lambda tenant_id: tenant_id == bench.tenant.id, tell_open=told.append)
    other = await bench.worker()
    await worker.beat()
    (await ask(bench, worker, Need(1, usd(0.1)))).settle(1, usd(0.1))
    (await ask(bench, other, Need(1, usd(0.3)), others=(worker,))).settle(1, usd(0.3))
    mortal.is_dead = True
    await worker.beat()
    admitted = 0
    with pytest.raises(BudgetExceeded):
        while True:
            (await worker.admit_waiting(bench.who, MODEL, Need(1, usd(0.1)))).settle(1, usd(0.1))
            admitted += 1
    assert told == [bench.tenant.id]
    assert admitted == 9, "by what this worker last heard"
    mortal.is_dead = False
    await worker.beat()
    await other.beat()
    assert bench.pool()["spent"] == usd(1.3).nano
    await refused(bench, worker, Need(1, usd(0.1)), others=(other,))


async def test_a_restart_of_postgres_is_survived(bench: Bench, administer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.05)
    bench.ticks = time.monotonic
    await bench.budget(usd(10))
    worker = await bench.worker()
    spent = 0
    async with running(worker):
        for number in range(60):
            if number % 20 == 10:
                administer("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'ondol_system'")
            with suppress(LimitsUnavailable):
                (await worker.admit_waiting(bench.who, MODEL, Need(1, usd(0.1)))).settle(1, usd(0.05))
                spent += usd(0.05).nano
            await asyncio.sleep(0.01)
    row = bench.pool()
    assert (row["spent"], row["leased"]) == (spent, 0)
    assert spent > usd(0.05).nano * 30


async def test_a_worker_that_ends_gives_everything_back(bench: Bench) -> None:
    await bench.budget(usd(10))
    await bench.limit(requests_per_minute=100, concurrent_max=10)
    worker = await bench.worker()
    done, running_still = await ask(bench, worker, Need(1, usd(1))), await ask(bench, worker, Need(1, usd(1)))
    done.settle(1, usd(0.5))
    await worker.close()
    assert bench.sql("select * from limit_leases") == []
    found = {row["kind"]: (row["spent"], row["leased"]) for row in bench.sql("select kind, spent, leased from limit_pools")}
    assert found == {"money": (usd(1.5).nano, 0), "requests": (2, 0), "concurrent": (0, 0)}
    assert worker.admit(bench.who, MODEL, Need(1, usd(0.1))) is None
    assert running_still.settlement is None

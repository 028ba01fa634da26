"""What a worker admits and refuses. Each defect of the field that is ruled out is named by its number."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

import pytest

from ondol.core.ids import new_id
from ondol.core.money import Money
from ondol.infrastructure.access.limits import governor as module
from ondol.infrastructure.access.limits.governor import LEASE_S, Governor
from ondol.infrastructure.access.limits.pools import Admission
from ondol.infrastructure.access.limits.store import add_credit, change_budget, change_limit, remove_budget, remove_limit
from ondol.infrastructure.access.limits.types import (
    EACH,
    Bounds,
    BudgetExceeded,
    LimitReached,
    LimitsUnavailable,
    Need,
    PriceUnknown,
    Rates,
    Who,
)
from tests.infrastructure.access.limits.conftest import MODEL, NOW, Bench, ask, refused, running, usd

pytestmark = pytest.mark.anyio

DAY_S = 86_400.0


async def test_a_request_is_reserved_in_memory_and_settled_once(bench: Bench) -> None:
    await bench.budget(usd(10))
    worker = await bench.worker()
    need = Need(100, usd(0.5))
    assert worker.admit(bench.who, MODEL, need) is None, "a lease must be fetched first"
    admission = await ask(bench, worker, need)
    assert not admission.settlement
    admission.settle(40, usd(0.2))
    admission.settle(90, usd(0.5))
    admission.release()
    settlement = admission.settlement
    assert settlement is not None
    assert [charge.amount for charge in settlement.charges] == [usd(0.2).nano]
    assert worker.admit(bench.who, MODEL, need) is not None, "the rest of the lease is spent from memory"
    await worker.beat()
    assert bench.pool()["spent"] == usd(0.2).nano


async def test_nobody_without_a_rule_is_held_back_nor_needs_the_database(bench: Bench) -> None:
    worker = await bench.worker()
    bench.ticks.seconds += 10 * LEASE_S
    admission = worker.admit(bench.who, MODEL, Need(10**9))
    assert admission is not None
    admission.settle(5, None)
    assert (admission.settlement, admission.headers()) == (None, [])


async def test_nothing_is_admitted_before_the_rules_are_known(bench: Bench) -> None:
    with pytest.raises(LimitsUnavailable):
        Governor(bench.database, monotonic=bench.ticks).admit(bench.who, MODEL, Need(1))


async def test_a_budget_too_small_says_what_is_left_and_is_not_to_be_tried_again(bench: Bench) -> None:
    await bench.budget(usd(1), "day", name="team")
    worker = await bench.worker()
    (await ask(bench, worker, Need(1, usd(0.9)))).settle(1, usd(0.9))
    error = await refused(bench, worker, Need(1, usd(0.2)))
    assert isinstance(error, BudgetExceeded)
    assert (error.status, error.code, error.budget, error.remaining, error.should_retry) == (429, "budget_exceeded", "team", usd(0.1).nano, False)
    assert error.resets_at is not None
    assert 0 < error.retry_after_s <= DAY_S
    assert (b"x-should-retry", b"false") in error.headers()
    assert "0.1 USD left" in error.message
    exchanged = bench.sql("select sum(exchange) as n from limit_replicas")
    for _ in range(20):
        with pytest.raises(BudgetExceeded):
            worker.admit(bench.who, MODEL, Need(1, usd(0.2)))
    assert bench.sql("select sum(exchange) as n from limit_replicas") == exchanged, "what is known is refused in memory"
    (await ask(bench, worker, Need(1, usd(0.1)))).release()


async def test_what_requests_in_flight_hold_may_come_back(bench: Bench) -> None:
    """litellm #27735: blocked on spend that was no longer true."""
    await bench.budget(usd(1))
    worker, other = await bench.worker(), await bench.worker()
    admission = await ask(bench, worker, Need(1, usd(0.8)))
    error = await refused(bench, other, Need(1, usd(0.5)), others=(worker,))
    assert isinstance(error, BudgetExceeded)
    assert (error.should_retry, error.retry_after_s) == (True, 1)
    admission.settle(1, usd(0.1))
    bench.ticks.seconds += 1
    assert await ask(bench, other, Need(1, usd(0.85)), others=(worker,))


async def test_what_a_disobedient_upstream_bills_is_counted_and_ends_the_budget(bench: Bench) -> None:
    """litellm #26672: spending went on, to three times the budget."""
    await bench.budget(usd(10))
    worker, other = await bench.worker(), await bench.worker()
    for paid in (usd(4), usd(12)):
        (await ask(bench, worker, Need(1, usd(3)), others=(other,))).settle(1, paid)
        assert await worker.beat()
        assert await worker.beat()
    assert bench.pool()["spent"] == usd(16).nano
    for one in (worker, other):
        assert isinstance(await refused(bench, one, Need(1, usd(0.001)), others=(worker, other)), BudgetExceeded)
        await one.beat()
    assert bench.pool()["leased"] == 0


async def test_crowds_wait_in_bounds(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    await bench.budget(100, "day")
    worker = await bench.worker()
    asking = [asyncio.ensure_future(worker.admit_waiting(bench.who, MODEL, Need(1))) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [isinstance(one.exception(), LimitsUnavailable) for one in asking if one.done()] == [True, True]
    await worker.beat()
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(isinstance(one, Admission) for one in done) == 3


async def test_a_starving_worker_is_given_what_others_have_free(bench: Bench) -> None:
    """Over real notices, with the workers' own loops."""
    bench.ticks = time.monotonic
    await bench.budget(usd(1))
    rich, poor = await bench.worker(), await bench.worker()
    async with running(rich, poor):
        (await rich.admit_waiting(bench.who, MODEL, Need(1, usd(0.1)))).settle(1, usd(0))
        admission = await poor.admit_waiting(bench.who, MODEL, Need(1, usd(0.99)))
        admission.settle(1, usd(0.5))
        (await rich.admit_waiting(bench.who, MODEL, Need(1, usd(0.5)))).settle(1, usd(0.5))
    row = bench.pool()
    assert (row["spent"], row["leased"]) == (usd(1).nano, 0)


async def test_a_request_larger_than_the_limit_is_refused(bench: Bench) -> None:
    """litellm #18730: 663 tokens on a limit of 100 by the minute."""
    await bench.limit(tokens_per_minute=100)
    worker = await bench.worker()
    error = await refused(bench, worker, Need(663))
    assert isinstance(error, LimitReached)
    assert (error.code, error.should_retry) == ("tokens_limit", False)
    first = await ask(bench, worker, Need(60))
    again = await refused(bench, worker, Need(60))
    assert isinstance(again, LimitReached)
    assert again.should_retry
    assert 1 <= again.retry_after_s <= 20
    first.settle(10, None)
    assert await ask(bench, worker, Need(60)), "what was not used is free again"


async def test_streams_count_and_a_hold_that_is_used_up_is_seen(bench: Bench) -> None:
    """litellm #41610: tokens of streams were never counted."""
    await bench.limit(tokens_per_minute=100)
    worker = await bench.worker()
    admission = await ask(bench, worker, Need(50))
    admission.used = 50
    assert admission.exhausted
    await worker.beat()
    assert not admission.extend(60)
    bench.sql("update limit_pools set level = 0")
    admission.settle(80, None)
    await worker.beat()
    assert bench.pool()["spent"] == 80
    await refused(bench, worker, Need(60))


async def test_a_refused_request_leaves_every_counter_as_it_was(bench: Bench) -> None:
    """litellm #39309: rejected requests used up the requests by the minute."""
    await bench.limit(requests_per_minute=10, concurrent_max=3)
    await bench.budget(100, "day")
    worker = await bench.worker()
    (await ask(bench, worker, Need(90))).settle(90, None)
    for _ in range(30):
        assert isinstance(await refused(bench, worker, Need(50)), BudgetExceeded)
    await worker.beat()
    counted = {row["kind"]: row["spent"] for row in bench.sql("select kind, spent from limit_pools")}
    assert counted == {"requests": 1, "concurrent": 0, "budget_tokens": 90}
    assert all(pool.held == 0 for pool in worker._purse.pools.values())
    released = await ask(bench, worker, Need(10))
    released.release()
    await worker.beat()
    assert {row["kind"]: row["spent"] for row in bench.sql("select kind, spent from limit_pools")} == counted


async def test_replicas_share_one_limit(bench: Bench) -> None:
    """litellm #35533 and #32232: each replica let the whole limit through."""
    await bench.limit(requests_per_minute=20)
    workers = [await bench.worker() for _ in range(3)]
    admitted = 0
    for number in range(60):
        with suppress(LimitReached):
            await ask(bench, workers[number % 3], Need(1), others=tuple(workers))
            admitted += 1
    assert admitted in (20, 21), "one more where a test takes three seconds"


async def test_slots_come_back_however_a_request_ends(bench: Bench) -> None:
    """litellm #20256: a slot that leaked was lost until the store was reset."""
    await bench.limit(concurrent_max=2)
    worker, crashed = await bench.worker(), await bench.worker()
    ends: tuple[Callable[[Admission], None], ...] = (lambda one: one.settle(1, None), lambda one: one.release(), lambda one: one.settle(None, None))
    for end in ends:
        one, two = await ask(bench, worker, Need(1)), await ask(bench, worker, Need(1))
        error = await refused(bench, worker, Need(1))
        assert error.code == "concurrency_limit"
        end(one)
        end(two)
    await ask(bench, crashed, Need(1), others=(worker,))
    await ask(bench, crashed, Need(1), others=(worker,))
    await refused(bench, worker, Need(1), others=(crashed,))
    bench.lose(crashed)
    bench.ticks.seconds += 2
    await worker.beat()
    assert await ask(bench, worker, Need(1))
    assert await ask(bench, worker, Need(1))
    assert not await crashed.beat() or crashed.admit(bench.who, MODEL, Need(1)) is None, "its slots have been given away"


async def test_somebody_new_is_limited_from_the_first_request(bench: Bench) -> None:
    """litellm #40095: the first requests of an unknown end user passed every budget."""
    special = uuid.uuid4()
    await bench.budget(100, scope="person", subject=EACH, name="each")
    await bench.budget(1000, scope="person", subject=str(special), name="special")
    worker = await bench.worker()
    for _ in range(3):
        newcomer = Who(bench.tenant.id, (), uuid.uuid4())
        await refused(bench, worker, Need(101), newcomer)
        assert await ask(bench, worker, Need(100), newcomer)
        await refused(bench, worker, Need(1), newcomer)
    assert await ask(bench, worker, Need(1000), Who(bench.tenant.id, (), special))


async def test_every_scope_counts_and_the_strictest_bound_holds(bench: Bench) -> None:
    group, person, key = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    await bench.limit(bounds=Bounds(output_tokens_max=100, deadline_s=60), requests_per_minute=1000)
    await bench.limit("group", str(group), requests_per_minute=500)
    await bench.limit("person", str(person), Bounds(output_tokens_max=500, body_bytes_max=10))
    await bench.limit("key", str(key), Bounds(output_tokens_max=50))
    await bench.limit("model", MODEL, requests_per_minute=3)
    worker = await bench.worker()
    who = Who(bench.tenant.id, (group,), person, key)
    assert worker.bounds(who, MODEL) == Bounds(10, None, 50, 60)
    assert worker.bounds(bench.who, "other") == Bounds(None, None, 100, 60)
    admission = await ask(bench, worker, Need(1), who)
    headers = dict(admission.headers())
    assert headers[b"x-ratelimit-limit-requests"] == b"3", "the tightest of three"
    assert headers[b"x-ratelimit-remaining-requests"] == b"2"
    assert headers[b"x-ratelimit-reset-requests"] == b"20000ms"
    await ask(bench, worker, Need(1), who)
    await ask(bench, worker, Need(1))
    error = await refused(bench, worker, Need(1), who)
    assert isinstance(error, LimitReached)
    assert (error.code, error.scope) == ("requests_limit", "model")


async def test_without_a_price_nothing_is_bought_from_a_budget_in_money(bench: Bench) -> None:
    await bench.budget(usd(1))
    worker = await bench.worker()
    with pytest.raises(PriceUnknown) as unknown:
        worker.admit(bench.who, MODEL, Need(1))
    with pytest.raises(PriceUnknown) as other:
        worker.admit(bench.who, MODEL, Need(1, Money(1, "KRW")))
    assert (unknown.value.code, other.value.code) == ("price_unknown", "currency_mismatch")
    admission = await ask(bench, worker, Need(1, usd(0.1)))
    with pytest.raises(ValueError, match="KRW"):
        admission.settle(1, Money(1, "KRW"))
    admission.settle(1, None)
    await worker.beat()
    assert bench.pool()["spent"] == usd(0.1).nano, "what nobody knows is charged as it was reserved"


async def test_a_prepaid_balance_has_no_reset_and_takes_credit(bench: Bench) -> None:
    """bifrost #2683: no balance that does not come back by itself."""
    budget = await bench.budget(usd(1))
    worker = await bench.worker()
    (await ask(bench, worker, Need(1, usd(1)))).settle(1, usd(1))
    error = await refused(bench, worker, Need(1, usd(0.1)))
    assert isinstance(error, BudgetExceeded)
    assert error.resets_at is None
    bench.set_clock(400 * DAY_S)
    await worker.beat()
    await refused(bench, worker, Need(1, usd(0.1)))
    credit = new_id()
    for _ in range(2):
        async with bench.database.tenant_tx(bench.tenant.id) as connection:
            await add_credit(connection, bench.tenant.id, budget.id, usd(2).nano, NOW, credit_id=credit)
    await worker.beat()
    assert await ask(bench, worker, Need(1, usd(2)))
    await refused(bench, worker, Need(1, usd(0.1)))


async def test_requests_in_flight_count_to_the_window_in_which_they_were_reserved(bench: Bench) -> None:
    await bench.budget(usd(1), "day")
    worker = await bench.worker()
    late = await ask(bench, worker, Need(1, usd(0.9)))
    bench.set_clock(DAY_S)
    await worker.beat()
    assert await ask(bench, worker, Need(1, usd(0.8))), "a new day has begun"
    late.settle(1, usd(0.7))
    await worker.beat()
    await worker.beat()
    windows = bench.sql("select spent, leased, ends_at - starts_at = interval '1 day' as whole from limit_pools order by starts_at")
    assert [row["spent"] for row in windows] == [usd(0.7).nano, 0]
    assert windows[0]["leased"] == 0
    assert all(row["whole"] for row in windows)
    bench.set_clock(0)
    await worker.beat()
    assert len(bench.sql("select 1 from limit_pools")) == 2, "a clock that is set back opens no third window"


async def test_another_amount_holds_with_the_next_beat(bench: Bench) -> None:
    budget = await bench.budget(usd(10))
    limit = await bench.limit(requests_per_minute=1000)
    worker, other = await bench.worker(), await bench.worker()
    (await ask(bench, worker, Need(1, usd(2)))).settle(1, usd(2))
    await ask(bench, other, Need(1, usd(0.1)))

    async def change(amount: Money, requests: int) -> None:
        async with bench.database.tenant_tx(bench.tenant.id) as connection:
            await change_budget(connection, budget.id, NOW, amount=amount.nano)
            await change_limit(connection, limit.id, Rates(requests_per_minute=requests), Bounds(), NOW)
        for one in (worker, other):
            await one.beat()
            await one.beat()

    await change(usd(1), 1000)
    for one in (worker, other):
        assert isinstance(await refused(bench, one, Need(1, usd(0.001))), BudgetExceeded)
    await change(usd(5), 1)
    assert isinstance(await refused(bench, worker, Need(1, usd(0.1))), LimitReached)
    await change(usd(5), 1000)
    bench.ticks.seconds += 60
    bench.set_clock(60)
    assert await ask(bench, worker, Need(1, usd(2)))
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        await remove_budget(connection, bench.tenant.id, budget.id, NOW)
        await remove_limit(connection, bench.tenant.id, limit.id, NOW)
    await worker.beat()
    assert worker.admit(bench.who, MODEL, Need(10**9)) is not None

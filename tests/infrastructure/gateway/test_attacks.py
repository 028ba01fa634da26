"""What somebody who means harm would try: amounts that fit no column, texts in places that nobody reads, reservations that are too small."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ondol.core.money import Money
from ondol.infrastructure.serving.scripted import Reply
from ondol.infrastructure.serving.types import Usage
from tests.infrastructure.gateway.ground import Ground, served

pytestmark = pytest.mark.anyio

MOST = 2**63 - 1


async def test_a_cost_that_fits_no_column_leaves_nothing_behind_and_nobody_else_without_limits(ground: Ground) -> None:
    says = Reply("x", usage=Usage(2**31 - 1, 2**31 - 1))
    async with served(ground, says) as (tenancy, _):
        await tenancy.price(input=MOST, output=0)
        await tenancy.limit(concurrent_max=1)
        first = await tenancy.ask()
        assert first.status_code == 200, first.text
        assert (await tenancy.ask()).status_code == 200  # the slot is free again
        assert len(tenancy.records) == 2


async def test_budgets_that_overflow_together_stop_nobody_else(ground: Ground) -> None:
    says = Reply("x", usage=Usage(900_000, 1), before_s=0.3)
    async with served(ground, says) as (tenancy, _), served(ground, "x") as (other, _):
        await tenancy.price(input=MOST, output=0)
        await tenancy.budget(Money(MOST, "USD"))
        await other.limit(requests_per_minute=100)
        answers = await asyncio.gather(*(tenancy.ask() for _ in range(4)))
        print([a.status_code for a in answers], answers[0].text)
        for _ in range(2):
            assert await ground.room.governor.beat()
        assert (await other.ask()).status_code == 200

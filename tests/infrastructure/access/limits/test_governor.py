from __future__ import annotations

import asyncio

import pytest

from ondol.infrastructure.access.limits.types import Need
from tests.infrastructure.access.limits.conftest import MODEL, Bench, usd

pytestmark = pytest.mark.anyio


async def test_a_request_is_reserved_in_memory_and_settled(bench: Bench) -> None:
    await bench.budget(usd(10))
    worker = await bench.worker()
    need = Need(100, usd(0.5))
    assert worker.admit(bench.who, MODEL, need) is None
    running = asyncio.create_task(worker.run())
    admission = await worker.admit_waiting(bench.who, MODEL, need)
    admission.settle(40, usd(0.2))
    await worker.beat()
    assert bench.pool()["spent"] == usd(0.2).nano
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert bench.pool()["leased"] == 0

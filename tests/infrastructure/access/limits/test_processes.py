"""The contract with real processes: litellm #26672 (99 spent of 30), #34732 (a race on the last of it), #11083; bifrost's own $11 of $10."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.infrastructure.access.limits.conftest import Bench, usd

pytestmark = pytest.mark.anyio

PROCESSES = 4
CLIENTS = 200
SECONDS_MAX = 20.0
BUDGET = usd(10)


async def spend(bench: Bench, hold: int) -> list[dict[str, int]]:
    """All processes at once, until each client has been told that nothing is left."""

    async def start(seed: int) -> asyncio.subprocess.Process:
        options = {"tenant": bench.tenant.id, "hold": hold, "seed": seed, "clients": CLIENTS // PROCESSES, "seconds": SECONDS_MAX}
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.infrastructure.access.limits.crowd", *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[4],
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(bench.addresses.owner.encode() + b"\n")
        assert await process.stdout.readline() == b"ready\n"
        return process

    async def spent(process: asyncio.subprocess.Process) -> dict[str, int]:
        out, _ = await process.communicate(b"go\n")
        assert process.returncode == 0
        told: dict[str, int] = json.loads(out)
        return told

    async with asyncio.timeout(SECONDS_MAX + 60):
        processes = await asyncio.gather(*(start(seed) for seed in range(PROCESSES)))
        return list(await asyncio.gather(*(spent(process) for process in processes)))


@pytest.mark.parametrize("hold", [usd(0.0005).nano, usd(0.4).nano], ids=["small", "large"])
async def test_four_processes_and_two_hundred_clients_never_spend_more_and_leave_little(bench: Bench, hold: int) -> None:
    await bench.budget(BUDGET)
    told = await spend(bench, hold)
    spent = sum(one["spent"] for one in told)
    row = bench.pool()
    assert row["spent"] == spent, "what the clients paid is what Postgres counted"
    assert row["leased"] == 0
    assert spent <= BUDGET.nano
    assert spent >= BUDGET.nano - max(BUDGET.nano // 50, hold), f"{spent / 1e9:.4f} of 10.00: {told}"
    assert hold > BUDGET.nano // 1000 or all(one["requests"] for one in told), "no process starves"

"""One worker process with many clients on a budget; run by `test_processes.py`. Prints what its clients spent, in nano-units."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
import uuid

from ondol.core.money import Money
from ondol.infrastructure.access.limits.governor import Governor
from ondol.infrastructure.access.limits.types import BudgetExceeded, Need, Who
from ondol.infrastructure.storage.postgres import Database
from ondol.infrastructure.storage.postgres.roles import addresses_from_owner

UPSTREAM_S = 0.002


async def main(owner: str, who: Who, hold: int, seed: int, clients: int, seconds: float) -> dict[str, int]:
    """Spend until the budget is gone."""
    database = Database(addresses_from_owner(owner), pool_max=2)
    governor = Governor(database)
    running = asyncio.create_task(governor.run())
    await governor.beat()
    # All begin together, however long each took to start.
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    chance = random.Random(seed)
    until = time.monotonic() + seconds
    told = {"spent": 0, "requests": 0, "refused": 0, "waited": 0}

    async def client() -> None:
        while time.monotonic() < until:
            need = Need(100, Money(hold, "USD"))
            try:
                admission = governor.admit(who, "small", need)
                if admission is None:
                    told["waited"] += 1
                    admission = await governor.admit_waiting(who, "small", need)
            except BudgetExceeded as error:
                told["refused"] += 1
                if not error.should_retry:
                    return
                await asyncio.sleep(0.05)
                continue
            await asyncio.sleep(UPSTREAM_S)
            cost = chance.randint(hold // 4, hold)
            told["spent"] += cost
            told["requests"] += 1
            admission.settle(100, Money(cost, "USD"))

    await asyncio.gather(*(client() for _ in range(clients)))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await database.close()
    return told


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tenant", type=uuid.UUID, required=True)
    for name in ("hold", "seed", "clients"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    address = sys.stdin.readline().strip()
    spent = asyncio.run(main(address, Who(given.tenant), given.hold, given.seed, given.clients, given.seconds))
    sys.stdout.write(json.dumps(spent))

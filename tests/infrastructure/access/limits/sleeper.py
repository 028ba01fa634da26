"""One worker process with a short lease that is stopped while it has one; run by `test_outages.py`."""

from __future__ import annotations

import asyncio
import sys
import uuid

from ondol.core.money import Money
from ondol.infrastructure.access.limits import bank, governor
from ondol.infrastructure.access.limits.types import Need, Who
from ondol.infrastructure.storage.postgres import Database
from ondol.infrastructure.storage.postgres.roles import addresses_from_owner

governor.LEASE_S = 0.5
bank.EXPIRY_S = 0.8

NEED = Need(1, Money(1_000_000, "USD"))


def say(text: str) -> None:
    """One line to whoever started this."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def main(address: str, who: Who) -> None:
    """Borrow, be stopped, and say what is admitted after that, before anything was heard."""
    database = Database(addresses_from_owner(address), pool_max=2)
    worker = governor.Governor(database)
    await worker.beat()
    waiting = asyncio.ensure_future(worker.admit_waiting(who, "small", NEED))
    await asyncio.sleep(0)
    await worker.beat()
    (await waiting).settle(1, NEED.cost)
    admission = worker.admit(who, "small", NEED)
    say("admits from memory" if admission is not None else "admits nothing")
    # Read in this thread: the event loop stands still, as in a process that is stopped.
    sys.stdin.readline()
    say("refuses to spend" if worker.admit(who, "small", NEED) is None else "spends an old lease")
    say(f"heard again: {await worker.beat()}")
    waiting = asyncio.ensure_future(worker.admit_waiting(who, "small", NEED))
    await asyncio.sleep(0)
    await worker.beat()
    say("admits from memory" if await waiting else "admits nothing")
    await worker.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.stdin.readline().strip(), Who(uuid.UUID(sys.argv[1]))))

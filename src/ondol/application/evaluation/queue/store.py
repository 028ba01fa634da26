"""Runs that a job worker carries out: they wait, one worker takes each, and they are stopped and let go on by whoever may change things."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from ondol.core.errors import Conflict, TooManyRequests
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

QUERIES = load_queries("ondol.application.evaluation.queue")
CHANNEL = "ondol_evaluations"
OPEN_MAX = 20
"""Runs of a tenant that wait or go on."""
LISTED_MAX = 100
BEGUN_MAX = 3
"""A run that took its worker down so often is given up."""
REASON_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Taken:
    """A run that a worker has.

    Attributes:
        retries_errors: what failed is asked again.
        wants_stop: it is to end at once.
    """

    retries_errors: bool
    wants_stop: bool


async def check_room(connection: Connection) -> None:
    """Whether one more run may wait.

    Raises:
        TooManyRequests: when enough of the tenant's wait.
    """
    found = await one(connection, QUERIES["runs_open_count"], {})
    if found is not None and found["counted"] >= OPEN_MAX:
        said = f"{OPEN_MAX} runs wait or go on already."
        raise TooManyRequests(said, "Wait for one of them to end, or stop one.", code="too_many_runs")


async def wake(connection: Connection) -> None:
    """Have workers look for what waits, when this transaction is done."""
    await connection.execute(QUERIES["run_wake"])


async def open_runs(connection: Connection) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Tenant and id of the runs that wait for a worker, or had one; the system's view."""
    found = await rows(connection, QUERIES["runs_open"], {"limit": LISTED_MAX})
    return [(row["tenant_id"], row["id"]) for row in found]


async def take(connection: Connection, run_id: uuid.UUID, now: datetime) -> Taken | None:
    """Take a run; None where it waits no more, or was begun too often and is given up."""
    found = await one(connection, QUERIES["run_take"], {"id": run_id})
    if found is None:
        return None
    if found["begun"] > BEGUN_MAX:
        await give_up(connection, run_id, f"It was begun {BEGUN_MAX} times and never came to its end.", now)
        return None
    return Taken(found["retries_errors"], found["wants_stop"])


async def let_go(connection: Connection, run_id: uuid.UUID) -> None:
    """A worker that stops leaves its run to another."""
    await connection.execute(QUERIES["run_let_go"], {"id": run_id})
    await wake(connection)


async def give_up(connection: Connection, run_id: uuid.UUID, reason: str, now: datetime) -> None:
    """A run cannot be carried out."""
    await connection.execute(QUERIES["run_give_up"], {"id": run_id, "reason": reason[:REASON_CHARACTERS_MAX], "now": now})


async def wants_stop(connection: Connection, run_id: uuid.UUID) -> bool:
    """Whether a run is to end: somebody asked for it, or it is gone."""
    found = await one(connection, QUERIES["run_wants_stop"], {"id": run_id})
    return found is None or bool(found["wants_stop"])


async def stop_run(connection: Connection, run_id: uuid.UUID, now: datetime) -> None:
    """End a run: at once where it waits, else when what was asked is answered.

    Raises:
        Conflict: when it neither waits nor goes on here.
    """
    if await one(connection, QUERIES["run_stop"], {"id": run_id, "now": now}) is None:
        hint = "One that was begun on the command line ends there."
        raise Conflict("The run neither waits nor goes on by a worker.", hint, code="run_not_open")


async def resume_run(connection: Connection, run_id: uuid.UUID, *, retries_errors: bool) -> None:
    """Let a run that ended go on: what is kept is not asked again.

    Args:
        retries_errors: but for what failed.

    Raises:
        Conflict: when it was not begun over the API, or has not ended.
        TooManyRequests: when enough of the tenant's wait.
    """
    await check_room(connection)
    if await one(connection, QUERIES["run_resume"], {"id": run_id, "retries_errors": retries_errors}) is None:
        hint = "One of the command line goes on with `ondol eval run --resume`."
        raise Conflict("The run goes on already, or was begun on the command line.", hint, code="run_not_ended")
    await wake(connection)

"""The job worker carries out the runs that were begun over the API: woken by a notice, and by the clock where one was lost.

A run belongs to the worker that holds its lock. Where that worker died, the lock is free and the next one goes on: what is kept is not asked again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from dataclasses import replace

from ondol.application.evaluation.queue.store import CHANNEL, LISTED_MAX, Taken, give_up, let_go, open_runs, take, wants_stop
from ondol.core.errors import OndolError, RequestError, UserError
from ondol.infrastructure.access.people import get_person, list_tenants
from ondol.infrastructure.storage.postgres import Connection
from ondol.infrastructure.storage.postgres.following import follow
from ondol.wiring.platform import Platform

AT_ONCE = 2
"""Runs that one worker carries out beside each other, so that a long one does not hold up all others."""
LOOK_S = 1.0
"""How often a run looks whether it is to end."""
CONCURRENCY_MAX = 32
"""Questions of one run at once, whatever its suite says: the worker has other work."""
STOPPED = "Somebody stopped it."

_log = logging.getLogger(__name__)


async def run_evaluations(platform: Platform, stop: asyncio.Event) -> None:
    """Carry out what waits until `stop` is set; what has not ended then waits for the next worker."""
    runners = _Runners(platform)
    tasks = [asyncio.create_task(follow(platform.database, CHANNEL, runners.read, name="evaluations", log=_log))]
    tasks += [asyncio.create_task(runners.work()) for _ in range(AT_ONCE)]
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Runners:
    """What waits and is known of here."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._queue: asyncio.Queue[tuple[uuid.UUID, uuid.UUID]] = asyncio.Queue(LISTED_MAX)
        self._known: set[tuple[uuid.UUID, uuid.UUID]] = set()

    async def read(self, connection: Connection) -> None:
        """See what waits."""
        for run in await open_runs(connection):
            if run not in self._known and not self._queue.full():
                self._known.add(run)
                self._queue.put_nowait(run)

    async def work(self) -> None:
        """Carry out one after the other."""
        while True:
            run = await self._queue.get()
            try:
                await take_on(self._platform, *run)
            except Exception:
                # The boundary of this job: the run waits on, and is given up when that has happened too often.
                _log.exception("evaluation not carried out", extra={"run": str(run[1])})
            finally:
                self._known.discard(run)


async def take_on(platform: Platform, tenant_id: uuid.UUID, run_id: uuid.UUID) -> bool:
    """Carry one run out, unless another worker does; whether it was this one's."""
    async with platform.database.writer_lock(run_id) as is_free:
        if not is_free:
            return False
        async with platform.database.tenant_tx(tenant_id) as connection:
            taken = await take(connection, run_id, platform.clock())
        if taken is None:
            return False
        try:
            await _carried_out(platform, tenant_id, run_id, taken)
        except asyncio.CancelledError:
            with contextlib.suppress(OndolError, TimeoutError):
                async with asyncio.timeout(5), platform.database.tenant_tx(tenant_id) as connection:
                    await let_go(connection, run_id)
            raise
        except (RequestError, UserError) as error:
            async with platform.database.tenant_tx(tenant_id) as connection:
                await give_up(connection, run_id, f"{error.message} {error.hint}".strip(), platform.clock())
    return True


async def _carried_out(platform: Platform, tenant_id: uuid.UUID, run_id: uuid.UUID, taken: Taken) -> None:
    """Evaluation is imported when a run waits: the worker stays small until then."""
    from ondol.application.evaluation.runs import carry_out, get_run, suite_of
    from ondol.application.evaluation.suites import parse_suite
    from ondol.wiring.evaluating import EvaluationRoom
    from ondol.wiring.evaluation_runs import prepare, running_of
    from ondol.wiring.inside import open_inside

    [tenant] = [each for each in await list_tenants(platform.database) if each.id == tenant_id]
    async with platform.database.tenant_tx(tenant_id) as connection:
        run = await get_run(connection, run_id)
        source = await suite_of(connection, platform.keyring, tenant_id, run_id)
        assert run.created_by is not None  # noqa: S101 - who begins one over the API is known
        runner = await get_person(connection, platform.keyring, tenant_id, run.created_by)
    suite = parse_suite(source["text"])
    held = replace(suite, limits=replace(suite.limits, concurrency=min(suite.limits.concurrency, CONCURRENCY_MAX)))
    reason = STOPPED if taken.wants_stop else ""
    async with open_inside(platform) as inside:
        prepared = await prepare(EvaluationRoom(platform, inside, tenant, runner.login), held)

        async def look() -> None:
            nonlocal reason
            while not reason:
                async with platform.database.tenant_tx(tenant_id) as connection:
                    reason = STOPPED if await wants_stop(connection, run_id) else ""
                await asyncio.sleep(LOOK_S)

        looking = asyncio.create_task(look())
        try:
            await carry_out(await running_of(prepared, run_id, stop=lambda: reason), retry_errors=taken.retries_errors)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await prepared.target.close()

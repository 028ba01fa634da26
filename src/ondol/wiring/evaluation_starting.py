"""Runs that are begun over the API, joined with the platform: a suite is read and priced here, and carried out by a job worker."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ondol.application.evaluation.queue.store import check_room, wake
from ondol.infrastructure.access.people import get_person, list_tenants
from ondol.infrastructure.access.types import Principal
from ondol.wiring.inside import InsideGateway
from ondol.wiring.platform import Platform

if TYPE_CHECKING:
    from ondol.application.evaluation.runs.starting_api import Planned
    from ondol.wiring.evaluation_runs import Prepared

OpenGateway = Callable[[], AbstractAsyncContextManager[InsideGateway]]
"""The gateway, whose models and prices a suite is priced by."""


@dataclass(frozen=True, slots=True)
class Starter:
    """Begins runs in the name of whoever asks. Evaluation is imported when somebody first does: a worker of HTTP stays small until then."""

    platform: Platform
    open_gateway: OpenGateway

    async def plan(self, who: Principal, tree: Mapping[str, Any]) -> Planned:
        """What a run of a suite would be, and cost.

        Raises:
            RequestError: when the suite cannot be run this way; it names the field.
        """
        from ondol.application.evaluation.runs.starting_api import Planned
        from ondol.wiring.evaluation_runs import estimate_of

        async with self.open_gateway() as gateway:
            prepared = await self._prepared(gateway, who, tree)
            found = await estimate_of(prepared)
            await prepared.target.close()
        return Planned(prepared.suite, prepared.digests.target_name, prepared.surveyed.count, found)

    async def begin(self, who: Principal, tree: Mapping[str, Any]) -> uuid.UUID:
        """Let a run wait for a worker; its id.

        Raises:
            RequestError: as `plan` does.
            TooManyRequests: when enough of the tenant's wait.
        """
        import yaml

        from ondol.wiring.evaluation_runs import begin

        async with self.platform.database.tenant_tx(who.tenant_id) as connection:
            await check_room(connection)
        async with self.open_gateway() as gateway:
            prepared = await self._prepared(gateway, who, tree)
            await prepared.target.close()
        run_id = await begin(prepared, {"text": yaml.safe_dump(dict(tree), allow_unicode=True, sort_keys=False)}, who.person_id, is_queued=True)
        async with self.platform.database.tenant_tx(who.tenant_id) as connection:
            await wake(connection)
        return run_id

    async def _prepared(self, gateway: InsideGateway, who: Principal, tree: Mapping[str, Any]) -> Prepared:
        from ondol.application.evaluation.suites import suite_from
        from ondol.wiring.evaluating import EvaluationRoom
        from ondol.wiring.evaluation_runs import prepare

        [tenant] = [each for each in await list_tenants(self.platform.database) if each.id == who.tenant_id]
        async with self.platform.database.tenant_tx(who.tenant_id) as connection:
            person = await get_person(connection, self.platform.keyring, who.tenant_id, who.person_id)
        return await prepare(EvaluationRoom(self.platform, gateway, tenant, person.login), suite_from(tree))

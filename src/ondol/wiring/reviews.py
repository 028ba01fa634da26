"""What people thought of answers, brought into the review queues whose rule asks for it: by a job, so that it is there before a rater asks."""

from __future__ import annotations

from ondol.application.evaluation.review.filling import take_feedback
from ondol.application.evaluation.review.store import list_queues
from ondol.infrastructure.access.people import list_tenants
from ondol.wiring.guard import open_guard
from ondol.wiring.platform import Platform

ROUNDS_MAX = 50
"""So many portions for one queue in one run; the next run goes on."""


async def take_all_feedback(platform: Platform) -> int:
    """Take in what the rules of all open queues ask for; how many answers that were. Where no queue has a rule the guard is not even opened."""
    due = []
    for tenant in await list_tenants(platform.database):
        async with platform.database.tenant_tx(tenant.id) as connection:
            due += [(tenant.id, queue) for queue, _, _ in await list_queues(connection) if queue.is_open and queue.feedback != "none"]
    if not due:
        return 0
    made = 0
    async with open_guard(platform) as guard:
        await guard.policies.refresh()
        for tenant_id, queue in due:
            for _ in range(ROUNDS_MAX):
                async with platform.database.tenant_tx(tenant_id) as connection:
                    taken = await take_feedback(connection, platform.keyring, tenant_id, queue, guard.masked, platform.clock())
                made += taken
                if not taken:
                    break
    return made

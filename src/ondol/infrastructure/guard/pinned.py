"""Policies that a release names: the version of its day guards its answers, whatever is bound to the assistant since.

The floors that hold where somebody asks apply beside it, and so does, in the way of a floor, the policy of the caller's key: of two actions the
stricter is taken, so who gives a key a stricter policy does not wait for a release.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ondol.core.errors import OndolError
from ondol.infrastructure.guard.conversation import Guards
from ondol.infrastructure.guard.policy import Policy, policy_from
from ondol.infrastructure.guard.registry import KNOWN
from ondol.infrastructure.guard.store import QUERIES
from ondol.infrastructure.storage.postgres import Database, one

PINNED_MAX = 512
"""Combinations of a pinned version with what applies beside it, of all tenants together. The one used longest ago is made anew when it is needed."""
_LOG = logging.getLogger("ondol.guard")


@dataclass(frozen=True, slots=True)
class Beside:
    """What applies beside a pinned version for one request.

    Attributes:
        policies: the key's, then the floors; None for one that cannot be read.
        of: what it was taken from; another object once anything of the tenant changed.
        prepare: makes policies ready with the tenant's canaries and registered texts.
    """

    names: tuple[str, ...]
    policies: tuple[Policy | None, ...]
    of: object
    prepare: Callable[[Sequence[Policy | None]], Guards]


class PinnedPolicies:
    """Pinned versions made ready, each when it is first asked for: that reads its body and compiles it, and the requests after wait for nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made: OrderedDict[tuple[uuid.UUID, bytes, tuple[str, ...]], tuple[object, Guards]] = OrderedDict()
        self._making = asyncio.Lock()

    async def guards(self, tenant_id: uuid.UUID, digest: bytes, beside: Beside) -> Guards:
        """What guards a request under the version that has this digest; nothing passes where the tenant has none such, or it cannot be read."""
        key = tenant_id, digest, beside.names
        known = self._made.get(key)
        if known is None or known[0] is not beside.of:
            async with self._making:
                known = self._made.get(key)
                if known is None or known[0] is not beside.of:
                    policies = (await self._policy(tenant_id, digest), *beside.policies)
                    known = beside.of, await asyncio.to_thread(beside.prepare, policies)
                    self._made[key] = known
                    while len(self._made) > PINNED_MAX:
                        self._made.popitem(last=False)
        self._made.move_to_end(key)
        return known[1]

    async def _policy(self, tenant_id: uuid.UUID, digest: bytes) -> Policy | None:
        async with self._database.tenant_tx(tenant_id) as connection:
            row = await one(connection, QUERIES["policy_by_digest"], {"digest": digest})
        try:
            if row is None:
                raise ValueError("the tenant has no policy of this digest")
            policy = policy_from(row["body"], KNOWN)
            if policy.digest != digest:
                raise ValueError("the policy is not what its digest says")
        except (OndolError, ValueError, TypeError, KeyError) as error:
            _LOG.error("a release's guard policy cannot be read", extra={"tenant_id": str(tenant_id), "reason": type(error).__name__})
            return None
        return policy

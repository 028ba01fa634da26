"""Every worker forgets what is erased: woken by a notice, and by the clock where one was lost."""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Callable

from ondol.infrastructure.ledger.erasure.store import QUERIES
from ondol.infrastructure.ledger.erasure.types import Gone
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres import Connection, Database, one, rows
from ondol.infrastructure.storage.postgres.following import follow

CHANNEL = "ondol_erasures"
ERASURES_MAX = 1000
ITEMS_MAX = 100_000

_log = logging.getLogger(__name__)


class ErasureFollower:
    """Tells a process what it must forget.

    Args:
        forget: called for each erasure when it hides something and when it ends.
        on_change: called after a look that found something, such as to carry it out.
    """

    def __init__(self, database: Database, forget: Callable[[Gone], None], on_change: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._forget = forget
        self._on_change = on_change
        self._revision: int | None = None

    async def run(self) -> None:
        """Follow until cancelled."""
        await follow(self._database, CHANNEL, self.look, name="erasures", log=_log)

    async def look(self, connection: Connection) -> None:
        """Forget what was erased since the last look; at the first one there is nothing in memory yet.

        Args:
            connection: as the system role.
        """
        if self._revision is None:
            found = await one(connection, QUERIES["revision_now"], {})
            self._revision = found["revision"] if found is not None else 0
            self._on_change()
            return
        changed = await rows(connection, QUERIES["erasures_since"], {"revision": self._revision, "limit": ERASURES_MAX})
        if not changed:
            return
        items: dict[tuple[uuid.UUID, str], set[uuid.UUID]] = defaultdict(set)
        for row in await rows(connection, QUERIES["items_to_forget"], {"ids": [row["id"] for row in changed], "limit": ITEMS_MAX}):
            items[row["erasure_id"], row["kind"]].add(row["item_id"])
        for row in changed:
            owner = KeyOwner(row["tenant_id"], row["kind"], row["target_id"])
            self._forget(Gone(owner, frozenset(items[row["id"], "version"]), frozenset(items[row["id"], "segment"])))
        self._revision = changed[-1]["revision"]
        self._on_change()

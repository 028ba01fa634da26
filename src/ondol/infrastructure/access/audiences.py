"""Audiences: the canonical form of an access rule, and which of them a person may read."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime

from psycopg.types.json import Jsonb

from ondol.core.canonical import digest
from ondol.core.errors import RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.types import AccessRule, Listeners, Visible, class_rank
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

_QUERIES = load_queries("ondol.infrastructure.access")

CACHED_PEOPLE_MAX = 10_000


async def audience_for(connection: Connection, tenant_id: uuid.UUID, rule: AccessRule, now: datetime) -> uuid.UUID:
    """The audience of a rule, made when it is the first of its kind."""
    canonical = rule.canonical()
    rule_digest = digest(canonical)
    added = await one(
        connection,
        _QUERIES["audience_add"],
        {
            "tenant_id": tenant_id,
            "id": new_id(),
            "digest": rule_digest,
            "rule": Jsonb(canonical),
            "class_rank": class_rank(rule.security_class),
            "everyone": rule.everyone,
            "clauses": len(rule.needed_clauses),
            "now": now,
        },
    )
    if added is None:
        known = await one(connection, _QUERIES["audience_by_digest"], {"digest": rule_digest})
        assert known is not None  # noqa: S101 - the conflict above says that it exists, and audiences with documents are never removed
        return uuid.UUID(str(known["id"]))
    audience_id: uuid.UUID = added["id"]
    await connection.execute(_QUERIES["audience_groups_add"], {"tenant_id": tenant_id, "audience_id": audience_id, "group_ids": sorted(rule.groups)})
    await connection.execute(_QUERIES["audience_people_add"], {"tenant_id": tenant_id, "audience_id": audience_id, "person_ids": sorted(rule.people)})
    said = [(number, value) for number, clause in enumerate(rule.needed_clauses) for value in clause]
    clauses = {"numbers": [number for number, _ in said], "value_ids": [value for _, value in said]}
    await connection.execute(_QUERIES["audience_attributes_add"], {"tenant_id": tenant_id, "audience_id": audience_id, **clauses})
    return audience_id


async def group_ids(connection: Connection, names: Iterable[str]) -> dict[str, uuid.UUID]:
    """The ids of groups by name.

    Raises:
        RequestError: when a name is unknown: a rule over a group that does not exist would close a document to everyone in silence.
    """
    wanted = sorted(set(names))
    found = {str(row["name"]): row["id"] for row in await rows(connection, _QUERIES["groups_by_name"], {"names": wanted})}
    unknown = [name for name in wanted if name not in found]
    if unknown:
        raise RequestError(
            f"There is no group called {', '.join(unknown)}.", "Make it with `ondol apply`, or correct the name.", code="unknown_group"
        )
    return found


class VisibleAudiences:
    """Which audiences each person may read: one query, kept for as long as the tenant's access epoch stands.

    The epoch is read in the caller's own transaction each time, so an answer is never older than that transaction. A transaction that has
    written is answered from the tables and leaves nothing behind: its epoch may be rolled back, and come again with another meaning.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[uuid.UUID, uuid.UUID], Visible] = OrderedDict()

    async def of(self, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID) -> Visible:
        """What the person may read now. Unknown and disabled people may read nothing."""
        found = await one(connection, _QUERIES["access_epoch"], {})
        if found is None:
            return Visible(0, frozenset())
        epoch: int = found["access_epoch"]
        key = (tenant_id, person_id)
        known = self._known.get(key) if found["settled"] else None
        if known is None or known.epoch != epoch:
            seen = await rows(connection, _QUERIES["visible_audiences"], {"person_id": person_id})
            known = Visible(epoch, frozenset(row["id"] for row in seen))
            if not found["settled"]:
                return known
            self._known[key] = known
            while len(self._known) > CACHED_PEOPLE_MAX:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return known


class HeardByOthers(VisibleAudiences):
    """The same where others read along: of what a person may read, only what the listeners may read too."""

    def __init__(self, alone: VisibleAudiences, listeners: Listeners) -> None:
        self._alone = alone
        self._listeners = listeners

    async def of(self, connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID) -> Visible:
        """What the person may read, and the listeners too."""
        own = await self._alone.of(connection, tenant_id, person_id)
        told = self._listeners
        values = {"group_ids": sorted(told.group_ids), "clearance": class_rank(told.clearance), "reads_open": told.reads_open}
        heard = await rows(connection, _QUERIES["audiences_of_listeners"], values)
        return Visible(own.epoch, own.audience_ids & frozenset(row["id"] for row in heard))

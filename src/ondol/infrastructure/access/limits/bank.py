"""Pools and leases in Postgres: the one place that decides what is free. Its clock is the database's, never a worker's.

What holds: for each pool of a budget, at every commit, ``leased`` is the sum of its leases and a grant is given only where
``spent + leased + slice <= amount``. A lease of a replica that is lost stays leased, so nobody else gets it, until the replica's records have been
settled and it is closed (`close_replica`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ondol.core.errors import OndolError
from ondol.core.ids import new_id
from ondol.infrastructure.access.limits.calendar import ENDLESS_START, window_at
from ondol.infrastructure.access.limits.pools import Account
from ondol.infrastructure.access.limits.purse import Exchange, Grant, Opened
from ondol.infrastructure.access.limits.types import BUDGET_KINDS, Alarm, Budget, PoolKind, Settlement
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

QUERIES = load_queries("ondol.infrastructure.access.limits")

EXPIRY_S = 30.0
"""A replica that has not been heard of for so long is lost, on the database's clock."""
KEEP_DAYS = 40
"""Windows are kept so long after their end."""
_RATE_KINDS: list[PoolKind] = ["requests", "tokens", "concurrent"]
_BUDGET_KINDS: list[PoolKind] = sorted(BUDGET_KINDS)


class ReplicaLost(OndolError):
    """The replica was taken for lost: it must come back before its next exchange."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What a replica that comes back finds.

    Attributes:
        exchange: the number of its last exchange that was committed.
        now_s: the database's time, in seconds since 1970.
        leases: tenant, pool and amount of what it still has.
    """

    exchange: int
    now_s: float
    leases: tuple[tuple[uuid.UUID, uuid.UUID, int], ...]


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What an exchange brought."""

    now_s: float
    opened: tuple[tuple[Account, Opened], ...]
    grants: tuple[Grant, ...]


async def begin(connection: Connection, replica_id: uuid.UUID) -> None:
    """Register a replica."""
    await connection.execute(QUERIES["replica_add"], {"id": replica_id, "expiry_s": EXPIRY_S})


async def come_back(connection: Connection, replica_id: uuid.UUID) -> Returned | None:
    """A replica that was lost, or whose last exchange may not have arrived, lives again; None when it was closed for good."""
    found = await one(connection, QUERIES["replica_return"], {"id": replica_id, "expiry_s": EXPIRY_S})
    if found is None:
        return None
    leases = await rows(connection, QUERIES["leases_of"], {"id": replica_id})
    return Returned(found["exchange"], found["now_s"], tuple((row["tenant_id"], row["pool_id"], row["amount"]) for row in leases))


async def exchange_once(connection: Connection, replica_id: uuid.UUID, exchange: Exchange, zones: Mapping[uuid.UUID, ZoneInfo]) -> Exchanged:
    """One exchange in the caller's transaction: heartbeat, windows, reports, grants, in this order.

    Raises:
        ReplicaLost: when the replica is not live; nothing was changed.
    """
    beat = {"id": replica_id, "exchange": exchange.number, "through": exchange.through, "expiry_s": EXPIRY_S}
    found = await one(connection, QUERIES["replica_beat"], beat)
    if found is None:
        raise ReplicaLost("This worker was taken for lost.")
    await connection.execute(QUERIES["replays_drop"], {"id": replica_id, "through": exchange.through})
    opened = await _open(connection, replica_id, exchange.opening, zones, found["now_s"])
    touched = [(report.pool.tenant_id, report.pool.id) for report in exchange.reports] + [(tenant, pool) for tenant, pool, _ in exchange.stray]
    by_account = {account: window.pool_id for account, window in opened}
    wants = [(want, by_account.get(want.account) or (want.account.pool.id if want.account.pool else None)) for want in exchange.wants]
    asked = [(want, pool_id) for want, pool_id in wants if pool_id is not None]
    touched += [(want.account.tenant_id, pool_id) for want, pool_id in asked]
    if not touched:
        return Exchanged(found["now_s"], tuple(opened), ())
    places = {"tenant_ids": [tenant for tenant, _ in touched], "ids": [pool for _, pool in touched]}
    await connection.execute(QUERIES["pools_lock"], places)
    await connection.execute(QUERIES["pools_fill"], places)
    await _report(connection, replica_id, exchange)
    if not asked:
        return Exchanged(found["now_s"], tuple(opened), ())
    grants = await rows(
        connection,
        QUERIES["pools_grant"],
        {
            "replica_id": replica_id,
            "tenant_ids": [want.account.tenant_id for want, _ in asked],
            "ids": [pool_id for _, pool_id in asked],
            "wished": [want.wished for want, _ in asked],
            "needed": [want.needed for want, _ in asked],
        },
    )
    needed = {pool_id: want.needed for want, pool_id in asked}
    starving = [row["id"] for row in grants if needed[row["id"]] and not row["granted"] and row["leased"]]
    if starving:
        # The others give back at once what they have free.
        await connection.execute(QUERIES["pools_recall"], {"ids": starving})
    return Exchanged(found["now_s"], tuple(opened), tuple(Grant(pool_id=row.pop("id"), **row) for row in grants))


async def starved(connection: Connection, replica_id: uuid.UUID) -> list[uuid.UUID]:
    """Pools of which this replica holds a lease while another one starves: what a lost notice would have said."""
    return [row["id"] for row in await rows(connection, QUERIES["pools_starved"], {"id": replica_id})]


async def lose_overdue(database: Database) -> list[uuid.UUID]:
    """Take replicas that are overdue for lost. Their slots of concurrent requests are free again; what they hold of budgets counts as spent."""
    async with database.system_tx() as connection:
        lost = [row["id"] for row in await rows(connection, QUERIES["replicas_overdue"], {"expiry_s": EXPIRY_S})]
        if lost:
            await _fall_back(connection, lost, _RATE_KINDS)
        return lost


async def leave(connection: Connection, replica_id: uuid.UUID) -> None:
    """A replica that has told and returned everything ends."""
    await _fall_back(connection, [replica_id], [*_RATE_KINDS, *_BUDGET_KINDS])
    await connection.execute(QUERIES["replica_close"], {"id": replica_id})


# ---- From the records of requests


async def settle_records(connection: Connection, replica_id: uuid.UUID, settled: Sequence[tuple[uuid.UUID, Settlement]]) -> int:
    """Settlements that the records of one replica carry, called by whoever writes the records, in the same transaction.

    What the replica's own reports have brought already is left out, and a request that comes twice counts once, so the call may be repeated and may
    come in any order. What is kept is charged when the replica is closed, or forgotten when its own report arrives after all.

    Args:
        settled: the request's id and its settlement.

    Returns:
        How many charges are kept.
    """
    held = await one(connection, QUERIES["replica_hold"], {"id": replica_id})
    if held is None:
        return 0
    charges = [
        (request_id, entry.number, charge) for request_id, entry in settled for charge in entry.charges if entry.number > held["settled_through"]
    ]
    if not charges:
        return 0
    done = await connection.execute(
        QUERIES["replays_add"],
        {
            "id": replica_id,
            "through": held["settled_through"],
            "tenant_ids": [charge.tenant_id for _, _, charge in charges],
            "pool_ids": [charge.pool_id for _, _, charge in charges],
            "request_ids": [request_id for request_id, _, _ in charges],
            "numbers": [number for _, number, _ in charges],
            "amounts": [charge.amount for _, _, charge in charges],
        },
    )
    return done.rowcount


async def close_replica(connection: Connection, replica_id: uuid.UUID) -> bool:
    """A replica that is gone, and whose records are all settled, is closed: what they say is charged, the rest of its leases is free again.

    Requests that were in flight when it died have no record: what they cost is not known here. It is at most what they held, so at most the leases of
    that replica.

    Returns:
        False when it is closed already or still lives.
    """
    held = await one(connection, QUERIES["replica_hold"], {"id": replica_id})
    if held is None or held["state"] == "live":
        return False
    await connection.execute(QUERIES["leases_lock"], {"kinds": [*_RATE_KINDS, *_BUDGET_KINDS], "replica_ids": [replica_id]})
    charged = await rows(connection, QUERIES["replays_charge"], {"id": replica_id})
    await connection.execute(QUERIES["replays_clear"], {"id": replica_id})
    await _fall_back(connection, [replica_id], [*_RATE_KINDS, *_BUDGET_KINDS])
    await connection.execute(QUERIES["replica_close"], {"id": replica_id})
    if charged:
        await _note_alarms(connection, [row["tenant_id"] for row in charged], [row["id"] for row in charged])
    return True


async def lost_replicas(connection: Connection) -> list[uuid.UUID]:
    """Replicas that are lost and not closed, longest first: what they hold of budgets counts as spent."""
    return [row["id"] for row in await rows(connection, QUERIES["replicas_lost"], {})]


# ---- Alarms and old rows


async def claim_alarms(database: Database) -> list[Alarm]:
    """Alarms to be given now; another worker leaves them alone for a minute."""
    async with database.system_tx() as connection:
        return [Alarm(**row) for row in await rows(connection, QUERIES["alarms_claim"], {})]


async def alarm_told(database: Database, alarm: Alarm) -> None:
    """It was given."""
    async with database.system_tx() as connection:
        await connection.execute(QUERIES["alarm_told"], {"tenant_id": alarm.tenant_id, "pool_id": alarm.pool_id, "percent": alarm.percent})


async def prune(database: Database) -> None:
    """Forget windows that ended long ago, unused pools and closed replicas."""
    async with database.system_tx() as connection:
        await connection.execute(QUERIES["pools_prune"], {"keep_days": KEEP_DAYS})
        await connection.execute(QUERIES["replicas_prune"])


# ---- Parts of an exchange


async def _open(
    connection: Connection, replica_id: uuid.UUID, accounts: Sequence[Account], zones: Mapping[uuid.UUID, ZoneInfo], now_s: float
) -> list[tuple[Account, Opened]]:
    if not accounts:
        return []
    moment = datetime.fromtimestamp(now_s, UTC)
    for kinds, query in ((_BUDGET_KINDS, "budget_pools_open"), (_RATE_KINDS, "limit_pools_open")):
        chosen = [account for account in accounts if account.kind in kinds]
        if chosen:
            windows = [_window(account, zones, moment) for account in chosen]
            values = {**_names(chosen), "ids": [new_id() for _ in chosen], "starts": [start for start, _ in windows]}
            await connection.execute(QUERIES[query], {**values, "ends": [end for _, end in windows]} if kinds is _BUDGET_KINDS else values)
    found = await rows(connection, QUERIES["pools_found"], {**_names(accounts), "replica_id": replica_id})
    by_name = {(row["rule_id"], row["kind"], row["subject"]): row for row in found}
    opened = []
    for account in accounts:
        row = by_name.get((account.rule.id, account.kind, account.subject))
        if row is not None:
            left_s = float("inf") if row["left_s"] is None else row["left_s"]
            opened.append((account, Opened(row["id"], row["amount"], row["spent"], row["leased"], row["ends_at"], left_s)))
    return opened


async def _report(connection: Connection, replica_id: uuid.UUID, exchange: Exchange) -> None:
    told = [(report.pool.tenant_id, report.pool.id, report.spent, report.less) for report in exchange.reports]
    told += [(tenant_id, pool_id, 0, amount) for tenant_id, pool_id, amount in exchange.stray]
    if not told:
        return
    tenant_ids, ids, spent, less = ([entry[place] for entry in told] for place in range(4))
    await connection.execute(QUERIES["pools_report"], {"replica_id": replica_id, "tenant_ids": tenant_ids, "ids": ids, "spent": spent, "less": less})
    alarming = [
        report.pool
        for report in exchange.reports
        if report.spent and isinstance(report.pool.account.rule, Budget) and report.pool.account.rule.alarm_percents
    ]
    if alarming:
        await _note_alarms(connection, [pool.tenant_id for pool in alarming], [pool.id for pool in alarming])


async def _note_alarms(connection: Connection, tenant_ids: Sequence[uuid.UUID], ids: Sequence[uuid.UUID]) -> None:
    await connection.execute(QUERIES["alarms_note"], {"tenant_ids": list(tenant_ids), "ids": list(ids)})


async def _fall_back(connection: Connection, replica_ids: Sequence[uuid.UUID], kinds: Sequence[PoolKind]) -> None:
    values = {"kinds": list(kinds), "replica_ids": list(replica_ids)}
    await connection.execute(QUERIES["leases_lock"], values)
    await connection.execute(QUERIES["leases_fall_back"], values)


def _names(accounts: Sequence[Account]) -> dict[str, list[object]]:
    return {
        "tenant_ids": [account.tenant_id for account in accounts],
        "rule_ids": [account.rule.id for account in accounts],
        "kinds": [account.kind for account in accounts],
        "subjects": [account.subject for account in accounts],
    }


def _window(account: Account, zones: Mapping[uuid.UUID, ZoneInfo], moment: datetime) -> tuple[datetime, datetime | None]:
    rule = account.rule
    if isinstance(rule, Budget):
        return window_at(rule.period, zones.get(rule.tenant_id, ZoneInfo("UTC")), moment)
    return ENDLESS_START, None

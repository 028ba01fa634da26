"""What the database needs from time to time."""

from __future__ import annotations

from datetime import datetime

from ondol.infrastructure.storage.postgres.database import Database, one, rows
from ondol.infrastructure.storage.postgres.migrate import PARTITION_MONTHS_AHEAD, PARTITIONED_TABLES
from ondol.infrastructure.storage.postgres.queries import load_queries

_QUERIES = load_queries("ondol.infrastructure.storage.postgres")


async def make_partitions_ahead(database: Database, now: datetime) -> None:
    """Make this month's partitions and those of the next months, where they are missing."""
    async with database.system_tx() as connection:
        for table in PARTITIONED_TABLES:
            values = {"table": table, "first_day": now.date(), "months": PARTITION_MONTHS_AHEAD + 1}
            await connection.execute(_QUERIES["make_partitions"], values)


async def server_time(database: Database) -> tuple[datetime, int]:
    """The server's clock, and its version as Postgres numbers it (180004 is 18.4)."""
    async with database.system_tx() as connection:
        found = await one(connection, _QUERIES["server_time"], {})
        return (found or {})["now"], connection.info.server_version


async def rights_given_at(database: Database) -> datetime:
    """When this database was made, restored, or last changed in who may do what: each of them gives the roles their rights."""
    async with database.system_tx() as connection:
        found = await one(connection, _QUERIES["rights_given_at"], {})
        given_at: datetime = (found or {})["given_at"]
        return given_at


async def risky_roles(database: Database) -> list[str]:
    """Which of the two doors' roles, or the keeper, could pass row-level security."""
    roles = database.addresses.roles
    async with database.system_tx() as connection:
        return [row["rolname"] for row in await rows(connection, _QUERIES["risky_roles"], {"roles": [roles.app, roles.system, roles.keeper]})]


async def open_tables(database: Database) -> list[str]:
    """Tenant tables on which row-level security is not forced."""
    async with database.system_tx() as connection:
        return [row["relname"] for row in await rows(connection, _QUERIES["open_tables"], {})]

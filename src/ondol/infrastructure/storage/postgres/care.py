"""What the database needs from time to time."""

from __future__ import annotations

from datetime import datetime

from ondol.infrastructure.storage.postgres.database import Database
from ondol.infrastructure.storage.postgres.migrate import PARTITION_MONTHS_AHEAD, PARTITIONED_TABLES
from ondol.infrastructure.storage.postgres.queries import load_queries

_QUERIES = load_queries("ondol.infrastructure.storage.postgres")


async def make_partitions_ahead(database: Database, now: datetime) -> None:
    """Make this month's partitions and those of the next months, where they are missing."""
    async with database.system_tx() as connection:
        for table in PARTITIONED_TABLES:
            values = {"table": table, "first_day": now.date(), "months": PARTITION_MONTHS_AHEAD + 1}
            await connection.execute(_QUERIES["make_partitions"], values)

"""Counting as the owner, who sees every tenant's rows in every partition: what a probe of an erasure reads by."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from ondol.infrastructure.storage.postgres.database import CONNECT_TIMEOUT_S, Database

STATEMENT_SECONDS_MAX = 600


async def count_as_owner(database: Database, sql: Any, parameters: dict[str, object]) -> int:
    """The number in the one row that a query gives, over a connection of its own.

    Args:
        sql: a named query that counts.

    Raises:
        psycopg.Error: when Postgres does not answer.
    """
    options = f"-c search_path=ondol,pg_temp -c statement_timeout={STATEMENT_SECONDS_MAX * 1000}"
    address = make_conninfo(database.addresses.owner, options=options, application_name="ondol probe", connect_timeout=CONNECT_TIMEOUT_S)
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        found = await (await connection.execute(sql, parameters)).fetchone()
    return int(found[0]) if found is not None else 0

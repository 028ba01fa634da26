"""What a process keeps in memory follows Postgres: woken by a notice, and by the clock where one was lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from ondol.core.errors import OndolError
from ondol.infrastructure.storage.postgres.database import Connection, Database

POLL_SECONDS = 1.0
READ_SECONDS_MAX = 20.0


async def follow(database: Database, channel: str, read: Callable[[Connection], Awaitable[None]], *, name: str, log: logging.Logger) -> None:
    """Call `read` at once, at every notice of `channel` and every `POLL_SECONDS`, until cancelled, over one connection of its own.

    Args:
        name: what is read, for the log and as ``application_name``.
    """
    while True:
        try:
            async with await _connect(database, name) as connection:
                await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                while True:
                    async with asyncio.timeout(READ_SECONDS_MAX):
                        await read(connection)
                    async for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                        pass
        except (OndolError, psycopg.Error, TimeoutError) as error:
            log.warning("%s not refreshed", name, extra={"reason": type(error).__name__})
        except Exception:
            # The boundary of this task: without it, everything that changes later would never be in force, and nobody would know.
            log.exception("%s not refreshed", name)
        await asyncio.sleep(POLL_SECONDS)


async def _connect(database: Database, name: str) -> Connection:
    return await Connection.connect(
        make_conninfo(database.addresses.system, options="-c search_path=ondol,pg_temp", application_name=f"ondol {name}", connect_timeout=10),
        autocommit=True,
        row_factory=dict_row,
    )

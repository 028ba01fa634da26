"""The two doors to Postgres: `tenant_tx`, bound to one tenant by row-level security, and `system_tx`, for named tables above tenants."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from ondol.core.errors import OndolError

Connection = psycopg.AsyncConnection[DictRow]

CONNECT_TIMEOUT_S = 10
IDLE_CLOSE_S = 60.0
CHECK_AFTER_S = 1.0
"""A connection that was used within this is taken to stand."""

_BEGIN_AS = b"begin; select set_config('ondol.tenant_id', '%b', true)"


class DatabaseAway(OndolError):
    """Postgres does not answer, or has no free connection in time."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of an installation's roles beside its owner.

    Args:
        app: acts for one tenant at a time.
        system: serves what stands above tenants.
        keeper: nobody's login; its policy is how the owner, its member, reaches rows under forced row-level security.
    """

    app: str
    system: str
    keeper: str


@dataclass(frozen=True, slots=True)
class DatabaseAddresses:
    """Connection strings of the three roles that log in. The owner only migrates and backs up."""

    owner: str
    app: str
    system: str
    roles: Roles = Roles("ondol_app", "ondol_system", "ondol_keeper")


class _Pooled(psycopg.AsyncConnection[DictRow]):
    """A connection of a pool. Autocommit is on: `begin` and `commit` are said by us."""

    used_at = 0.0
    """Monotonic seconds of the last commit."""


class Database:
    """Pools of connections for the two doors, opened when first used.

    Args:
        addresses: connection strings.
        pool_max: connections of each door.
        statement_timeout_ms: longest that one statement may run.
    """

    def __init__(self, addresses: DatabaseAddresses, *, pool_max: int = 8, statement_timeout_ms: int = 30_000) -> None:
        self.addresses = addresses
        self._pool_max = pool_max
        self._options = f"-c search_path=ondol,pg_temp -c statement_timeout={statement_timeout_ms} -c idle_in_transaction_session_timeout=60000"
        self._pools: dict[str, AsyncConnectionPool[_Pooled]] = {}
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def tenant_tx(self, tenant_id: uuid.UUID) -> AsyncIterator[Connection]:
        """A transaction as the app role that sees and writes one tenant's rows only.

        Raises:
            DatabaseAway: when no connection can be had, or it breaks: whether a commit arrived is then unknown.
        """
        async with self._transaction(self.addresses.app, _BEGIN_AS % tenant_id.bytes.hex().encode()) as connection:
            yield connection

    @asynccontextmanager
    async def system_tx(self) -> AsyncIterator[Connection]:
        """A transaction as the system role, which may touch the tables that migrations open to it, over all tenants."""
        async with self._transaction(self.addresses.system, b"begin") as connection:
            yield connection

    @asynccontextmanager
    async def writer_lock(self, what: uuid.UUID, *, wait_s: float = 0.0) -> AsyncIterator[bool]:
        """An advisory lock of the whole cluster on something that may have one writer; yields whether it was had.

        It stands on a connection of its own, so it ends with the process that holds it, however that ends.

        Args:
            wait_s: so long it is waited for, in the order of coming; 0 is not at all.

        Raises:
            DatabaseAway: when no connection can be had.
        """
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.addresses.app, autocommit=True, application_name="ondol writer", connect_timeout=CONNECT_TIMEOUT_S
            )
        except psycopg.OperationalError as error:
            raise _away() from error
        async with connection:
            is_free = await _take_lock(connection, _lock_number(what), wait_s)
            try:
                yield is_free
            finally:
                # Said aloud, since the server notices a closed connection only a moment later, when the next writer may have come already.
                if is_free and not connection.broken:
                    with contextlib.suppress(psycopg.Error):
                        await connection.execute("select pg_advisory_unlock(%s)", (_lock_number(what),))

    async def close(self) -> None:
        """Close every connection. A pool that somebody is opening is waited for, so that it is closed too."""
        async with self._opening:
            pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.close()

    @asynccontextmanager
    async def _transaction(self, address: str, begin: bytes) -> AsyncIterator[Connection]:
        """A transaction on a connection of a pool, which rolls it back when the block fails. `begin` may hold several statements: one round trip."""
        pool = self._pools.get(address) or await self._open(address)
        connection: _Pooled | None = None
        try:
            async with contextlib.AsyncExitStack() as stack:
                connection = await _begun(pool, begin, stack)
                yield connection
                await connection.commit()
                connection.used_at = time.monotonic()
        except PoolTimeout as error:
            raise _away() from error
        except psycopg.OperationalError as error:
            if connection is None or not connection.closed:
                raise
            raise _away() from error

    async def _open(self, address: str) -> AsyncConnectionPool[_Pooled]:
        async with self._opening:
            if address not in self._pools:
                pool: AsyncConnectionPool[_Pooled] = AsyncConnectionPool(
                    make_conninfo(address, options=self._options, application_name="ondol", connect_timeout=CONNECT_TIMEOUT_S),
                    connection_class=_Pooled,
                    kwargs={"row_factory": dict_row, "autocommit": True},
                    min_size=1,
                    max_size=self._pool_max,
                    max_idle=IDLE_CLOSE_S,
                    check=_check,
                    open=False,
                )
                try:
                    # Waiting here keeps the pool at one connection: a borrower that comes before the first one is made would cause a second.
                    await pool.open(wait=True, timeout=CONNECT_TIMEOUT_S)
                except PoolTimeout as error:
                    await pool.close()
                    raise _away() from error
                except BaseException:
                    await pool.close()  # whoever asked was cancelled meanwhile: nobody else would ever close it
                    raise
                self._pools[address] = pool
            return self._pools[address]


async def _begun(pool: AsyncConnectionPool[_Pooled], begin: bytes, stack: contextlib.AsyncExitStack) -> _Pooled:
    """A connection in a transaction. One that turns out to be closed before anything was done is replaced, and so are all others that are."""
    for is_last in (False, True):
        async with contextlib.AsyncExitStack() as taking:
            connection = await taking.enter_async_context(pool.connection(timeout=CONNECT_TIMEOUT_S))
            try:
                await connection.execute(begin, prepare=False)
            except psycopg.OperationalError as error:
                if not connection.closed:
                    raise
                if is_last:
                    raise _away() from error
            else:
                stack.push_async_exit(taking.pop_all())
                return connection
        await pool.check()
    raise _away()


async def _check(connection: _Pooled) -> None:
    """Whether a connection still stands; one that did a moment ago is not asked."""
    if time.monotonic() - connection.used_at > CHECK_AFTER_S:
        await AsyncConnectionPool.check_connection(connection)


def _away() -> DatabaseAway:
    return DatabaseAway("Postgres does not answer.", "Look at `ondol doctor`.")


async def _take_lock(connection: psycopg.AsyncConnection[Any], number: int, wait_s: float) -> bool:
    if wait_s <= 0:
        found = await (await connection.execute("select pg_try_advisory_lock(%s)", (number,))).fetchone()
        return bool(found and found[0])
    await connection.execute("select set_config('lock_timeout', %s, false)", (f"{int(wait_s * 1000) + 1}ms",))
    try:
        await connection.execute("select pg_advisory_lock(%s)", (number,))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _lock_number(what: uuid.UUID) -> int:
    """64 bits of the random part of a UUIDv7, signed as Postgres wants them."""
    return int.from_bytes(what.bytes[8:], "big", signed=True)


async def one(connection: Connection, sql: Any, parameters: dict[str, object]) -> DictRow | None:
    """The first row of a query, or None."""
    return await (await connection.execute(sql, parameters)).fetchone()


async def rows(connection: Connection, sql: Any, parameters: dict[str, object]) -> list[DictRow]:
    """All rows of a query. The query itself carries a limit where the table can grow."""
    return await (await connection.execute(sql, parameters)).fetchall()

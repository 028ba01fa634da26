"""The pooled HTTP client towards model providers: one per worker process. No redirect is followed, no cookie kept, no environment read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from ondol.infrastructure.serving.errors import UpstreamFailure, busy, refused_by_egress, unreachable
from ondol.infrastructure.serving.http.answer import HttpAnswer
from ondol.infrastructure.serving.http.connection import Connection, StaleConnection
from ondol.infrastructure.serving.http.egress import Egress, Resolver, checked_addresses, forbidden, literal_address, system_resolver
from ondol.infrastructure.serving.http.pool import CONNECTIONS_PER_ORIGIN_MAX, Pool, Share
from ondol.infrastructure.serving.http.proxy import Tunnel
from ondol.infrastructure.serving.http.tls import TlsContexts
from ondol.infrastructure.serving.http.types import HttpRequest, Origin
from ondol.infrastructure.serving.http.watch import Watch
from ondol.infrastructure.serving.types import Timeouts

POOLS_MAX = 4096
SENDS_MAX = 3
"""Once on a pooled connection; when that was dead, on one that another request gave back or on a fresh one, which is never dead in this sense."""


class HttpClient:
    """Sends requests. Made and used inside one running loop.

    Args:
        now: monotonic seconds; the loop's when absent.
        resolver: gives a host's addresses; the system's when absent.
        connections_per_origin_max: a stream holds one for as long as it lasts.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] | None = None,
        resolver: Resolver = system_resolver,
        connections_per_origin_max: int = CONNECTIONS_PER_ORIGIN_MAX,
    ) -> None:
        self.watch = Watch(now)
        self._resolver = resolver
        self._connections_max = connections_per_origin_max
        self._pools: dict[tuple[Origin, bytes], Pool] = {}
        self._tls = TlsContexts()
        self._closed = False

    async def send(self, request: HttpRequest, timeouts: Timeouts, egress: Egress, share: Share = None) -> HttpAnswer:
        """Send a request; returns when the head of the answer is here, whatever its status.

        A request on a connection that was used before, and that dies before any byte of an answer, is sent once more on a fresh one.

        Args:
            share: the tenant whose share of the connections is used.

        Raises:
            UpstreamError: ``upstream_busy``, ``upstream_unreachable``, ``upstream_not_allowed``, ``upstream_untrusted``, ``upstream_timeout``,
                ``upstream_cut_off`` or ``upstream_garbage``.
            RequestError: when the request cannot be written as HTTP: nothing was sent.
        """
        if request.origin not in egress.origins or self._closed:
            raise refused_by_egress("its host is not registered")
        pool = self._pools.get((request.origin, egress.key)) or self._new_pool(request.origin, egress)
        head = request.head()
        whole_at = self.watch.now() + timeouts.whole_s
        connection = pool.take(share)
        try:
            for _ in range(SENDS_MAX):
                if connection is None:
                    connection = await pool.open(min(timeouts.connect_s, timeouts.whole_s), share)
                try:
                    return await connection.ask(head, request.body, timeouts, whole_at)
                except StaleConnection:
                    connection = None
        except asyncio.CancelledError:
            if connection is not None:
                connection.abort()
            raise
        raise unreachable("It closes connections as soon as they are used.")

    def allow(self, connections_per_origin_max: int) -> None:
        """Hold so many connections to one origin from now on. Those above stay until they end."""
        self._connections_max = connections_per_origin_max
        for pool in self._pools.values():
            pool.connections_max = connections_per_origin_max

    @property
    def connections(self) -> int:
        """Connections that stand or are being made."""
        return sum(pool.size for pool in self._pools.values())

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return sum(pool.idle for pool in self._pools.values())

    async def close(self) -> None:
        """Close every connection at once; answers in flight end with ``upstream_cut_off``."""
        self._closed = True
        for pool in tuple(self._pools.values()):
            pool.close()
        self.watch.close()
        await asyncio.sleep(0)

    def _new_pool(self, origin: Origin, egress: Egress) -> Pool:
        if len(self._pools) >= POOLS_MAX:
            raise busy()
        key = (origin, egress.key)

        async def connect(connection: Connection, connect_s: float) -> None:
            await self._connect(connection, origin, egress, connect_s)

        pool = Pool(self.watch, connect, connections_max=self._connections_max, emptied=lambda: self._drop(key, pool))
        self._pools[key] = pool
        return pool

    def _drop(self, key: tuple[Origin, bytes], pool: Pool) -> None:
        if self._pools.get(key) is pool:
            del self._pools[key]

    async def _connect(self, connection: Connection, origin: Origin, egress: Egress, connect_s: float) -> None:
        """Resolve, judge, connect, and TLS where the origin has it: together within `connect_s`."""
        try:
            async with asyncio.timeout(connect_s):
                context = await self._tls.context_for(egress.ca_pem) if origin.scheme == "https" else None
                if egress.proxy is None:
                    addresses = await self._addresses(origin, egress.private_network)
                    await self._connect_to(addresses, connection, origin, context)
                else:
                    await self._connect_through(egress, connection, origin, context)
        except TimeoutError:
            raise unreachable("It did not accept a connection in time.") from None
        except ssl.SSLCertVerificationError as error:
            raise UpstreamFailure(
                "The model provider's certificate is not trusted.",
                "Register its certificate authority, if it has its own.",
                code="upstream_untrusted",
                retryable=False,
            ) from error
        except (OSError, ssl.SSLError) as error:
            raise unreachable() from error

    async def _addresses(self, origin: Origin, private_network: bool) -> list[str]:
        return await checked_addresses(origin, self._resolver, private_network=private_network)

    async def _connect_to(self, addresses: list[str], connection: Connection, origin: Origin, context: ssl.SSLContext | None) -> None:
        """The first address that accepts. The name is used for the certificate only: never resolved a second time."""
        server_hostname = origin.host if context is not None else None
        failure: OSError | None = None
        for address in addresses:
            try:
                await self.watch.loop.create_connection(lambda: connection, address, origin.port, ssl=context, server_hostname=server_hostname)
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
            else:
                return
        raise failure or OSError("no address")

    async def _connect_through(self, egress: Egress, connection: Connection, origin: Origin, context: ssl.SSLContext | None) -> None:
        proxy = egress.proxy
        assert proxy is not None  # noqa: S101 (asked by the caller)
        literal = literal_address(origin.host)
        if literal is not None and (why := forbidden(literal, private_network=egress.private_network)):
            raise refused_by_egress(why)
        loop = self.watch.loop
        addresses = await self._addresses(proxy.origin, proxy.trusted or egress.private_network)
        transport, tunnel = await loop.create_connection(Tunnel, addresses[0], proxy.origin.port)
        try:
            tunnel.ask(origin, proxy)
            await tunnel.opened
            if context is None:
                transport.set_protocol(connection)
                connection.connection_made(transport)
            else:
                secured = await loop.start_tls(transport, connection, context, server_hostname=origin.host)
                if secured is None:
                    raise OSError("the proxy hung up")
                connection.connection_made(secured)
        except BaseException:
            transport.abort()
            raise

"""The page `/metrics` for Prometheus, and who may read it."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Callable

from ondol.core.errors import Forbidden, SettingsError
from ondol.infrastructure.access.types import Principal, Role
from ondol.infrastructure.gateway.admin import Authenticate
from ondol.infrastructure.gateway.errors import MethodNotAllowed
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.telemetry.exposition import CONTENT_TYPE
from ondol.infrastructure.telemetry.observer import Observer

METRICS_PATH = "/metrics"
READERS: frozenset[Role] = frozenset({"owner", "admin", "auditor"})
FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"x-forwarded-host", b"via")
"""Headers of proxies. Who comes by one is not who its address says, so it needs a key: a proxy on this machine must not open the page to all."""


class MetricsPage:
    """A `Handler` of the server.

    Args:
        open_to: networks, by commas, that need no key.
        authenticate: who sends a request; raises `Unauthenticated`.
        is_operator: whether a tenant's admins and auditors may see what concerns all tenants.

    Raises:
        SettingsError: a network is none.
    """

    def __init__(self, observer: Observer, open_to: str, authenticate: Authenticate, is_operator: Callable[[uuid.UUID], bool]) -> None:
        self._observer = observer
        self._authenticate = authenticate
        self._is_operator = is_operator
        try:
            self._open_to = [ipaddress.ip_network(text.strip()) for text in open_to.split(",") if text.strip()]
        except ValueError as error:
            raise SettingsError(f"metrics.open_to: {error}.", "Give networks by commas, such as 127.0.0.0/8,::1.") from error

    async def __call__(self, exchange: Exchange) -> None:
        """Answer with the page.

        Raises:
            Unauthenticated, Forbidden: the caller may not read it.
            MethodNotAllowed: it is neither GET nor HEAD.
        """
        if exchange.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(exchange.method, "GET, HEAD")
        if exchange.header(b"authorization") or not self._is_near(exchange):
            self._refuse_stranger(await self._authenticate(exchange.headers(), exchange.client))
        page = await self._observer.scrape()
        exchange.answer(200, page, [(b"cache-control", b"no-store")], CONTENT_TYPE)

    def _refuse_stranger(self, who: Principal) -> None:
        if not READERS & who.roles or not self._is_operator(who.tenant_id):
            raise Forbidden(
                "The metrics are of all tenants; this key may not read them.",
                "Use a key of an admin or auditor of the tenant that metrics.operator names, or read from a network of metrics.open_to.",
            )

    def _is_near(self, exchange: Exchange) -> bool:
        if any(exchange.header(name) for name in FORWARDED):
            return False
        try:
            address = ipaddress.ip_address(exchange.client.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address.version == network.version and address in network for network in self._open_to)

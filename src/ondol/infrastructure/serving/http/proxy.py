"""The way through an outbound HTTP proxy: CONNECT, for https and http alike, so that the proxy never sees a credential that TLS protects."""

from __future__ import annotations

import asyncio
from typing import cast

from ondol.infrastructure.serving.errors import UpstreamFailure, unreachable
from ondol.infrastructure.serving.http.egress import Proxy
from ondol.infrastructure.serving.http.types import Origin

PROXY_HEAD_BYTES_MAX = 16 << 10


class Tunnel(asyncio.Protocol):
    """Reads the proxy's answer to CONNECT. Bytes behind its head belong to nobody: an upstream speaks only when it is spoken to."""

    def __init__(self) -> None:
        self.opened: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection to the proxy stands."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, origin: Origin, proxy: Proxy) -> None:
        """Send CONNECT."""
        assert self._transport is not None  # noqa: S101 (create_connection returns after connection_made)
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        target = f"{host}:{origin.port}".encode()
        lines = [b"CONNECT %b HTTP/1.1" % target, b"host: %b" % target]
        if proxy.authorization:
            lines.append(b"proxy-authorization: %b" % proxy.authorization)
        self._transport.write(b"\r\n".join([*lines, b"", b""]))

    def data_received(self, data: bytes) -> None:
        """A piece of the proxy's head."""
        if self.opened.done():
            return
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found and len(self._buffer) <= PROXY_HEAD_BYTES_MAX:
            return
        status = head[9:12] if head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) else b""
        if found and status == b"200" and not rest and self._transport is not None:
            self.opened.set_result(self._transport)
        else:
            self._refuse(status == b"407")

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy hung up."""
        if not self.opened.done():
            self.opened.set_exception(unreachable("The outbound proxy hung up."))

    def _refuse(self, unauthorised: bool) -> None:
        hint = "The outbound proxy refused its credentials." if unauthorised else "The outbound proxy refused the connection."
        self.opened.set_exception(UpstreamFailure("The model provider cannot be reached.", hint, code="upstream_unreachable"))
        if self._transport is not None:
            self._transport.abort()

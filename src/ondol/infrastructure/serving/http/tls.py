"""TLS towards upstreams: certificates are always checked, against the system's authorities or a provider's own."""

from __future__ import annotations

import asyncio
import ssl

from ondol.infrastructure.serving.errors import refused_by_egress

CONTEXTS_MAX = 256


class TlsContexts:
    """Contexts by their certificate authorities, made once: loading the system's takes tens of milliseconds, so it happens in a thread."""

    def __init__(self) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def context_for(self, ca_pem: str) -> ssl.SSLContext:
        """The context of these authorities; empty for the system's.

        Raises:
            UpstreamError: ``upstream_not_allowed`` when they cannot be read.
        """
        context = self._contexts.get(ca_pem)
        if context is None:
            try:
                context = await asyncio.to_thread(new_context, ca_pem)
            except (ssl.SSLError, ValueError) as error:
                raise refused_by_egress("its certificate authority cannot be read", "Give it as PEM.") from error
            while len(self._contexts) >= CONTEXTS_MAX:
                self._contexts.pop(next(iter(self._contexts)))
            self._contexts[ca_pem] = context
        return context


def new_context(ca_pem: str = "") -> ssl.SSLContext:
    """A client's context: TLS 1.2 or newer, host names checked, HTTP/1.1 asked for. Given authorities replace the system's.

    Raises:
        ssl.SSLError: when the authorities are no PEM.
    """
    context = ssl.create_default_context(cadata=ca_pem) if ca_pem else ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context

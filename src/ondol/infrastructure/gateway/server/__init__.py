"""The native HTTP/1.1 server of the gateway: an asyncio protocol that reads strictly, answers in order and lets nobody hold on for ever."""

from ondol.infrastructure.gateway.server.asgi import AsgiBridge
from ondol.infrastructure.gateway.server.forwarded import TrustedProxies
from ondol.infrastructure.gateway.server.server import Server
from ondol.infrastructure.gateway.server.tls import Certificates
from ondol.infrastructure.gateway.server.types import Handler, Limits

__all__ = ["AsgiBridge", "Certificates", "Handler", "Limits", "Server", "TrustedProxies"]

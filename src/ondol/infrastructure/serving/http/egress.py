"""Where connections may go: registered hosts only, and only to public addresses unless a provider is registered as private.

A name is resolved once per connection, every address is judged, and the connection goes to an address that was judged, never to the name: a name
that answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from ondol.core.errors import SettingsError
from ondol.infrastructure.serving.errors import refused_by_egress, unreachable
from ondol.infrastructure.serving.http.types import Origin

ADDRESSES_TRIED_MAX = 4
URL_CHARS_MAX = 2048

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Resolver: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Gives the addresses of a host as texts. Raises OSError when there is none."""

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")

_METADATA = "169.254.169.254 169.254.170.2 169.254.170.23 168.63.129.16 100.100.100.200 192.0.0.192 fd00:ec2::254 fd20:ce::254"
METADATA_ADDRESSES = frozenset(map(ipaddress.ip_address, _METADATA.split()))
"""Where clouds tell their machines' credentials (AWS and others, ECS, EKS, Azure, Alibaba, Oracle, AWS and Google over IPv6): never an upstream."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are an IPv4 address of the public network, and nothing else."""
_EMBEDS_IPV4 = (ipaddress.IPv6Network("64:ff9b:1::/48"), ipaddress.IPv6Network("::/96"))
"""NAT64 of a local network (RFC 8215) and the old IPv4-compatible form: never public, and the last four bytes are an IPv4 address too."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An outbound HTTP proxy that is asked to CONNECT.

    Attributes:
        authorization: the value of its Proxy-Authorization header; empty for none.
        trusted: set by the installation, so it may have a private address.
    """

    origin: Origin
    authorization: bytes = field(default=b"", repr=False)
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Egress:
    """What a provider's connections may do.

    Attributes:
        origins: the registered ones; a request to another one is refused.
        private_network: private, loopback and link-local addresses are allowed. Addresses of cloud metadata never are.
        ca_pem: certificate authorities instead of the system's.
        proxy: goes between; then the proxy resolves the name, and only a literal address in the URL is judged here.
        key: equal for rules under which connections may be shared.
    """

    origins: frozenset[Origin]
    private_network: bool = False
    ca_pem: str = field(default="", repr=False)
    proxy: Proxy | None = None
    key: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        proxy = self.proxy
        rules = (self.private_network, self.ca_pem, proxy and (tuple(proxy.origin), proxy.authorization, proxy.trusted))
        object.__setattr__(self, "key", hashlib.blake2b(repr(rules).encode(), digest_size=16).digest())


def parse_base_url(text: str) -> tuple[Origin, str]:
    """The origin of a provider's address and the path below which it lives, without a slash at its end.

    Raises:
        SettingsError: when it is no plain http or https URL; the message does not quote it, because people paste keys into it.
    """
    hint = "Write it like https://api.example.com/v1, with the key apart."
    url = _split(text, hint)
    if url.username is not None or url.password is not None:
        raise SettingsError("The provider's address holds a user or password.", hint)
    if url.query or url.fragment or not _PATH.fullmatch(url.path) or "/.." in url.path:
        raise SettingsError("The provider's address needs a plain path and no query.", hint)
    return _origin_of(url, hint), url.path.rstrip("/")


def parse_proxy(text: str, *, trusted: bool = False) -> Proxy:
    """A proxy's address, such as ``http://user:password@proxy.example.com:3128``.

    Raises:
        SettingsError: when it is none; the message does not quote it.
    """
    hint = "Write it like http://proxy.example.com:3128."
    url = _split(text, hint)
    if url.scheme != "http" or url.path not in {"", "/"} or url.query or url.fragment:
        raise SettingsError("The proxy's address needs http and no path.", hint)
    authorization = b""
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = b"Basic " + base64.b64encode(pair.encode())
    return Proxy(_origin_of(url, hint), authorization, trusted)


def forbidden(address: Address, *, private_network: bool) -> str:
    """Why no connection may go there; empty when it may."""
    for inner in _inside(address):
        if inner in METADATA_ADDRESSES:
            return "it is an address of cloud metadata"
        if inner.is_unspecified or inner.is_multicast or inner == ipaddress.IPv4Address("255.255.255.255"):
            return "it is no address of a single host"
        if not private_network and (not inner.is_global or inner.is_reserved or inner.is_private or inner.is_link_local or inner.is_loopback):
            return "it is a private address"
    return ""


async def checked_addresses(origin: Origin, resolver: Resolver, *, private_network: bool) -> list[str]:
    """The addresses to connect to, in the resolver's order, at most `ADDRESSES_TRIED_MAX`.

    Raises:
        UpstreamError: ``upstream_not_allowed`` when none may be connected to, ``upstream_unreachable`` when there is none.
    """
    try:
        found = await resolver(origin.host, origin.port)
    except (OSError, UnicodeError) as error:
        raise unreachable("Its name cannot be resolved.") from error
    allowed: list[str] = []
    why = ""
    for text in found:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        if reason := forbidden(address, private_network=private_network):
            why = reason
        elif text not in allowed:
            allowed.append(text)
    if not allowed and why:
        raise refused_by_egress(why, "" if private_network else "Register the provider as one in a private network, if it is.")
    if not allowed:
        raise unreachable("Its name has no address.")
    return allowed[:ADDRESSES_TRIED_MAX]


async def system_resolver(host: str, port: int) -> list[str]:
    """The system's own resolver, in the loop's threads."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def literal_address(host: str) -> Address | None:
    """The address that a host is, when it is one."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _inside(address: Address) -> list[Address]:
    """An address and the IPv4 addresses that it stands for."""
    inner: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return [address.ipv4_mapped]
        if address in _NAT64:
            return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
        if address.sixtofour is not None:
            inner.append(address.sixtofour)
        if address.teredo is not None:
            inner.extend(address.teredo)
        if int(address) > 1 and any(address in network for network in _EMBEDS_IPV4):
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return inner


def _split(text: str, hint: str) -> SplitResult:
    try:
        if len(text) > URL_CHARS_MAX or any(ord(letter) < 33 or ord(letter) > 126 for letter in text):
            raise ValueError
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise SettingsError("The address is not a URL.", hint) from None
    if url.scheme not in {"http", "https"} or not url.hostname or url.port == 0 or "\\" in text:
        raise SettingsError("The address needs http or https and a host.", hint)
    return url


def _origin_of(url: SplitResult, hint: str) -> Origin:
    host = (url.hostname or "").lower()
    literal = literal_address(host)
    if literal is None:
        # Resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as addresses: whoever means an address writes it plainly.
        if not _HOST.fullmatch(host) or len(host) > 253 or _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
            raise SettingsError("The address needs a plain host name or IP address.", hint)
    elif isinstance(literal, ipaddress.IPv6Address) and literal.scope_id is not None:
        raise SettingsError("The address names a network interface.", hint)
    return Origin(url.scheme, host if literal is None else str(literal), url.port or (443 if url.scheme == "https" else 80))

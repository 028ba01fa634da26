"""Whose word counts about where a request comes from: only that of proxies whose addresses were set."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

from ondol.core.errors import SettingsError

HOPS_MAX = 32

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class TrustedProxies:
    """The networks of the proxies in front of us.

    Args:
        networks: CIDRs, such as ``10.0.0.0/8`` or ``::1``; blank ones are left out.

    Raises:
        SettingsError: one of them is no network.
    """

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str] = ()) -> None:
        try:
            self._networks = [ipaddress.ip_network(text.strip()) for text in networks if text.strip()]
        except ValueError as error:
            raise SettingsError(f"http.trusted_proxies: {error}.", "Give networks by commas, such as 10.0.0.0/8,::1.") from error

    def trusts(self, peer: str) -> bool:
        """Whether a peer is one of them."""
        address = _address(peer) if self._networks else None
        return address is not None and self._trusts(address)

    def client(self, peer: str, forwarded_for: bytes) -> str:
        """The address behind the trusted proxies: the last one of ``X-Forwarded-For`` that is no trusted proxy itself.

        What stands before it was written by whoever sent it, and counts for nothing; nor does what is no address.
        """
        client = peer
        for entry in reversed(forwarded_for.decode("latin-1").rsplit(",", HOPS_MAX)):
            address = _address(_without_port(entry.strip()))
            if address is None:
                break
            client = str(address)
            if not self._trusts(address):
                break
        return client

    def _trusts(self, address: _Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)


def forwarded_scheme(forwarded_proto: bytes, scheme: str) -> str:
    """The scheme that the nearest proxy names, if it is one of the two; else the connection's own."""
    named = forwarded_proto.rpartition(b",")[2].strip().lower()
    return named.decode("ascii") if named in (b"http", b"https") else scheme


def _address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _without_port(entry: str) -> str:
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry

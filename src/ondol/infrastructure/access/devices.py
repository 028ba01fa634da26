"""What is kept of the browser that signs in: its family and system as words of ours, and the network without the part of one machine."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

IPV4_BITS, IPV6_BITS = 24, 48
"""How much of an address is kept: a network of 256 addresses, or what a provider gives to one customer."""
AGENT_CHARACTERS_MAX = 500

_BROWSERS = (
    ("Edg", "edge"),
    ("OPR/", "opera"),
    ("SamsungBrowser", "samsung"),
    ("Whale/", "whale"),
    ("Firefox/", "firefox"),
    ("FxiOS", "firefox"),
    ("CriOS", "chrome"),
    ("Chrome/", "chrome"),
    ("Safari/", "safari"),
)
"""What a browser's own word contains, and who says so; those that also call themselves by another's name come first."""
_SYSTEMS = (
    ("Android", "android"),
    ("iPhone", "ios"),
    ("iPad", "ios"),
    ("Windows", "windows"),
    ("Mac OS X", "macos"),
    ("CrOS", "chromeos"),
    ("Linux", "linux"),
)


@dataclass(frozen=True, slots=True)
class Device:
    """A browser as far as it is known. Each is empty where it is not.

    Attributes:
        browser: such as ``firefox``.
        system: such as ``android``.
        network: such as ``192.0.2.0/24``.
    """

    browser: str = ""
    system: str = ""
    network: str = ""


UNKNOWN = Device()


def device_of(agent: str, address: str) -> Device:
    """What is kept of a browser's own word (its `User-Agent`) and a network address. Whatever comes, this is made of fixed words and a network."""
    said = agent[:AGENT_CHARACTERS_MAX]
    return Device(_named(said, _BROWSERS), _named(said, _SYSTEMS), _network(address))


def _named(said: str, names: tuple[tuple[str, str], ...]) -> str:
    return next((name for sign, name in names if sign in said), "")


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if found.version == 6 and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    bits = IPV4_BITS if found.version == 4 else IPV6_BITS
    return str(ipaddress.ip_network((found, bits), strict=False))

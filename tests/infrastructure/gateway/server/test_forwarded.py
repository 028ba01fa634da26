"""Whose word counts about the caller's address."""

from __future__ import annotations

import pytest

from ondol.core.errors import SettingsError
from ondol.infrastructure.gateway.server import TrustedProxies
from ondol.infrastructure.gateway.server.forwarded import HOPS_MAX, forwarded_scheme

PROXIES = TrustedProxies(["10.0.0.0/8", " ::1 ", ""])


@pytest.mark.parametrize(
    ("peer", "trusted"), [("10.1.2.3", True), ("11.1.2.3", False), ("::1", True), ("::ffff:10.0.0.1", True), ("", False), ("nonsense", False)]
)
def test_only_the_networks_that_were_set_are_trusted(peer: str, trusted: bool) -> None:
    assert PROXIES.trusts(peer) is trusted
    assert TrustedProxies().trusts(peer) is False


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        (b"", "10.0.0.1"),
        (b"203.0.113.9", "203.0.113.9"),
        (b"6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (b"203.0.113.9, 10.0.0.2, 10.0.0.3", "203.0.113.9"),
        (b"10.0.0.2", "10.0.0.2"),
        (b"203.0.113.9:4711", "203.0.113.9"),
        (b"[2001:db8::1]:4711", "2001:db8::1"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"6.6.6.6, unknown", "10.0.0.1"),
        (b"6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"),
        (b"6.6.6.6" + b", 10.0.0.2" * (HOPS_MAX + 5), "10.0.0.2"),
    ],
)
def test_the_client_is_the_last_one_that_no_proxy_of_ours_is(forwarded_for: bytes, client: str) -> None:
    assert PROXIES.client("10.0.0.1", forwarded_for) == client


@pytest.mark.parametrize(("value", "scheme"), [(b"https", "https"), (b"http, HTTPS", "https"), (b"", "http"), (b"gopher", "http")])
def test_the_scheme_is_one_of_two(value: bytes, scheme: str) -> None:
    assert forwarded_scheme(value, "http") == scheme


def test_what_is_no_network_is_told() -> None:
    with pytest.raises(SettingsError, match="trusted_proxies"):
        TrustedProxies(["10.0.0.1/8"])

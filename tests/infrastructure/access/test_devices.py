"""What is kept of a browser: words of ours and a network, whatever it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.access.devices import UNKNOWN, Device, device_of

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "browser", "system"),
    [
        (CHROME, "chrome", "linux"),
        (CHROME + " Edg/141.0", "edge", "linux"),
        (CHROME + " Whale/4.0", "whale", "linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1", "safari", "ios"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/141.0 SamsungBrowser/28.0 Mobile Safari/537.36", "samsung", "android"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "firefox", "windows"),
        ("curl/8.0", "", ""),
        ("", "", ""),
    ],
    ids=["chrome", "edge", "whale", "iphone", "samsung", "firefox", "curl", "nothing"],
)
def test_browsers_are_known_by_what_they_say(agent: str, browser: str, system: str) -> None:
    assert device_of(agent, "") == Device(browser, system, "")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("unix", ""),
    ],
    ids=["four", "six", "zone", "mapped", "none"],
)
def test_of_an_address_its_network_is_kept(address: str, network: str) -> None:
    assert device_of("", address).network == network


@given(st.text(max_size=600), st.text(max_size=80))
def test_whatever_comes_only_our_words_are_kept(agent: str, address: str) -> None:
    kept = device_of(agent, address)
    known = {"", "edge", "opera", "samsung", "whale", "firefox", "chrome", "safari"}
    assert kept.browser in known and len(kept.network) <= 60
    assert device_of("", "no address") == UNKNOWN

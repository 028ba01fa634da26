"""The server's settings as the command hands them on."""

from __future__ import annotations

from pathlib import Path

import pytest

from ondol.cli.serve import _server_settings
from ondol.core.config import HttpSettings
from ondol.core.errors import SettingsError
from ondol.infrastructure.gateway.server import Limits


def test_each_setting_reaches_the_server() -> None:
    limits, tls, proxies = _server_settings(
        HttpSettings(connections_max=7, header_timeout_s=3, idle_timeout_s=4, body_timeout_s=5, trusted_proxies="10.0.0.0/8, ::1")
    )
    assert limits == Limits(connections_max=7, header_timeout_s=3, idle_timeout_s=4, body_timeout_s=5)
    assert tls is None
    assert (proxies.trusts("10.9.9.9"), proxies.trusts("::1"), proxies.trusts("11.0.0.1")) == (True, True, False)


def test_nobody_is_trusted_unless_it_is_set() -> None:
    assert not _server_settings(HttpSettings())[2].trusts("127.0.0.1")


def test_what_cannot_be_used_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TLS certificate"):
        _server_settings(HttpSettings(tls_certificate=str(tmp_path / "none.pem"), tls_key=str(tmp_path / "none.key")))
    with pytest.raises(SettingsError, match="trusted_proxies"):
        _server_settings(HttpSettings(trusted_proxies="all of them"))

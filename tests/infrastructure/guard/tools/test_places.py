"""Addresses and paths that an argument may hold: never another host, never out of the folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.infrastructure.guard.tools.places import LeadsAway, check_url, checked_path, is_host_rule

HOSTS = ("api.ok.com", "*.files.ok.com", "internal.ok.com:8443", "10.0.0.5")
HTTPS = ("https",)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.ok.com",
        "https://API.OK.COM:443/a?b=c&d=%20#e",
        "https://a.b.files.ok.com/x",
        "https://internal.ok.com:8443/",
        "https://10.0.0.5/",
    ],
)
def test_allowed_addresses(url: str) -> None:
    check_url(url, HOSTS, HTTPS)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.ok.com/",
        "https://api.ok.com.evil.net/",
        "https://evil.net/api.ok.com",
        "https://api.ok.com@evil.net/",
        "https://evil.net#@api.ok.com/",
        "https://evil.net\\@api.ok.com/",
        "https://api.ok.com:80@evil.net/",
        "https://api.ok.com./",
        "https://api.ok.com:8443/",
        "https://internal.ok.com/",
        "https://files.ok.com/",
        "https://xfiles.ok.com/",
        "https://xn--api-abc.files.ok.com/",
        "https://аpi.ok.com/",
        "https://api。ok.com/",
        "https://api.ok.com%2eevil.net/",
        "https://api.ok.com%00.evil.net/",
        "https://0x7f.1/",
        "https://0x0a000005/",
        "https://167772165/",
        "https://10.0.5/",
        "https://012.0.0.5/",
        "https://[::ffff:10.0.0.5]/",
        "https://[::1]/",
        "https:api.ok.com/",
        "https:///api.ok.com/",
        "//api.ok.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        " https://api.ok.com/",
        "https://api.ok.com/\n",
        "https://api.ok.com/a b",
        "https://.ok.com/",
        "https://api..ok.com/",
        "",
        "https://api.ok.com/" + "a" * 2_048,
    ],
)
def test_other_addresses(url: str) -> None:
    with pytest.raises(LeadsAway):
        check_url(url, HOSTS, HTTPS)


@pytest.mark.parametrize("text", ["*", "*.com", "OK.com", "ok.com/", "https://ok.com", "a b", "xn--a.com", "ok.com:0", "*.*.com", "-a.com"])
def test_what_is_no_host(text: str) -> None:
    assert not is_host_rule(text)
    assert all(map(is_host_rule, HOSTS))


_PIECES = st.sampled_from(
    ["https://", "http:", "//", "/", "\\", "@", ":", "443", "8443", ".", "api.ok.com", "files.ok.com", "evil.net", "[::1]", "%2e", "#", "?", "0x7f.1"]
)


@settings(deadline=None)
@given(st.lists(_PIECES | st.text(max_size=3), max_size=8).map("".join))
def test_never_another_host(url: str) -> None:
    try:
        check_url(url, HOSTS, HTTPS)
    except LeadsAway:
        return
    parts = urlsplit(url)
    host = parts.hostname or ""
    assert (parts.scheme, parts.username, parts.password) == ("https", None, None)
    if parts.port in (None, 443):
        assert host in ("api.ok.com", "10.0.0.5") or (host.endswith(".files.ok.com") and len(host) > len(".files.ok.com"))
    else:
        assert (host, parts.port) == ("internal.ok.com", 8443)


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("a/b.txt", "a/b.txt"),
        ("./a//b", "a/b"),
        ("보고서/2026년 1월.pdf", "보고서/2026년 1월.pdf"),
        (".hidden", ".hidden"),
        ("100%", "100%"),
        ("a..b", "a..b"),
    ],
)
def test_paths_below(path: str, short: str) -> None:
    assert checked_path(path, "/data") == short


@pytest.mark.parametrize(
    "path",
    [
        "",
        " ",
        ".",
        "/",
        "..",
        "../a",
        "a/../../b",
        "a/..",
        "a/.. /b",
        "/etc/passwd",
        "//etc",
        "~",
        "~root/x",
        "a/~/b",
        "a\\..\\b",
        "a\x00b",
        "a\nb",
        "%2e%2e/a",
        "a/%2E./b",
        "a%2fb",
        "%252e",
        "．．/a",
        "‥/a",
        "a／../b",
        ".\u200b./a",
        "C:/a",
        "c:a",
        "a" * 1_025,
    ],
)
def test_paths_that_leave(path: str) -> None:
    with pytest.raises(LeadsAway):
        checked_path(path, "/data")


_PARTS = st.sampled_from(["..", ".", "/", "\\", "%2e", "~", "a", "b", "．", "‥", " ", "\x00", "link", "%252e", "C:"])


@settings(deadline=None)
@given(st.lists(_PARTS | st.text(max_size=3), max_size=8).map("".join))
def test_never_out_of_the_folder(path: str) -> None:
    try:
        short = checked_path(path, "/data")
    except LeadsAway:
        return
    assert not PurePosixPath(short).is_absolute()
    assert os.path.normpath(f"/data/{short}") == f"/data/{short}"
    assert f"/data/{short}".startswith("/data/")
    assert checked_path(short, "/data") == short


def test_links_are_followed_where_asked() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        Path(folder, "root-beside").mkdir()
        root.mkdir()
        (root / "inside").mkdir()
        (root / "out").symlink_to(folder)
        (root / "beside").symlink_to(Path(folder, "root-beside"))
        (root / "in").symlink_to(root / "inside")
        assert checked_path("in/x", str(root), os.path.realpath) == "in/x"
        for path in ("out/x", "out", "beside/x"):
            with pytest.raises(LeadsAway):
                checked_path(path, str(root), os.path.realpath)

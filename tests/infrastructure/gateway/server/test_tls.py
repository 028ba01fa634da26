"""TLS from files: agreed on, reloaded while connections stay open, and kept when the new files are broken."""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ondol.core.errors import SettingsError
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.server import Certificates, Limits, Server
from tests.infrastructure.gateway.server.wire import eventually, running

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(exchange: Exchange) -> None:
    exchange.answer(200, exchange.scheme.encode())


def write_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for localhost; its common name tells it apart."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    form, encoding = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    replace(paths[1], key.private_bytes(encoding, form, serialization.NoEncryption()))
    replace(paths[0], certificate.public_bytes(encoding))
    return paths


def replace(path: Path, content: bytes) -> None:
    """As tools that renew certificates do it: at once, as another file."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    os.replace(fresh, path)  # noqa: PTH105


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def name_shown(port: int) -> str:
    """The common name of the certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(), server_hostname="localhost")
    shown = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    writer.close()
    return str(shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


@pytest.fixture
async def secure(tmp_path: Path, anyio_backend: object) -> AsyncIterator[tuple[Server, Certificates]]:
    tls = Certificates(*write_pair(tmp_path, "first"))
    async with running(hello, Limits(tick_s=0.005, handshake_timeout_s=0.1, linger_s=0.1), tls=tls) as server:
        yield server, tls


async def test_a_client_that_trusts_the_certificate_is_served(tmp_path: Path, secure: tuple[Server, Certificates]) -> None:
    context = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    async with httpx.AsyncClient(verify=context) as client:
        answer = await client.get(f"https://localhost:{secure[0].port}/")
        assert (answer.text, answer.http_version) == ("https", "HTTP/1.1")


async def test_new_handshakes_get_the_new_certificate_and_open_connections_stay(tmp_path: Path, secure: tuple[Server, Certificates]) -> None:
    server, tls = secure
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting())
    assert await name_shown(server.port) == "first"
    write_pair(tmp_path, "second")
    await eventually(lambda: tls.reloads > 0)
    # The key's file is exchanged before the certificate's: for a moment the two do not belong together.
    tls.refresh()
    assert await name_shown(server.port) == "second"
    writer.write(GET)
    assert (await reader.readuntil(b"https")).startswith(b"HTTP/1.1 200")
    writer.close()


@pytest.mark.parametrize("broken", ["certificate.pem", "key.pem"])
@pytest.mark.parametrize("how", ["nonsense", "other", "away"])
async def test_broken_files_change_nothing_and_are_told(
    tmp_path: Path, secure: tuple[Server, Certificates], broken: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    server, tls = secure
    path = tmp_path / broken
    if how == "nonsense":
        replace(path, b"nonsense")
    elif how == "away":
        path.unlink()
    else:
        (tmp_path / "other").mkdir()
        write_pair(tmp_path / "other", "other")
        replace(path, (tmp_path / "other" / broken).read_bytes())
    await eventually(lambda: tls.broken > 0)
    assert await name_shown(server.port) == "first"
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "changed TLS files cannot be used, the old certificate stays"
    ]
    write_pair(tmp_path, "mended")
    await eventually(lambda: tls.reloads > 0)
    assert await name_shown(server.port) == "mended"


async def test_files_that_cannot_be_used_are_told_at_the_start(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "first")
    with pytest.raises(SettingsError, match="TLS certificate"):
        Certificates(certificate, tmp_path / "none.pem")
    key.write_bytes(b"nonsense")
    with pytest.raises(SettingsError, match="TLS certificate"):
        Certificates(certificate, key)


async def test_who_speaks_no_tls_or_says_nothing_is_let_go(secure: tuple[Server, Certificates]) -> None:
    server, _ = secure
    for sent in (GET, b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        async with asyncio.timeout(5):
            try:
                got = await reader.read()
            except ConnectionError:
                got = b""
        assert not got.startswith(b"HTTP")
        writer.close()
    assert server.counters.requests == 0


async def test_old_versions_of_tls_are_refused(secure: tuple[Server, Certificates]) -> None:
    context = trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", secure[0].port, ssl=context)


async def test_over_tls_too_a_stream_waits_for_its_reader_and_ends_when_the_reader_goes(tmp_path: Path) -> None:
    written = 0
    left = asyncio.Event()

    async def endless(exchange: Exchange) -> None:
        nonlocal written
        exchange.when_left(left.set)
        exchange.open_stream()
        while True:
            await exchange.write(b"x" * 65_536)
            written += 1

    tls = Certificates(*write_pair(tmp_path, "first"))
    async with running(endless, Limits(tick_s=0.005, linger_s=0.1), tls=tls) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting(), limit=1_024)
        writer.write(GET)
        before = -1
        while before != written or not written:
            before = written
            for _ in range(2_000):
                await asyncio.sleep(0)
        assert written < 1_000
        writer.transport.abort()
        async with asyncio.timeout(5):
            await left.wait()
        await eventually(lambda: not server.connections_open)


async def test_a_refusal_over_tls_reaches_who_still_sends(secure: tuple[Server, Certificates]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", secure[0].port, ssl=trusting())
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" + b"x" * 200_000)
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()

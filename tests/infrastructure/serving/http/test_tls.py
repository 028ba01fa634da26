"""TLS towards upstreams: a private authority, certificates that are not trusted or belong to another host, and TLS inside a proxy's tunnel."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ondol.core.errors import UpstreamError
from ondol.infrastructure.serving.http import Egress, HttpClient, HttpRequest, Origin, parse_proxy
from ondol.infrastructure.serving.scripted_faults import BODY, whole
from ondol.infrastructure.serving.types import DEFAULT_TIMEOUTS, Timeouts
from tests.infrastructure.serving.http.test_egress import ConnectProxy


@dataclass(frozen=True)
class Authority:
    """A certificate authority and one certificate of it, for upstream.test."""

    pem: str
    chain: Path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls") / "chain.pem")


def make_authority(path: Path) -> Authority:
    def certificate(
        name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key.public_key(),
            x509.random_serial_number(),
            now - datetime.timedelta(days=1),
            now + datetime.timedelta(days=1),
        )
        return builder.add_extension(extension, critical=True).sign(signer, hashes.SHA256())

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("root", root_key, "root", root_key, x509.BasicConstraints(ca=True, path_length=None))
    names = x509.SubjectAlternativeName([x509.DNSName("upstream.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.9"))])
    leaf = certificate("upstream.test", key, "root", root_key, names)
    pem = serialization.Encoding.PEM
    path.write_bytes(leaf.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return Authority(root.public_bytes(pem).decode(), path)


@asynccontextmanager
async def upstream(authority: Authority) -> AsyncIterator[int]:
    """A server that answers each request with the same whole answer, over TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.chain)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n{}"):
                writer.write(whole())
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def everything_is_local(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def request_to(host: str, port: int) -> HttpRequest:
    return HttpRequest(b"POST", Origin("https", host, port), b"/", [(b"host", host.encode())], b"{}")


async def trust(authority: Authority) -> None:
    client = HttpClient(resolver=everything_is_local)
    async with upstream(authority) as port, ConnectProxy() as proxy:
        request = request_to("upstream.test", port)
        origins = frozenset({request.origin, Origin("https", "other.test", port)})
        direct = Egress(origins, private_network=True, ca_pem=authority.pem)
        tunnel = Egress(origins, ca_pem=authority.pem, proxy=parse_proxy(f"http://127.0.0.1:{proxy.port}", trusted=True))
        for egress in (direct, tunnel):
            for _ in range(3):
                answer = await client.send(request, DEFAULT_TIMEOUTS, egress)
                assert await answer.read(1000) == BODY
            for refused, rules in (
                (request, Egress(origins, private_network=egress.private_network, proxy=egress.proxy)),
                (request_to("other.test", port), egress),
            ):
                with pytest.raises(UpstreamError) as caught:
                    await client.send(refused, DEFAULT_TIMEOUTS, rules)
                assert (caught.value.code, caught.value.status) == ("upstream_untrusted", 502)
        assert client.connections == client.idle == 2
        with pytest.raises(UpstreamError) as caught:
            await client.send(request, DEFAULT_TIMEOUTS, Egress(origins, private_network=True, ca_pem="nonsense"))
        assert caught.value.code == "upstream_not_allowed"
        await client.close()
        await asyncio.sleep(0.01)


async def plain_servers(authority: Authority) -> None:
    """TLS towards what does not speak it, or says nothing at all."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")
        writer.close()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    client = HttpClient(resolver=everything_is_local)
    for serve in (nonsense, silence):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        request = request_to("upstream.test", server.sockets[0].getsockname()[1])
        with pytest.raises(UpstreamError) as caught:
            await client.send(request, Timeouts(connect_s=0.2), Egress(frozenset({request.origin}), private_network=True, ca_pem=authority.pem))
        assert (caught.value.code, client.connections) == ("upstream_unreachable", 0)  # nothing was sent, so nothing is charged
        server.close()
        await server.wait_closed()
    await client.close()
    await asyncio.sleep(0.01)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("act", [trust, plain_servers])
def test_tls(run: Callable[[Awaitable[None]], None], act: Callable[[Authority], Awaitable[None]], authority: Authority) -> None:
    run(act(authority))

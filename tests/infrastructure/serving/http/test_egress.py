"""Where connections may go: server-side request forgery, DNS rebinding, proxies, certificate authorities.

Rules out: routes that skip the check (Portkey CVE-2025-66405 and #1718, an allow-list that one route did not have): the check is in the client, below
every route.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.errors import SettingsError, UpstreamError
from ondol.infrastructure.serving.http import Egress, HttpClient, HttpRequest, Origin, parse_base_url, parse_proxy
from ondol.infrastructure.serving.http.egress import checked_addresses, forbidden
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import whole
from ondol.infrastructure.serving.types import DEFAULT_TIMEOUTS
from tests.infrastructure.serving.grounds import post

pytestmark = pytest.mark.anyio

PRIVATE = (  # noqa: SIM905 (easier to read)
    "127.0.0.1 127.8.9.10 10.0.0.1 172.16.5.5 192.168.1.1 169.254.1.1 100.64.0.1 ::1 fc00::1 fdab::1 fe80::1 ::ffff:127.0.0.1 "
    "::ffff:10.1.1.1 2002:7f00:1:: 64:ff9b::7f00:1 64:ff9b::a00:1 ::127.0.0.1 192.0.2.1 198.18.0.1 240.0.0.1 2001:db8::1 "
).split()
NEVER = (  # noqa: SIM905 (easier to read)
    "169.254.169.254 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe fd00:ec2::254 168.63.129.16 100.100.100.200 0.0.0.0 :: 255.255.255.255 "
    "224.0.0.1 ff02::1 "
).split()
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::808:808"]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_need_a_private_provider(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert forbidden(address, private_network=False)
    assert not forbidden(address, private_network=True)


@pytest.mark.parametrize("text", NEVER)
def test_some_addresses_are_never_an_upstream(text: str) -> None:
    assert forbidden(ipaddress.ip_address(text), private_network=False)
    assert forbidden(ipaddress.ip_address(text), private_network=True)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_free(text: str) -> None:
    assert not forbidden(ipaddress.ip_address(text), private_network=False)


@given(st.ip_addresses(v=4))
def test_every_way_to_write_an_address_is_judged_as_the_address(address: ipaddress.IPv4Address) -> None:
    verdict = forbidden(address, private_network=False)
    mapped = ipaddress.ip_address(f"::ffff:{address}")
    translated = ipaddress.ip_address(int(ipaddress.ip_address("64:ff9b::")) + int(address))
    assert bool(forbidden(mapped, private_network=False)) == bool(verdict)
    assert bool(forbidden(translated, private_network=False)) == bool(verdict)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "127.1", "127.0.1", "127.0.0.1.", "a..b", "-a", "a_b.-c", "[::1%25eth0]", "%31", ""],
)
def test_numbers_that_resolvers_take_for_addresses_are_no_hosts(host: str) -> None:
    with pytest.raises(SettingsError):
        parse_base_url(f"http://{host}/v1")


@pytest.mark.parametrize(
    "text",
    [
        "ftp://a/v1", "http:///v1", "https://a:0/", "https://a:99999/", "https://a/v1?x=1", "https://a/v1#x", "https://a/v 1", "https://a/\r\nx",
        "https://a\\@b/", "//a/v1", "https://a/../b", "https://user:sk-hidden@a/v1", "https://sk-hidden@a/v1", "https://é.example/",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_base_url(text)
    assert "sk-hidden" not in f"{caught.value} {caught.value.hint}"


def test_addresses_are_read() -> None:
    assert parse_base_url("https://API.example.com/v1/") == (Origin("https", "api.example.com", 443), "/v1")
    assert parse_base_url("http://[::1]:8000") == (Origin("http", "::1", 8000), "")
    assert Origin("http", "::1", 8000).authority == "[::1]:8000"
    assert Origin("https", "a.example", 443).authority == "a.example"


async def answer_from(addresses: list[str], *, private_network: bool) -> list[str]:
    async def resolver(host: str, port: int) -> list[str]:
        return addresses

    return await checked_addresses(Origin("https", "a.example", 443), resolver, private_network=private_network)


async def test_only_allowed_addresses_are_kept() -> None:
    assert await answer_from(["10.0.0.1", "1.1.1.1", "::1", "1.1.1.1", "nonsense"], private_network=False) == ["1.1.1.1"]
    assert len(await answer_from([f"1.1.1.{last}" for last in range(50)], private_network=False)) == 4
    with pytest.raises(UpstreamError) as caught:
        await answer_from(["10.0.0.1", "::1"], private_network=False)
    assert caught.value.code == "upstream_not_allowed"
    with pytest.raises(UpstreamError) as caught:
        await answer_from([], private_network=True)
    assert caught.value.code == "upstream_unreachable"


def named(port: int) -> HttpRequest:
    return HttpRequest(b"POST", Origin("http", "upstream.test", port), b"/v1/chat/completions", [(b"host", b"upstream.test")], b"{}")


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fc00::1", "0.0.0.0", "::ffff:127.0.0.1", "::"])
async def test_a_name_that_leads_inside_is_not_followed(address: str) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return [address]

    client = HttpClient(resolver=resolver)
    async with ScriptedModel(Reply(raw=[whole()])) as upstream:
        request = named(int(upstream.base_url.split(":")[2].split("/")[0]))
        with pytest.raises(UpstreamError) as caught:
            await client.send(request, DEFAULT_TIMEOUTS, Egress(frozenset({request.origin})))
        assert caught.value.code == "upstream_not_allowed"
        assert upstream.connections_made == 0
    assert client.connections == 0
    await client.close()


async def test_rebinding_gains_nothing_the_name_is_asked_once_and_the_address_that_was_judged_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    connected: list[str] = []

    async def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["203.0.114.7"] if len(asked) == 1 else ["127.0.0.1"]

    async def create_connection(factory: object, host: str, port: int, **rest: object) -> object:
        connected.append(host)
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", create_connection)
    client = HttpClient(resolver=resolver)
    request = named(80)
    with pytest.raises(UpstreamError) as caught:
        await client.send(request, DEFAULT_TIMEOUTS, Egress(frozenset({request.origin})))
    assert (caught.value.code, asked, connected) == ("upstream_unreachable", ["upstream.test"], ["203.0.114.7"])
    await client.close()


async def test_the_second_address_is_tried_when_the_first_refuses() -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    client = HttpClient(resolver=resolver)
    async with ScriptedModel(Reply(raw=[whole()])) as upstream:
        request = named(int(upstream.base_url.split(":")[2].split("/")[0]))
        answer = await client.send(request, DEFAULT_TIMEOUTS, Egress(frozenset({request.origin}), private_network=True))
        assert answer.status == 200
        await answer.read(1000)
    await client.close()


async def test_an_unregistered_host_is_refused_even_where_a_connection_stands() -> None:
    client = HttpClient()
    async with ScriptedModel(Reply(raw=[whole()])) as upstream:
        request, egress = post(upstream.base_url)
        await (await client.send(request, DEFAULT_TIMEOUTS, egress)).read(1000)
        other = Egress(frozenset({Origin("http", "other.test", 80)}), private_network=True)
        assert other.key == egress.key
        with pytest.raises(UpstreamError) as caught:
            await client.send(request, DEFAULT_TIMEOUTS, other)
        assert caught.value.code == "upstream_not_allowed"
        with pytest.raises(UpstreamError):  # Nor does a public provider get the private one's connection.
            await client.send(request, DEFAULT_TIMEOUTS, Egress(egress.origins))
        assert len(upstream.requests) == 1
    await client.close()


class ConnectProxy:
    """A small proxy that knows CONNECT, and every name leads to the loopback interface."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ConnectProxy:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        writer.write(self.answer)
        if not self.answer.startswith(b"HTTP/1.1 200"):
            writer.close()
            return
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
        except ConnectionError:
            pass
        finally:
            sink.close()


async def test_through_a_proxy() -> None:
    client = HttpClient()
    async with ScriptedModel(Reply(raw=[whole()])) as upstream, ConnectProxy() as proxy:
        request = named(int(upstream.base_url.split(":")[2].split("/")[0]))
        way = parse_proxy(f"http://me:pass%20word@127.0.0.1:{proxy.port}", trusted=True)
        answer = await client.send(request, DEFAULT_TIMEOUTS, Egress(frozenset({request.origin}), proxy=way))
        assert answer.status == 200
        await answer.read(1000)
        assert proxy.heads[0].startswith(b"CONNECT upstream.test:%d HTTP/1.1\r\n" % request.origin.port)
        assert b"proxy-authorization: Basic bWU6cGFzcyB3b3Jk\r\n" in proxy.heads[0]
        assert "pass" not in repr(way) and "bWU6" not in repr(way)
        assert "proxy-authorization" not in upstream.requests[0].headers
        # A literal private address is refused although the proxy would go there, and so is a private proxy that the installation did not set.
        inner, egress = post(upstream.base_url)
        for rules in (Egress(egress.origins, proxy=way), Egress(frozenset({request.origin}), proxy=parse_proxy(f"http://127.0.0.1:{proxy.port}"))):
            with pytest.raises(UpstreamError) as caught:
                await client.send(inner if rules.origins == egress.origins else request, DEFAULT_TIMEOUTS, rules)
            assert caught.value.code == "upstream_not_allowed"
        assert len(proxy.heads) == 1
    await client.close()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Who are you\r\n\r\n", b"HTTP/1.1 403 No\r\n\r\n", b"nonsense\r\n\r\n", b"", b"x" * 20_000])
async def test_a_proxy_that_refuses(answer: bytes) -> None:
    client = HttpClient()
    async with ConnectProxy(answer) as proxy:
        way = parse_proxy(f"http://user:hidden@127.0.0.1:{proxy.port}", trusted=True)
        with pytest.raises(UpstreamError) as caught:
            await client.send(named(80), DEFAULT_TIMEOUTS, Egress(frozenset({named(80).origin}), proxy=way))
        assert caught.value.code == "upstream_unreachable"
        assert "hidden" not in f"{caught.value} {caught.value.hint}"
        assert client.connections == 0
    await client.close()


@pytest.mark.parametrize("text", ["https://p:1", "http://p/x", "socks5://p:1", "p:1", "http://p?x", ""])
def test_what_is_no_proxy_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_proxy(text)


def test_connections_are_shared_only_under_the_same_rules() -> None:
    def rules() -> Iterator[Egress]:
        origins = frozenset({Origin("https", "a.example", 443)})
        yield Egress(origins)
        yield Egress(origins, private_network=True)
        yield Egress(origins, ca_pem="x")
        for proxy in ("http://p:1", "http://q:1", "http://u@p:1"):
            yield Egress(origins, proxy=parse_proxy(proxy))
            yield Egress(origins, proxy=parse_proxy(proxy, trusted=True))

    keys = [egress.key for egress in rules()]
    assert len(set(keys)) == len(keys)

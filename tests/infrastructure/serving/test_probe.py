"""Whether a provider answers: what fails is told, its credential is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.serving.probe import Probe, probe_provider
from ondol.infrastructure.serving.rows import row_of
from ondol.infrastructure.serving.settings import ProviderSettings
from ondol.infrastructure.serving.types import ProviderRow

pytestmark = pytest.mark.anyio

CREDENTIAL = "sk-proj-0123456789abcdef"


@asynccontextmanager
async def listing(answer: Callable[[bytes], bytes]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A provider that answers each request by a function of its head."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        writer.write(answer(head))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


def said(status: str, body: bytes, kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body


def row(port: int, kind: str = "openai", *, private: bool = True) -> ProviderRow:
    base = f"http://127.0.0.1:{port}" + ("/v1" if kind == "openai" else "")
    return row_of(new_id(), new_id(), "local", kind, base, CREDENTIAL, ProviderSettings(private_network=private))


async def probed(answer: bytes, kind: str = "openai") -> tuple[Probe, bytes]:
    async with listing(lambda _head: answer) as (port, heads):
        return await probe_provider(row(port, kind)), heads[0]


async def test_the_list_of_models_is_asked_for_with_the_credential() -> None:
    body = b'{"data": [{"id": "b"}, {"id": "a"}, {"id": 7}, {"id": "sk-proj-0123456789abcdef"}, {"id": "a\\u0007"}]}'
    probe, head = await probed(said("200 OK", body))
    assert (probe.ok, probe.models, probe.code) == (True, ("a", "b"), "")
    assert head.startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert b"\r\nauthorization: Bearer sk-proj-0123456789abcdef\r\n" in head
    probe, head = await probed(said("200 OK", b'{"data": [{"id": "claude"}]}'), "anthropic")
    assert (probe.models, head.startswith(b"GET /v1/models HTTP/1.1\r\n"), b"\r\nx-api-key: sk-proj" in head) == (("claude",), True, True)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (said("401 Unauthorized", b'{"error": {"message": "Incorrect key sk-proj-0123456789abcdef", "code": "invalid_api_key"}}'), "upstream_auth"),
        (said("404 Not Found", b"nothing"), "upstream_missing"),
        (said("500 Oops", b"{}"), "upstream_failed"),
        (said("301 Moved", b"", "text/html"), "upstream_garbage"),
        (said("200 OK", b"<html>", "text/html"), "upstream_garbage"),
        (said("200 OK", b"[" * 100_000), "upstream_garbage"),
        (said("200 OK", b'{"data": {"id": 1}}'), "upstream_garbage"),
        (b"not http at all\r\n\r\n", "upstream_garbage"),
        (b"", "upstream_unreachable"),
    ],
)
async def test_what_fails_is_told_without_the_credential(answer: bytes, code: str) -> None:
    probe, _ = await probed(answer)
    assert (probe.ok, probe.models) == (False, ())
    assert probe.code in (code, "upstream_cut_off")
    assert probe.message
    assert CREDENTIAL not in repr(probe)


async def test_a_private_address_is_refused_unless_it_was_registered_as_one() -> None:
    async with listing(lambda _head: said("200 OK", b'{"data": []}')) as (port, heads):
        probe = await probe_provider(row(port, private=False))
        assert (probe.ok, probe.code, heads) == (False, "upstream_not_allowed", [])
        assert (await probe_provider(row(port))).ok

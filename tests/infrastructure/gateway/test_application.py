"""Routes, methods, headers, limits of the body and the one shape of errors. What is not here is refused."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from ondol.infrastructure.gateway.server import Limits
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from tests.infrastructure.gateway.ground import ASK, Ground, Tenancy, open_ground
from tests.infrastructure.gateway.server.wire import running
from tests.infrastructure.gateway.upstreams import PATHS, body_for, upstream

pytestmark = pytest.mark.anyio


async def test_models_are_listed_and_found_by_ids_with_slashes(tenancy: Tenancy) -> None:
    async with upstream() as up:
        await tenancy.provider(up.base_url)
        await tenancy.model(alias="team/small")
    async with tenancy.client() as client:
        cards = [card.model_dump(exclude_unset=True) async for card in client.models.list()]
        card = await client.models.retrieve("team/small")
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("team/other")
    assert cards == [{"id": "team/small", "object": "model", "created": cards[0]["created"], "owned_by": "ondol"}]
    assert card.id == "team/small"
    assert caught.value.code == "model_not_found"
    told = {"authorization": f"Bearer {tenancy.key}", "anthropic-version": "2023-06-01"}
    shown = (await tenancy.ground.http.get("/v1/models", headers=told)).json()
    assert (shown["first_id"], shown["has_more"], shown["data"][0]["type"]) == ("team/small", False, "model")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
        ("POST", "/v1/", 404, "not_found"),
        ("POST", "/v1/chat/completions/", 404, "not_found"),
        ("POST", "/v1/Chat/Completions", 404, "not_found"),
        ("POST", "//v1/chat/completions", 404, "not_found"),
        ("POST", "/v1/chat%2fcompletions", 400, "missing_field"),
        ("POST", "/v1/files", 404, "not_found"),
        ("POST", "/v1/proxy/chat", 404, "not_found"),
        ("POST", "/openai/deployments/m/chat/completions", 404, "not_found"),
        ("GET", "/v1/models/", 404, "model_not_found"),
        ("GET", "/v1/models/%ff%00", 404, "model_not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("PUT", "/v1/messages", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/models/m", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("POST", "/readyz", 405, "method_not_allowed"),
        ("POST", "/v1/chat/completions", 400, "missing_field"),
    ],
)
async def test_every_error_has_one_shape(tenancy: Tenancy, method: str, path: str, status: int, code: str) -> None:
    """Default deny: a route that is not known is refused, however it is spelled (Portkey #1718: an allow-list that one route went past)."""
    request = tenancy.ground.http.build_request(method, tenancy.ground.url, headers={"authorization": f"Bearer {tenancy.key}"}, content=b"{}")
    request.url = request.url.copy_with(raw_path=path.encode())
    response = await tenancy.ground.http.send(request)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["request_id"] == response.headers["x-request-id"]
    assert uuid.UUID(error["request_id"]).version == 7
    assert error["message"]
    assert ("allow" in response.headers) == (status == 405)
    assert response.headers["content-type"] == "application/json"
    assert tenancy.records == []


@pytest.mark.parametrize("operation", [*PATHS])
async def test_every_route_asks_for_a_key_and_for_a_model_that_is_known(tenancy: Tenancy, operation: str) -> None:
    path, body = PATHS[operation], body_for(operation)
    for headers in ({}, {"authorization": "Bearer nonsense"}, {"x-api-key": "sk-ant-nonsense"}, {"api-key": tenancy.key}):
        bare = await tenancy.ground.http.post(path, json={"model": "m", **body}, headers=headers)
        assert bare.status_code == 401
        assert bare.headers["www-authenticate"] == "Bearer"
        assert bare.json()["error"]["type"] == "authentication_error"
    missing = await tenancy.ask({**body, "model": "nobody"}, path)
    assert missing.status_code == 404
    error = missing.json()
    if operation in {"messages", "count_tokens"}:
        assert (error["type"], error["error"]["type"]) == ("error", "not_found_error")
    else:
        assert (error["error"]["code"], error["error"]["param"]) == ("model_not_found", "model")
    assert tenancy.records == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/models", "/v1/models/m", "/nowhere", "/v1/chat/completions"])
async def test_head_has_the_headers_and_no_body(tenancy: Tenancy, path: str) -> None:
    told = {"authorization": f"Bearer {tenancy.key}"}
    head, get = await tenancy.ground.http.head(path, headers=told), await tenancy.ground.http.get(path, headers=told)
    assert head.content == b""
    if path != "/v1/chat/completions":
        assert (head.status_code, head.headers["content-length"]) == (get.status_code, get.headers["content-length"])
    assert "x-request-id" in head.headers


async def test_a_bad_key_is_401_with_a_challenge(tenancy: Tenancy) -> None:
    async with tenancy.client(key="sk-wrong") as client:
        for call in (client.models.list(), client.models.retrieve("a"), client.chat.completions.create(model="a", messages=ASK)):
            with pytest.raises(openai.AuthenticationError) as caught:
                await call
            assert caught.value.response.headers["www-authenticate"] == "Bearer"
            assert caught.value.type == "authentication_error"
            assert "ondol key create" in caught.value.message
            assert "sk-wrong" not in caught.value.message


async def test_two_credentials_are_not_one_valid_one(tenancy: Tenancy) -> None:
    other = await tenancy.ground.tenancy()
    for headers in (
        [("authorization", f"Bearer {tenancy.key}"), ("authorization", "Bearer other")],
        [("authorization", f"Bearer {tenancy.key}"), ("authorization", f"Bearer {other.key}")],
        [("x-api-key", tenancy.key), ("x-api-key", other.key)],
        [("authorization", "Bearer other"), ("x-api-key", tenancy.key)],
    ):
        assert (await tenancy.ground.http.get("/v1/models", headers=headers)).status_code == 401


async def test_health_and_readiness(ground: Ground) -> None:
    assert (await ground.http.get("/readyz")).json() == {"status": "ready"}
    ground.failing["postgres"] = "does not answer"
    response = await ground.http.get("/readyz")
    ground.failing.clear()
    assert (response.status_code, response.json()) == (503, {"status": "not ready", "failing": {"postgres": "does not answer"}})
    assert (await ground.http.get("/healthz")).json() == {"status": "ok"}


async def test_the_answer_says_who_answered_and_how_long_it_took(tenancy: Tenancy) -> None:
    async with upstream() as up:
        await tenancy.provider(up.base_url)
        await tenancy.model("up/small-2026", release="r-7")
        await tenancy.price(model="small-2026")
        answer = await tenancy.ask()
        streamed = await tenancy.ask(body_for("chat", stream=True))
    headers = answer.headers
    assert headers["x-ondol-route"] == streamed.headers["x-ondol-route"] == "up/small-2026"
    assert headers["x-ondol-release"] == streamed.headers["x-ondol-release"] == "r-7"
    assert headers["x-ondol-guard"] == streamed.headers["x-ondol-guard"] == "allow"
    assert headers["x-ondol-cache"] == "none"
    assert headers["x-ondol-cost"] == "0.000022 USD"
    assert "x-ondol-cost" not in streamed.headers
    assert 0 <= float(headers["x-ondol-overhead-ms"]) <= float(headers["x-ondol-duration-ms"])
    assert headers["x-request-id"] == str(tenancy.records[0].id)
    for name in headers:
        assert not name.startswith(("openai-", "llm_provider-")), "nothing of the provider's own headers goes on"


async def test_a_body_that_is_too_large_is_told_so(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    async with open_ground(addresses, tmp_path, limits=Limits(tick_s=0.01, linger_s=0.05, body_timeout_s=0.2), body_bytes_max=1 << 20) as small:
        tenancy = await small.tenancy()
        told = {"authorization": f"Bearer {tenancy.key}"}
        declared = await small.http.post("/v1/chat/completions", content=b" " * (3 << 20), headers=told)
        chunked = await small.http.post("/v1/chat/completions", content=pieces(), headers=told)
        for response in (declared, chunked):
            assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
            assert response.headers["connection"] == "close"
        assert (await small.http.get("/healthz")).status_code == 200
        assert (await send_half(small, tenancy.key, 9_000_000_000)).startswith(b"HTTP/1.1 413 ")
        assert (await send_half(small, tenancy.key, 50)).startswith(b"HTTP/1.1 408 ")
        assert small.records == []


async def send_half(ground: Ground, key: str, length: int) -> bytes:
    """What comes back on a request of which only the first byte of the body is sent."""
    reader, writer = await asyncio.open_connection(*_address(ground))
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n{"
    writer.write(head % (key.encode(), length))
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


def _address(ground: Ground) -> tuple[str, int]:
    url = httpx.URL(ground.url)
    return url.host, url.port or 0


async def test_a_readiness_check_that_fails_itself_is_not_ready(ground: Ground) -> None:
    from dataclasses import replace

    from ondol.infrastructure.gateway.application import Gateway

    async def broken() -> Any:
        raise ZeroDivisionError("the secret inside")

    assert ground.gateway is not None
    gateway = Gateway(replace(ground.gateway.pipeline._door, ready=broken))
    async with running(gateway) as server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
        response = await http.get("/readyz")
    assert response.status_code == 503
    assert "secret" not in response.text

"""Routes, methods, headers, limits and the one shape of errors."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from ondol.core.errors import TooManyRequests
from ondol.infrastructure.gateway import create_gateway
from ondol.infrastructure.gateway.server import Limits
from ondol.infrastructure.serving import ChatEvent, ChatRequest, Finish, TextDelta, Usage
from tests.infrastructure.gateway.server.wire import running

pytestmark = pytest.mark.anyio


async def hello(request: ChatRequest) -> AsyncIterator[ChatEvent]:
    yield TextDelta("hello")
    yield Finish("stop", Usage(1, 1))


@pytest.fixture
async def http(gateway: Any, key: str) -> AsyncIterator[httpx.AsyncClient]:
    gateway.models["assistant/help"] = hello
    async with httpx.AsyncClient(base_url=gateway.root_url, headers={"authorization": f"Bearer {key}"}) as client:
        yield client


async def test_models_are_listed_and_found_by_ids_with_slashes(gateway: Any) -> None:
    gateway.models["assistant/help"] = hello
    async with gateway.client() as client:
        cards = [card.model_dump(exclude_unset=True) async for card in client.models.list()]
        card = await client.models.retrieve("assistant/help")
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("assistant/other")
    assert cards == [{"id": "assistant/help", "object": "model", "created": 1_700_000_000, "owned_by": "acme"}]
    assert card.id == "assistant/help"
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
        ("POST", "/v1/embeddings", 404, "not_found"),
        ("GET", "/v1/models/", 404, "model_not_found"),
        ("GET", "/v1/models/%ff%00", 404, "model_not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/models/assistant/help", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("POST", "/readyz", 405, "method_not_allowed"),
        ("POST", "/v1/chat/completions", 400, "invalid_json"),
    ],
)
async def test_every_error_has_one_shape(http: httpx.AsyncClient, method: str, path: str, status: int, code: str) -> None:
    response = await http.request(method, path)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert error["request_id"] == response.headers["x-request-id"]
    assert uuid.UUID(error["request_id"]).version == 7
    assert error["message"]
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/models", "/v1/models/assistant/help", "/nowhere", "/v1/chat/completions"])
async def test_head_has_the_headers_and_no_body(http: httpx.AsyncClient, path: str) -> None:
    head, get = await http.head(path), await http.get(path)
    assert head.content == b""
    if path != "/v1/chat/completions":
        assert (head.status_code, head.headers["content-length"]) == (get.status_code, get.headers["content-length"])
    assert "x-request-id" in head.headers


async def test_a_bad_key_is_401_with_a_challenge(gateway: Any) -> None:
    async with gateway.client("sk-wrong") as client:
        for call in (client.models.list(), client.models.retrieve("a"), client.chat.completions.create(model="a", messages=[])):
            with pytest.raises(openai.AuthenticationError) as caught:
                await call
            assert caught.value.response.headers["www-authenticate"] == "Bearer"
            assert caught.value.type == "authentication_error"
            assert "Make a new one" in caught.value.message
    assert gateway.records == []


async def test_two_credentials_are_not_one_valid_one(gateway: Any, key: str) -> None:
    async with httpx.AsyncClient() as client:
        headers = [("authorization", f"Bearer {key}"), ("authorization", "Bearer other")]
        assert (await client.get(f"{gateway.base_url}/models", headers=headers)).status_code == 401


async def test_a_spent_budget_asks_clients_not_to_repeat(gateway: Any) -> None:
    gateway.door_error = TooManyRequests("The month's budget is spent.", code="budget_exceeded", retry_after_s=3_600)
    async with gateway.client() as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.models.list()
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.response.headers["retry-after"] == "3600"


async def test_health_and_readiness(gateway: Any, http: httpx.AsyncClient) -> None:
    assert (await http.get("/readyz")).json() == {"status": "ready"}
    gateway.failing["postgres"] = "does not answer"
    response = await http.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "not ready", "failing": {"postgres": "does not answer"}})
    assert (await http.get("/healthz")).json() == {"status": "ok"}


async def test_a_body_that_is_too_large_is_told_so(http: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    declared = await http.post("/v1/chat/completions", content=b" " * (3 << 20))
    chunked = await http.post("/v1/chat/completions", content=pieces())
    for response in (declared, chunked):
        assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
        assert response.headers["connection"] == "close"
    assert (await http.get("/healthz")).status_code == 200


async def send_half(gateway: Any, key: str, length: int, **limits: float) -> bytes:
    """What comes back on a request of which only the first byte of the body is sent."""
    handler = create_gateway(gateway.door(body_bytes_max=1 << 20))
    async with running(handler, Limits(tick_s=0.01, **limits)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n{" % (key.encode(), length)
        )
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        return answer


async def test_the_rest_of_a_body_that_is_too_large_stays_unread(gateway: Any, key: str) -> None:
    assert (await send_half(gateway, key, 9_000_000_000, linger_s=0.05)).startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_never_comes_is_given_up(gateway: Any, key: str) -> None:
    assert (await send_half(gateway, key, 50, body_timeout_s=0.05)).startswith(b"HTTP/1.1 408 ")

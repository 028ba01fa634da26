"""A gateway over a real socket, with toy upstreams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import openai
import pytest

from ondol.core.errors import NotFound, Unauthenticated
from ondol.core.ids import new_id
from ondol.infrastructure.gateway import Caller, Door, ModelCard, RequestRecord, create_gateway
from ondol.infrastructure.serving import ChatRequest, ChatUpstream
from tests.infrastructure.gateway.server.wire import running

KEY = "sk-ondol-test"


@dataclass
class Gateway:
    """A running gateway. Upstreams are put into `models` by the test."""

    models: dict[str, ChatUpstream] = field(default_factory=dict)
    records: list[RequestRecord] = field(default_factory=list)
    failing: dict[str, str] = field(default_factory=dict)
    caller: Caller = field(default_factory=lambda: Caller(new_id(), new_id(), new_id()))
    recorded: asyncio.Event = field(default_factory=asyncio.Event)
    root_url: str = ""
    door_error: Exception | None = None

    @property
    def base_url(self) -> str:
        return f"{self.root_url}/v1"

    async def record(self) -> RequestRecord:
        """The first record, which comes a moment after the answer's last byte."""
        async with asyncio.timeout(5):
            await self.recorded.wait()
        return self.records[0]

    def client(self, key: str = KEY) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=self.base_url, api_key=key, max_retries=0, timeout=10)

    def door(self, **settings: object) -> Door:
        async def authenticate(headers: Mapping[str, str], client: str) -> Caller:
            if self.door_error is not None:
                raise self.door_error
            if headers.get("authorization") != f"Bearer {KEY}":
                raise Unauthenticated("The API key is not valid.", "Make a new one in the console.")
            return self.caller

        async def list_models(caller: Caller) -> list[ModelCard]:
            return [ModelCard(name, 1_700_000_000, "acme") for name in self.models]

        async def upstream(caller: Caller, request: ChatRequest) -> ChatUpstream:
            model = request.model
            try:
                return self.models[model]
            except KeyError:
                raise NotFound(f"There is no model {model}.", code="model_not_found", param="model") from None

        def record(record: RequestRecord) -> None:
            self.records.append(record)
            self.recorded.set()

        async def ready() -> Mapping[str, str]:
            return self.failing

        return Door(authenticate, list_models, upstream, record, ready, **settings)  # type: ignore[arg-type]


@pytest.fixture
async def gateway(anyio_backend: str) -> AsyncIterator[Gateway]:
    """A gateway with a body limit of 1 MiB and keep-alives after 50 ms of silence."""
    state = Gateway()
    async with running(create_gateway(state.door(body_bytes_max=1 << 20, keep_alive_s=0.05))) as server:
        state.root_url = f"http://127.0.0.1:{server.port}"
        yield state


@pytest.fixture(scope="session")
def fresh_gateway() -> type[Gateway]:
    """The class, to build a gateway that does not listen."""
    return Gateway


@pytest.fixture(scope="session")
def key() -> str:
    return KEY

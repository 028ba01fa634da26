"""An embedder for tests that speaks OpenAI's embeddings over a real socket: words of one meaning lie in one direction, in either language."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec

from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from tests.application.conftest import House

DIMENSIONS = 24
MEANINGS = {"lighthouse": 0, "beacon": 0, "등대": 0, "money": 1, "refund": 1, "환불": 1, "machine": 2, "server": 2, "서버": 2}
PROVIDER = """
version: 1
tenants:
- slug: acme
  providers: [{{name: scripted, base_url: "{url}", settings: {{private_network: true}}}}]
  models:
  - alias: meanings
    targets: [{{provider: scripted, name: {model}}}]
    settings: {{retries_max: 0}}
"""


def vector_of(text: str) -> list[float]:
    """Known words point in their meaning's direction; all others a little in one of their own."""
    vector = [0.0] * DIMENSIONS
    for word in text.lower().replace(".", " ").replace("#", " ").split():
        place = MEANINGS.get(word)
        if place is None:
            vector[3 + hashlib.sha256(word.encode()).digest()[0] % (DIMENSIONS - 3)] += 0.2
        else:
            vector[place] += 1.0
    return vector if any(vector) else [1e-3] * DIMENSIONS


def whole(status: int, value: object) -> Reply:
    """An answer on any path."""
    body = msgspec.json.encode(value)
    head = f"HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return Reply(raw=[head.encode() + body])


def embeds(of: Callable[[str], list[float]] = vector_of) -> Callable[[Mapping[str, Any]], Reply]:
    """Answers embeddings."""

    def says(body: Mapping[str, Any]) -> Reply:
        data = [{"object": "embedding", "index": place, "embedding": of(text)} for place, text in enumerate(body["input"])]
        # Providers may answer in any order; the index counts.
        return whole(200, {"object": "list", "data": data[::-1], "model": body["model"], "usage": {"prompt_tokens": 1, "total_tokens": 1}})

    return says


def texts_asked(model: ScriptedModel) -> list[str]:
    """Every text that was to be embedded, in the order of asking."""
    return [text for request in model.requests for text in request.body["input"]]


@contextlib.asynccontextmanager
async def embedder(house: House, model: str = "meanings-1") -> AsyncIterator[ScriptedModel]:
    """The tenant's model `meanings`."""
    async with ScriptedModel(embeds()) as server:
        await register(house, server, model)
        yield server
    await house.platform.models.close()


async def register(house: House, server: ScriptedModel, model: str = "meanings-1") -> None:
    """Say that `meanings` is answered by this server."""
    await apply_declaration(house.platform.declaration_room, parse_declaration(PROVIDER.format(url=server.base_url, model=model)))

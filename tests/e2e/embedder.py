"""An embedder over HTTP for commands, which run in processes of their own: a text's vector counts its characters. Prints its base URL first."""

from __future__ import annotations

import asyncio
import sys

from ondol.infrastructure.serving.scripted import ScriptedModel
from tests.application.knowledge.meanings import embeds


def vector_of(text: str) -> list[float]:
    """Eight dimensions."""
    vector = [1.0] * 8
    for character in text:
        vector[ord(character) % 8] += 1.0
    return vector


async def serve() -> None:
    """Until it is killed."""
    async with ScriptedModel(embeds(vector_of)) as model:
        sys.stdout.write(model.base_url + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())

"""An embedder in a folder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import numpy
from numpy.typing import NDArray

from ondol.core.errors import RequestError
from ondol.infrastructure.serving.embedding import TEXT_CHARACTERS_MAX, Vectors, checked
from ondol.infrastructure.serving.errors import timed_out
from ondol.infrastructure.serving.local.session import LocalSession


class LocalEmbedder:
    """See `Embedder`. Its identity is the digest of the folder's files.

    Args:
        monotonic: seconds, for deadlines.
    """

    def __init__(self, session: LocalSession, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.identity = f"local:{session.digest}"
        self._session = session
        self._monotonic = monotonic

    async def embed(self, texts: Sequence[str], *, deadline_s: float) -> Vectors:
        """See `Embedder`."""
        return await asyncio.to_thread(self._embed, texts, self._monotonic() + deadline_s)

    def _embed(self, texts: Sequence[str], until: float) -> Vectors:
        made = []
        for text in texts:
            if self._monotonic() >= until:
                raise timed_out("did not end")
            made.append(self._pooled(self._session.run(text[:TEXT_CHARACTERS_MAX])).reshape(1, -1))
        return checked(made, len(texts))

    def _pooled(self, output: NDArray[numpy.float32]) -> NDArray[numpy.float32]:
        """One vector of (tokens, dimensions); a model that gives one vector has pooled itself."""
        if output.ndim == 1:
            return output
        if output.ndim != 2:
            raise RequestError(f"The local model {self._session.folder.name} gives no vectors.", code="bad_local_model", param="model")
        match self._session.folder.pooling:
            case "mean":
                return numpy.asarray(output.mean(axis=0), numpy.float32)
            case "first":
                return numpy.asarray(output[0], numpy.float32)
            case "max":
                return numpy.asarray(output.max(axis=0), numpy.float32)

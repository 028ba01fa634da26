"""A cross-encoder in a folder: it reads a question and a passage together and gives one score."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from ondol.core.errors import RequestError
from ondol.infrastructure.serving.errors import timed_out
from ondol.infrastructure.serving.local.session import LocalSession
from ondol.infrastructure.serving.reranking import PASSAGE_CHARACTERS_MAX, finite


class LocalReranker:
    """See `Reranker`.

    Args:
        monotonic: seconds, for deadlines.
    """

    def __init__(self, session: LocalSession, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._monotonic = monotonic

    async def rerank(self, question: str, passages: Sequence[str], *, deadline_s: float) -> list[float]:
        """See `Reranker`."""
        return await asyncio.to_thread(self._score, question, passages, self._monotonic() + deadline_s)

    def _score(self, question: str, passages: Sequence[str], until: float) -> list[float]:
        scores = []
        for passage in passages:
            if self._monotonic() >= until:
                raise timed_out("did not end")
            output = self._session.run(question, passage[:PASSAGE_CHARACTERS_MAX])
            if output.size != 1:
                message = f"The local model {self._session.folder.name} is no cross-encoder: it gives no single score."
                raise RequestError(message, "Use one with a single label.", code="bad_local_model", param="model")
            scores.append(float(output.reshape(-1)[0]))
        return finite(scores)

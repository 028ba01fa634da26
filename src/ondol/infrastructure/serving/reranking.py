"""Passages scored by how well they answer a question: what every reranker is, and one that asks the targets of a model over ``/rerank``, in the shape
that Cohere, Jina, vLLM and llama.cpp share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import msgspec

from ondol.infrastructure.serving.errors import garbage
from ondol.infrastructure.serving.paying import Pay, for_nothing
from ondol.infrastructure.serving.routing import Router
from ondol.infrastructure.serving.types import ModelRow, Outgoing, TargetRow

PASSAGE_CHARACTERS_MAX = 4_000
"""Of a longer passage the beginning is read: most models read some 512 tokens."""


class Reranker(Protocol):
    """Scores passages."""

    async def rerank(self, question: str, passages: Sequence[str], *, deadline_s: float) -> list[float]:
        """A finite score for each passage, in their order; the greater the better, comparable within one call.

        Args:
            deadline_s: for all of it.

        Raises:
            UpstreamError: when it fails or is away, or what it answers are no such scores (``upstream_garbage``).
        """


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Answer(msgspec.Struct):
    results: list[_Result]


_decode = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


class EndpointReranker:
    """A model that providers answer.

    Args:
        pay: asks at somebody's expense.
    """

    def __init__(self, router: Router, row: ModelRow, pay: Pay = for_nothing) -> None:
        self._router = router
        self._row = row
        self._pay = pay

    async def rerank(self, question: str, passages: Sequence[str], *, deadline_s: float) -> list[float]:
        """See `Reranker`."""
        cut = [passage[:PASSAGE_CHARACTERS_MAX] for passage in passages]

        def outgoing(target: TargetRow) -> Outgoing:
            return Outgoing("rerank", _encode({"model": target.model, "query": question, "documents": cut, "top_n": len(cut)}))

        answer = await self._pay(
            self._row, "rerank", [question, *cut], partial(self._router.open, self._row, outgoing, stream=False, deadline_s=deadline_s)
        )
        assert answer.body is not None  # noqa: S101 - no stream was asked for
        try:
            results = _decode(answer.body).results
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise garbage("no ranking") from None
        scores = {result.index: result.relevance_score for result in results}
        if len(results) != len(passages) or scores.keys() != set(range(len(passages))):
            raise garbage("not as many scores as passages")
        return finite([scores[place] for place in range(len(passages))])


def finite(scores: list[float]) -> list[float]:
    """Scores that can be ordered.

    Raises:
        UpstreamError: for one that is no number.
    """
    if not all(math.isfinite(score) for score in scores):
        raise garbage("a score that is no number")
    return scores

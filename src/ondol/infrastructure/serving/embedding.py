"""Texts to vectors: what every embedder is, and one that asks the targets of a model over the OpenAI-compatible ``/embeddings``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import msgspec
import numpy
from numpy.typing import NDArray

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.serving.errors import garbage
from ondol.infrastructure.serving.paying import Pay, for_nothing
from ondol.infrastructure.serving.routing import Router
from ondol.infrastructure.serving.types import ModelRow, Outgoing, TargetRow

BATCH_TEXTS_MAX = 64
"""So many texts go out in one request."""
TEXT_CHARACTERS_MAX = 8_000
"""Of a longer text the beginning is embedded: most models read some 8,000 tokens at the very most."""
DIMENSIONS_MAX = 4_096

Vectors = NDArray[numpy.float32]
"""(texts, dimensions)."""


class Embedder(Protocol):
    """Makes vectors of texts.

    Attributes:
        identity: says which vectors may be compared: it changes with whatever changes them.
    """

    identity: str

    async def embed(self, texts: Sequence[str], *, deadline_s: float) -> Vectors:
        """The vectors of texts, in their order, finite and of one dimension.

        Args:
            deadline_s: for all of it.

        Raises:
            UpstreamError: when it fails or is away, or what it answers are no such vectors (``upstream_garbage``).
        """


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Item]


_decode = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


class EndpointEmbedder:
    """A model that providers answer.

    Args:
        row: its targets; all of them must have the same model, since vectors of different models cannot be compared.
        pay: asks at somebody's expense.

    Raises:
        RequestError: when it has no target, or targets of several models.
    """

    def __init__(self, router: Router, row: ModelRow, pay: Pay = for_nothing) -> None:
        names = sorted({target.model for target in row.targets})
        if len(names) != 1:
            raise RequestError(
                f"The model {row.alias} has targets of {len(names)} models.",
                "An embedder's targets all have one and the same model: vectors of different models cannot be compared.",
                code="bad_embedder",
                param="embedder",
            )
        self.identity = f"model:{names[0]}"
        self._router = router
        self._row = row
        self._pay = pay

    async def embed(self, texts: Sequence[str], *, deadline_s: float) -> Vectors:
        """See `Embedder`."""
        until = self._router.now() + deadline_s
        parts = []
        for start in range(0, len(texts), BATCH_TEXTS_MAX):
            batch = texts[start : start + BATCH_TEXTS_MAX]
            parts.append(await self._ask(batch, until - self._router.now()))
        return checked(parts, len(texts))

    async def _ask(self, texts: Sequence[str], deadline_s: float) -> Vectors:
        cut = [text[:TEXT_CHARACTERS_MAX] or " " for text in texts]

        def outgoing(target: TargetRow) -> Outgoing:
            return Outgoing("embeddings", _encode({"model": target.model, "input": cut, "encoding_format": "float"}))

        answer = await self._pay(self._row, "embeddings", cut, partial(self._router.open, self._row, outgoing, stream=False, deadline_s=deadline_s))
        assert answer.body is not None  # noqa: S101 - no stream was asked for
        try:
            items = _decode(answer.body).data
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise garbage("no embeddings") from None
        by_index = {item.index: item.embedding for item in items}
        if len(items) != len(texts) or by_index.keys() != set(range(len(texts))):
            raise garbage("not as many embeddings as texts")
        if len({len(vector) for vector in by_index.values()}) != 1:
            raise garbage("embeddings of several dimensions")
        with numpy.errstate(over="ignore"):
            return numpy.array([by_index[place] for place in range(len(texts))], numpy.float32)


def checked(parts: Sequence[Vectors], count: int) -> Vectors:
    """Pieces of an answer as one, when they are vectors that can be compared.

    Raises:
        UpstreamError: for another number of them, other or too many dimensions, and numbers that are none.
    """
    if len({part.shape[1:] for part in parts}) != 1 or parts[0].ndim != 2:
        raise garbage("embeddings of several dimensions")
    vectors = numpy.concatenate(parts)
    if len(vectors) != count:
        raise garbage("not as many embeddings as texts")
    if not 1 <= vectors.shape[1] <= DIMENSIONS_MAX:
        raise garbage(f"embeddings of more than {DIMENSIONS_MAX} dimensions, or none")
    if not numpy.isfinite(vectors).all():
        raise garbage("an embedding that is no number")
    return vectors


def refuses_text(error: UpstreamError) -> bool:
    """Whether the embedder refuses what it was asked for its content, so that another text may do."""
    return error.code == "upstream_refused"

"""Vectors of questions and passages, from whichever embedder an index version names."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import numpy
from numpy.typing import NDArray

from ondol.application.knowledge.index.codes import ROTATION_SEED, QueryVector, query_vector, to_units
from ondol.application.knowledge.types import EmbedderRef
from ondol.core.errors import Conflict, RequestError, UpstreamError
from ondol.infrastructure.serving.embedding import Embedder, refuses_text

QUERIES_KEPT_MAX = 4_096
QUERY_DEADLINE_S = 3.0
"""A search waits no longer for its question's vector; it answers from the full text then."""
PASSAGES_DEADLINE_S = 120.0
"""For one batch of passages."""
PREFIX_CHARACTERS_MAX = 200

EmbedderOf: TypeAlias = Callable[[uuid.UUID, str], Awaitable[Embedder]]
"""A tenant's embedder of a name. Raises `NotFound`, or another `RequestError` where it cannot be one."""


async def _none(tenant_id: uuid.UUID, name: str) -> Embedder:
    raise Conflict("This process has no way to embedders.", code="no_embedders")


class Embeddings:
    """The way to embedders, and the vectors of the questions asked last. These are kept in memory only.

    Args:
        embedder_of: finds an embedder.
    """

    def __init__(self, embedder_of: EmbedderOf = _none) -> None:
        self._embedder_of = embedder_of
        self._asked: OrderedDict[tuple[uuid.UUID, str, bytes], QueryVector] = OrderedDict()
        self._key = secrets.token_bytes(32)

    async def describe(self, tenant_id: uuid.UUID, name: str, *, query_prefix: str = "", passage_prefix: str = "") -> EmbedderRef:
        """What an index version keeps of an embedder, which is asked for a vector to know its dimensions.

        Raises:
            RequestError: when there is no such embedder, or a prefix is too long.
            UpstreamError: when it does not answer.
        """
        if max(len(query_prefix), len(passage_prefix)) > PREFIX_CHARACTERS_MAX:
            raise RequestError(f"A prefix is longer than {PREFIX_CHARACTERS_MAX} characters.", code="bad_embedder", param="embedder")
        embedder = await self._embedder_of(tenant_id, name)
        vectors = await embedder.embed([f"{passage_prefix}Ondol"], deadline_s=PASSAGES_DEADLINE_S)
        return EmbedderRef(name, embedder.identity, int(vectors.shape[1]), query_prefix, passage_prefix, ROTATION_SEED)

    async def query(self, tenant_id: uuid.UUID, ref: EmbedderRef, question: str) -> QueryVector:
        """The vector of a question.

        Raises:
            OndolError: when the embedder is away, gone, or another one than the index was built with.
        """
        text = ref.query_prefix + question
        key = tenant_id, ref.id, hashlib.blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=32).digest()
        known = self._asked.get(key)
        if known is not None:
            self._asked.move_to_end(key)
            return known
        made = query_vector((await self._embed(tenant_id, ref, [text], QUERY_DEADLINE_S))[0], ref.rotation)
        self._asked[key] = made
        while len(self._asked) > QUERIES_KEPT_MAX:
            self._asked.popitem(last=False)
        return made

    async def passages(self, tenant_id: uuid.UUID, ref: EmbedderRef, texts: Sequence[str]) -> NDArray[numpy.int16]:
        """The unit vectors, (texts, dimensions), of passages. Only a text that the embedder refuses for what it says gets zeros.

        Raises:
            OndolError: as `query` does.
        """
        prefixed = [ref.passage_prefix + text for text in texts]
        try:
            return await self._embed(tenant_id, ref, prefixed, PASSAGES_DEADLINE_S)
        except UpstreamError as error:
            if not refuses_text(error):
                raise
        found = numpy.zeros((len(texts), ref.dimensions), numpy.int16)
        if len(texts) > 1:
            half = len(texts) // 2
            found[:half] = await self.passages(tenant_id, ref, texts[:half])
            found[half:] = await self.passages(tenant_id, ref, texts[half:])
        return found

    async def _embed(self, tenant_id: uuid.UUID, ref: EmbedderRef, texts: Sequence[str], deadline_s: float) -> NDArray[numpy.int16]:
        embedder = await self._embedder_of(tenant_id, ref.name)
        if embedder.identity != ref.identity:
            raise Conflict(
                f"{ref.name} is another embedder now than the one that the index was built with.",
                f"Build a version with it: `ondol index build BASE --embedder {ref.name} --activate`.",
                code="embedder_changed",
            )
        vectors = await embedder.embed(texts, deadline_s=deadline_s)
        if vectors.shape != (len(texts), ref.dimensions):
            raise UpstreamError("The embedder's vectors have another dimension than the index.", code="upstream_garbage")
        return to_units(vectors)

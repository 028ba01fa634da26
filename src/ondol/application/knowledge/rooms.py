"""What the knowledge room works with."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from ondol.application.knowledge.content import OpenedTexts
from ondol.application.knowledge.embedding import Embeddings
from ondol.application.knowledge.reranking import RerankerOf, no_reranker
from ondol.core.clock import Clock
from ondol.core.ids import new_id
from ondol.infrastructure.access.audiences import VisibleAudiences
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, SealedBlobs
from ondol.infrastructure.storage.lance import LanceRoot, SegmentShelf
from ondol.infrastructure.storage.postgres import Database


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The stores of knowledge, and what of them is kept in memory.

    Attributes:
        reranker_of: finds rerankers.
        embeddings: the way to embedders; without one, indexes have no vectors and searches ask the full text.
        make_id: makes the ids of bases, documents and their versions; hits of equal score come in the order of these.
    """

    database: Database
    keyring: KeyRing
    blobs: SealedBlobs
    lance: LanceRoot
    shelf: SegmentShelf
    visible: VisibleAudiences
    texts: OpenedTexts
    clock: Clock
    embeddings: Embeddings = field(default_factory=Embeddings)
    reranker_of: RerankerOf = no_reranker
    make_id: Callable[[], uuid.UUID] = new_id

    def tenant_key(self, tenant_id: uuid.UUID, purpose: str) -> bytes:
        """A tenant's key for keyed hashes of one purpose, 32 bytes."""
        return self.keyring.get(KeyOwner(tenant_id, "tenant", tenant_id)).derive(purpose)

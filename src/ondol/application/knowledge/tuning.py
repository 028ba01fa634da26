"""How a base is searched, as its owner says."""

from __future__ import annotations

import uuid

from ondol.application.knowledge import store
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.types import Retrieval
from ondol.core.canonical import Json
from ondol.infrastructure.ledger import record


async def tune(room: Knowledge, tenant_id: uuid.UUID, base_id: uuid.UUID, retrieval: Retrieval, *, actor_id: uuid.UUID | None = None) -> None:
    """Search a base so from the next search on.

    Raises:
        RequestError: when there is no such reranker.
    """
    if retrieval.reranker:
        await room.reranker_of(tenant_id, retrieval.reranker)
    async with room.database.tenant_tx(tenant_id) as connection:
        await store.put_retrieval(connection, base_id, retrieval)
        body: dict[str, Json] = {
            "base": base_id,
            "fusion": retrieval.fusion,
            "rank_constant": retrieval.rank_constant,
            "vector_weight_thousandths": round(retrieval.vector_weight * 1000),
            "depth": retrieval.depth,
            "diversity_thousandths": round(retrieval.diversity * 1000),
            "reranker": retrieval.reranker,
            "rerank_depth": retrieval.rerank_depth,
        }
        await record(connection, tenant_id, kind="base.tuned", actor_id=actor_id, body=body, now=room.clock())

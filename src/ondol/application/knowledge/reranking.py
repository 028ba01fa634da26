"""The best passages, confirmed and opened, scored anew by a model that reads question and passage together."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from ondol.core.errors import Conflict, RequestError, UpstreamError
from ondol.infrastructure.serving.reranking import Reranker

DEADLINE_S = 5.0
"""A search waits no longer for its reranker; the order stays as it was then."""

RerankerOf: TypeAlias = Callable[[uuid.UUID, str], Awaitable[Reranker]]
"""A tenant's reranker of a name. Raises `NotFound`, or another `RequestError` where it cannot be one."""

_LOG = logging.getLogger(__name__)


async def no_reranker(tenant_id: uuid.UUID, name: str) -> Reranker:
    """There is no way to one."""
    raise Conflict("This process has no way to rerankers.", code="no_rerankers")


async def score_passages(reranker_of: RerankerOf, tenant_id: uuid.UUID, name: str, question: str, passages: Sequence[str]) -> tuple[list[float], str]:
    """A score for each passage and an empty text, or no scores and why there are none.

    Only passages that Postgres has just confirmed for whoever asks may be passed: they leave for the reranker.
    """
    if not passages:
        return [], ""
    try:
        reranker = await reranker_of(tenant_id, name)
        return await reranker.rerank(question, passages, deadline_s=DEADLINE_S), ""
    except (UpstreamError, RequestError) as error:
        _LOG.warning("searched without the reranker", extra={"reason": error.code})
        return [], error.code

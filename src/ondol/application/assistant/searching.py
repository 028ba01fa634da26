"""How an assistant searches its base: as the base says, but for what the assistant's setting `retrieval` says itself."""

from __future__ import annotations

from typing import Any

import msgspec

from ondol.application.knowledge.types import Retrieval
from ondol.core.errors import RequestError
from ondol.infrastructure.releases import SearchPart

SEARCH_FIELDS = frozenset(Retrieval.__struct_fields__)
"""The fields of `retrieval` that say how the base is searched; the others say what for."""


def search_of(told: Any, base: Retrieval, *, pins: bool) -> SearchPart | msgspec.UnsetType:
    """How a release searches.

    Args:
        told: the assistant's setting `retrieval`, such as ``{"fusion": "scores", "reranker": "rerank-ko"}``.
        base: what the base says of what is not told.
        pins: whether it is written down also where nothing is told, so that a change of the base changes nothing of the release.

    Raises:
        RequestError: when a value is none that a base could have.
    """
    own = {name: value for name, value in told.items() if name in SEARCH_FIELDS and value is not None} if isinstance(told, dict) else {}
    if not own and not pins:
        return msgspec.UNSET
    try:
        wanted = msgspec.convert({**msgspec.structs.asdict(base), **own}, Retrieval)
    except msgspec.ValidationError as error:
        message = f"`retrieval` of an assistant is wrong: {error}."
        raise RequestError(message, "Mend the assistant's settings.", code="invalid_setting", param="retrieval") from error
    return SearchPart(
        fusion=wanted.fusion,
        rank_constant=wanted.rank_constant,
        vector_weight_thousandths=round(wanted.vector_weight * 1000),
        depth=wanted.depth,
        diversity_thousandths=round(wanted.diversity * 1000),
        reranker=wanted.reranker or None,
        rerank_depth=wanted.rerank_depth,
    )

"""Several rankings of the same passages as one.

By ranks: the sum over rankings of ``weight / (rank_constant + rank)`` (Cormack, Clarke and Büttcher, Reciprocal Rank Fusion outperforms Condorcet and
individual Rank Learning Methods, 2009; with weights). By scores: the sum of ``weight * score``, each ranking's scores brought to [0, 1] over what it
holds (Fox and Shaw, Combination of Multiple Searches, 1994). Both look at nothing but what the caller may read, so nothing else can show through.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from ondol.application.knowledge.index import Hit
from ondol.application.knowledge.types import Retrieval


def fuse(rankings: Sequence[tuple[Sequence[Hit], float]], retrieval: Retrieval) -> list[tuple[Hit, float]]:
    """The passages of all rankings with their fused scores, best first, equal ones in the order of document version and passage.

    A passage is told of as the first ranking that holds it tells of it.

    Args:
        rankings: hits, best first, and the ranking's weight.
    """
    hits: dict[tuple[uuid.UUID, int], Hit] = {}
    scores: dict[tuple[uuid.UUID, int], float] = {}
    for ranked, weight in rankings:
        for hit, score in zip(ranked, _by_rank(ranked, retrieval) if retrieval.fusion == "ranks" else _by_score(ranked), strict=True):
            key = hit.document_version_id, hit.passage_ordinal
            hits.setdefault(key, hit)
            scores[key] = scores.get(key, 0.0) + weight * score
    order = sorted(scores, key=lambda key: (-scores[key], key[0].bytes, key[1]))
    return [(hits[key], scores[key]) for key in order]


def _by_rank(ranked: Sequence[Hit], retrieval: Retrieval) -> list[float]:
    return [1 / (retrieval.rank_constant + rank) for rank in range(1, len(ranked) + 1)]


def _by_score(ranked: Sequence[Hit]) -> list[float]:
    if not ranked:
        return []
    best, worst = ranked[0].score, ranked[-1].score
    return [(hit.score - worst) / (best - worst) if best > worst else 1.0 for hit in ranked]

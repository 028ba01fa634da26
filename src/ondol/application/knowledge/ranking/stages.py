"""The stages of a search, each with its own ranks, so that each can be measured apart."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ondol.application.knowledge.index import Hit

StageName = Literal["full_text", "vectors", "fusion", "diversity", "rerank", "query", "queries"]
"""`query` is one of several questions that were searched for, the one that was asked first; `queries` is what they found together."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A passage at its place in a stage; the score is the stage's own."""

    document_version_id: uuid.UUID
    passage_ordinal: int
    score: float


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a search.

    Attributes:
        ranked: best first. They passed the index's masks and are not confirmed: for evaluation, never to be shown.
        degraded: why the stage did not do its work, as a code such as ``upstream_timeout``; empty when it did.
    """

    name: StageName
    ranked: tuple[Ranked, ...]
    degraded: str = ""


def stage_of(name: StageName, hits: Iterable[tuple[Hit, float]]) -> Stage:
    """A stage that did its work: hits with their scores in it, best first."""
    return Stage(name, tuple(Ranked(hit.document_version_id, hit.passage_ordinal, score) for hit, score in hits))

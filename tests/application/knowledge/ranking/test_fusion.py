"""Rankings are put together as the formulas say."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ondol.application.knowledge.index import Hit
from ondol.application.knowledge.ranking import fuse
from ondol.application.knowledge.types import Retrieval

rankings = st.lists(st.tuples(st.integers(1, 9), st.floats(-1, 50)), max_size=9, unique_by=lambda item: item[0])


def ranking(*items: tuple[int, float]) -> list[Hit]:
    """Hits of documents that are called by numbers, best first."""
    hits = [Hit(UUID(int=0), number, UUID(int=number), UUID(int=0), 0, 0, 1, score, (), 0.0) for number, score in items]
    return sorted(hits, key=lambda hit: (-hit.score, hit.document_version_id.bytes))


def told(fused: list[tuple[Hit, float]]) -> list[tuple[int, float]]:
    return [(hit.document_version_id.int, round(score, 9)) for hit, score in fused]


def test_by_ranks_it_is_the_weighted_sum_of_reciprocals() -> None:
    fused = fuse([(ranking((1, 9.0), (2, 8.0)), 0.75), (ranking((2, 0.9), (3, 0.1)), 0.25)], Retrieval(rank_constant=10))
    assert told(fused) == [(2, round(0.75 / 12 + 0.25 / 11, 9)), (1, round(0.75 / 11, 9)), (3, round(0.25 / 12, 9))]
    assert [hit.score for hit, _ in fused] == [8.0, 9.0, 0.1]  # as the first ranking tells of it


def test_by_scores_each_ranking_is_brought_to_one_scale() -> None:
    fused = fuse([(ranking((1, 30.0), (2, 20.0), (4, 10.0)), 0.5), (ranking((2, 0.9), (3, 0.8)), 0.5)], Retrieval(fusion="scores"))
    assert told(fused) == [(2, 0.75), (1, 0.5), (3, 0.0), (4, 0.0)]
    assert told(fuse([(ranking((1, 3.0), (2, 3.0)), 1.0)], Retrieval(fusion="scores"))) == [(1, 1.0), (2, 1.0)]


@given(rankings, rankings, st.sampled_from(["ranks", "scores"]))
def test_every_passage_comes_once_best_first_and_equal_ones_in_their_order(
    first: list[tuple[int, float]], second: list[tuple[int, float]], fusion: str
) -> None:
    retrieval = Retrieval(fusion=fusion)  # type: ignore[arg-type]
    fused = fuse([(ranking(*first), 0.5), (ranking(*second), 0.5)], retrieval)
    order = [(-score, hit.document_version_id.bytes) for hit, score in fused]
    assert order == sorted(order)
    assert {hit.document_version_id.int for hit, _ in fused} == {number for number, _ in [*first, *second]}
    assert len(fused) == len({hit.document_version_id for hit, _ in fused})


@given(rankings)
def test_one_ranking_alone_keeps_its_order(only: list[tuple[int, float]]) -> None:
    hits = ranking(*only)
    assert [hit for hit, _ in fuse([(hits, 0.3), ([], 0.7)], Retrieval())] == hits

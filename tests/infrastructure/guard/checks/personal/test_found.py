"""Which of overlapping candidates stay."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.checks.personal.found import CHECKSUM, Found, best_of, graded


def item(start: int, end: int, confidence: float, entity: str = "CARD") -> Found:
    return Found(entity, start, end, confidence, "format")


def test_the_surer_wins_then_the_longer() -> None:
    assert best_of([item(0, 10, 0.5), item(5, 15, 0.9), item(20, 25, 0.5), item(20, 30, 0.5)]) == [item(5, 15, 0.9), item(20, 30, 0.5)]


def test_what_only_the_beaten_overlap_stays() -> None:
    assert best_of([item(0, 10, 0.9), item(8, 20, 0.8), item(18, 30, 0.7)]) == [item(0, 10, 0.9), item(18, 30, 0.7)]


def test_a_page_keeps_sure_numbers_beside_it_and_hides_others() -> None:
    page = item(0, 40, CHECKSUM, "URL")
    assert best_of([page, item(10, 20, CHECKSUM), item(25, 30, 0.75)]) == [page, item(10, 20, CHECKSUM)]


def test_grades() -> None:
    assert graded("CARD", 0, 1, checksum=False, context=False, alone=0) is None
    sure = graded("CARD", 0, 1, checksum=True, context=True, alone=0)
    named = graded("CARD", 0, 1, checksum=False, context=True, alone=0)
    assert sure is not None and named is not None and sure.confidence > named.confidence


@given(st.lists(st.builds(item, st.integers(0, 50), st.integers(51, 60), st.sampled_from([0.4, 0.75, 0.95])), max_size=20))
def test_nothing_that_stays_overlaps(candidates: list[Found]) -> None:
    kept = best_of(candidates)
    assert all(first.end <= second.start for first, second in pairwise(kept))
    assert bool(kept) == bool(candidates)

"""Anything happens to people, groups, attributes, documents and indexes, and no reader can tell whether what is closed to them was ever there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import partial

import pytest

from benchmarks.knowledge.noninterference import Stand, Tally, open_stand, walk
from ondol.application.knowledge import search as searching
from ondol.application.knowledge.index.vectors import nearest
from ondol.infrastructure.storage.lance.reader import SegmentReader, Selection
from ondol.infrastructure.storage.postgres import DatabaseAddresses

STEPS = 150
STEPS_LONG = 10_000
STEPS_TO_FIND = 300


@pytest.fixture
def stand(addresses: DatabaseAddresses, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """Vectors are cut off at five candidates, so that closed ones that are nearer would push open ones out if they were not masked before."""
    monkeypatch.setattr(searching, "nearest", partial(nearest, candidates_max=5, exact_max=5))
    with open_stand(addresses) as opened:
        yield opened


def test_no_reader_can_tell_what_is_closed_to_them(stand: Stand) -> None:
    tally = walk(stand, Tally(STEPS))
    assert (tally.steps, tally.leaks) == (STEPS, 0)
    assert tally.telling > STEPS // 3, "readers got something while something was closed: else two worlds could not differ"


def test_a_search_that_masks_nothing_is_found_out(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing closed comes out of it, for Postgres confirms each hit; what is told is told by scores, counts and order."""
    select = SegmentReader.select

    def everything(self: SegmentReader, visible: AbstractSet[uuid.UUID], retired: AbstractSet[uuid.UUID]) -> Selection:
        return select(self, frozenset(self.audiences), retired)

    monkeypatch.setattr(SegmentReader, "select", everything)
    tally = walk(stand, Tally(STEPS_TO_FIND, raises=False, leaks_max=1))
    assert tally.leaks == 1
    assert tally.steps < STEPS_TO_FIND


@pytest.mark.long
def test_no_reader_can_tell_what_is_closed_to_them_in_ten_thousand_steps(stand: Stand) -> None:
    tally = walk(stand, Tally(STEPS_LONG), derandomize=False)
    assert (tally.steps, tally.leaks) == (STEPS_LONG, 0)

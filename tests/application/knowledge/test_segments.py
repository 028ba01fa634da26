"""Segments are merged in tiers of their size: small additions never make a large one be rewritten."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.knowledge import segments, store
from ondol.application.knowledge.index.build import SEGMENT_PASSAGES_MAX
from ondol.application.knowledge.segments import MERGE_FACTOR, MERGED_PASSAGES_MAX, SegmentSize, segments_to_merge
from ondol.infrastructure.storage.lance import IndexPlace, merge_segments
from tests.application.conftest import House

pytestmark = pytest.mark.anyio

TIERS = math.ceil(math.log(MERGED_PASSAGES_MAX, MERGE_FACTOR))


@dataclass
class Shelf:
    """Segments as they become by additions and the merges that these cause."""

    sizes: dict[uuid.UUID, int] = field(default_factory=dict)
    rewritten: int = 0
    most: int = 0

    def add(self, passages: int) -> None:
        self.sizes[uuid.uuid4()] = passages
        while chosen := segments_to_merge([SegmentSize(segment_id, size) for segment_id, size in self.sizes.items()]):
            size = sum(self.sizes.pop(segment_id) for segment_id in chosen)
            self.rewritten += size
            self.sizes[uuid.uuid4()] = size
        self.most = max(self.most, len(self.sizes))


def shelf_of(sizes: Iterable[int]) -> Shelf:
    return Shelf({uuid.uuid4(): size for size in sizes})


def test_a_thousand_small_additions_rewrite_little_and_nothing_large() -> None:
    shelf = shelf_of([64_000, 64_000, 64_000, 64_000, 44_000])
    large = set(shelf.sizes)
    for _ in range(1_000):
        shelf.add(1)
    assert large <= shelf.sizes.keys()
    assert shelf.rewritten == 3_720
    assert shelf.rewritten <= 1_000 * math.log(1_000, MERGE_FACTOR)
    assert shelf.most <= 5 + 5 * (MERGE_FACTOR - 1)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=400), st.lists(st.integers(1, 64_000), max_size=6))
def test_no_passage_is_rewritten_more_often_than_there_are_tiers(added: list[int], there: list[int]) -> None:
    shelf = Shelf()
    for size in (*there, *added):
        shelf.add(size)
    total = sum(there) + sum(added)
    assert sum(shelf.sizes.values()) == total
    assert max(shelf.sizes.values()) <= MERGED_PASSAGES_MAX
    assert shelf.rewritten <= TIERS * total
    assert len(shelf.sizes) <= TIERS * (MERGE_FACTOR - 1) + 2 * total / MERGED_PASSAGES_MAX + 1


def test_what_is_mostly_masked_is_rewritten_alone_and_what_is_not_stays() -> None:
    mostly, half = SegmentSize(uuid.uuid4(), 60_000, 100, 51), SegmentSize(uuid.uuid4(), 60_000, 100, 50)
    assert segments_to_merge([half]) == []
    assert segments_to_merge([half, mostly]) == [mostly.id]


def test_no_segment_is_built_larger_than_a_merge_would_make_it() -> None:
    assert SEGMENT_PASSAGES_MAX <= MERGED_PASSAGES_MAX


async def live(house: House) -> tuple[IndexPlace, dict[uuid.UUID, int]]:
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        base = await store.find_base(connection, "base")
        assert base.active_index_id is not None
        found = await store.live_segments(connection, base.active_index_id)
    return IndexPlace(house.tenant_id, base.id, base.active_index_id), dict(found)


async def test_small_runs_are_merged_beside_a_large_segment_and_the_old_folders_go(house: House) -> None:
    house.write("book.md", "".join(f"# Chapter {number}\n\n{'The beacon is lit at dusk. ' * 30}\n\n" for number in range(40)))
    await house.ingest()
    place, first = await live(house)
    [(large, size)] = first.items()
    assert size >= MERGE_FACTOR**2
    for number in range(MERGE_FACTOR):
        house.write(f"{number}.md", f"# Page {number}\n\nThe lighthouse has the number {number}.")
        await house.ingest()
    _, found = await live(house)
    assert found[large] == size
    assert sorted(found.values()) == [MERGE_FACTOR, size]
    assert len(house.platform.lance.segment_ids(place)) == MERGE_FACTOR + 2
    house.clock.advance(seconds=segments.DROP_AFTER_S + 1)
    assert await segments.drop_replaced(house.platform.knowledge, house.tenant_id) == MERGE_FACTOR
    assert set(house.platform.lance.segment_ids(place)) == found.keys()
    assert sorted(await house.titles("lighthouse")) == [f"Page {number}" for number in range(MERGE_FACTOR)]


async def test_what_is_masked_leaves_with_the_next_merge(house: House) -> None:
    for number in range(10):
        house.write(f"{number}.md", f"# Page {number}\n\nThe beacon has the number {number}.")
    await house.ingest()
    for number in range(6):
        (house.folder / f"{number}.md").unlink()
    await house.ingest(prune=True)
    _, found = await live(house)
    assert list(found.values()) == [4]
    assert sorted(await house.titles("beacon")) == [f"Page {number}" for number in range(6, 10)]


async def test_a_document_that_goes_while_a_merge_runs_is_masked_in_what_it_made(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MERGE_FACTOR - 1):
        house.write(f"{number}.md", f"# Page {number}\n\nThe beacon has the number {number}.")
        await house.ingest()
    place, found = await live(house)
    loop, knowledge = asyncio.get_running_loop(), house.platform.knowledge

    async def remove() -> None:
        async with house.platform.database.tenant_tx(house.tenant_id) as connection:
            await store.lock_base(connection, place.base_id)
            [version] = [source.version_id for source in list((await store.known_sources(connection, place.base_id)).values())[:1]]
            await store.remove_versions(connection, [version])
            await store.retire(connection, [version], house.clock())
            await store.touch_base(connection, place.base_id)

    def merge_slowly(*arguments: object) -> object:
        made = merge_segments(*arguments)  # type: ignore[arg-type]
        asyncio.run_coroutine_threadsafe(remove(), loop).result(30)
        return made

    monkeypatch.setattr(segments, "merge_segments", merge_slowly)
    monkeypatch.setattr(segments, "MERGE_FACTOR", len(found))
    assert await segments.merge_small(knowledge, house.tenant_id, place.base_id) == 1
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        masked = await store.masked_versions(connection, place.base_id, place.index_version_id, house.clock())
    [(merged, _)] = (await live(house))[1].items()
    assert [len(versions) for segment_id, versions in masked.items() if segment_id == merged] == [1]
    assert len(await house.titles("beacon")) == len(found) - 1


async def test_a_search_survives_a_merge_that_drops_its_segments(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        house.write(f"{number}.md", f"# Page {number}\n\nThe beacon has the number {number}.")
        await house.ingest()
    place, _ = await live(house)
    await house.search("beacon")
    monkeypatch.setattr(segments, "MERGE_FACTOR", 2)
    assert await segments.merge_small(house.platform.knowledge, house.tenant_id, place.base_id) > 0
    house.clock.advance(seconds=segments.DROP_AFTER_S + 1)
    await segments.drop_replaced(house.platform.knowledge, house.tenant_id)
    results = await asyncio.gather(*(house.titles("beacon number") for _ in range(5)))
    assert {tuple(sorted(titles)) for titles in results} == {("Page 0", "Page 1", "Page 2")}

"""Versions are copied where they would come out the same, serve by one pointer, and go when nothing keeps them."""

from __future__ import annotations

import shutil
import time

import pytest

from ondol.application.knowledge import store
from ondol.application.knowledge.index_versions import (
    Wanted,
    activate_version,
    build_version,
    drop_old_versions,
    drop_version,
    keep_versions,
    put_tag,
    roll_back,
    start_version,
)
from ondol.application.knowledge.index_versions.build import BUILDING_MAX
from ondol.application.knowledge.segments import DROP_AFTER_S, MERGED_PASSAGES_MAX, drop_replaced, together
from ondol.application.knowledge.types import IndexSettings
from ondol.core.errors import Conflict
from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import IndexPlace
from tests.application.conftest import House
from tests.application.knowledge.index_versions.test_build import base_of, versions_of

pytestmark = pytest.mark.anyio


async def build(house: House, settings: IndexSettings | None = None, *, activate: bool = True, reuse: bool = True) -> int:
    base = await base_of(house)
    made = await start_version(
        house.platform.knowledge, house.tenant_id, base.id, settings or IndexSettings(), Wanted(activate=activate, reuse=reuse)
    )
    return (await build_version(house.platform.knowledge, house.tenant_id, made.id)).copied


async def test_a_version_of_the_same_settings_is_copied_without_what_is_retired_and_one_of_others_is_not(house: House) -> None:
    for number in range(12):
        house.write(f"{number}.md", f"# Page {number}\n\n등대 {number}번 {'beacon ' * number}")
        if number % 4 == 3:
            await house.ingest()
    (house.folder / "3.md").unlink()
    await house.ingest(prune=True)
    before = [(item.version.id, item.hit.score) for item in (await house.search("등대 beacon", limit=50)).evidence]
    assert await build(house) == 11
    found = await house.search("등대 beacon", limit=50)
    assert [(item.version.id, item.hit.score) for item in found.evidence] == before
    assert await build(house, reuse=False) == 0
    assert await build(house, IndexSettings(100, 200)) == 0


async def test_what_cannot_be_copied_is_built_from_the_texts(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    await house.ingest()
    base = await base_of(house)
    assert base.active_index_id is not None
    shutil.rmtree(house.platform.folder.lance / IndexPlace(house.tenant_id, base.id, base.active_index_id).folder)
    assert await build(house) == 0
    assert await house.titles("beacon") == ["Alpha"]


async def test_a_roll_back_takes_less_than_a_second_and_misses_nothing_that_changed_since(house: House) -> None:
    for number in range(20):
        house.write(f"{number}.md", f"# Page {number}\n\nThe beacon has the number {number}.")
    await house.ingest()
    await build(house, IndexSettings(100, 200))
    house.write("0.md", "# Page 0\n\nThe beacon is new.")
    house.write("20.md", "# Page 20\n\nThe beacon came later.")
    (house.folder / "1.md").unlink()
    await house.ingest(prune=True)
    expected = sorted(await house.titles("beacon"))
    base = await base_of(house)
    began = time.monotonic()
    done = await roll_back(house.platform.knowledge, house.tenant_id, base.id)
    assert time.monotonic() - began < 1
    assert done.number == 1
    found = await house.search("beacon")
    assert found.index_version_id == done.id
    assert sorted(await house.titles("beacon")) == expected
    assert (await roll_back(house.platform.knowledge, house.tenant_id, base.id)).number == 2


async def test_a_version_that_lay_aside_is_brought_up_to_date_before_it_serves(house: House) -> None:
    house.write("0.md", "# Page 0\n\nThe beacon is old.")
    await house.ingest()
    base = await base_of(house)
    await keep_versions(house.platform.knowledge, house.tenant_id, base.id, 5, None)
    for size in (100, 200):
        await build(house, IndexSettings(size, 400))
    house.write("1.md", "# Page 1\n\nThe beacon came later.")
    await house.ingest()
    first = (await versions_of(house))[-1]
    assert (first.number, first.state) == (1, "retired")
    await activate_version(house.platform.knowledge, house.tenant_id, first.id)
    assert sorted(await house.titles("beacon")) == ["Page 0", "Page 1"]


async def test_what_nothing_keeps_goes_with_its_folders_and_what_has_a_tag_stays(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    await house.ingest()
    room, base = house.platform.knowledge, await base_of(house)
    for _ in range(3):
        await build(house)
    versions = await versions_of(house)
    assert [(version.number, version.state) for version in versions] == [(4, "active"), (3, "retired"), (2, "retired"), (1, "retired")]
    await put_tag(room, house.tenant_id, versions[-1].id, "first")
    assert await drop_old_versions(room, house.tenant_id) == 1
    assert [version.number for version in await versions_of(house)] == [4, 3, 1]
    house.clock.advance(seconds=DROP_AFTER_S + 1)
    assert await drop_replaced(room, house.tenant_id) == 1
    assert house.platform.lance.segment_ids(IndexPlace(house.tenant_id, base.id, versions[2].id)) == []
    assert await house.titles("beacon") == ["Alpha"]


async def test_a_version_goes_when_its_days_are_over(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    await house.ingest()
    room, base = house.platform.knowledge, await base_of(house)
    await keep_versions(room, house.tenant_id, base.id, 5, 7)
    await build(house)
    await build(house, activate=False)
    house.clock.advance(days=6)
    assert await drop_old_versions(room, house.tenant_id) == 0
    house.clock.advance(days=1)
    assert await drop_old_versions(room, house.tenant_id) == 2
    assert [(version.number, version.state) for version in await versions_of(house)] == [(2, "active")]


async def test_what_was_given_up_is_built_no_further(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    await house.ingest()
    base = await base_of(house)
    made = await start_version(house.platform.knowledge, house.tenant_id, base.id, IndexSettings(), Wanted(activate=True))
    await drop_version(house.platform.knowledge, house.tenant_id, made.id)
    with pytest.raises(Conflict, match="dropped"):
        await build_version(house.platform.knowledge, house.tenant_id, made.id)
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        assert (await store.find_base(connection, "base")).active_index_id == base.active_index_id


async def test_only_so_many_versions_wait_to_be_built(house: House) -> None:
    await house.ingest()
    base = await base_of(house)
    for _ in range(BUILDING_MAX):
        await start_version(house.platform.knowledge, house.tenant_id, base.id, IndexSettings(), Wanted())
    with pytest.raises(Conflict, match="8 index versions of base wait") as told:
        await start_version(house.platform.knowledge, house.tenant_id, base.id, IndexSettings(), Wanted())
    assert told.value.code == "index_builds_wait"
    await drop_version(house.platform.knowledge, house.tenant_id, (await versions_of(house))[0].id)
    await start_version(house.platform.knowledge, house.tenant_id, base.id, IndexSettings(), Wanted())


def test_segments_are_copied_together_as_far_as_they_fit_into_one() -> None:
    first, second, third, fourth = (new_id() for _ in range(4))
    assert together([(first, 40_000), (second, 24_000), (third, 1), (fourth, MERGED_PASSAGES_MAX)]) == [[first, second], [third], [fourth]]
    assert together([]) == []

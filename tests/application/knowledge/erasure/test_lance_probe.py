"""What an outsider finds in the index's folders, with none of the code that searches them."""

from __future__ import annotations

import uuid

import pytest

from ondol.application.knowledge.erasure.lance_probe import segments_holding
from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import IndexPlace, merge_segments
from tests.application.conftest import House

pytestmark = pytest.mark.anyio


async def known(house: House) -> tuple[uuid.UUID, IndexPlace, dict[uuid.UUID, int]]:
    """The base, its index, and each document version with its passages."""
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        base = await (await connection.execute("select id, active_index_id from bases")).fetchone()
        found = await (await connection.execute("select id, passage_count from document_versions")).fetchall()
    assert base is not None
    return base["id"], IndexPlace(house.tenant_id, base["id"], base["active_index_id"]), {row["id"]: row["passage_count"] for row in found}


async def test_passages_and_the_postings_that_point_at_them_are_counted(house: House) -> None:
    house.write("one.md", "# Lamp\n\nlamp lamp lantern\n")
    house.write("two.md", "# Boat\n\nboat harbour\n")
    await house.ingest()
    base_id, place, versions = await known(house)
    lance = house.platform.lance
    counted = {}
    for version_id, passages in versions.items():
        [found] = await segments_holding(lance.url, lance.options, house.tenant_id, base_id, [version_id])
        assert (found.index_id, found.passages) == (place.index_version_id, passages)
        counted[version_id] = found.postings
    [both] = await segments_holding(lance.url, lance.options, house.tenant_id, base_id, list(versions))
    assert all(count > 0 for count in counted.values())
    assert both.postings == sum(counted.values())
    assert await segments_holding(lance.url, lance.options, house.tenant_id, base_id, [new_id()]) == []
    assert await segments_holding(lance.url, lance.options, house.tenant_id, base_id, []) == []
    assert await segments_holding(lance.url, lance.options, new_id(), base_id, list(versions)) == []


async def test_a_folder_that_no_row_names_is_looked_into_and_a_damaged_one_is_passed_over(house: House) -> None:
    house.write("one.md", "# Lamp\n\nlamp lamp lantern\n")
    await house.ingest()
    base_id, place, versions = await known(house)
    lance, left = house.platform.lance, new_id()
    merge_segments(lance, place, lance.segment_ids(place), {}, left)
    found = await segments_holding(lance.url, lance.options, house.tenant_id, base_id, list(versions))
    assert left in {holding.segment_id for holding in found}
    assert len(found) == 2
    (house.platform.folder.lance / place.folder / str(new_id())).mkdir()
    assert len(await segments_holding(lance.url, lance.options, house.tenant_id, base_id, list(versions))) == 2

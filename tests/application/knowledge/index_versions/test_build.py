"""An index is built beside the one that serves, from what was sealed; nothing that changes leaves a base empty."""

from __future__ import annotations

import shutil
import uuid

import pytest

from ondol.application.knowledge import store
from ondol.application.knowledge.index import ANALYSER_ID
from ondol.application.knowledge.index_versions import (
    IndexVersion,
    Wanted,
    build_version,
    care_for_versions,
    list_versions,
    rebuild,
    start_version,
)
from ondol.application.knowledge.types import IndexSettings
from ondol.core.errors import Conflict, RequestError
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.lance import IndexPlace
from tests.application.conftest import House

pytestmark = pytest.mark.anyio

ANOTHER_ANALYSER = "an analyser that is gone"


async def base_of(house: House) -> store.Base:
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        return await store.find_base(connection, "base")


async def versions_of(house: House) -> list[IndexVersion]:
    base = await base_of(house)
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        return await list_versions(connection, base.id)


async def execute(house: House, statement: str, *values: object) -> None:
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await connection.execute(statement, values)


async def lose_segments(house: House) -> None:
    """The rows say that documents are indexed, and no file of the index is there: what a restore leaves."""
    base = await base_of(house)
    assert base.active_index_id is not None
    place = IndexPlace(house.tenant_id, base.id, base.active_index_id)
    house.platform.knowledge.shelf.forget(house.platform.lance.segment_ids(place))
    shutil.rmtree(house.platform.folder.lance / place.folder)


async def test_another_analyser_is_said_and_its_index_replaced_by_a_whole_one(house: House) -> None:
    for number in range(40):
        house.write(f"{number}.md", f"# Page {number}\n\n등대 {number}번 beacon.")
    await house.ingest()
    await execute(house, "update index_versions set analyser_id = %s", ANOTHER_ANALYSER)
    with pytest.raises(Conflict, match="another version of the text analysis") as told:
        await house.search("등대 beacon")
    assert told.value.code == "index_outdated"
    assert "ondol index rebuild base" in told.value.hint
    report = await house.ingest()
    assert (report.unchanged, report.added, report.changed) == (40, 0, 0)
    assert len((await house.search("등대", limit=100)).evidence) == 40
    assert (await base_of(house)).analyser_id == ANALYSER_ID
    assert [(version.number, version.state) for version in await versions_of(house)] == [(2, "active"), (1, "retired")]


async def test_the_job_worker_replaces_an_index_of_another_analyser_and_nothing_else(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    await house.ingest()
    assert await care_for_versions(house.platform.knowledge, house.tenant_id) == 0
    await execute(house, "update index_versions set analyser_id = %s", ANOTHER_ANALYSER)
    assert await care_for_versions(house.platform.knowledge, house.tenant_id) == 1
    assert await house.titles("beacon") == ["Alpha"]
    assert await care_for_versions(house.platform.knowledge, house.tenant_id) == 0


async def test_what_the_index_lost_is_indexed_again_by_the_next_run(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    house.write("b.md", "# Beta\n\nThe beacon is green.")
    await house.ingest()
    await execute(house, "delete from index_segments")
    assert await house.titles("beacon") == []
    report = await house.ingest()
    assert (report.unchanged, report.changed) == (2, 0)
    assert sorted(await house.titles("beacon")) == ["Alpha", "Beta"]


async def test_an_unchanged_file_whose_text_is_gone_is_taken_in_anew(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    await house.ingest()
    await execute(house, "delete from index_segments")
    shutil.rmtree(house.platform.folder.blobs / str(house.tenant_id) / "documents")
    report = await house.ingest()
    assert (report.unchanged, report.changed) == (0, 1)
    assert await house.titles("beacon") == ["Alpha"]


async def test_a_rebuild_needs_no_folder_and_finds_the_same(house: House) -> None:
    for number in range(30):
        house.write(
            f"{number}.md", f"---\ngroups: [{'support' if number % 3 else 'security'}]\n---\n# Page {number}\n\n등대와 harbour {'beacon ' * number}."
        )
    await house.ingest()
    questions = [("등대", "support"), ("beacon harbour", "security"), ("beacon", "visitor")]
    before = [[(item.version.id, item.hit.score) for item in (await house.search(text, who=who)).evidence] for text, who in questions]
    shutil.rmtree(house.folder)
    await lose_segments(house)
    with pytest.raises(Conflict, match="lost") as told:
        await house.search("등대", who="support")
    assert (told.value.code, "ondol index rebuild base" in told.value.hint) == ("index_incomplete", True)
    report = await rebuild(house.platform.knowledge, house.tenant_id, (await base_of(house)).id)
    assert (report.documents, report.unreadable) == (30, set())
    after = [[(item.version.id, item.hit.score) for item in (await house.search(text, who=who)).evidence] for text, who in questions]
    assert after == before
    assert [(version.number, version.state) for version in await versions_of(house)] == [(2, "active")]


async def test_a_rebuild_of_which_nothing_can_be_read_leaves_the_old_index_serving(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    await house.ingest()
    await house.titles("beacon")
    blobs = house.platform.folder.blobs / str(house.tenant_id) / "documents"
    blobs.rename(blobs.with_name("away"))
    with pytest.raises(Conflict, match="sealed text"):
        await rebuild(house.platform.knowledge, house.tenant_id, (await base_of(house)).id)
    blobs.with_name("away").rename(blobs)
    assert await house.titles("beacon") == ["Alpha"]
    assert [(version.number, version.state) for version in await versions_of(house)] == [(2, "failed"), (1, "active")]


async def test_an_erased_document_is_left_out_and_counted(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    house.write("b.md", "# Beta\n\nThe beacon is green.")
    await house.ingest()
    gone = next(item for item in (await house.search("beacon")).evidence if item.version.details.title == "Beta")
    house.platform.keyring.destroy(KeyOwner(house.tenant_id, "document", gone.version.document_id))
    report = await rebuild(house.platform.knowledge, house.tenant_id, (await base_of(house)).id)
    assert (report.documents, report.unreadable) == (1, {gone.version.id})
    assert await house.titles("beacon") == ["Alpha"]


async def test_a_document_that_changes_while_a_version_is_built_is_found_in_it_as_it_is_now(house: House) -> None:
    for number in range(3):
        house.write(f"{number}.md", f"# Page {number}\n\nThe beacon has the number {number}.")
    await house.ingest()
    base = await base_of(house)
    made = await start_version(house.platform.knowledge, house.tenant_id, base.id, IndexSettings(), Wanted(activate=True))
    house.write("0.md", "# Page 0\n\nThe beacon is new.")
    house.write("4.md", "# Page 4\n\nThe beacon came later.")
    (house.folder / "2.md").unlink()
    await house.ingest(prune=True)
    await build_version(house.platform.knowledge, house.tenant_id, made.id)
    found = await house.search("beacon")
    assert found.index_version_id == made.id
    assert sorted(item.version.details.title for item in found.evidence) == ["Page 0", "Page 1", "Page 4"]
    assert [item.text for item in found.evidence if item.version.details.title == "Page 0"] == ["Page 0\n\nThe beacon is new."]


async def test_what_is_retired_between_reading_and_publishing_is_masked(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    await house.ingest()
    [alpha] = (await house.search("beacon")).evidence
    base = await base_of(house)
    await execute(house, "update document_versions set state = 'removed'")
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        assert base.active_index_id is not None
        segment = uuid.UUID("01900000-0000-7000-8000-000000000001")
        await store.publish_segment(connection, house.tenant_id, base.active_index_id, segment, 1, [alpha.version.id], house.clock())
        masked = await store.masked_versions(connection, base.id, base.active_index_id, house.clock())
    assert masked == {segment: frozenset({alpha.version.id})}


async def test_a_base_is_cut_as_its_first_run_says_and_another_way_only_in_another_version(house: House) -> None:
    house.write("a.md", "# Alpha\n\n" + "The beacon is white and it stands on the rock. " * 60)
    await house.ingest(index_settings=IndexSettings(200, 300))
    assert max(len(item.text) for item in (await house.search("beacon", limit=50)).evidence) in range(150, 201)
    with pytest.raises(Conflict, match="200-300") as told:
        await house.ingest(index_settings=IndexSettings(400, 800))
    assert (told.value.code, "ondol index build base" in told.value.hint) == ("other_index_settings", True)
    base = await base_of(house)
    made = await start_version(house.platform.knowledge, house.tenant_id, base.id, IndexSettings(400, 800), Wanted(activate=True))
    await build_version(house.platform.knowledge, house.tenant_id, made.id)
    house.write("b.md", "# Beta\n\n" + "The lighthouse is green and it stands on the pier. " * 60)
    await house.ingest()
    for question in ("beacon", "lighthouse"):
        found = (await house.search(question, limit=50)).evidence
        assert max(len(item.text) for item in found) in range(300, 401), question
        assert all(item.text.count("stands on the") for item in found)
    assert (await house.ingest()).unchanged == 2


async def test_sizes_that_cannot_be_are_refused() -> None:
    assert IndexSettings().resized(None, None) == IndexSettings(600, 1200)
    assert IndexSettings(300, 600).resized(400, None) == IndexSettings(400, 800)
    assert IndexSettings().resized(None, 700) == IndexSettings(600, 700)
    for sizes in ((49, None), (600, 500), (60_000, 100_001)):
        with pytest.raises(RequestError, match="Passages cannot aim"):
            IndexSettings().resized(*sizes)

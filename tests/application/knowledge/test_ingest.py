from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ondol.application.knowledge import ingest, store
from ondol.application.knowledge.search import Evidence
from ondol.core.errors import Conflict, UserError
from ondol.infrastructure.ledger import LedgerSigner, ancestors, public_keys_path, read_public_keys, seal_once, verify
from ondol.infrastructure.storage.lance import IndexPlace
from tests.application.conftest import House

pytestmark = pytest.mark.anyio

REFUND = "---\nid: refund\nversion: {version}\n---\n# Refund policy\n\nThe fee is refunded within {days} days.\n"


def texts(evidence: tuple[Evidence, ...]) -> list[str]:
    return [item.text for item in evidence]


async def test_an_unchanged_folder_costs_nothing_the_second_time(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands on the rock.")
    house.write("b.txt", "A second page about harbours.")
    first = await house.ingest()
    second = await house.ingest()
    assert (first.added, first.unchanged, second.added, second.unchanged, second.passages) == (2, 0, 0, 2, 0)


async def test_changed_content_replaces_what_was_found(house: House) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse is white.")
    await house.ingest()
    house.write("a.md", "# Alpha\n\nThe lighthouse is green.")
    report = await house.ingest()
    found = await house.search("lighthouse")
    assert (report.added, report.changed) == (0, 1)
    assert [text for text in texts(found.evidence) if "white" in text] == []
    assert "green" in found.evidence[0].text


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
async def test_the_highest_version_is_found_whatever_order_files_came_in(house: House, order: tuple[int, int, int]) -> None:
    for version in order:
        house.write(f"refund.v{version}.md", REFUND.format(version=version, days=version * 10))
        await house.ingest()
    found = await house.search("refunded fee days")
    assert ["30 days" in text for text in texts(found.evidence)] == [True]


async def test_versions_in_one_run_supersede_each_other(house: House) -> None:
    for version in (2, 3, 1):
        house.write(f"refund.v{version}.md", REFUND.format(version=version, days=version * 10))
    report = await house.ingest()
    assert report.superseded == 2
    assert ["30 days" in text for text in texts((await house.search("refunded fee")).evidence)] == [True]


async def test_dates_open_and_close_a_document_without_taking_it_in_again(house: House) -> None:
    house.write("promotion.md", "---\nvalid_from: 2026-11-22\nvalid_until: 2026-11-24\n---\n# Promotion\n\nTwenty percent off the harbour plan.")
    await house.ingest()
    seen = []
    for _ in range(4):
        seen.append(bool((await house.search("harbour plan")).evidence))
        house.clock.advance(days=1)
    assert seen == [False, True, True, False]


async def test_groups_and_classes_close_documents(house: House) -> None:
    house.write("open.md", "# Open harbour\n\nEverybody may read of the harbour.")
    house.write("support.md", "---\ngroups: [support]\n---\n# Support harbour\n\nThe harbour runbook of support.")
    house.write("staff.md", "---\ngroups: [staff]\nclass: internal\n---\n# Staff harbour\n\nThe harbour memo of all staff.")
    house.write("secret.md", "---\nclass: restricted\n---\n# Secret harbour\n\nThe harbour plan that is restricted.")
    await house.ingest()
    assert sorted(await house.titles("harbour")) == ["Open harbour"]
    assert sorted(await house.titles("harbour", who="support")) == ["Open harbour", "Staff harbour", "Support harbour"]
    assert sorted(await house.titles("harbour", who="security")) == ["Open harbour", "Secret harbour", "Staff harbour"]


async def test_bad_files_are_reported_one_by_one_and_do_not_stop_the_rest(house: House) -> None:
    house.write("good.md", "# Good\n\nA page about beacons.")
    house.write("broken.pdf", b"%PDF-1.7 not really")
    house.write("broken.docx", b"PK\x03\x04 neither")
    house.write("unknown-group.md", "---\ngroups: [nobody]\n---\n# Closed\n\nBeacons behind an unknown group.")
    house.write("bad-version.md", "---\nversion: newest\n---\n# Bad\n\nBeacons with a bad version.")
    outside = house.folder.parent / "outside.md"
    outside.write_text("# Outside\n\nBeacons outside of the folder.")
    (house.folder / "link.md").symlink_to(outside)
    report = await house.ingest()
    assert sorted(failure.path for failure in report.failed) == ["bad-version.md", "broken.docx", "broken.pdf", "link.md", "unknown-group.md"]
    assert all(failure.reason for failure in report.failed)
    assert await house.titles("beacons", who="security") == ["Good"]


async def test_a_file_that_was_mended_is_taken_in_by_the_next_run(house: House) -> None:
    house.write("a.md", "---\nversion: newest\n---\n# Alpha\n\nA page about beacons.")
    assert len((await house.ingest()).failed) == 1
    house.write("a.md", "---\nversion: 2\n---\n# Alpha\n\nA page about beacons.")
    report = await house.ingest()
    assert (report.added, report.failed) == (1, [])
    assert await house.titles("beacons") == ["Alpha"]


async def test_prune_takes_out_what_is_gone_and_only_that(house: House) -> None:
    gone = house.write("gone.md", "# Gone\n\nA page about beacons.")
    house.write("kept.md", "# Kept\n\nA page about beacons too.")
    await house.ingest()
    gone.unlink()
    assert (await house.ingest()).removed == 0
    assert len(await house.titles("beacons")) == 2
    assert (await house.ingest(prune=True)).removed == 1
    assert await house.titles("beacons") == ["Kept"]


async def test_a_sidecar_speaks_for_a_file_that_cannot(house: House) -> None:
    house.write("note.txt", "The beacon is lit at dusk.")
    house.write("note.txt.meta.yaml", "title: Beacon note\ngroups: [support]\n")
    await house.ingest()
    assert await house.titles("beacon") == []
    assert await house.titles("beacon", who="support") == ["Beacon note"]
    house.write("note.txt.meta.yaml", "title: Beacon note\n")
    assert (await house.ingest()).changed == 1
    assert await house.titles("beacon") == ["Beacon note"]


async def test_a_run_waits_for_its_turn_and_not_for_ever(house: House) -> None:
    house.write("a.md", "# Alpha\n\nA page about beacons.")
    await house.ingest()
    house.write("b.md", "# Beta\n\nAnother page about beacons.")
    base_id = (await house.search("beacons")).base_id
    async with house.platform.database.writer_lock(base_id) as free:
        assert free
        with pytest.raises(Conflict, match="writing") as told:
            await house.ingest(wait_s=0.05)
        assert told.value.code == "base_busy"
        waiting = asyncio.create_task(house.ingest(wait_s=60))
        assert await asyncio.wait({waiting}, timeout=0.5) == (set(), {waiting})
    assert (await waiting).added == 1
    assert sorted(await house.titles("beacons")) == ["Alpha", "Beta"]


async def test_what_comes_during_a_long_run_is_found_before_that_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BATCH_DOCUMENTS_MAX", 10)
    for number in range(150):
        house.write(f"long/{number}.md", f"# Page {number}\n\nThe beacon has the number {number}.")
    house.write("short/one.md", "# Urgent\n\nThe lighthouse is closed.")
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    knowledge, options = house.platform.knowledge, ingest.IngestOptions()

    def told(done: int, total: int) -> None:
        if done == 30:
            loop.call_soon_threadsafe(begun.set)

    long = asyncio.create_task(ingest.ingest_folder(knowledge, house.tenant_id, "base", house.folder / "long", options, told))
    await begun.wait()
    short = await ingest.ingest_folder(knowledge, house.tenant_id, "base", house.folder / "short", options, lambda done, total: None)
    assert (short.added, await house.titles("lighthouse"), long.done()) == (1, ["Urgent"], False)
    assert (await long).added == 150
    assert len((await house.search("beacon", limit=200)).evidence) == 150


async def test_two_runs_over_one_folder_take_each_file_in_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "BATCH_DOCUMENTS_MAX", 4)
    for number in range(30):
        house.write(f"{number}.md", f"# Page {number}\n\nThe beacon has the number {number}.")
    first, second = await asyncio.gather(house.ingest(), house.ingest())
    assert (first.added + second.added, first.changed + second.changed, first.unchanged + second.unchanged) == (30, 0, 30)
    assert len((await house.search("beacon", limit=100)).evidence) == 30


async def test_leftovers_of_a_dead_writer_are_dropped(house: House) -> None:
    house.write("a.md", "# Alpha\n\nA page about beacons.")
    await house.ingest()
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        base = await store.find_base(connection, "base")
    assert base.active_index_id is not None
    place = IndexPlace(house.tenant_id, base.id, base.active_index_id)
    [live] = house.platform.lance.segment_ids(place)
    root = Path(str(house.platform.folder.lance)) / place.folder
    leftover = root / "01900000-0000-7000-8000-000000000000"
    leftover.mkdir()
    (leftover / "half.lance").write_bytes(b"half")
    house.clock.advance(days=365)
    await house.ingest()
    assert house.platform.lance.segment_ids(place) == [live]


async def test_what_happened_is_in_the_ledger_and_leads_back_to_the_document(house: House) -> None:
    house.write("a.md", "# Alpha\n\nA page about beacons.")
    await house.ingest()
    found = await house.search("beacons")
    [evidence] = found.evidence
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        walk = await ancestors(connection, house.tenant_id, evidence.hit.segment_id)
    assert [(item.kind, item.id) for item in walk.reached] == [
        ("document_version", evidence.version.id),
        ("document", evidence.version.document_id),
    ]
    signer = LedgerSigner.open_or_create(house.platform.folder.ledger_key)
    await seal_once(house.platform.database, signer, house.clock())
    verification = await verify(house.platform.database, read_public_keys(public_keys_path(house.platform.folder.ledger_key)))
    assert verification.events > 0
    assert verification.unsealed.count == 0


async def test_nothing_of_a_document_lies_open_on_disk_or_in_postgres(house: House, tmp_path: Path) -> None:
    word = "Zanzibarkaffee"
    house.write(f"{word}.md", f"---\nid: {word}-id\ntitle: {word}-title\n---\n# {word}\n\nThe {word} is served at noon.")
    await house.ingest()
    assert len((await house.search(word)).evidence) == 1
    stored = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(stored) > 5
    assert [path for path in stored if word.encode() in path.read_bytes() or word.lower().encode() in path.read_bytes()] == []
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        tables = await (
            await connection.execute("select c.relname from pg_class c where c.relnamespace = 'ondol'::regnamespace and c.relkind in ('r', 'p')")
        ).fetchall()
        for table in tables:
            try:
                async with connection.transaction():
                    rows = await (await connection.execute(f'select t::text as row from ondol."{table["relname"]}" t')).fetchall()
            except Exception as error:
                assert "permission denied" in str(error)
                continue
            assert [row for row in rows if word.lower() in row["row"].lower() or word.encode().hex() in row["row"]] == []


async def test_a_folder_that_is_not_there_is_a_sentence(house: House) -> None:
    with pytest.raises(UserError, match="not a folder"):
        from ondol.application.knowledge.ingest import IngestOptions, ingest_folder

        await ingest_folder(house.platform.knowledge, house.tenant_id, "base", house.folder / "absent", IngestOptions(), lambda done, total: None)

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ondol.application.knowledge import committing, store, sweep
from ondol.application.knowledge.content import documents_prefix, original_path
from ondol.application.knowledge.index import build_segments
from ondol.application.knowledge.segments import COMMIT_SECONDS_MAX
from ondol.application.knowledge.sweep import GRACE_MIN, SweepReport, sweep_unnamed
from ondol.core.errors import Conflict, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres import rows
from ondol.infrastructure.storage.postgres.backup import back_up, restore
from ondol.infrastructure.storage.postgres.migrate import migrate
from tests.application.conftest import House

pytestmark = pytest.mark.anyio


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, and nothing is cleaned up."""


@pytest.fixture(autouse=True)
def present(house: House) -> None:
    """Ids carry the real time, so here the clock begins there."""
    house.clock.now = datetime.now(UTC)


def sealed(house: House) -> tuple[set[str], set[uuid.UUID]]:
    """All blobs and all keys of documents."""
    owners = house.platform.keyring.list_owners(house.tenant_id)
    return set(house.platform.blobs.list(documents_prefix(house.tenant_id))), {owner.id for owner in owners if owner.kind == "document"}


async def kill(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ingest that ends after it has sealed its batch and before it commits."""

    async def end(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(store, "add_document", end)
        patch.setattr(store, "add_version", end)
        with pytest.raises(Killed):
            await house.ingest()


async def told(house: House) -> list[dict[str, object]]:
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        return [row["body"] for row in await rows(connection, "select body from ledger_events where kind = 'knowledge.swept' order by id", {})]


async def test_what_a_killed_ingest_sealed_goes_once_it_is_old_and_nothing_else(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.write("kept.md", "# Kept\n\nA page about beacons.")
    await house.ingest()
    kept = sealed(house)
    house.write("kept.md", "# Kept\n\nA page about harbours.")
    house.write("new.md", "# New\n\nA page about lighthouses.")
    await kill(house, monkeypatch)
    left = sealed(house)
    assert (len(left[0]), len(left[1])) == (2 + 4, 1 + 1)
    house.clock.advance(hours=23)
    assert (await sweep_unnamed(house.platform.knowledge, house.tenant_id)).blobs == 0
    assert sealed(house) == left
    house.clock.advance(hours=2)
    assert await sweep_unnamed(house.platform.knowledge, house.tenant_id) == SweepReport(blobs=4, keys=1)
    assert sealed(house) == kept
    assert await told(house) == [{"what": "blobs", "count": 4}, {"what": "keys", "count": 1}]
    assert await sweep_unnamed(house.platform.knowledge, house.tenant_id) == SweepReport()
    assert len(await told(house)) == 2
    assert await house.titles("beacons") == ["Kept"]
    report = await house.ingest()
    assert (report.added, report.changed, report.failed) == (1, 1, [])
    assert await house.titles("lighthouses") == ["New"]


async def test_versions_that_are_no_longer_found_keep_what_they_sealed(house: House) -> None:
    gone = house.write("gone.md", "# Gone\n\nA page about beacons.")
    changed = house.write("changed.md", "# Changed\n\nA page about harbours.")
    await house.ingest()
    gone.unlink()
    changed.write_text("# Changed\n\nA page about lighthouses.")
    await house.ingest(prune=True)
    before = sealed(house)
    house.clock.advance(days=30)
    assert await sweep_unnamed(house.platform.knowledge, house.tenant_id) == SweepReport()
    assert sealed(house) == before


async def test_other_owners_keys_and_foreign_objects_are_left_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring, blobs, tenant_id = house.platform.keyring, house.platform.blobs, house.tenant_id
    subject, other = KeyOwner(tenant_id, "subject", new_id()), KeyOwner(new_id(), "document", new_id())
    for owner in (subject, other, KeyOwner.tenant(other.tenant_id)):
        keyring.create(owner)
    strange = [f"{documents_prefix(tenant_id)}/{new_id()}/{uuid.uuid4()}/original", f"{documents_prefix(tenant_id)}/note", f"{tenant_id}/else/a/b/c"]
    for path in strange:
        blobs.put(subject, path, b"x")
    blobs.put(other, original_path(other.tenant_id, other.id, new_id()), b"x")
    house.clock.advance(days=2)
    assert await sweep_unnamed(house.platform.knowledge, tenant_id) == SweepReport()
    assert all(blobs.exists(path) for path in strange)
    assert keyring.exists(subject)
    assert keyring.exists(other)


async def test_a_run_is_bounded_and_the_next_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        house.write(f"{number}.md", f"# Page {number}\n\nA page about beacons.")
    await kill(house, monkeypatch)
    house.clock.advance(days=2)
    monkeypatch.setattr(sweep, "CHUNK_OBJECTS", 2)
    monkeypatch.setattr(sweep, "REMOVED_MAX", 3)
    seen = [await sweep_unnamed(house.platform.knowledge, house.tenant_id) for _ in range(4)]
    assert [(report.blobs, report.keys, report.is_whole) for report in seen] == [(3, 3, False), (3, 2, False), (3, 0, False), (1, 0, True)]
    assert sealed(house) == (set(), set())


async def test_a_restore_puts_the_sweep_off(house: House, tmp_path: Path) -> None:
    back_up(house.platform.database.addresses, tmp_path / "database.dump")
    house.write("later.md", "# Later\n\nA page about beacons, taken in after the backup.")
    await house.ingest()
    before = sealed(house)
    restore(house.platform.database.addresses, tmp_path / "database.dump", replace=True)
    migrate(house.platform.database.addresses)
    house.clock.advance(hours=23)
    report = await sweep_unnamed(house.platform.knowledge, house.tenant_id)
    assert report.waits_until is not None
    assert timedelta(0) < report.waits_until - house.clock() < timedelta(hours=2)
    assert sealed(house) == before


async def test_no_grace_is_shorter_than_a_batch_may_take(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert GRACE_MIN.total_seconds() >= 2 * COMMIT_SECONDS_MAX
    with pytest.raises(RequestError, match="grace"):
        await sweep_unnamed(house.platform.knowledge, house.tenant_id, GRACE_MIN - timedelta(seconds=1))

    real = build_segments

    def slow(*arguments: object) -> Iterator[object]:
        house.clock.advance(seconds=COMMIT_SECONDS_MAX + 1)
        return iter(list(real(*arguments)))  # type: ignore[arg-type]

    house.write("a.md", "# Alpha\n\nA page about beacons.")
    with monkeypatch.context() as patch:
        patch.setattr(committing, "build_segments", slow)
        with pytest.raises(Conflict, match="too long"):
            await house.ingest()
    assert (await house.ingest()).added == 1

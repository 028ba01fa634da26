"""What was said is kept as the tenant wants it, sealed, for so long, and goes with its person.

Rules out of the field's defects: logs without an end, and a clean-up that runs out of memory (1: LiteLLM #21908; 9: Bifrost #2172): contents lie
apart from records and are pruned some at a time.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.gateway.records.content import TEXT_CHARACTERS_MAX, Content, ContentLog, content_of, expire_contents
from ondol.infrastructure.gateway.records.erasure import erase_person
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing
from ondol.infrastructure.storage.postgres import Database, rows

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)


def mask(tenant_id: uuid.UUID, text: str) -> str:
    if text == "unmaskable":
        raise RuntimeError("no")
    return text.replace("hunter2", "[PASSWORD_1]")


async def make_person(database: Database, tenant_id: uuid.UUID) -> uuid.UUID:
    identifier = new_id()
    async with database.tenant_tx(tenant_id) as connection:
        values = (tenant_id, identifier, identifier.bytes * 2, b"x", NOW)
        await connection.execute("insert into people (tenant_id, id, login_hash, profile_sealed, created_at) values (%s, %s, %s, %s, %s)", values)
    return identifier


@pytest.fixture
async def person(database: Database, tenant: Tenant) -> uuid.UUID:
    return await make_person(database, tenant.id)


@pytest.fixture
def log(database: Database, keyring: KeyRing) -> ContentLog:
    return ContentLog(database, keyring, lambda: NOW, mask, write_every_s=3_600)


async def read(database: Database, keyring: KeyRing, tenant: Tenant, identifier: uuid.UUID, now: datetime = NOW) -> Content | None:
    async with database.tenant_tx(tenant.id) as connection:
        return await content_of(connection, keyring, tenant.id, identifier, now)


async def test_each_mode_keeps_what_it_says(log: ContentLog, database: Database, keyring: KeyRing, tenant: Tenant, person: uuid.UUID) -> None:
    off, never, masked, full = (new_id() for _ in range(4))
    async with log.writing:
        log.keep(tenant.id, person, off, "hunter2", "yes", mode="off", days=30)
        log.keep(tenant.id, person, never, "hunter2", "yes", mode="full", days=0)
        log.keep(tenant.id, person, masked, "it is hunter2", "hunter2!", mode="masked", days=30)
        log.keep(tenant.id, person, full, "it is hunter2", "x" * (TEXT_CHARACTERS_MAX + 1), mode="full", days=7)
    assert await read(database, keyring, tenant, off) is None
    assert await read(database, keyring, tenant, never) is None
    end = NOW + timedelta(days=30)
    assert await read(database, keyring, tenant, masked) == Content(masked, person, "masked", "it is [PASSWORD_1]", "[PASSWORD_1]!", NOW, end)
    whole = await read(database, keyring, tenant, full)
    assert whole is not None
    assert (whole.prompt, len(whole.answer), whole.answer[-4:]) == ("it is hunter2", TEXT_CHARACTERS_MAX, " […]")
    async with database.tenant_tx(tenant.id) as connection:
        stored = str(await rows(connection, "select c::text from request_contents c limit 10", {}))
    assert "it is" not in stored


async def test_what_cannot_be_masked_is_not_kept_and_holds_nothing_up(
    log: ContentLog, database: Database, keyring: KeyRing, tenant: Tenant, person: uuid.UUID
) -> None:
    bad, good = new_id(), new_id()
    log.keep(tenant.id, person, bad, "unmaskable", "", mode="masked", days=1)
    log.keep(tenant.id, person, good, "fine", "", mode="masked", days=1)
    assert await log.writing.flush()
    assert await read(database, keyring, tenant, bad) is None
    assert await read(database, keyring, tenant, good) is not None
    assert (log.unmasked, log.writing.dropped) == (1, 0)


async def test_contents_end_with_their_time(log: ContentLog, database: Database, keyring: KeyRing, tenant: Tenant, person: uuid.UUID) -> None:
    short, long = new_id(), new_id()
    log.keep(tenant.id, person, short, "a", "b", mode="full", days=1)
    log.keep(tenant.id, person, long, "a", "b", mode="full", days=3)
    assert await log.writing.flush()
    later = NOW + timedelta(days=1)
    assert await read(database, keyring, tenant, short, later) is None, "not even before it is pruned"
    assert await expire_contents(database, later) == 1
    assert await expire_contents(database, later) == 0
    assert await read(database, keyring, tenant, long, later) is not None


async def test_pruning_goes_on_until_all_is_gone(
    log: ContentLog, database: Database, tenant: Tenant, person: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ondol.infrastructure.gateway.records.content.SWEEP_MAX", 2)
    for _ in range(5):
        log.keep(tenant.id, person, new_id(), "a", "b", mode="full", days=1)
    assert await log.writing.flush()
    assert await expire_contents(database, NOW + timedelta(days=1)) == 5


async def test_erasing_a_person_takes_what_is_kept_and_what_is_on_its_way(
    log: ContentLog, database: Database, keyring: KeyRing, tenant: Tenant, person: uuid.UUID
) -> None:
    other = await make_person(database, tenant.id)
    kept, kept_too, late, theirs = (new_id() for _ in range(4))
    log.keep(tenant.id, person, kept, "a", "b", mode="full", days=1)
    log.keep(tenant.id, person, kept_too, "a", "b", mode="full", days=1)
    log.keep(tenant.id, other, theirs, "a", "b", mode="full", days=1)
    assert await log.writing.flush()
    log.keep(tenant.id, person, late, "a", "b", mode="full", days=1)
    async with database.tenant_tx(tenant.id) as connection:
        await connection.execute("insert into tombstones values (%s, %s, 'subject', %s)", (tenant.id, person, NOW))
        assert await erase_person(connection, person) == {"contents": 2, "feedback": 0}
    keyring.destroy(KeyOwner(tenant.id, "subject", person))
    assert await log.writing.flush()
    for identifier in (kept, kept_too, late):
        assert await read(database, keyring, tenant, identifier) is None
    assert not keyring.exists(KeyOwner(tenant.id, "subject", person)), "no key was made for somebody who is gone"
    assert await read(database, keyring, tenant, theirs) is not None


async def test_contents_whose_key_is_gone_cannot_be_read(
    log: ContentLog, database: Database, keyring: KeyRing, tenant: Tenant, person: uuid.UUID
) -> None:
    identifier = new_id()
    log.keep(tenant.id, person, identifier, "a", "b", mode="full", days=1)
    assert await log.writing.flush()
    keyring.destroy(KeyOwner(tenant.id, "subject", person))
    assert await read(database, keyring, tenant, identifier) is None

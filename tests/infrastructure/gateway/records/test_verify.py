"""A record that was changed, removed, added or moved is found, and one record is proved alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ondol.core.clock import utc_now
from ondol.core.errors import Conflict, LedgerBroken, NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.gateway.records.lines import line_digest, line_in
from ondol.infrastructure.gateway.records.verify import RecordsVerification, check_record_proof, prove_record, verify_records
from ondol.infrastructure.ledger import LedgerSigner, public_keys_path, read_public_keys, seal_once, verify
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses
from tests.infrastructure.gateway.records.conftest import Ground
from tests.infrastructure.gateway.records.making import kept_ids, make_record
from tests.infrastructure.gateway.records.test_lines import FULL

pytestmark = pytest.mark.anyio


@pytest.fixture
async def kept_ground(ground: Ground, database: Database, keyring: KeyRing, tenant: Tenant) -> Ground:
    """Two batches of one tenant and one of another."""
    other = await create_tenant(database, keyring, slug="other", name="Other", now=utc_now())
    for tenant_ids in ([tenant.id] * 5 + [other.id] * 2, [tenant.id] * 3):
        for tenant_id in tenant_ids:
            ground.recorder.record(make_record(tenant_id, **FULL))
        assert await ground.flush()
    return ground


async def test_what_was_recorded_holds(kept_ground: Ground, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    for page in (2_000, 2, 1):
        monkeypatch.setattr("ondol.infrastructure.gateway.records.verify.ROWS_PAGE", page)
        monkeypatch.setattr("ondol.infrastructure.gateway.records.verify.EVENTS_PAGE", page)
        assert await verify_records(database) == RecordsVerification(batches=3, records=10, unbatched=0)
    assert await verify_records(database, tenant_id=tenant.id) == RecordsVerification(batches=2, records=8, unbatched=0)


CHANGES = [
    "update ondol.requests set output_tokens = output_tokens + 1 where id = %(id)s",
    "update ondol.requests set model = 'other' where id = %(id)s",
    "update ondol.requests set audio_ms = audio_ms + 1 where id = %(id)s",
    "update ondol.requests set cost_nano = null, currency = null where id = %(id)s",
    "update ondol.requests set created_at = created_at + interval '1 microsecond' where id = %(id)s",
    "update ondol.requests set created_at = 'infinity' where id = %(id)s",
    "update ondol.requests set group_ids = '{}' where id = %(id)s",
    "update ondol.requests set guard_rules = null where id = %(id)s",
    "update ondol.requests set batch_place = batch_place + 1 where id = %(id)s",
    "update ondol.requests set batch_id = null, batch_place = null where id = %(id)s",
    "update ondol.requests set batch_id = %(stranger)s where id = %(id)s",
    "delete from ondol.requests where id = %(id)s",
    "delete from ondol.requests where batch_id = (select batch_id from ondol.requests where id = %(id)s)",
    "insert into ondol.requests select (jsonb_populate_record(r, jsonb_build_object('id', %(stranger)s::uuid))).*"
    " from ondol.requests r where id = %(id)s",
    "update ondol.ledger_events set body = jsonb_set(body, '{count}', '4') where kind = 'requests.recorded'",
    "delete from ondol.ledger_events where kind = 'requests.recorded' and tenant_id = %(tenant_id)s",
]


@pytest.mark.parametrize(("place", "change"), list(enumerate(CHANGES)))
async def test_every_change_is_found(
    place: int, change: str, kept_ground: Ground, database: Database, addresses: DatabaseAddresses, tenant: Tenant
) -> None:
    identifier = (await kept_ids(database, tenant.id))[place % 8]
    with psycopg.connect(addresses.owner) as owner:
        owner.execute(change.encode(), {"id": identifier, "stranger": new_id(), "tenant_id": tenant.id})
    with pytest.raises(LedgerBroken):
        await verify_records(database)


async def test_a_batch_of_an_older_form_holds_and_what_was_added_to_it_is_found(
    ground: Ground, database: Database, addresses: DatabaseAddresses, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("ondol.infrastructure.gateway.records.audit.FORM", "requests-1")
        older.setattr("ondol.infrastructure.gateway.records.audit.line_digest", lambda line: line_digest(line_in(line, "requests-1")))
        ground.recorder.record(make_record(tenant.id))
        assert await ground.flush()
    assert await verify_records(database) == RecordsVerification(batches=1, records=1, unbatched=0)
    with psycopg.connect(addresses.owner) as owner:
        owner.execute("update ondol.requests set images = 1")
    with pytest.raises(LedgerBroken, match="altered"):
        await verify_records(database)


async def test_one_record_is_proved_alone(kept_ground: Ground, database: Database, tenant: Tenant, tmp_path: Path) -> None:
    identifiers = await kept_ids(database, tenant.id)
    with pytest.raises(Conflict):
        await prove_record(database, tenant.id, identifiers[0])
    with pytest.raises(NotFound):
        await prove_record(database, tenant.id, new_id())
    signer = LedgerSigner.open_or_create(tmp_path / "ledger.key")
    while await seal_once(database, signer, utc_now()):
        pass
    keys = read_public_keys(public_keys_path(tmp_path / "ledger.key"))
    await verify(database, keys)
    proofs = [await prove_record(database, tenant.id, identifier) for identifier in identifiers]
    for proof in proofs:
        check_record_proof(proof, keys)
    first = proofs[0]
    assert identifiers[0].hex.encode() in first.canonical
    for forged in (
        replace(first, canonical=first.canonical.replace(b'"200"', b'"201"')),
        replace(first, place=first.place + 1),
        replace(first, path=first.path[:-1]),
        replace(first, batch=proofs[-1].batch),
        replace(first, canonical=b"[]"),
    ):
        with pytest.raises(LedgerBroken):
            check_record_proof(forged, keys)


async def test_records_from_before_there_were_batches_are_counted(database: Database, addresses: DatabaseAddresses, tenant: Tenant) -> None:
    identifier = new_id()
    with psycopg.connect(addresses.owner) as owner:
        owner.execute(
            "insert into ondol.requests"
            " (tenant_id, id, person_id, model, route, input_tokens, output_tokens, duration_us, status, outcome, created_at)"
            " values (%s, %s, %s, 'm', 'r', 0, 0, 1, 200, 'answered', now())",
            (tenant.id, identifier, new_id()),
        )
    assert await verify_records(database) == RecordsVerification(batches=0, records=0, unbatched=1)
    with pytest.raises(Conflict, match="before"):
        await prove_record(database, tenant.id, identifier)

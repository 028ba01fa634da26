from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg.rows import DictRow

from ondol.core.errors import Conflict, LedgerBroken, NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import InclusionProof, LedgerSigner, PublicKeys, SealedBatch, check_proof, prove, record, seal_once
from ondol.infrastructure.storage.postgres import Database

pytestmark = pytest.mark.anyio

Tenants = tuple[uuid.UUID, uuid.UUID]


async def write(database: Database, tenant_id: uuid.UUID, now: datetime, number: int = 0) -> uuid.UUID:
    async with database.tenant_tx(tenant_id) as connection:
        return await record(connection, tenant_id, kind="a", actor_id=tenant_id, body={"n": number, "of": [tenant_id]}, now=now)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
async def test_every_event_can_be_proven_alone(
    database: Database, tenant_ids: Tenants, signer: LedgerSigner, public_keys: PublicKeys, now: datetime, count: int
) -> None:
    events = [(tenant_ids[number % 2], await write(database, tenant_ids[number % 2], now, number)) for number in range(count)]
    batch = await seal_once(database, signer, now)
    for place, (tenant_id, event_id) in enumerate(sorted(events, key=lambda pair: pair[1])):
        proof = await prove(database, tenant_id, event_id)
        assert (proof.event.id, proof.event.tenant_id, proof.place, proof.batch) == (event_id, tenant_id, place, batch)
        check_proof(proof, public_keys)
        written = msgspec.json.encode(proof)
        check_proof(msgspec.json.decode(written, type=InclusionProof), public_keys)
        others = {other for owner, pair in events for other in (owner, pair)} - {tenant_id, event_id}
        assert not any(str(other).encode() in written for other in others)


async def test_an_altered_proof_is_found(
    database: Database, tenant_ids: Tenants, signer: LedgerSigner, public_keys: PublicKeys, now: datetime, tmp_path: Path
) -> None:
    ids = [await write(database, tenant_ids[0], now, number) for number in range(5)]
    await seal_once(database, signer, now)
    good = await prove(database, tenant_ids[0], ids[1])
    check_proof(good, public_keys)
    later = await seal_other(database, tenant_ids[0], signer, now)
    other = LedgerSigner.open_or_create(tmp_path / "other.key")
    altered = [
        replace(good, event=replace(good.event, kind="b")),
        replace(good, event=replace(good.event, tenant_id=tenant_ids[1])),
        replace(good, event=replace(good.event, id=ids[2])),
        replace(good, event=replace(good.event, actor_id=None)),
        replace(good, event=replace(good.event, body={**good.event.body, "n": 2})),
        replace(good, event=replace(good.event, body={**good.event.body, "n": 1.0})),
        replace(good, event=replace(good.event, created_at=now + timedelta(microseconds=1))),
        replace(good, place=0),
        replace(good, place=5),
        replace(good, place=-1),
        replace(good, path=good.path[:-1]),
        replace(good, path=(*good.path, bytes(32))),
        replace(good, path=tuple(reversed(good.path))),
        replace(good, batch=later),
        replace(good, batch=replace(good.batch, event_count=4)),
        replace(good, batch=replace(good.batch, root=bytes(32))),
        replace(good, batch=replace(good.batch, signature=bytes(64))),
        replace(good, batch=replace(good.batch, signer=other.key_id)),
    ]
    for proof in altered:
        with pytest.raises(LedgerBroken):
            check_proof(proof, {**public_keys, other.key_id: other.public_key})
    with pytest.raises(LedgerBroken, match="not known"):
        check_proof(good, {})


async def seal_other(database: Database, tenant_id: uuid.UUID, signer: LedgerSigner, now: datetime) -> SealedBatch:
    await write(database, tenant_id, now)
    sealed = await seal_once(database, signer, now)
    assert sealed is not None
    return sealed


async def test_only_own_and_sealed_events_are_proven(database: Database, tenant_ids: Tenants, signer: LedgerSigner, now: datetime) -> None:
    event_id = await write(database, tenant_ids[0], now)
    with pytest.raises(Conflict) as waiting:
        await prove(database, tenant_ids[0], event_id)
    assert waiting.value.code == "not_sealed"
    await seal_once(database, signer, now)
    for tenant_id, asked in ((tenant_ids[1], event_id), (tenant_ids[0], new_id())):
        with pytest.raises(NotFound):
            await prove(database, tenant_id, asked)


async def test_a_proof_of_an_altered_event_does_not_hold(
    database: Database, tenant_ids: Tenants, owner: psycopg.AsyncConnection[DictRow], signer: LedgerSigner, public_keys: PublicKeys, now: datetime
) -> None:
    event_id = await write(database, tenant_ids[0], now)
    await seal_once(database, signer, now)
    await owner.execute("update ledger_events set kind = 'b'")
    with pytest.raises(LedgerBroken):
        check_proof(await prove(database, tenant_ids[0], event_id), public_keys)
    await owner.execute("update ledger_events set created_at = 'infinity'")
    with pytest.raises(LedgerBroken):
        await prove(database, tenant_ids[0], event_id)
    await owner.execute("delete from ledger_batches")
    with pytest.raises(LedgerBroken, match="does not have"):
        await prove(database, tenant_ids[0], event_id)

"""Records for tests, and what became of them."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from ondol.core.clock import utc_now
from ondol.core.ids import new_id
from ondol.infrastructure.gateway.records import RequestRecord
from ondol.infrastructure.gateway.records.lines import record_of
from ondol.infrastructure.storage.postgres import Database, rows


def make_record(tenant_id: uuid.UUID, **changes: Any) -> RequestRecord:
    """A record of an answered request."""
    record = RequestRecord(
        tenant_id=tenant_id,
        id=new_id(),
        person_id=new_id(),
        api_key_id=None,
        model="assistant/help",
        route="chat.completions",
        input_tokens=12,
        output_tokens=5,
        cost_nano=None,
        currency=None,
        duration_us=1_234,
        status=200,
        outcome="answered",
        created_at=utc_now(),
    )
    return msgspec.structs.replace(record, **changes)


async def kept(database: Database, tenant_id: uuid.UUID) -> list[RequestRecord]:
    """The tenant's records, by id."""
    async with database.tenant_tx(tenant_id) as connection:
        return [record_of(row) for row in await rows(connection, "select * from requests order by id limit 100000", {})]


async def kept_ids(database: Database, tenant_id: uuid.UUID) -> list[uuid.UUID]:
    """The ids of the tenant's records."""
    return [record.id for record in await kept(database, tenant_id)]

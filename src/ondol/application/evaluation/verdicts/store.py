"""What Postgres keeps of verdicts."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from ondol.application.evaluation.verdicts.types import Verdict
from ondol.core.errors import NotFound
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

QUERIES = load_queries("ondol.application.evaluation.verdicts")
PAGE_MAX = 500
LAST_ID = uuid.UUID(int=2**128 - 1)

_BYTES = ("suite_digest", "target_digest", "envelope", "statement_digest")


async def add_verdict(connection: Connection, tenant_id: uuid.UUID, verdict: Verdict) -> None:
    """Keep a verdict; it never changes."""
    values: dict[str, object] = {name: getattr(verdict, name) for name in Verdict.__slots__ if name != "created_at"}
    await connection.execute(QUERIES["verdict_add"], {**values, "tenant_id": tenant_id, "now": verdict.created_at})


async def get_verdict(connection: Connection, verdict_id: uuid.UUID) -> Verdict:
    """One verdict.

    Raises:
        NotFound: when the tenant has no such verdict.
    """
    row = await one(connection, QUERIES["verdict_by_id"], {"id": verdict_id})
    if row is None:
        raise NotFound("There is no such verdict.", "`ondol eval verdicts` lists them.", code="verdict_not_found", param="verdict")
    return _verdict(row)


async def list_verdicts(
    connection: Connection, *, assistant_id: uuid.UUID | None = None, suite: str | None = None, before: uuid.UUID = LAST_ID, limit: int = PAGE_MAX
) -> list[Verdict]:
    """Verdicts before an id, the newest first; of one assistant or of one suite if they are named."""
    values: dict[str, object] = {"assistant_id": assistant_id, "suite": suite, "before": before, "limit": limit}
    return [_verdict(row) for row in await rows(connection, QUERIES["verdicts_page"], values)]


async def newest_verdicts(connection: Connection, assistant_id: uuid.UUID, suite: str) -> list[Verdict]:
    """The newest verdicts of a suite about an assistant's releases, the newest first."""
    values: dict[str, object] = {"assistant_id": assistant_id, "suite": suite, "limit": PAGE_MAX}
    return [_verdict(row) for row in await rows(connection, QUERIES["verdicts_newest"], values)]


def _verdict(row: Mapping[str, Any]) -> Verdict:
    kept: dict[str, Any] = {name: bytes(value) if name in _BYTES else value for name, value in row.items()}
    return Verdict(**kept)

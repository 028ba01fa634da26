"""What was used and what it cost, by day, model, key, person or group: as JSON, or as CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from ondol.core.errors import Forbidden
from ondol.core.money import Currency, decimal_text
from ondol.infrastructure.access.limits.subjects import names_of
from ondol.infrastructure.access.people import own_time_zone
from ondol.infrastructure.access.route_roles import ASK, READERS
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import GatewayServices, Moment
from ondol.infrastructure.gateway.records.usage import GROUPS_MAX, Group, UsageRow, usage_by
from ondol.infrastructure.storage.postgres import Connection

USAGE_PAGE = 1_000
PERIOD_DAYS = 30
CSV_FORM = {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The usage: JSON, or CSV where only that is accepted."}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class UsageSums(BaseModel):
    """Sums of requests; `failed` and `estimated` are among them. `cost` is in units of `currency`, exact; both are null without a known price.

    `images` were made, `audio_ms` is how many milliseconds of sound were written down, `characters` were spoken.
    """

    currency: Currency | None
    requests: int
    failed: int
    estimated: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    images: int
    audio_ms: int
    characters: int
    cost: str | None


class UsageLine(UsageSums):
    """The sums of one group. What was not asked for is null."""

    day: date | None
    model: str | None
    person_id: uuid.UUID | None
    login: str | None
    key_id: uuid.UUID | None
    key: str | None = Field(description="The key's public id.")
    group_id: uuid.UUID | None
    group: str | None


class UsageShown(BaseModel):
    """Usage of a period, one line for each group and currency, and the totals of all of it.

    `next` is what to give as `offset` for the next page.
    """

    since: datetime
    until: datetime
    time_zone: str
    lines: list[UsageLine]
    totals: list[UsageSums]
    next: int | None


def usage_router(services: GatewayServices) -> APIRouter:
    """The route of ``/usage``."""
    router = APIRouter(tags=["usage"])

    @router.get("/usage", openapi_extra=ASK, response_model=UsageShown, responses={200: CSV_FORM})
    async def get_usage(
        request: Request,
        by: Annotated[list[Group], Query(max_length=5, description="What makes a line; may be given several times.")] = ["day"],  # noqa: B006
        since: Moment | None = None,
        until: Moment | None = None,
        person: uuid.UUID | None = None,
        key: uuid.UUID | None = None,
        model: Annotated[str | None, Query(max_length=300)] = None,
        offset: Annotated[int, Query(ge=0, le=GROUPS_MAX)] = 0,
        limit: Annotated[int, Query(ge=1, le=GROUPS_MAX)] = USAGE_PAGE,
        who: Principal = services.asks,
    ) -> Any:
        """What was used from `since` until before `until`: the last 30 days when absent. Days are the tenant's.

        Who has no role but member or editor sees their own usage only. By group, a request counts in each group of its caller.
        """
        if not who.roles & READERS:
            if person is not None and person != who.person_id:
                raise Forbidden("You may see your own usage only.", "Leave `person` out.", code="role_required")
            person = who.person_id
        end = until or services.clock()
        begin = since or end - timedelta(days=PERIOD_DAYS)
        only: dict[str, Any] = {"person_id": person, "api_key_id": key, "model": model}
        async with services.within(who) as connection:
            zone = await own_time_zone(connection)
            told = await usage_by(connection, by, since=begin, until=end, time_zone=zone, **only)
            totals = await usage_by(connection, (), since=begin, until=end, time_zone=zone, **only)
            lines = await _named(services, connection, who, told[offset : offset + limit])
        more = offset + limit if len(told) > offset + limit else None
        shown = UsageShown(since=begin, until=end, time_zone=zone, lines=lines, totals=[UsageSums(**_sums(row)) for row in totals], next=more)
        if _wants_csv(request.headers.get("accept", "")):
            return Response(csv_of(lines), media_type="text/csv", headers={"content-disposition": 'attachment; filename="usage.csv"'})
        return shown

    return router


async def _named(services: GatewayServices, connection: Connection, who: Principal, found: list[UsageRow]) -> list[UsageLine]:
    ids = {identifier for row in found for identifier in (row.person_id, row.api_key_id, row.group_id) if identifier}
    names = await names_of(connection, services.keyring, who.tenant_id, ids)
    return [
        UsageLine(
            **_sums(row),
            day=row.day,
            model=row.model,
            person_id=row.person_id,
            login=names.get(str(row.person_id)),
            key_id=row.api_key_id,
            key=names.get(str(row.api_key_id)),
            group_id=row.group_id,
            group=names.get(str(row.group_id)),
        )
        for row in found
    ]


def _sums(row: UsageRow) -> dict[str, Any]:
    names = UsageSums.model_fields.keys() - {"cost"}
    cost = None if row.currency is None else decimal_text(row.cost_nano)
    return {**{name: value for name, value in asdict(row).items() if name in names}, "cost": cost}


def _wants_csv(accept: str) -> bool:
    kinds = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    return "text/csv" in kinds and "application/json" not in kinds


def csv_of(lines: Iterable[UsageLine]) -> str:
    """Lines as CSV with their names above, as RFC 4180 has it."""
    written = io.StringIO()
    names = ["day", "model", "login", "person_id", "key", "key_id", "group", "group_id", *UsageSums.model_fields]
    writer = csv.writer(written)
    writer.writerow(names)
    for line in lines:
        told = line.model_dump(mode="json")
        writer.writerow([_cell(told[name]) for name in names])
    return written.getvalue()


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: callers choose the names of models."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

"""`ondol usage`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, span_of, tenant_option, within_tenant
from ondol.cli.output import print_json, print_table
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.infrastructure.access.types import Tenant
    from ondol.infrastructure.gateway.records.usage import UsageRow
    from ondol.infrastructure.storage.postgres import Connection
    from ondol.wiring.platform import Platform

GROUPS = ("day", "model", "person", "key", "group")
RARE = ("images", "audio_ms", "characters")
"""Columns that stand in the table only where something is in them."""


@click.command("usage")
@click.option("--by", "groups", multiple=True, type=click.Choice(GROUPS), help="What makes a line; may be given several times; day when absent.")
@click.option("--since", default="30d", show_default=True, help="How far back (12h, 7d), or from a day on (2026-01-31, the tenant's).")
@click.option("--until", help="Before this day (2026-02-28, the tenant's); now when absent.")
@click.option("--login", help="Only of this person or service.")
@click.option("--key", "public_id", help="Only of this key, by its public id.")
@click.option("--model", help="Only of this model.")
@tenant_option
@json_option
@click.pass_context
def command(context: click.Context, /, groups: Any, since: str, until: str | None, tenant: str, as_json: bool, **only: Any) -> None:
    """Show what a tenant used, in tokens and money, with the totals. By group, a request counts in each group of its caller."""
    from ondol.infrastructure.gateway.records.usage import usage_by

    by: Any = groups or ("day",)

    async def work(platform: Platform, where: Tenant, connection: Connection) -> tuple[list[UsageRow], list[UsageRow], dict[str, str]]:
        end = platform.clock() if until is None else _midnight(until, where.time_zone)
        period: dict[str, Any] = {"since": _begin(since, end, where.time_zone), "until": end, "time_zone": where.time_zone}
        chosen = await _chosen(platform, where, connection, only)
        lines = await usage_by(connection, by, **period, **chosen)
        totals = await usage_by(connection, (), **period, **chosen)
        return lines, totals, await _names(platform, where, connection, lines)

    lines, totals, names = within_tenant(context, tenant, work)
    if as_json:
        print_json({"lines": [_row(line, by, names) for line in lines], "totals": [_row(line, (), names) for line in totals]})
        return
    shown = [_row(line, by, names) for line in lines]
    shown += [{**dict.fromkeys(by, ""), by[0]: "all", **_row(line, (), names)} for line in totals]
    unused = [name for name in RARE if not any(row[name] for row in shown)]
    print_table([{name: value for name, value in row.items() if name not in unused} for row in shown], "Nothing was used in this time.")


async def _chosen(platform: Platform, where: Tenant, connection: Connection, only: dict[str, Any]) -> dict[str, Any]:
    from ondol.infrastructure.access.keys import find_key
    from ondol.infrastructure.access.people import find_person

    person = await find_person(connection, platform.keyring, where.id, only["login"]) if only["login"] else None
    key = await find_key(connection, where.id, only["public_id"]) if only["public_id"] else None
    return {"person_id": person.id if person else None, "api_key_id": key.id if key else None, "model": only["model"]}


async def _names(platform: Platform, where: Tenant, connection: Connection, lines: list[UsageRow]) -> dict[str, str]:
    from ondol.infrastructure.access.limits.subjects import names_of

    ids = {identifier for line in lines for identifier in (line.person_id, line.api_key_id, line.group_id) if identifier}
    return await names_of(connection, platform.keyring, where.id, ids)


def _begin(text: str, end: datetime, time_zone: str) -> datetime:
    return _midnight(text, time_zone) if "-" in text else end - span_of(text)


def _midnight(text: str, time_zone: str) -> datetime:
    from zoneinfo import ZoneInfo

    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=ZoneInfo(time_zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(f"{text[:100]!r} is no day.", "Write it like 2026-01-31.") from None


def _row(line: UsageRow, by: tuple[str, ...], names: dict[str, str]) -> dict[str, Any]:
    from ondol.core.money import decimal_text

    ids = {"person": line.person_id, "key": line.api_key_id, "group": line.group_id}
    told: dict[str, Any] = {"day": None if line.day is None else line.day.isoformat(), "model": line.model}
    told |= {name: None if value is None else names.get(str(value), str(value)) for name, value in ids.items()}
    return {
        **{name: told[name] for name in by},
        "requests": line.requests,
        "failed": line.failed,
        "input_tokens": line.input_tokens,
        "cached_tokens": line.cached_tokens,
        "output_tokens": line.output_tokens,
        "reasoning_tokens": line.reasoning_tokens,
        "images": line.images,
        "audio_ms": line.audio_ms,
        "characters": line.characters,
        "cost": None if line.currency is None else decimal_text(line.cost_nano),
        "currency": line.currency,
    }

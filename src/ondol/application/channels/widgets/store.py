"""What widgets keep in Postgres. Secrets are sealed under the tenant's key."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ondol.application.channels.opening import PUBLIC_ID
from ondol.application.channels.widgets.types import Visit, Widget
from ondol.core.errors import NotFound
from ondol.infrastructure.access.secrets import token_hash
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

QUERIES = load_queries("ondol.application.channels.widgets")


@dataclass(frozen=True, slots=True)
class Site:
    """What is known of a widget before its tenant's door is opened.

    Attributes:
        is_closed: it was revoked, or its key, or whoever it acts as was shut out.
    """

    tenant_id: uuid.UUID
    name: str
    origins: frozenset[str]
    visitors: bool
    is_closed: bool


async def find_widget(connection: Connection, tenant_id: uuid.UUID, name: str) -> Widget:
    """The tenant's widget of a name.

    Raises:
        NotFound: there is none.
    """
    found = await one(connection, QUERIES["widget_by_name"], {"name": name})
    if found is None:
        raise NotFound(f"There is no widget called {name[:100]}.", "`ondol widget list` shows all.", code="widget_not_found")
    return _widget(tenant_id, found)


async def list_widgets(connection: Connection, tenant_id: uuid.UUID) -> list[Widget]:
    """All widgets of the tenant, the oldest first, revoked ones too."""
    return [_widget(tenant_id, row) for row in await rows(connection, QUERIES["widgets_all"], {})]


async def find_site(database: Database, public_id: str) -> Site:
    """What a page names.

    Raises:
        NotFound: there is no such widget.
    """
    found = None
    if PUBLIC_ID.fullmatch(public_id):
        async with database.system_tx() as connection:
            found = await one(connection, QUERIES["widget_by_public_id"], {"public_id": public_id})
    if found is None:
        raise NotFound("There is no such widget.", "Look at the snippet on the console's page of channels.", code="widget_not_found")
    return Site(found["tenant_id"], found["name"], frozenset(found["origins"]), found["visitors"], found["is_closed"])


async def find_visit(database: Database, public_id: str, token: str, now: datetime) -> Visit | None:
    """The visit that a token stands for at a widget; None when it is not in force."""
    async with database.system_tx() as connection:
        values = {"token_hash": token_hash(token), "public_id": public_id, "now": now}
        found = await one(connection, QUERIES["visit_by_token"], values)
    return None if found is None else Visit(**found)


async def secrets_of(connection: Connection, keyring: KeyRing, widget: Widget, now: datetime) -> list[bytes]:
    """What a site's token may be signed with now."""
    found = await one(connection, QUERIES["widget_secrets"], {"id": widget.id})
    if found is None:
        return []
    held = [found["secret_sealed"]]
    if found["previous_until"] is not None and found["previous_until"] > now:
        held.append(found["previous_sealed"])
    key = keyring.get(KeyOwner.tenant(widget.tenant_id))
    return [open_bytes(key, sealed, _context(widget.id)) for sealed in held]


def seal_secret(keyring: KeyRing, tenant_id: uuid.UUID, widget_id: uuid.UUID, secret: bytes) -> bytes:
    """A secret as it is kept."""
    return seal_bytes(keyring.get(KeyOwner.tenant(tenant_id)), secret, _context(widget_id))


async def put_groups(connection: Connection, tenant_id: uuid.UUID, widget_id: uuid.UUID, group_ids: Collection[uuid.UUID]) -> None:
    """Let a widget have exactly these groups; who asked through it before leaves the others."""
    values = {"tenant_id": tenant_id, "widget_id": widget_id, "group_ids": sorted(group_ids)}
    for query in ("widget_groups_set", "widget_groups_add", "widget_customers_narrow"):
        await connection.execute(QUERIES[query], values)


def _context(widget_id: uuid.UUID) -> bytes:
    return b"widget" + widget_id.bytes


def _widget(tenant_id: uuid.UUID, row: dict[str, Any]) -> Widget:
    return Widget(tenant_id=tenant_id, **{**row, "origins": tuple(row["origins"]), "groups": tuple(row["groups"])})

"""Making, changing and closing widgets."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psycopg

from ondol.application.channels.opening import add_key, check_name, find_answerer, new_public_id
from ondol.application.channels.widgets.identity import SECRET_BYTES, read_public_key, secret_text
from ondol.application.channels.widgets.store import QUERIES, find_widget, put_groups, seal_secret
from ondol.application.channels.widgets.types import Algorithm, NewWidget, Widget
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import Conflict, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.audiences import group_ids
from ondol.infrastructure.ledger import record

ORIGINS_MAX = 50
GRACE_MINUTES_MAX = 7 * 24 * 60
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]")
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "[::1]"))


async def create_widget(room: Knowledge, tenant_id: uuid.UUID, new: NewWidget, *, by: uuid.UUID | None = None) -> tuple[Widget, str]:
    """A new widget, and the secret that the site signs with: it is in this answer and nowhere else; empty where the site has a key of its own.

    Raises:
        Conflict: the name is taken.
        NotFound: there is no such assistant.
        RequestError: the name, an origin, a group or the public key cannot be.
    """
    check_name("widget", new.name, "help-site")
    origins = check_origins(new.origins)
    algorithm, secret, text = _secret(new.public_key)
    now = room.clock()
    widget_id = new_id()
    public_id = new_public_id()
    async with room.database.tenant_tx(tenant_id) as connection:
        assistant = await find_answerer(connection, new.assistant)
        groups = await group_ids(connection, new.groups)
        key_id = await add_key(room, connection, tenant_id, "widget", new.name, public_id, assistant, now, by=by)
        values = {
            "tenant_id": tenant_id, "id": widget_id, "public_id": public_id, "name": new.name, "assistant_id": assistant.id, "key_id": key_id,
            "algorithm": algorithm, "secret_sealed": seal_secret(room.keyring, tenant_id, widget_id, secret), "origins": list(origins),
            "visitors": new.visitors, "open_documents": new.open_documents, "questions_per_minute": new.questions_per_minute,
            "questions_per_customer": new.questions_per_customer, "created_by": by, "now": now,
        }  # fmt: skip
        try:
            async with connection.transaction():
                await connection.execute(QUERIES["widget_add"], values)
        except psycopg.errors.UniqueViolation:
            hint = "Choose another name; one that is revoked keeps its own."
            raise Conflict(f"There is a widget called {new.name} already.", hint, code="widget_exists") from None
        await put_groups(connection, tenant_id, widget_id, groups.values())
        await record(connection, tenant_id, kind="widget.created", actor_id=by, body={"widget": widget_id, "key": key_id}, now=now)
        return await find_widget(connection, tenant_id, new.name), text


async def change_widget(
    room: Knowledge,
    tenant_id: uuid.UUID,
    name: str,
    *,
    origins: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    visitors: bool | None = None,
    open_documents: bool | None = None,
    questions_per_minute: int | None = None,
    questions_per_customer: int | None = None,
    by: uuid.UUID | None = None,
) -> Widget:
    """Change what is not None. It holds at once, also for those who are asking.

    Raises:
        NotFound: there is no such widget.
        Conflict: it is revoked.
        RequestError: an origin or a group cannot be.
    """
    told: dict[str, Any] = {
        "visitors": visitors, "open_documents": open_documents, "questions_per_minute": questions_per_minute,
        "questions_per_customer": questions_per_customer,
    }  # fmt: skip
    async with room.database.tenant_tx(tenant_id) as connection:
        known = _in_force(await find_widget(connection, tenant_id, name))
        kept = known.origins if origins is None else check_origins(origins)
        changed = replace(known, origins=kept, **{field: value for field, value in told.items() if value is not None})
        values = {
            "id": known.id, "widget_id": known.id, "origins": list(changed.origins), "visitors": changed.visitors,
            "open_documents": changed.open_documents, "questions_per_minute": changed.questions_per_minute,
            "questions_per_customer": changed.questions_per_customer,
        }  # fmt: skip
        for query in ("widget_change", "widget_visits_end", "widget_customers_open"):
            await connection.execute(QUERIES[query], values)
        if groups is not None:
            await put_groups(connection, tenant_id, known.id, (await group_ids(connection, groups)).values())
        await record(connection, tenant_id, kind="widget.changed", actor_id=by, body={"widget": known.id}, now=room.clock())
        return await find_widget(connection, tenant_id, name)


async def rotate_secret(
    room: Knowledge, tenant_id: uuid.UUID, name: str, *, public_key: str = "", grace_minutes: int = 0, by: uuid.UUID | None = None
) -> str:
    """Another secret, or another public key; the text of the secret, empty where the site has a key of its own.

    Args:
        grace_minutes: for how long what was signed with the one before still counts.

    Raises:
        NotFound: there is no such widget.
        Conflict: it is revoked.
        RequestError: the key is none, or is of the other algorithm.
    """
    now = room.clock()
    algorithm, secret, text = _secret(public_key)
    async with room.database.tenant_tx(tenant_id) as connection:
        known = _in_force(await find_widget(connection, tenant_id, name))
        if known.algorithm != algorithm:
            hint = "Make another widget for another kind of signature."
            raise RequestError(f"This widget's tokens are signed with {known.algorithm}.", hint, code="other_algorithm", param="public_key")
        until = now + timedelta(minutes=grace_minutes) if grace_minutes else None
        values = {"id": known.id, "secret_sealed": seal_secret(room.keyring, tenant_id, known.id, secret), "until": until}
        await connection.execute(QUERIES["widget_rotate"], values)
        await record(connection, tenant_id, kind="widget.secret_rotated", actor_id=by, body={"widget": known.id}, now=now)
    return text


async def revoke_widget(room: Knowledge, tenant_id: uuid.UUID, name: str, *, by: uuid.UUID | None = None) -> None:
    """Close a widget for good: nobody asks through it any more, and what is being answered ends.

    Raises:
        NotFound: there is no such widget.
        Conflict: it is revoked.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        known = _in_force(await find_widget(connection, tenant_id, name))
        values = {"id": known.id, "key_id": known.key_id, "now": now}
        await connection.execute(QUERIES["widget_revoke"], values)
        await connection.execute(QUERIES["widget_key_revoke"], values)
        await record(connection, tenant_id, kind="widget.revoked", actor_id=by, body={"widget": known.id, "key": known.key_id}, now=now)


def check_origins(origins: Sequence[str]) -> tuple[str, ...]:
    """The origins as browsers send them (RFC 6454, 6.1), each once.

    Raises:
        RequestError: one of them is none, or would be sent in the clear over a network.
    """
    if len(origins) > ORIGINS_MAX:
        raise RequestError(f"A widget has at most {ORIGINS_MAX} origins.", "Make another widget.", code="too_many_origins", param="origins")
    return tuple(dict.fromkeys(_origin(text) for text in origins))


def _origin(text: str) -> str:
    try:
        told = urlsplit(text.strip().lower())
        port = told.port
    except ValueError:
        raise _bad_origin(text) from None
    host = f"[{told.hostname}]" if ":" in (told.hostname or "") else told.hostname or ""
    if not _HOST.fullmatch(host) or told.path not in ("", "/") or told.query or told.fragment or "@" in told.netloc:
        raise _bad_origin(text)
    if told.scheme != "https" and not (told.scheme == "http" and host in _LOOPBACK):
        raise _bad_origin(text)
    usual = {"https": 443, "http": 80}[told.scheme]
    return f"{told.scheme}://{host}" if port in (None, usual) else f"{told.scheme}://{host}:{port}"


def _bad_origin(text: str) -> RequestError:
    hint = "Give the scheme and the host, such as `https://shop.example`; without TLS only this machine itself."
    return RequestError(f"{text[:100]!r} is no origin of a site.", hint, code="bad_origin", param="origins")


def _secret(public_key: str) -> tuple[Algorithm, bytes, str]:
    """How tokens are signed, what checks them, and what the site is told."""
    if public_key.strip():
        return "EdDSA", read_public_key(public_key), ""
    text = secret_text(secrets.token_bytes(SECRET_BYTES))
    return "HS256", text.encode(), text


def _in_force(widget: Widget) -> Widget:
    if widget.revoked_at is not None:
        raise Conflict(f"The widget {widget.name} is revoked.", "Make another one.", code="widget_revoked")
    return widget

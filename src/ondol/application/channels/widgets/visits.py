"""Visits: a site's token is exchanged for one of ours, which holds for minutes, for one widget and for one origin."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from ondol.application.channels.widgets import store
from ondol.application.channels.widgets.identity import Identity, read_identity
from ondol.application.channels.widgets.store import QUERIES, find_widget, secrets_of
from ondol.application.channels.widgets.types import OpenedVisit, Visit, Widget
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import keyed_digest
from ondol.core.errors import Forbidden, TooManyRequests, Unauthenticated
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import NewPerson, add_person, get_person, set_groups, set_reads_open
from ondol.infrastructure.access.secrets import new_token, token_hash
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Connection, one

VISIT_LIFE = timedelta(minutes=15)
"""Longer than any site's token lives, so that one that was used is remembered until it is good no more."""
MINUTE = timedelta(minutes=1)
VISITS_PER_CLIENT = 30
"""Visits without a name that one network address opens in a minute."""
LOGIN_PREFIX = "customer:"
VISITOR = "visitor"
PREVIEW = "preview"
_PSEUDONYM_CHARACTERS = 32


async def open_visit(room: Knowledge, site: store.Site, widget_name: str, origin: str, client: str, token: str) -> OpenedVisit:
    """A visit for whoever a site's token names, or for a visitor without a name where none comes.

    Args:
        origin: of the page; it is one of the widget's.
        client: the caller's network address.

    Raises:
        Unauthenticated: the token is not good, or was used before.
        Forbidden: nobody was named and the widget is for named customers only, or they were shut out.
        TooManyRequests: from this address too many visits were opened.
    """
    now = room.clock()
    async with room.database.tenant_tx(site.tenant_id) as connection:
        widget = await find_widget(connection, site.tenant_id, widget_name)
        client_hash = _digest(room, widget, "client", client)
        if not token and not widget.visitors:
            raise Forbidden("This chat is for signed-in customers.", "Have the site's server sign who is asking.", code="identity_required")
        if token:
            identity = read_identity(token, widget.algorithm, await secrets_of(connection, room.keyring, widget, now), widget.public_id, now)
        else:
            await _check_client(connection, widget, client_hash, now)
            identity = Identity("", "", None, new_token())
        return await _opened(room, connection, widget, identity, origin, client_hash, now)


async def open_preview(room: Knowledge, tenant_id: uuid.UUID, name: str, origin: str) -> OpenedVisit:
    """A visit in the console, as a customer who has all groups of the widget.

    Raises:
        NotFound: there is no such widget.
        Forbidden: it is revoked.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        widget = await find_widget(connection, tenant_id, name)
        if widget.revoked_at is not None:
            raise closed()
        identity = Identity(PREVIEW, "", None, new_token())
        client_hash = _digest(room, widget, "client", PREVIEW)
        return await _opened(room, connection, widget, identity, origin, client_hash, now, is_preview=True)


async def visit_at(room: Knowledge, public_id: str, site: store.Site, token: str, origin: str) -> Visit:
    """The visit that a page's token stands for.

    Raises:
        Unauthenticated: it is over, or of another widget or origin.
    """
    visit = await store.find_visit(room.database, public_id, token, room.clock()) if token else None
    if visit is None or visit.origin != origin or not (visit.is_preview or origin in site.origins):
        raise Unauthenticated("This visit is over.", "Open another one.", code="visit_over")
    return visit


async def count_question(room: Knowledge, visit: Visit) -> None:
    """Count a question for the widget and for whoever asks.

    Raises:
        TooManyRequests: a minute's questions are asked.
    """
    now = room.clock()
    values: dict[str, object] = {"widget_id": visit.widget_id, "person_id": visit.person_id, "visit_id": visit.id, "now": now, "since": now - MINUTE}
    async with room.database.tenant_tx(visit.tenant_id) as connection:
        # Who asks too much takes nothing from the others: what is refused is rolled back with the transaction.
        widget = await one(connection, QUERIES["widget_count"], values)
        if widget is None:
            raise _too_many("widget_rate_limited", "Many are asking at this moment.")
        own = QUERIES["customer_count" if visit.is_named else "visit_count"]
        if await one(connection, own, {**values, "most": widget["questions_per_customer"]}) is None:
            raise _too_many("customer_rate_limited", "That were many questions in a minute.")


def login_of(room: Knowledge, tenant_id: uuid.UUID, widget_id: uuid.UUID, customer: str) -> str:
    """The login of the person that a customer is: it says nothing of who they are.

    Args:
        customer: the site's own name for them; empty for all that have none.
    """
    return LOGIN_PREFIX + _pseudonym(room, tenant_id, widget_id, customer).hex()[:_PSEUDONYM_CHARACTERS]


def closed() -> Forbidden:
    """Nobody asks through a revoked widget."""
    return Forbidden("This chat is closed.", "Ask whoever runs this site.", code="widget_revoked")


async def _opened(
    room: Knowledge,
    connection: Connection,
    widget: Widget,
    identity: Identity,
    origin: str,
    client_hash: bytes,
    now: datetime,
    *,
    is_preview: bool = False,
) -> OpenedVisit:
    await connection.execute(QUERIES["visits_forget"], {"widget_id": widget.id, "now": now})
    person_id = await _customer(room, connection, widget, identity, now)
    token = new_token()
    values = {
        "tenant_id": widget.tenant_id, "id": new_id(), "widget_id": widget.id, "person_id": person_id, "token_hash": token_hash(token),
        "once_hash": _digest(room, widget, "once", identity.once), "client_hash": client_hash, "origin": origin, "is_named": bool(identity.customer),
        "is_preview": is_preview, "now": now, "expires_at": now + VISIT_LIFE,
    }  # fmt: skip
    added = await one(connection, QUERIES["visit_add"], values)
    if added is None:
        raise Unauthenticated("The token was used before.", "Sign a fresh one each time that the page asks.", code="identity_replayed")
    visit = Visit(
        id=added["id"], tenant_id=widget.tenant_id, widget_id=widget.id, person_id=person_id, key_id=widget.key_id, assistant=widget.assistant,
        origin=origin, is_named=bool(identity.customer), is_preview=is_preview, expires_at=now + VISIT_LIFE,
    )  # fmt: skip
    return OpenedVisit(token, visit)


async def _customer(room: Knowledge, connection: Connection, widget: Widget, identity: Identity, now: datetime) -> uuid.UUID:
    """The person that a customer is, with the groups that they have now: never one that the widget has not."""
    groups = tuple(sorted(widget.groups if identity.groups is None else identity.groups & set(widget.groups)))
    pseudonym = _pseudonym(room, widget.tenant_id, widget.id, identity.customer)
    person_id = await _known(connection, widget, pseudonym)
    if person_id is None:
        await connection.execute(QUERIES["widget_hold"], {"id": widget.id})
        person_id = await _known(connection, widget, pseudonym)
    if person_id is None:
        return await _add_customer(room, connection, widget, identity, pseudonym, groups, now)
    person = await get_person(connection, room.keyring, widget.tenant_id, person_id)
    if person.disabled_at is not None:
        raise Forbidden("This chat is not open to you.", "Ask whoever runs this site.", code="customer_shut_out")
    if person.groups != groups:
        await set_groups(connection, widget.tenant_id, person_id, groups)
    await set_reads_open(connection, person_id, reads_open=widget.open_documents)
    return person_id


async def _known(connection: Connection, widget: Widget, pseudonym: bytes) -> uuid.UUID | None:
    found = await one(connection, QUERIES["customer_by_pseudonym"], {"widget_id": widget.id, "pseudonym": pseudonym})
    return None if found is None else found["person_id"]


async def _add_customer(
    room: Knowledge, connection: Connection, widget: Widget, identity: Identity, pseudonym: bytes, groups: Collection[str], now: datetime
) -> uuid.UUID:
    login = login_of(room, widget.tenant_id, widget.id, identity.customer)
    new = NewPerson(login, identity.name or login, "customer", roles=frozenset(), groups=tuple(groups), reads_open=widget.open_documents)
    person = await add_person(connection, room.keyring, widget.tenant_id, new, now)
    values = {"tenant_id": widget.tenant_id, "widget_id": widget.id, "person_id": person.id, "pseudonym": pseudonym, "now": now}
    await connection.execute(QUERIES["customer_add"], values)
    body = {"widget": widget.id, "person": person.id}
    await record(connection, widget.tenant_id, kind="widget.customer_added", actor_id=None, body=body, now=now)
    return person.id


async def _check_client(connection: Connection, widget: Widget, client_hash: bytes, now: datetime) -> None:
    values = {"widget_id": widget.id, "client_hash": client_hash, "since": now - MINUTE}
    counted = await one(connection, QUERIES["visits_of_client"], values)
    if counted is not None and counted["counted"] >= VISITS_PER_CLIENT:
        raise _too_many("visits_rate_limited", "From this network many visits were opened.")


def _pseudonym(room: Knowledge, tenant_id: uuid.UUID, widget_id: uuid.UUID, customer: str) -> bytes:
    """A keyed digest of the site's name for a customer; who has none cannot be taken for one who is called so."""
    named = b"named\x00" + customer.encode() if customer else VISITOR.encode()
    return keyed_digest(room.tenant_key(tenant_id, "widgets"), "customer", widget_id.bytes + named)


def _digest(room: Knowledge, widget: Widget, purpose: str, text: str) -> bytes:
    return keyed_digest(room.tenant_key(widget.tenant_id, "widgets"), purpose, widget.id.bytes + text.encode())


def _too_many(code: str, message: str) -> TooManyRequests:
    return TooManyRequests(message, "Wait a minute and ask again.", code=code, retry_after_s=int(MINUTE.total_seconds()))

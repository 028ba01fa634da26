"""What bots keep in Postgres. Secrets are sealed under the tenant's key, a chat's name for somebody under that person's."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from ondol.application.channels.bots.types import Bot, ChatPerson, ChatRoom
from ondol.application.channels.opening import PUBLIC_ID
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import keyed_digest
from ondol.core.errors import KeyDestroyed, NotFound
from ondol.infrastructure.access.people import logins_of
from ondol.infrastructure.access.types import SECURITY_CLASSES, Listeners
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

QUERIES = load_queries("ondol.application.channels.bots")
_USER = b"bot user"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a chat signs with, and what it is called with."""

    signing: bytes
    token: str


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of a bot before its tenant's door is opened.

    Attributes:
        is_closed: it was revoked, or its key, or whoever it acts as was shut out.
    """

    tenant_id: uuid.UUID
    name: str
    is_closed: bool


async def find_bot(connection: Connection, tenant_id: uuid.UUID, name: str) -> Bot:
    """The tenant's bot of a name.

    Raises:
        NotFound: there is none.
    """
    found = await one(connection, QUERIES["bots_all"], {"name": name})
    if found is None:
        raise NotFound(f"There is no bot called {name[:100]}.", "`ondol bot list` shows all.", code="bot_not_found")
    return Bot(tenant_id=tenant_id, **found)


async def list_bots(connection: Connection, tenant_id: uuid.UUID) -> list[Bot]:
    """All bots of the tenant, the oldest first, revoked ones too."""
    return [Bot(tenant_id=tenant_id, **row) for row in await rows(connection, QUERIES["bots_all"], {"name": None})]


async def find_place(database: Database, public_id: str) -> Place:
    """Where a bot is.

    Raises:
        NotFound: there is no such bot.
    """
    found = None
    if PUBLIC_ID.fullmatch(public_id):
        async with database.system_tx() as connection:
            found = await one(connection, QUERIES["bot_by_public_id"], {"public_id": public_id})
    if found is None:
        raise NotFound("There is no such bot.", "Look at its address on the console's page of channels.", code="bot_not_found")
    return Place(**found)


async def secrets_of(connection: Connection, keyring: KeyRing, bot: Bot) -> Secrets:
    """A bot's secrets, opened."""
    found = await one(connection, QUERIES["bot_secrets"], {"id": bot.id})
    assert found is not None  # noqa: S101 - read in the transaction that found the bot
    key = keyring.get(KeyOwner.tenant(bot.tenant_id))
    signing, token = (open_bytes(key, found[f"{kind}_sealed"], _context(bot.id, kind)) for kind in ("signing", "token"))
    return Secrets(signing, token.decode())


def seal_secret(keyring: KeyRing, tenant_id: uuid.UUID, bot_id: uuid.UUID, kind: str, secret: str) -> bytes:
    """A secret as it is kept.

    Args:
        kind: ``signing`` or ``token``.
    """
    return seal_bytes(keyring.get(KeyOwner.tenant(tenant_id)), secret.encode(), _context(bot_id, kind))


def user_hash(room: Knowledge, bot: Bot, chat_user: str) -> bytes:
    """By what somebody in the chat is found."""
    return keyed_digest(room.tenant_key(bot.tenant_id, "bots"), "user", bot.id.bytes + chat_user.encode())


async def put_chat_person(room: Knowledge, connection: Connection, bot: Bot, chat_user: str, person_id: uuid.UUID) -> None:
    """Keep who somebody in the chat is."""
    sealed = seal_bytes(room.keyring.get(KeyOwner(bot.tenant_id, "subject", person_id)), chat_user.encode(), _USER)
    found_by = user_hash(room, bot, chat_user)
    values = {"tenant_id": bot.tenant_id, "bot_id": bot.id, "user_hash": found_by, "user_sealed": sealed, "person_id": person_id}
    await connection.execute(QUERIES["bot_person_put"], values)


async def find_chat_person(room: Knowledge, connection: Connection, bot: Bot, chat_user: str) -> uuid.UUID | None:
    """Who somebody in the chat is; None where that is not said."""
    found = await one(connection, QUERIES["bot_person"], {"bot_id": bot.id, "user_hash": user_hash(room, bot, chat_user)})
    return None if found is None else found["person_id"]


async def list_chat_people(room: Knowledge, connection: Connection, bot: Bot) -> list[ChatPerson]:
    """Everybody of whom that is said, by login; without those whose erasure has begun."""
    found = await rows(connection, QUERIES["bot_people_all"], {"bot_id": bot.id})
    logins = await logins_of(connection, room.keyring, bot.tenant_id, {row["person_id"] for row in found})
    people: list[ChatPerson] = []
    for row in found:
        try:
            key = room.keyring.get(KeyOwner(bot.tenant_id, "subject", row["person_id"]))
        except KeyDestroyed:
            continue
        people.append(ChatPerson(open_bytes(key, row["user_sealed"], _USER).decode(), logins[row["person_id"]]))
    return sorted(people, key=lambda one: (one.login, one.chat_user))


async def put_chat_room(connection: Connection, bot: Bot, put: ChatRoom, group_ids: list[uuid.UUID]) -> None:
    """Keep who reads along in a shared room."""
    values = {
        "tenant_id": bot.tenant_id, "bot_id": bot.id, "chat_room": put.chat_room, "clearance": SECURITY_CLASSES.index(put.clearance),
        "open_documents": put.open_documents, "group_ids": group_ids,
    }  # fmt: skip
    for query in ("bot_room_put", "bot_room_groups_set", "bot_room_groups_add"):
        await connection.execute(QUERIES[query], values)


async def listeners_in(connection: Connection, bot: Bot, chat_room: str) -> Listeners | None:
    """Who reads along in a shared room; None where nobody has said so."""
    found = await one(connection, QUERIES["bot_room"], {"bot_id": bot.id, "chat_room": chat_room})
    if found is None:
        return None
    return Listeners(frozenset(found["group_ids"]), SECURITY_CLASSES[found["clearance"]], found["open_documents"])


async def list_chat_rooms(connection: Connection, bot: Bot) -> list[ChatRoom]:
    """Every shared room that is answered."""
    found = await rows(connection, QUERIES["bot_rooms_all"], {"bot_id": bot.id})
    return [ChatRoom(row["chat_room"], tuple(row["groups"]), SECURITY_CLASSES[row["clearance"]], row["open_documents"]) for row in found]


def _context(bot_id: uuid.UUID, kind: str) -> bytes:
    return b"bot " + kind.encode() + bot_id.bytes

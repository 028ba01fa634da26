"""Making, changing and closing bots: who somebody in the chat is, and who reads along in a shared room."""

from __future__ import annotations

import re
import uuid

import psycopg

from ondol.application.channels.bots.store import QUERIES, find_bot, put_chat_person, put_chat_room, seal_secret, user_hash
from ondol.application.channels.bots.types import CHAT_ID, Bot, ChatRoom, NewBot
from ondol.application.channels.opening import add_key, check_name, find_answerer, new_public_id
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import Conflict, NotFound, RequestError, SettingsError
from ondol.core.ids import new_id
from ondol.infrastructure.access.audiences import group_ids
from ondol.infrastructure.access.people import find_person
from ondol.infrastructure.ledger import record
from ondol.infrastructure.serving.http.egress import parse_base_url
from ondol.infrastructure.storage.postgres import one

SECRET_CHARACTERS_MIN = 8
SECRET_CHARACTERS_MAX = 1_000
_SECRET = re.compile(r"[!-~]*")


async def create_bot(room: Knowledge, tenant_id: uuid.UUID, new: NewBot, *, by: uuid.UUID | None = None) -> Bot:
    """A new bot.

    Raises:
        Conflict: the name is taken.
        NotFound: there is no such assistant.
        RequestError: the name, the address or a secret cannot be.
    """
    check_name("bot", new.name, "help-chat")
    base_url = check_base_url(new.base_url, private_network=new.private_network)
    now, bot_id, public_id = room.clock(), new_id(), new_public_id()
    async with room.database.tenant_tx(tenant_id) as connection:
        assistant = await find_answerer(connection, new.assistant)
        sealed = _sealed(room, tenant_id, bot_id, new.signing_secret, new.token)
        key_id = await add_key(room, connection, tenant_id, "bot", new.name, public_id, assistant, now, by=by)
        values = {
            "tenant_id": tenant_id, "id": bot_id, "public_id": public_id, "name": new.name, "assistant_id": assistant.id, "key_id": key_id,
            "base_url": base_url, "private_network": new.private_network, "by_email": new.by_email, "created_by": by, "now": now, **sealed,
        }  # fmt: skip
        try:
            async with connection.transaction():
                await connection.execute(QUERIES["bot_add"], values)
        except psycopg.errors.UniqueViolation:
            hint = "Choose another name; one that is revoked keeps its own."
            raise Conflict(f"There is a bot called {new.name} already.", hint, code="bot_exists") from None
        await record(connection, tenant_id, kind="bot.created", actor_id=by, body={"bot": bot_id, "key": key_id}, now=now)
        return await find_bot(connection, tenant_id, new.name)


async def change_bot(
    room: Knowledge,
    tenant_id: uuid.UUID,
    name: str,
    *,
    by_email: bool | None = None,
    signing_secret: str | None = None,
    token: str | None = None,
    by: uuid.UUID | None = None,
) -> Bot:
    """Change what is not None. It holds at once.

    Raises:
        NotFound: there is no such bot.
        Conflict: it is revoked.
        RequestError: a secret cannot be.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        bot = _in_force(await find_bot(connection, tenant_id, name))
        values = {"id": bot.id, "by_email": by_email, **_sealed(room, tenant_id, bot.id, signing_secret, token)}
        await connection.execute(QUERIES["bot_change"], values)
        await record(connection, tenant_id, kind="bot.changed", actor_id=by, body={"bot": bot.id}, now=room.clock())
        return await find_bot(connection, tenant_id, name)


async def put_person(room: Knowledge, tenant_id: uuid.UUID, name: str, chat_user: str, login: str, *, by: uuid.UUID | None = None) -> None:
    """Say who somebody in the chat is.

    Raises:
        NotFound: there is no such bot or person.
        Conflict: the bot is revoked.
        RequestError: the chat names nobody so, or the login is of no person.
    """
    _check_chat_id(chat_user, "chat_user")
    async with room.database.tenant_tx(tenant_id) as connection:
        bot = _in_force(await find_bot(connection, tenant_id, name))
        person = await find_person(connection, room.keyring, tenant_id, login)
        if person.kind != "person":
            raise RequestError("Only people ask in a chat.", "Give the login of a person.", code="not_a_person", param="login")
        await put_chat_person(room, connection, bot, chat_user, person.id)
        body = {"bot": bot.id, "person": person.id}
        await record(connection, tenant_id, kind="bot.person_put", actor_id=by, body=body, now=room.clock())


async def remove_person(room: Knowledge, tenant_id: uuid.UUID, name: str, chat_user: str, *, by: uuid.UUID | None = None) -> None:
    """Say it no longer. Raises `NotFound` where it was not said."""
    async with room.database.tenant_tx(tenant_id) as connection:
        bot = await find_bot(connection, tenant_id, name)
        removed = await one(connection, QUERIES["bot_person_remove"], {"bot_id": bot.id, "user_hash": user_hash(room, bot, chat_user)})
        if removed is None:
            raise NotFound("Nobody said who that is.", f"`ondol bot show {name}` lists everybody.", code="chat_user_not_found")
        body = {"bot": bot.id, "person": removed["person_id"]}
        await record(connection, tenant_id, kind="bot.person_removed", actor_id=by, body=body, now=room.clock())


async def put_room(room: Knowledge, tenant_id: uuid.UUID, name: str, put: ChatRoom, *, by: uuid.UUID | None = None) -> None:
    """Answer in a shared room, with what each of its groups may read.

    Raises:
        NotFound: there is no such bot.
        Conflict: it is revoked.
        RequestError: a group is unknown, or the chat names no room so.
    """
    _check_chat_id(put.chat_room, "chat_room")
    async with room.database.tenant_tx(tenant_id) as connection:
        bot = _in_force(await find_bot(connection, tenant_id, name))
        groups = await group_ids(connection, put.groups)
        await put_chat_room(connection, bot, put, sorted(groups.values()))
        now, count = room.clock(), len(groups)
        await record(connection, tenant_id, kind="bot.room_put", actor_id=by, body={"bot": bot.id, "groups": count}, now=now)


async def remove_room(room: Knowledge, tenant_id: uuid.UUID, name: str, chat_room: str, *, by: uuid.UUID | None = None) -> None:
    """Answer in a shared room no longer. Raises `NotFound` where that was not done."""
    async with room.database.tenant_tx(tenant_id) as connection:
        bot = await find_bot(connection, tenant_id, name)
        if await one(connection, QUERIES["bot_room_remove"], {"bot_id": bot.id, "chat_room": chat_room}) is None:
            raise NotFound("This room is not answered.", f"`ondol bot show {name}` lists all that are.", code="chat_room_not_found")
        await record(connection, tenant_id, kind="bot.room_removed", actor_id=by, body={"bot": bot.id}, now=room.clock())


async def revoke_bot(room: Knowledge, tenant_id: uuid.UUID, name: str, *, by: uuid.UUID | None = None) -> None:
    """Close a bot for good: it answers nobody any more, and what is being answered ends.

    Raises:
        NotFound: there is no such bot.
        Conflict: it is revoked.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        bot = _in_force(await find_bot(connection, tenant_id, name))
        values = {"id": bot.id, "key_id": bot.key_id, "now": now}
        for query in ("bot_revoke", "bot_key_revoke"):
            await connection.execute(QUERIES[query], values)
        await record(connection, tenant_id, kind="bot.revoked", actor_id=by, body={"bot": bot.id, "key": bot.key_id}, now=now)


def check_base_url(text: str, *, private_network: bool) -> str:
    """The address below which the chat's methods are.

    Raises:
        RequestError: it is none, or what is sent there could be read on the way.
    """
    try:
        origin, path = parse_base_url(text.strip())
    except SettingsError:
        hint = "Write it like https://slack.com/api, with the token apart."
        raise RequestError("This is no address of a chat's methods.", hint, code="bad_base_url", param="base_url") from None
    if origin.scheme != "https" and not private_network:
        raise RequestError("The chat's address is not https.", "Without TLS only in a private network.", code="bad_base_url", param="base_url")
    return f"{origin.scheme}://{origin.authority}{path}"


def _sealed(room: Knowledge, tenant_id: uuid.UUID, bot_id: uuid.UUID, signing_secret: str | None, token: str | None) -> dict[str, bytes | None]:
    """Secrets as they are kept; None where nothing is said. Raises `RequestError` where one is none."""
    sealed: dict[str, bytes | None] = {}
    for kind, param, text in (("signing", "signing_secret", signing_secret), ("token", "token", token)):
        plain = None if text is None else text.strip()
        if plain is not None and not (SECRET_CHARACTERS_MIN <= len(plain) <= SECRET_CHARACTERS_MAX and _SECRET.fullmatch(plain)):
            raise RequestError(f"`{param}` is none that a chat gives.", "Copy it from the chat's page of the app.", code="bad_secret", param=param)
        sealed[f"{kind}_sealed"] = None if plain is None else seal_secret(room.keyring, tenant_id, bot_id, kind, plain)
    return sealed


def _check_chat_id(text: str, param: str) -> None:
    if not CHAT_ID.fullmatch(text):
        raise RequestError("The chat names nothing so.", "Such as U0123ABCD or C0123ABCD.", code="bad_chat_id", param=param)


def _in_force(bot: Bot) -> Bot:
    if bot.revoked_at is not None:
        raise Conflict(f"The bot {bot.name} is revoked.", "Make another one.", code="bot_revoked")
    return bot

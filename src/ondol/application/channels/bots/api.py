"""Bots in the admin API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from ondol.application.channels.bots import manage
from ondol.application.channels.bots.front import events_path
from ondol.application.channels.bots.store import find_bot, list_bots, list_chat_people, list_chat_rooms
from ondol.application.channels.bots.types import SLACK_URL, Bot, ChatRoom, NewBot
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import Forbidden
from ondol.infrastructure.access.route_roles import READ, WRITE, Body, RoleGate
from ondol.infrastructure.access.types import Principal, SecurityClass
from ondol.infrastructure.serving.http.egress import URL_CHARS_MAX
from ondol.infrastructure.serving.store import operates

GROUPS_MAX = 50
BotName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
ChatId = Annotated[str, Path(min_length=1, max_length=100, description="What the chat calls it, such as U0123ABCD or C0123ABCD.")]
GroupName = Annotated[str, Field(min_length=1, max_length=200)]
Secret = Annotated[str, Field(max_length=manage.SECRET_CHARACTERS_MAX)]


@dataclass(frozen=True, slots=True)
class BotServices(RoleGate):
    """What the routes work with.

    Attributes:
        principal: who sends a request, roles included; it was authenticated before.
    """

    knowledge: Knowledge
    principal: Callable[[Request], Principal]


class BotBody(Body):
    """A bot to be made. The chat signs what it sends with the signing secret; the token is what it is called with. Neither is told again."""

    name: str = Field(min_length=1, max_length=63)
    assistant: str = Field(min_length=1, max_length=63, description="An assistant's name.")
    signing_secret: Secret
    token: Secret
    base_url: str = Field(default=SLACK_URL, max_length=URL_CHARS_MAX, description="Below which the chat's methods are: the one host that is called.")
    private_network: bool = Field(default=False, description="That host may have a private address. Only who runs the installation says so.")
    by_email: bool = Field(default=False, description="Whether people are known by the e-mail address that the chat has confirmed.")


class BotChange(Body):
    """What is to change; what is left out stays. It holds at once."""

    signing_secret: Secret | None = None
    token: Secret | None = None
    by_email: bool | None = None


class ChatPersonBody(Body):
    """Who somebody in the chat is."""

    login: str = Field(min_length=1, max_length=200)


class ChatRoomBody(Body):
    """Who reads along in a shared room: what is told there, each of the groups may read."""

    groups: list[GroupName] = Field(default=[], max_length=GROUPS_MAX, description="Empty where only what is open to everybody is told.")
    clearance: SecurityClass = Field(default="public", description="The highest class that is told.")
    open_documents: bool = Field(default=True, description="Whether what is open to everybody of the tenant is told.")


class BotShown(BaseModel):
    """A bot, without its secrets. `events` is where the chat sends its events, on this installation's own address."""

    name: str
    public_id: str
    assistant: str
    events: str
    base_url: str
    private_network: bool
    by_email: bool
    key_id: UUID
    created_at: datetime
    revoked_at: datetime | None


class ChatPersonShown(BaseModel):
    """Who somebody in the chat is."""

    chat_user: str
    login: str


class ChatRoomShown(BaseModel):
    """A shared room and who reads along there."""

    chat_room: str
    groups: list[str]
    clearance: SecurityClass
    open_documents: bool


class BotWhole(BotShown):
    """A bot with whom it knows by the chat's name, and where it answers."""

    people: list[ChatPersonShown]
    rooms: list[ChatRoomShown]


class BotList(BaseModel):
    """Bots, the oldest first."""

    bots: list[BotShown]


class Done(BaseModel):
    """It is done."""

    changed: bool = True


def bots_router(services: BotServices) -> APIRouter:
    """The routes below ``/bots``."""
    router = APIRouter(prefix="/bots", tags=["channels"])
    _reading(router, services)
    _changing(router, services)
    _telling(router, services)
    return router


def _reading(router: APIRouter, services: BotServices) -> None:
    room = services.knowledge

    @router.get("", openapi_extra=READ)
    async def list_all_bots(who: Principal = services.reads) -> BotList:
        """The tenant's bots, revoked ones too."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            return BotList(bots=[BotShown(**_plain(one)) for one in await list_bots(connection, who.tenant_id)])

    @router.get("/{name}", openapi_extra=READ)
    async def read_bot(name: BotName, who: Principal = services.reads) -> BotWhole:
        """One bot."""
        return await _whole(room, who, name)


def _changing(router: APIRouter, services: BotServices) -> None:
    room = services.knowledge

    @router.post("", openapi_extra=WRITE)
    async def create_bot(body: BotBody, who: Principal = services.writes) -> BotWhole:
        """Make a bot."""
        if body.private_network:
            await _refuse_private(room, who, body.name)
        made = await manage.create_bot(room, who.tenant_id, NewBot(**body.model_dump()), by=who.person_id)
        return await _whole(room, who, made.name)

    @router.patch("/{name}", openapi_extra=WRITE)
    async def change_bot(name: BotName, body: BotChange, who: Principal = services.writes) -> BotWhole:
        """Change a bot."""
        await manage.change_bot(room, who.tenant_id, name, **body.model_dump(), by=who.person_id)
        return await _whole(room, who, name)

    @router.post("/{name}/revoke", openapi_extra=WRITE)
    async def revoke_bot(name: BotName, who: Principal = services.writes) -> Done:
        """Close a bot for good. What is being answered by it ends within a second or two."""
        await manage.revoke_bot(room, who.tenant_id, name, by=who.person_id)
        return Done()


def _telling(router: APIRouter, services: BotServices) -> None:
    room = services.knowledge

    @router.put("/{name}/people/{chat_user}", openapi_extra=WRITE)
    async def put_chat_person(name: BotName, chat_user: ChatId, body: ChatPersonBody, who: Principal = services.writes) -> Done:
        """Say who somebody in the chat is."""
        await manage.put_person(room, who.tenant_id, name, chat_user, body.login, by=who.person_id)
        return Done()

    @router.delete("/{name}/people/{chat_user}", openapi_extra=WRITE)
    async def remove_chat_person(name: BotName, chat_user: ChatId, who: Principal = services.writes) -> Done:
        """Say so no longer."""
        await manage.remove_person(room, who.tenant_id, name, chat_user, by=who.person_id)
        return Done()

    @router.put("/{name}/rooms/{chat_room}", openapi_extra=WRITE)
    async def put_chat_room(name: BotName, chat_room: ChatId, body: ChatRoomBody, who: Principal = services.writes) -> Done:
        """Answer in a shared room, or say anew who reads along there."""
        put = ChatRoom(chat_room, tuple(body.groups), body.clearance, body.open_documents)
        await manage.put_room(room, who.tenant_id, name, put, by=who.person_id)
        return Done()

    @router.delete("/{name}/rooms/{chat_room}", openapi_extra=WRITE)
    async def remove_chat_room(name: BotName, chat_room: ChatId, who: Principal = services.writes) -> Done:
        """Answer in a shared room no longer."""
        await manage.remove_room(room, who.tenant_id, name, chat_room, by=who.person_id)
        return Done()


async def _refuse_private(room: Knowledge, who: Principal, name: str) -> None:
    """A private address is the installation's own network: who runs the installation decides about it, not each tenant in it."""
    async with room.database.tenant_tx(who.tenant_id) as connection:
        if await operates(connection, who.tenant_id):
            return
    hint = f"On the machine: ondol bot create {name[:63]} --private-network, or ondol tenant operator."
    raise Forbidden("Only the tenant that runs this installation lets a bot have a chat at a private address.", hint, code="not_operator")


async def _whole(room: Knowledge, who: Principal, name: str) -> BotWhole:
    async with room.database.tenant_tx(who.tenant_id) as connection:
        bot = await find_bot(connection, who.tenant_id, name)
        people, rooms = await list_chat_people(room, connection, bot), await list_chat_rooms(connection, bot)
    known = [ChatPersonShown(**asdict(one)) for one in people]
    return BotWhole(**_plain(bot), people=known, rooms=[ChatRoomShown(**asdict(one)) for one in rooms])


def _plain(bot: Bot) -> dict[str, Any]:
    names = ("name", "public_id", "assistant", "base_url", "private_network", "by_email", "key_id", "created_at", "revoked_at")
    return {name: getattr(bot, name) for name in names} | {"events": events_path(bot.public_id)}

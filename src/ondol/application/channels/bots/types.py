"""Records of bots and of what a chat says."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ondol.infrastructure.access.types import SecurityClass

SLACK_URL = "https://slack.com/api"
CHAT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
"""What a chat calls people, rooms and messages."""
_DIRECT = "im"


@dataclass(frozen=True, slots=True)
class Bot:
    """An assistant in a chat.

    Attributes:
        public_id: what the address names it by at which events come; no secret.
        assistant: its name.
        key_id: the API key that it acts by, whose text nobody knows.
        base_url: below which the chat's methods are, such as ``https://slack.com/api``: the one host that is called.
        private_network: that host may have a private address.
        by_email: people of the tenant are known by the e-mail address that the chat has confirmed.
    """

    id: uuid.UUID
    tenant_id: uuid.UUID
    public_id: str
    name: str
    assistant: str
    key_id: uuid.UUID
    base_url: str
    private_network: bool
    by_email: bool
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewBot:
    """What is said of a bot that is made.

    Attributes:
        signing_secret: with which the chat signs what it sends.
        token: with which we call it.
    """

    name: str
    assistant: str
    signing_secret: str
    token: str
    base_url: str = SLACK_URL
    private_network: bool = False
    by_email: bool = False


@dataclass(frozen=True, slots=True)
class ChatPerson:
    """Who somebody in a chat is.

    Attributes:
        chat_user: the chat's name for them, such as ``U0123ABCD``.
        login: of the person of the tenant.
    """

    chat_user: str
    login: str


@dataclass(frozen=True, slots=True)
class ChatRoom:
    """A shared room, and who reads along there: what is told, each of the groups may read.

    Attributes:
        chat_room: the chat's name for it, such as ``C0123ABCD``.
        clearance: the highest class of documents that is told there.
        open_documents: what is open to everybody of the tenant is told.
    """

    chat_room: str
    groups: tuple[str, ...] = ()
    clearance: SecurityClass = "public"
    open_documents: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in a chat.

    Attributes:
        user, room: as the chat names them.
        thread: the time stamp of the message that is answered, or of the thread that it is in.
        is_direct: nobody else reads it.
    """

    user: str
    room: str
    text: str
    thread: str
    is_direct: bool


def asked_in(event: Mapping[str, Any]) -> Asked | None:
    """The question of an event; None where nobody asks: other events, what a bot wrote, what was edited or joined."""
    kind, is_direct, text = event.get("type"), event.get("channel_type") == _DIRECT, event.get("text")
    told = [event.get(name) for name in ("user", "channel", "ts")] + [event.get("thread_ts") or event.get("ts")]
    ids = [one for one in told if isinstance(one, str) and CHAT_ID.fullmatch(one)]
    if event.get("bot_id") or event.get("subtype") or len(ids) < len(told) or not isinstance(text, str):
        return None
    if not (kind == "app_mention" or (kind == "message" and is_direct)):
        return None
    user, room, _, thread = ids
    return Asked(user, room, text, thread, is_direct)

"""A question in a chat, from who asks it to the message that answers it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ondol.application.assistant.answer import QUESTION_CHARACTERS_MAX
from ondol.application.assistant.types import MODEL_PREFIX
from ondol.application.channels.bots.chat import Chat, Line
from ondol.application.channels.bots.store import find_chat_person, listeners_in
from ondol.application.channels.bots.types import Asked, Bot
from ondol.application.channels.bots.words import SAYS, Language, question_of, shown_answer
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import NotFound, OndolError
from ondol.core.language import detect_language
from ondol.infrastructure.access.people import find_person, get_person, groups_of_person
from ondol.infrastructure.access.types import Listeners
from ondol.infrastructure.gateway.door import Caller
from ondol.infrastructure.gateway.inside import InsideAnswer
from ondol.infrastructure.storage.postgres import Connection

CHAT_PATH = "/v1/chat/completions"
_LOG = logging.getLogger("ondol.bots")
_OUTSIDE = ("deleted", "is_bot", "is_stranger", "is_restricted", "is_ultra_restricted")

Ask = Callable[[Caller, str, Mapping[str, Any]], Awaitable[InsideAnswer]]
"""Asks the gateway in somebody's name: caller, path, body."""


@dataclass(frozen=True, slots=True)
class BotRoom:
    """What answering works with.

    Attributes:
        line: the way to chats.
        address: of this installation, for links to originals.
    """

    knowledge: Knowledge
    ask: Ask
    line: Line
    address: Callable[[], str]


async def answer_question(room: BotRoom, bot: Bot, token: str, asked: Asked) -> None:
    """Answer into the thread. What fails is logged without what was said: nobody waits for this."""
    chat = Chat(room.line, bot, token)
    question = question_of(asked.text)
    language: Language = detect_language(question)
    try:
        try:
            said = await _said(room, bot, chat, asked, question, language)
        except OndolError as error:
            _tell(bot, "question not answered", error)
            said = SAYS["failed"][language]
        await chat.post(asked.room, asked.thread, said)
    except OndolError as error:
        _tell(bot, "answer not posted", error)
    except Exception:
        _LOG.exception("answer not posted", extra={"bot": bot.name})


async def _said(room: BotRoom, bot: Bot, chat: Chat, asked: Asked, question: str, language: Language) -> str:
    """What is posted: the answer, or why there is none. Who asks is told before anything is said of documents."""
    knowledge = room.knowledge
    async with knowledge.database.tenant_tx(bot.tenant_id) as connection:
        person_id = await find_chat_person(knowledge, connection, bot, asked.user)
        listeners = None if asked.is_direct else await listeners_in(connection, bot, asked.room)
    email = _confirmed_email(await chat.user(asked.user), asked.user) if person_id is None and bot.by_email else ""
    async with knowledge.database.tenant_tx(bot.tenant_id) as connection:
        caller = await _caller(knowledge, connection, bot, person_id, email, listeners)
    refusal = _refusal(caller, asked, listeners, question)
    if refusal or caller is None:
        return SAYS[refusal][language]
    body = {"model": MODEL_PREFIX + bot.assistant, "messages": [{"role": "user", "content": question}]}
    answer = await room.ask(caller, CHAT_PATH, body)
    if answer.status != 200:
        _LOG.warning("question not answered", extra={"bot": bot.name, "status": answer.status})
        return SAYS["limited" if answer.status == 429 else "failed"][language]
    text = answer.body["choices"][0]["message"]["content"] or ""
    return shown_answer(text, (answer.body.get("ondol") or {}).get("sources", ()), language, room.address())


def _refusal(caller: Caller | None, asked: Asked, listeners: Listeners | None, question: str) -> str:
    """Why there is no answer, as a word of `SAYS`; empty where there is one."""
    if caller is None:
        return "unknown"
    if listeners is None and not asked.is_direct:
        return "room"
    if not question:
        return "empty"
    return "long" if len(question) > QUESTION_CHARACTERS_MAX else ""


async def _caller(
    knowledge: Knowledge, connection: Connection, bot: Bot, person_id: uuid.UUID | None, email: str, listeners: Listeners | None
) -> Caller | None:
    """In whose name it is asked: a person of the tenant who was told by an administrator, or by an address that the chat has confirmed."""
    if person_id is None and not email:
        return None
    try:
        if person_id is not None:
            person = await get_person(connection, knowledge.keyring, bot.tenant_id, person_id)
        else:
            person = await find_person(connection, knowledge.keyring, bot.tenant_id, email)
    except NotFound:
        return None
    if person.disabled_at is not None or person.kind != "person":
        return None
    groups = await groups_of_person(connection, person.id)
    return Caller(bot.tenant_id, person.id, bot.key_id, frozenset((MODEL_PREFIX + bot.assistant,)), groups, listeners)


def _confirmed_email(user: Mapping[str, Any], asked: str) -> str:
    """The address by which the chat knows somebody, if it has confirmed it, and they are a member of the team: no guest of it, and no program."""
    if user.get("id") != asked or user.get("is_email_confirmed") is not True or any(user.get(flag) for flag in _OUTSIDE):
        return ""
    profile = user.get("profile")
    email = profile.get("email") if isinstance(profile, dict) else None
    return email if isinstance(email, str) and "@" in email else ""


def _tell(bot: Bot, event: str, error: OndolError) -> None:
    _LOG.warning(event, extra={"bot": bot.name, "reason": getattr(error, "code", type(error).__name__)})

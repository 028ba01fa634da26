"""Where a chat sends its events: signed with HMAC-SHA-256 over the time and the body (``v0``), acknowledged at once, answered afterwards.

The form of events and of signatures is that of Slack's Events API (Slack, "Verifying requests from Slack" and "Using the Slack Events API").
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import uuid
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from ondol.application.channels.bots.answer import BotRoom, answer_question
from ondol.application.channels.bots.store import QUERIES, Secrets, find_bot, find_place, secrets_of
from ondol.application.channels.bots.types import Bot, asked_in
from ondol.core.canonical import keyed_digest
from ondol.core.errors import Forbidden, NotFound, RequestError, Unauthenticated
from ondol.infrastructure.gateway.errors import MethodNotAllowed
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.storage.postgres import one

PREFIX = "/bots/"
EVENTS = "events"
BODY_BYTES_MAX = 256 << 10
AGE_MAX = timedelta(minutes=5)
REMEMBERED = timedelta(days=1)
"""A chat sends an event again for some hours at most."""
ANSWERING_MAX = 50
"""Questions that one worker answers at once; more are sent away, and come again."""
ANSWERING_PER_BOT_MAX = 10
EVENT_CHARACTERS_MAX = 200
CLOSING_S = 5.0
"""How long answers may take that are being given when the worker ends."""


def events_path(public_id: str) -> str:
    """Where a chat sends the events of a bot, on this installation's own address."""
    return f"{PREFIX}{public_id}/{EVENTS}"


class Busy(RequestError):
    """Too many questions are being answered: a chat sends an event again."""

    status = 503
    code = "busy"


class BotFront:
    """Answers what begins with `PREFIX`; a `Handler` of the server. What it raises is told to the caller."""

    def __init__(self, room: BotRoom) -> None:
        self._room = room
        self._answering: dict[asyncio.Task[None], uuid.UUID] = {}

    async def aclose(self) -> None:
        """End what is being answered; what is nearly done may finish."""
        tasks = list(self._answering)
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSING_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        public_id, _, what = exchange.path.removeprefix(PREFIX).partition("/")
        if what != EVENTS:
            raise NotFound("There is nothing at this address.", f"A chat sends its events to {events_path('{id}')}.")
        if exchange.method != "POST":
            raise MethodNotAllowed(exchange.method, "POST")
        bot, secrets, is_closed = await self._found(public_id)
        body = await exchange.body(BODY_BYTES_MAX)
        check_signature(exchange, body, secrets.signing, self._room.knowledge.clock())
        if is_closed:
            raise Forbidden("This bot is closed.", "Take it out of the chat.", code="bot_revoked")
        told = _object(body)
        if told.get("type") == "url_verification":
            exchange.answer(200, json.dumps({"challenge": str(told.get("challenge", ""))[:EVENT_CHARACTERS_MAX]}).encode())
            return
        if told.get("type") == "event_callback":
            await self._event(bot, secrets.token, told, exchange.header(b"x-slack-signature"))
        exchange.answer(200, b"{}")

    async def _found(self, public_id: str) -> tuple[Bot, Secrets, bool]:
        room = self._room.knowledge
        place = await find_place(room.database, public_id)
        async with room.database.tenant_tx(place.tenant_id) as connection:
            bot = await find_bot(connection, place.tenant_id, place.name)
            return bot, await secrets_of(connection, room.keyring, bot), place.is_closed

    async def _event(self, bot: Bot, token: str, told: dict[str, Any], signature: bytes) -> None:
        """Begin to answer, where somebody asks for the first time."""
        event, event_id = told.get("event"), told.get("event_id")
        asked = asked_in(event) if isinstance(event, dict) else None
        if asked is None or not isinstance(event_id, str) or not 0 < len(event_id) <= EVENT_CHARACTERS_MAX:
            return
        if len(self._answering) >= ANSWERING_MAX or list(self._answering.values()).count(bot.id) >= ANSWERING_PER_BOT_MAX:
            raise Busy("Many questions are being answered.", "Send it again.")
        if await self._is_new(bot, event_id, signature):
            self._spawn(bot, answer_question(self._room, bot, token, asked))

    async def _is_new(self, bot: Bot, event_id: str, signature: bytes) -> bool:
        """Whether an event comes for the first time, over all workers.

        Raises:
            Unauthenticated: it came before with this very signature: a chat that sends an event again signs it anew.
        """
        room = self._room.knowledge
        now, key = room.clock(), room.tenant_key(bot.tenant_id, "bots")
        values = {
            "tenant_id": bot.tenant_id, "bot_id": bot.id, "now": now, "before": now - REMEMBERED,
            "event_hash": keyed_digest(key, "event", bot.id.bytes + event_id.encode("utf-8", "surrogatepass")),
            "signature_hash": keyed_digest(key, "signature", bot.id.bytes + signature),
        }  # fmt: skip
        async with room.database.tenant_tx(bot.tenant_id) as connection:
            await connection.execute(QUERIES["bot_events_forget"], values)
            if await one(connection, QUERIES["bot_event_add"], values) is not None:
                return True
            known = await one(connection, QUERIES["bot_event_signature"], values)
        if known is not None and known["signature_hash"] == values["signature_hash"]:
            raise Unauthenticated("The event was sent before.", "Sign it anew each time that it is sent.", code="event_replayed")
        return False

    def _spawn(self, bot: Bot, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="bot")
        self._answering[task] = bot.id
        task.add_done_callback(lambda done: self._answering.pop(done, None))


def check_signature(exchange: Exchange, body: bytes, secret: bytes, now: datetime) -> None:
    """That the chat signed this body a moment ago.

    Raises:
        Unauthenticated: it did not, or longer ago than `AGE_MAX`.
    """
    told, given = exchange.header(b"x-slack-request-timestamp"), exchange.header(b"x-slack-signature")
    if not (told.isdigit() and len(told) <= 12) or abs(now.timestamp() - int(told)) > AGE_MAX.total_seconds():
        raise Unauthenticated("The event is not of this moment.", "Check the clock of the chat's machine.", code="event_too_old")
    expected = b"v0=" + hmac.new(secret, b"v0:%b:%b" % (told, body), hashlib.sha256).hexdigest().encode()
    if not hmac.compare_digest(expected, given):
        raise Unauthenticated("The event is not signed by the chat.", "Give the bot the chat's signing secret.", code="event_forged")


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise RequestError("The event is no JSON object.", code="malformed_event")
    return told

"""What a widget's element asks for, from a page of another origin: the script itself, a visit, questions and opinions.

Every answer names the page's origin, when it is one of the widget's, and never all origins (Fetch standard, CORS protocol). No cookie counts here.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal, TypeVar

import msgspec

from ondol.application.assistant.reading import view_answer
from ondol.application.assistant.store import find_assistant
from ondol.application.assistant.types import MODEL_PREFIX
from ondol.application.channels.widgets import store, visits
from ondol.application.channels.widgets.script import FILE, element_script
from ondol.application.channels.widgets.types import OpenedVisit, Visit
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import Forbidden, NotFound, RequestError
from ondol.infrastructure.access.people import groups_of_person
from ondol.infrastructure.gateway.door import Caller
from ondol.infrastructure.gateway.errors import MethodNotAllowed
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.server import Handler

PREFIX = "/widget/v1/"
BODY_BYTES_MAX = 65_536
QUESTION_CHARACTERS_MAX = 4_000
HISTORY_TURNS_MAX = 12
HISTORY_CHARACTERS_MAX = 16_000
PREFLIGHT_SECONDS = 600
SCRIPT_SECONDS = 300

NoticeOf = Callable[[uuid.UUID], Mapping[str, str]]
"""What a tenant's people are told before they ask, by language; empty where nothing is."""


class VisitBody(msgspec.Struct, forbid_unknown_fields=True):
    """What opens a visit: the token that the site's server signed, if it names anybody."""

    identity: str = ""


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """A part of the conversation until now, as the page has it."""

    role: Literal["user", "assistant"]
    content: Annotated[str, msgspec.Meta(max_length=HISTORY_CHARACTERS_MAX)]


class QuestionBody(msgspec.Struct, forbid_unknown_fields=True):
    """A question, with what was said before."""

    question: Annotated[str, msgspec.Meta(min_length=1, max_length=QUESTION_CHARACTERS_MAX)]
    history: Annotated[list[Said], msgspec.Meta(max_length=HISTORY_TURNS_MAX)] = []


class OpinionBody(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody thinks of an answer that they were given."""

    id: uuid.UUID
    thumb: Literal["up", "down"]


class WidgetFront:
    """Answers what begins with `PREFIX`; a `Handler` of the server. What it raises is told to the caller.

    Args:
        gateway: what answers questions, with all limits, guards and records.
    """

    def __init__(self, room: Knowledge, gateway: Handler, notice_of: NoticeOf) -> None:
        self._room = room
        self._gateway = gateway
        self._notice_of = notice_of
        self._posts: Mapping[str, Callable[[Exchange, str, store.Site, str], Awaitable[None]]] = {
            "visits": self._visit,
            "questions": self._question,
            "feedback": self._feedback,
        }

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        public_id, _, what = exchange.path.removeprefix(PREFIX).partition("/")
        site = await store.find_site(self._room.database, public_id)
        origin = exchange.header(b"origin").decode("latin-1")
        # A page of our own, such as the preview in the console, asks as any page of its own site may.
        is_own = bool(origin) and origin.partition("://")[2].encode("latin-1") == exchange.header(b"host")
        if origin in site.origins:
            exchange.also(((b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")))
        else:
            exchange.also(((b"vary", b"Origin"),))
        if what == FILE:
            _script(exchange)
            return
        if what not in self._posts:
            raise NotFound("There is nothing at this address.", "The guide of the widget says what there is.")
        if not (origin in site.origins or is_own):
            raise Forbidden("This site may not use the widget.", "Add its origin to the widget's.", code="origin_not_allowed")
        if exchange.method == "OPTIONS":
            _preflight(exchange)
            return
        if exchange.method != "POST":
            raise MethodNotAllowed(exchange.method, "POST, OPTIONS")
        if site.is_closed:
            raise visits.closed()
        await self._posts[what](exchange, public_id, site, origin)

    async def _visit(self, exchange: Exchange, _public_id: str, site: store.Site, origin: str) -> None:
        told = _read(await exchange.body(BODY_BYTES_MAX), VisitBody)
        if origin not in site.origins:
            raise Forbidden("This site may not use the widget.", "Add its origin to the widget's.", code="origin_not_allowed")
        opened = await visits.open_visit(self._room, site, site.name, origin, exchange.client, told.identity)
        told_of = await told_visit(self._room, opened, self._notice_of(site.tenant_id))
        exchange.answer(200, msgspec.json.encode(told_of), ((b"cache-control", b"no-store"),))

    async def _question(self, exchange: Exchange, public_id: str, site: store.Site, origin: str) -> None:
        visit = await visits.visit_at(self._room, public_id, site, _token(exchange), origin)
        told = _read(await exchange.body(BODY_BYTES_MAX), QuestionBody)
        if sum(len(said.content) for said in told.history) > HISTORY_CHARACTERS_MAX:
            raise RequestError("The conversation is too long.", "Send less of it.", code="history_too_long", param="history")
        await visits.count_question(self._room, visit)
        model = MODEL_PREFIX + visit.assistant
        messages = [*(msgspec.to_builtins(said) for said in told.history), {"role": "user", "content": told.question}]
        body = {"model": model, "stream": True, "messages": messages, "ondol": {"progress": True}}
        exchange.lend(await self._caller(visit, model), "/v1/chat/completions", msgspec.json.encode(body))
        await self._gateway(exchange)

    async def _feedback(self, exchange: Exchange, public_id: str, site: store.Site, origin: str) -> None:
        visit = await visits.visit_at(self._room, public_id, site, _token(exchange), origin)
        told = _read(await exchange.body(BODY_BYTES_MAX), OpinionBody)
        await visits.count_question(self._room, visit)
        await view_answer(self._room, visit.tenant_id, visit.person_id, told.id, sees_all=False)  # nobody judges another's answer
        body = msgspec.json.encode(told)
        exchange.lend(await self._caller(visit, MODEL_PREFIX + visit.assistant), "/v1/feedback", body)
        await self._gateway(exchange)

    async def _caller(self, visit: Visit, model: str) -> Caller:
        async with self._room.database.tenant_tx(visit.tenant_id) as connection:
            groups = await groups_of_person(connection, visit.person_id)
        return Caller(visit.tenant_id, visit.person_id, visit.key_id, frozenset((model,)), groups)


async def told_visit(room: Knowledge, opened: OpenedVisit, notice: Mapping[str, str]) -> dict[str, object]:
    """A visit as its page is told of it."""
    visit = opened.visit
    async with room.database.tenant_tx(visit.tenant_id) as connection:
        title = (await find_assistant(connection, visit.assistant)).settings.get("title")
    titles = {language: str(text) for language, text in title.items()} if isinstance(title, Mapping) else {}
    return {"token": opened.token, "expires_at": visit.expires_at.isoformat(), "title": titles, "notice": dict(notice)}


def _script(exchange: Exchange) -> None:
    if exchange.method not in ("GET", "HEAD"):
        raise MethodNotAllowed(exchange.method, "GET, HEAD")
    headers = (
        (b"cache-control", b"public, max-age=%d" % SCRIPT_SECONDS),
        (b"x-content-type-options", b"nosniff"),
        (b"cross-origin-resource-policy", b"cross-origin"),
    )
    exchange.answer(200, element_script().body, headers, b"text/javascript; charset=utf-8")


def _preflight(exchange: Exchange) -> None:
    headers = (
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-allow-headers", b"authorization, content-type"),
        (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
    )
    exchange.answer(204, b"", headers)


def _token(exchange: Exchange) -> str:
    scheme, _, token = exchange.header(b"authorization").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


B = TypeVar("B", VisitBody, QuestionBody, OpinionBody)


def _read(body: bytes, kind: type[B]) -> B:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"The body is not as it should be: {error}.", "The guide of the widget shows one.") from None

"""The data plane: which path is served by what. A path that is not here is refused."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC

import msgspec

from ondol.core.errors import NotFound, Unauthenticated
from ondol.infrastructure.gateway.counting import count_tokens
from ondol.infrastructure.gateway.door import Caller, Door
from ondol.infrastructure.gateway.errors import CallerLeft, MethodNotAllowed
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.feedback_request import give_feedback
from ondol.infrastructure.gateway.moderations import moderate
from ondol.infrastructure.gateway.passthrough import Passthrough
from ondol.infrastructure.gateway.pipeline import Pipeline
from ondol.infrastructure.gateway.shapes.base import Shape
from ondol.infrastructure.gateway.shapes.chat_stream import CHAT
from ondol.infrastructure.gateway.shapes.completions import COMPLETIONS
from ondol.infrastructure.gateway.shapes.embeddings import EMBEDDINGS
from ondol.infrastructure.gateway.shapes.images import IMAGES
from ondol.infrastructure.gateway.shapes.messages_stream import MESSAGES
from ondol.infrastructure.gateway.shapes.responses_stream import RESPONSES
from ondol.infrastructure.gateway.streams.journal import stream_not_found
from ondol.infrastructure.serving.directory import AssistantCard, ModelCard

MODELS = "/v1/models"
_STREAM = re.compile(r"/v1/answers/[^/]+/stream(?P<stop>/stop)?")
SHAPES: Mapping[str, Shape] = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": MESSAGES,
    "/v1/responses": RESPONSES,
    "/v1/completions": COMPLETIONS,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/images/generations": IMAGES,
}

_logger = logging.getLogger(__name__)


class Gateway:
    """Answers the data plane's requests; a `Handler` of the server.

    Attributes:
        pipeline: what serves requests to models.
    """

    def __init__(self, door: Door) -> None:
        self.pipeline = Pipeline(door)
        self._door = door
        passthrough = Passthrough(door, self.pipeline)
        self._routes: dict[str, tuple[str, Callable[[Exchange], Awaitable[None]]]] = {
            "/v1/audio/speech": ("POST", passthrough.speech),
            "/v1/audio/transcriptions": ("POST", passthrough.transcriptions),
            "/v1/moderations": ("POST", lambda exchange: moderate(exchange, self.pipeline)),
            "/v1/messages/count_tokens": ("POST", lambda exchange: count_tokens(exchange, self.pipeline)),
            "/v1/feedback": ("POST", lambda exchange: give_feedback(exchange, door, self.pipeline)),
            "/v1/models": ("GET, HEAD", self._models),
            "/healthz": ("GET, HEAD", self._health),
            "/readyz": ("GET, HEAD", self._ready),
        }

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request; what fails is told to the caller."""
        try:
            shape = SHAPES.get(exchange.path)
            if shape is not None and exchange.method == "POST":
                await self.pipeline.serve(exchange, shape)
            else:
                await self._other(exchange, shape)
        except CallerLeft:
            _logger.debug("caller left", extra={"request_id": str(exchange.id)})
        except Exception as error:
            if isinstance(error, Unauthenticated | NotFound | MethodNotAllowed):  # nothing of these is recorded
                self._door.observer.refused(error.code)
            exchange.fail(error)

    async def _other(self, exchange: Exchange, shape: Shape | None) -> None:
        if shape is not None:
            raise MethodNotAllowed(exchange.method, "POST")
        route = self._routes.get(exchange.path)
        if route is None and exchange.path.startswith(MODELS + "/"):
            route = ("GET, HEAD", self._model)
        if route is None and (found := _STREAM.fullmatch(exchange.path)) is not None:
            route = ("POST", self._stop) if found["stop"] else ("GET", self._resume)
        if route is None:
            raise NotFound("There is nothing at this address.", "The API begins with /v1.")
        if exchange.method not in route[0].split(", "):
            raise MethodNotAllowed(exchange.method, route[0])
        await route[1](exchange)

    async def _resume(self, exchange: Exchange) -> None:
        await self.pipeline.resume(exchange, CHAT, _answer_id(exchange))

    async def _stop(self, exchange: Exchange) -> None:
        await self.pipeline.streams.stop(await self._caller(exchange), _answer_id(exchange))
        exchange.answer(200, b'{"stopped":true}')

    async def _caller(self, exchange: Exchange) -> Caller:
        return self._door.known_caller(exchange) or await self._door.authenticate(exchange)

    async def _models(self, exchange: Exchange) -> None:
        caller = await self._caller(exchange)
        shown = [_shown(exchange, name, card) for name, card in self._open_to(caller)]
        if exchange.header(b"anthropic-version"):
            ends = {"first_id": shown[0]["id"] if shown else None, "last_id": shown[-1]["id"] if shown else None}
            exchange.answer(200, msgspec.json.encode({"data": shown, "has_more": False, **ends}))
        else:
            exchange.answer(200, msgspec.json.encode({"object": "list", "data": shown}))

    async def _model(self, exchange: Exchange) -> None:
        caller = await self._caller(exchange)
        wanted = exchange.path.removeprefix(MODELS + "/")
        for name, card in self._open_to(caller):
            if name == wanted:
                exchange.answer(200, msgspec.json.encode(_shown(exchange, name, card)))
                return
        raise NotFound("There is no such model, or it is not open to this key.", "GET /v1/models lists them.", code="model_not_found", param="model")

    def _open_to(self, caller: Caller) -> list[tuple[str, ModelCard | AssistantCard]]:
        found = self._door.directory.models(self._door.directory.tenant(caller.tenant_id))
        return [(name, card) for name, card in found if caller.models is None or name in caller.models]

    async def _health(self, exchange: Exchange) -> None:
        exchange.answer(200, b'{"status":"ok"}')

    async def _ready(self, exchange: Exchange) -> None:
        """Readiness, part by part. A check that fails itself is a failing part."""
        try:
            failing = dict(await self._door.ready())
        except Exception:
            _logger.exception("readiness check failed", extra={"request_id": str(exchange.id)})
            failing = {"readiness": "the check itself failed"}
        body = {"status": "not ready", "failing": failing} if failing else {"status": "ready"}
        exchange.answer(503 if failing else 200, msgspec.json.encode(body))


def _answer_id(exchange: Exchange) -> uuid.UUID:
    """The answer that a path names, one that is none being nobody's."""
    try:
        return uuid.UUID(exchange.path.split("/")[3])
    except ValueError:
        raise stream_not_found() from None


def _shown(exchange: Exchange, name: str, card: ModelCard | AssistantCard) -> dict[str, str | int]:
    created = card.created_at.astimezone(UTC)
    if exchange.header(b"anthropic-version"):
        return {"type": "model", "id": name, "display_name": name, "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return {"id": name, "object": "model", "created": int(created.timestamp()), "owned_by": "ondol"}

"""The data plane as a handler of the native server: `/v1`, `/healthz` and `/readyz`."""

from __future__ import annotations

import logging

import msgspec

from ondol.core.errors import NotFound
from ondol.infrastructure.gateway.chat import chat
from ondol.infrastructure.gateway.errors import MethodNotAllowed
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.server.types import Handler
from ondol.infrastructure.gateway.types import Door, ModelCard

MODELS = "/v1/models"

_logger = logging.getLogger(__name__)


def create_gateway(door: Door) -> Handler:
    """The handler. What it raises, the server tells the caller.

    Args:
        door: what it may call.
    """

    async def gateway(exchange: Exchange) -> None:
        await _route(door, exchange)

    return gateway


async def _route(door: Door, exchange: Exchange) -> None:
    match exchange.path:
        case "/v1/chat/completions":
            _allow(exchange, "POST")
            await chat(door, exchange)
        case "/v1/models":
            _allow(exchange, "GET", "HEAD")
            await _models(door, exchange)
        case path if path.startswith(MODELS + "/"):
            _allow(exchange, "GET", "HEAD")
            await _model(door, exchange, path.removeprefix(MODELS + "/"))
        case "/healthz":
            _allow(exchange, "GET", "HEAD")
            exchange.answer(200, b'{"status":"ok"}')
        case "/readyz":
            _allow(exchange, "GET", "HEAD")
            await _ready(door, exchange)
        case _:
            raise NotFound("There is nothing at this address.", "The API begins with /v1.")


def _allow(exchange: Exchange, *methods: str) -> None:
    if exchange.method not in methods:
        raise MethodNotAllowed(exchange.method, ", ".join(methods))


async def _models(door: Door, exchange: Exchange) -> None:
    caller = await door.authenticate(exchange.headers(), exchange.client)
    cards = await door.list_models(caller)
    exchange.answer(200, msgspec.json.encode({"object": "list", "data": [_shown(card) for card in cards]}))


async def _model(door: Door, exchange: Exchange, model_id: str) -> None:
    caller = await door.authenticate(exchange.headers(), exchange.client)
    for card in await door.list_models(caller):
        if card.id == model_id:
            exchange.answer(200, msgspec.json.encode(_shown(card)))
            return
    raise NotFound("There is no such model, or it is not open to this key.", "GET /v1/models lists them.", code="model_not_found", param="model")


def _shown(card: ModelCard) -> dict[str, str | int]:
    return {"id": card.id, "object": "model", "created": card.created_unix_s, "owned_by": card.owned_by}


async def _ready(door: Door, exchange: Exchange) -> None:
    """Readiness, part by part. A check that fails itself is a failing part."""
    try:
        failing = dict(await door.ready())
    except Exception:
        _logger.exception("readiness check failed", extra={"request_id": str(exchange.id)})
        failing = {"readiness": "the check itself failed"}
    body = {"status": "not ready", "failing": failing} if failing else {"status": "ready"}
    exchange.answer(503 if failing else 200, msgspec.json.encode(body))

"""``POST /v1/messages/count_tokens``: Anthropic's own count where such a target stands behind the model, else our estimate, marked as one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import msgspec

from ondol.core.errors import UpstreamError
from ondol.infrastructure.gateway.door import Caller
from ondol.infrastructure.gateway.errors import ContentRefused
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.pipeline import Pipeline
from ondol.infrastructure.gateway.shapes.base import Asked
from ondol.infrastructure.gateway.shapes.body import answer_object, json_object
from ondol.infrastructure.gateway.shapes.messages import messages_error, read_messages
from ondol.infrastructure.gateway.tally import Tally
from ondol.infrastructure.serving.directory import ModelCard
from ondol.infrastructure.serving.tokens import TOKENS_PER_MESSAGE, TOKENS_PER_REQUEST, TokenEstimate
from ondol.infrastructure.serving.types import Usage

ESTIMATED = (b"x-ondol-usage", b"estimated")


async def count_tokens(exchange: Exchange, pipeline: Pipeline) -> None:
    """Answer a request."""
    await pipeline.attend(exchange, messages_error, partial(_attended, exchange, pipeline))


async def _attended(exchange: Exchange, pipeline: Pipeline, caller: Caller) -> None:
    body = await pipeline.body(exchange, caller)
    asked = read_messages(json_object(body), "count_tokens")
    asked.stream = False
    await pipeline.govern(exchange, caller, asked, len(body), partial(_answer, exchange, pipeline))


async def _answer(exchange: Exchange, pipeline: Pipeline, tally: Tally) -> None:
    asked, card = tally.asked, tally.card
    read = await pipeline.read(exchange, tally)
    if not read.passes:
        tally.close(400, "refused", Usage(0, 0))
        raise ContentRefused(read.reply)
    asked.rewrite(read.texts)
    prompts = tuple(filter(None, (tally.tenant.prompt, card.prompt))) if isinstance(card, ModelCard) else ()
    own = tuple(target for target in card.row.targets if target.provider.kind == "anthropic") if isinstance(card, ModelCard) else ()
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(card, ModelCard) and own:
        answer, _ = await pipeline.open(exchange, asked, replace(card, row=replace(card.row, targets=own)), prompts, tally)
        tokens = answer_object(answer.body or b"").get("input_tokens")
        if type(tokens) is not int or tokens < 0:
            raise UpstreamError("The model provider's answer cannot be understood: no count.", code="upstream_garbage")
    else:
        tokens = estimated(asked, prompts)
        headers.append(ESTIMATED)
    tally.counts = True
    tally.close(200, "answered", Usage(0, 0))
    exchange.answer(200, msgspec.json.encode({"input_tokens": tokens}), [*headers, *tally.headers(Usage(0, 0))])


def estimated(asked: Asked, prompts: tuple[str, ...] = ()) -> int:
    """What a request comes to in tokens, counted here."""
    estimate = TokenEstimate()
    for text in (*prompts, *(spot.counted() for spot in asked.spots)):
        estimate.add(text)
    return estimate.tokens() + asked.media_tokens + TOKENS_PER_MESSAGE * len(asked.body["messages"]) + TOKENS_PER_REQUEST

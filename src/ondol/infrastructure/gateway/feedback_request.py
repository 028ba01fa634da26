"""``POST /v1/feedback``: what a caller thinks of an answer. What people wrote in it goes through the guard before it is kept."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from functools import partial
from typing import Annotated, Literal

import msgspec

from ondol.core.errors import NotFound, RequestError
from ondol.core.money import Money
from ondol.infrastructure.access.limits.types import Need
from ondol.infrastructure.gateway.door import Caller, Door, FeedbackEntry
from ondol.infrastructure.gateway.errors import ContentRefused, answer_to
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.pipeline import LONG_CHARACTERS, Pipeline
from ondol.infrastructure.gateway.records.feedback import COMMENT_CHARACTERS_MAX, CORRECTED_CHARACTERS_MAX, SCORE_MAX, Opinion, check_opinion
from ondol.infrastructure.gateway.shapes.base import Json
from ondol.infrastructure.gateway.shapes.body import explained, json_object
from ondol.infrastructure.guard.conversation import Turn

_ID = re.compile(r"(?:chatcmpl-|cmpl-|resp_|msg_|modr-)?([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    thumb: Literal["up", "down"] | None = None
    score: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    reasons: list[str] = []
    comment: Annotated[str, msgspec.Meta(max_length=COMMENT_CHARACTERS_MAX)] = ""
    correction: Annotated[str, msgspec.Meta(max_length=CORRECTED_CHARACTERS_MAX)] = ""


def read_feedback(body: Json) -> FeedbackEntry:
    """Understand a request.

    Raises:
        RequestError: with `param` set to the offending field.
    """
    try:
        known = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    found = _ID.fullmatch(known.id)
    if found is None:
        raise RequestError("`id` is no id of an answer.", "Send the `id` of an answer as it came.", param="id", code="invalid_value")
    score = None if known.score is None else round(known.score * SCORE_MAX)
    opinion = Opinion(known.thumb, score, tuple(known.reasons), known.correction, known.comment)
    check_opinion(opinion)
    return FeedbackEntry(uuid.UUID(found[1]), opinion)


async def give_feedback(exchange: Exchange, door: Door, pipeline: Pipeline) -> None:
    """Answer a request."""
    await pipeline.attend(exchange, answer_to, partial(_attended, exchange, door, pipeline))


async def _attended(exchange: Exchange, door: Door, pipeline: Pipeline, caller: Caller) -> None:
    if door.feedback is None:
        raise NotFound("There is nothing at this address.", "Feedback is not kept by this installation.")
    entry = read_feedback(json_object(await pipeline.body(exchange, caller)))
    need = Need(0, Money(0, "KRW" if door.directory.tenant(caller.tenant_id).currency == "KRW" else "USD"))
    admission = door.governor.admit(caller.who, "", need) or await door.governor.admit_waiting(caller.who, "", need)
    try:
        feedback_id = await door.feedback(caller, await _guarded(exchange, door, caller, entry))
    finally:
        admission.settle(0, need.cost)
    told = {"object": "feedback", "id": str(feedback_id), "answer_id": str(entry.request_id)}
    exchange.answer(200, msgspec.json.encode(told), admission.headers())


async def _guarded(exchange: Exchange, door: Door, caller: Caller, entry: FeedbackEntry) -> FeedbackEntry:
    """The same with its texts as the policy lets them be.

    Raises:
        ContentRefused: the policy lets one of them not be kept at all.
    """
    texts = {"comment": entry.opinion.comment, "correction": entry.opinion.corrected}
    if not any(texts.values()):
        return entry
    conversation = await door.guard(caller, exchange.id, [*texts.values()], "", None)
    for name, text in texts.items():
        turns = [Turn("user", text)]
        read = await door.work.run(caller.tenant_id, conversation.read, turns) if len(text) > LONG_CHARACTERS else conversation.read(turns)
        if not read.passes:
            raise ContentRefused(read.reply, name)
        texts[name] = read.texts[0]
    opinion = replace(entry.opinion, corrected=texts["correction"][:CORRECTED_CHARACTERS_MAX], comment=texts["comment"][:COMMENT_CHARACTERS_MAX])
    return FeedbackEntry(entry.request_id, opinion)

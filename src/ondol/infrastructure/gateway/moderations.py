"""``POST /v1/moderations``, answered by the guard itself: no provider is asked.

What the policy in force looks for in what people send is told under OpenAI's names where they have one, and under ours where they do not. OpenAI's
categories are true when something of them was found at all; ours when the policy would do something about it: a policy that only counts addresses of
pages does not make a text that names one objectionable.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.door import Caller
from ondol.infrastructure.gateway.errors import answer_to
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.pipeline import INDEPENDENT_MAX, LONG_CHARACTERS, Pipeline
from ondol.infrastructure.gateway.shapes.base import Asked, Json, Spot
from ondol.infrastructure.gateway.shapes.body import check_model, explained, json_object
from ondol.infrastructure.gateway.tally import Tally
from ondol.infrastructure.guard.conversation import Conversation
from ondol.infrastructure.guard.engine import Decided, StageGuard
from ondol.infrastructure.serving.types import Usage

MODEL = "ondol-guard"
INPUTS_MAX = 256
TEXT_CHARACTERS_MAX = 1_000_000

OPENAI_CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm", "self-harm/intent",
    "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
OUR_CATEGORIES = ("personal_data", "secrets", "prompt_injection", "profanity", "banned_words", "abuse", "other")
_ABUSE: Mapping[str, str] = {
    "HARASSMENT": "harassment",
    "HATE": "hate",
    "SELF_HARM": "self-harm",
    "SEXUAL": "sexual",
    "VIOLENCE": "violence",
    "PROFANITY": "profanity",
    "BANNED_WORD": "banned_words",
}
_CHECKS: Mapping[str, str] = {
    "personal": "personal_data", "entities": "personal_data", "secrets": "secrets", "private_keys": "secrets", "canary": "secrets",
    "injection": "prompt_injection", "abuse": "abuse",
}  # fmt: skip


class _Body(msgspec.Struct):
    input: str | list[Any]
    model: str | None = None


def read_moderations(body: Json) -> Asked:
    """Understand a request: a string, a list of strings, or a list of parts that are text, which are one text.

    Raises:
        RequestError: with `param` set to the offending field, such as ``input[2]``.
    """
    try:
        known = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    asked = Asked("moderations", check_model(known.model or MODEL), body, [])
    told = body["input"]  # that of `known` is a copy
    if isinstance(told, str):
        asked.spots.append(Spot("user", told, body, "input"))
    elif not told or len(told) > INPUTS_MAX:
        raise RequestError(f"`input` is empty or has more than {INPUTS_MAX} entries.", param="input", code="invalid_value")
    elif all(isinstance(part, dict) for part in told):
        asked.spots.append(Spot("user", "\n".join(_text_of(part, place) for place, part in enumerate(told)), body, "input"))
    else:
        for place, text in enumerate(told):
            if not isinstance(text, str):
                raise RequestError(f"`input[{place}]` is not a string.", param=f"input[{place}]", code="invalid_value")
            asked.spots.append(Spot("user", text, told, place))
    if sum(len(spot.text) for spot in asked.spots) > TEXT_CHARACTERS_MAX:
        raise RequestError(f"The input holds more than {TEXT_CHARACTERS_MAX} characters.", "Send less text.", param="input", code="text_too_long")
    asked.independent = True
    return asked


def _text_of(part: Json, place: int) -> str:
    if part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    raise RequestError(
        f"`input[{place}]` is no text, and the guard reads nothing else.",
        "Send parts of type text.",
        param=f"input[{place}]",
        code="unsupported_value",
    )


async def moderate(exchange: Exchange, pipeline: Pipeline) -> None:
    """Answer a request."""
    await pipeline.attend(exchange, answer_to, partial(_attended, exchange, pipeline))


async def _attended(exchange: Exchange, pipeline: Pipeline, caller: Caller) -> None:
    body = await pipeline.body(exchange, caller)
    asked = read_moderations(json_object(body))
    await pipeline.govern(exchange, caller, asked, len(body), partial(_answer, exchange, pipeline))


async def _answer(exchange: Exchange, pipeline: Pipeline, tally: Tally) -> None:
    asked = tally.asked
    conversation = await pipeline.conversation(exchange, tally)
    texts = [spot.text for spot in asked.spots]
    if sum(map(len, texts)) > LONG_CHARACTERS or len(texts) > INDEPENDENT_MAX:
        results = await pipeline.work(tally, judge, conversation, texts)
    else:
        results = judge(conversation, texts)
    answer = {"id": f"modr-{exchange.id.hex}", "model": asked.model, "results": results}
    tally.counts = True
    tally.close(200, "answered", Usage(0, 0))
    exchange.answer(200, msgspec.json.encode(answer), tally.headers(Usage(0, 0)))


def judge(conversation: Conversation, texts: list[str]) -> list[Json]:
    """A result for each text."""
    guard = conversation.guards.stages.get("input")
    return [_result(guard, text) for text in texts]


def _result(guard: StageGuard | None, text: str) -> Json:
    found, failed = guard.find(text) if guard is not None else ([], ())
    scores = dict.fromkeys((*OPENAI_CATEGORIES, *OUR_CATEGORIES), 0.0)
    flags = dict.fromkeys(scores, False)
    for finding in found:
        category = _category(finding.check, finding.entity)
        scores[category] = max(scores[category], round(finding.confidence, 4))
    for item in guard.decided_of(found) if guard is not None else ():
        category = _category(item.finding.check, item.finding.entity)
        if category in OPENAI_CATEGORIES or item.finding.check == "abuse" or _acts(item):
            flags[category] = True
    if failed:  # what could not be looked at is not called harmless
        flags["other"] = True
        scores["other"] = 1.0
    told = {name: ["text"] if flags[name] else [] for name in flags}
    return {"flagged": any(flags.values()), "categories": flags, "category_scores": scores, "category_applied_input_types": told}


def _acts(item: Decided) -> bool:
    return item.action != "observe"


def _category(check: str, entity: str) -> str:
    if check == "abuse":
        return _ABUSE.get(entity, "abuse")
    return _CHECKS.get(check, "other")

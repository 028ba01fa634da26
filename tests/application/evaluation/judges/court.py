"""Judges for tests: scripted models on a real socket, and the way to them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ondol.application.evaluation.scorers.base import Asked, Tools
from ondol.application.evaluation.types import Answer, Case, Turn
from ondol.core.errors import UpstreamError
from ondol.core.ids import new_id
from ondol.infrastructure.serving import ChatRequest, Message, TextDelta
from ondol.infrastructure.serving.chat_model import ChatModel
from ondol.infrastructure.serving.scripted import Reply, Says, ScriptedModel
from ondol.wiring.platform import opened_router

MARK = re.compile(r"<<[0-9a-f]{16}>>")


@dataclass(frozen=True, slots=True)
class Court:
    """A scripted judge, and tools that ask it; every model's name leads to it."""

    model: ScriptedModel
    tools: Tools


@contextlib.asynccontextmanager
async def court(says: Says) -> AsyncIterator[Court]:
    """A judge that says this."""
    async with ScriptedModel(says) as model, opened_router() as router:

        async def ask(alias: str, asked: Asked) -> Answer:
            chat = ChatModel(router, model.base_url, "key", alias, 5.0)
            messages = tuple(Message(turn.role, turn.text) for turn in asked.turns)
            request = ChatRequest(id=new_id(), model=alias, messages=messages, temperature=asked.temperature, max_tokens=asked.tokens_max)
            try:
                text = "".join([event.text async for event in chat.stream(request) if isinstance(event, TextDelta)])
            except UpstreamError as error:
                return Answer(text="", status="target_error", error=error.message)
            return Answer(text=text, cost_nano=7)

        yield Court(model, Tools(ask=ask))


def case(question: str = "환불은 언제 되나요?", *, expected: tuple[str, ...] = (), language: str = "", **facts: Any) -> Case:
    """A case with one turn."""
    slices = {"language": language} if language else {}
    return Case(id="c1", turns=(Turn("user", question),), expected=expected, slices=slices, facts=facts)


def system_of(body: Mapping[str, Any]) -> str:
    """What a judge was told first."""
    return str(body["messages"][0]["content"])


def asked_of(body: Mapping[str, Any]) -> str:
    """The message with what is to be judged."""
    return str(body["messages"][1]["content"])


def parts_of(body: Mapping[str, Any]) -> dict[str, str]:
    """What stands between the marks that the instructions name, by its title."""
    mark = MARK.findall(system_of(body))[0]
    blocks = asked_of(body).split(mark)[1:-1]
    return {title.strip(): text.strip("\n") for title, _, text in (block.partition("\n") for block in blocks)}


def outside_of(body: Mapping[str, Any]) -> str:
    """What stands before the first mark and behind the first line that ends the data: all that a judge may take for orders."""
    mark = MARK.findall(system_of(body))[0]
    before, _, rest = asked_of(body).partition(mark)
    _, behind = re.split(rf"{re.escape(mark)} (?:END|끝)(?:\n|$)", rest, maxsplit=1)
    return f"{before}\n{behind}"


def obedient(points: int) -> Callable[[Mapping[str, Any]], Reply]:
    """A judge that gives these points, unless somebody outside the data tells it to give others: that it does."""

    def reply(body: Mapping[str, Any]) -> Reply:
        order = re.search(r"(?:give|award)\D{0,20}(\d)", outside_of(body), re.IGNORECASE)
        return Reply(rated(int(order.group(1)) if order else points))

    return reply


def rated(points: int, reason: str = "그렇게 보입니다.") -> str:
    """A reply of a rubric's judge."""
    return json.dumps({"reason": reason, "points": points}, ensure_ascii=False)

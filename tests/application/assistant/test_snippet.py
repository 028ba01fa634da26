"""Snippets: one passage's own words before the model has spoken, where they surely answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ondol.application.assistant.snippet import SNIPPET_MIN
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import Snippet, TextDelta
from tests.application.assistant.conftest import Desk, Told
from tests.application.assistant.test_cache import settings

pytestmark = pytest.mark.anyio

QUESTION = "How long does a refund take?"


def snippets(told: Told) -> list[Snippet]:
    return [event for event in told.events if isinstance(event, Snippet)]


async def test_it_comes_before_the_first_word_and_stands_in_the_whole_answer(desk: Desk, model: ScriptedModel) -> None:
    model.say("It takes 5 business days [1].")
    told = await desk.ask(QUESTION)
    [snippet] = snippets(told)
    first = next(place for place, event in enumerate(told.events) if isinstance(event, TextDelta))
    assert told.events.index(snippet) < first
    assert "within 5 business days" in snippet.text
    assert "[1]" not in snippet.text
    assert told.finish.extension["snippet"] == snippet.told()
    about = snippet.about
    assert (about["verdict"], about["source"]["title"]) == ("supported", "Refund policy")
    assert SNIPPET_MIN <= about["probability"] <= 1
    [source] = [item for item in told.finish.extension["sources"] if item["title"] == "Refund policy"]
    for quote in about["quotes"]:
        assert source["text"][quote["start"] : quote["end"]] in snippet.text


@pytest.mark.parametrize("question", ["zzzz refund qqqq vvvv wwww?", "Which submarine do you sell on weekdays?"])
async def test_what_is_not_sure_is_left_to_the_model(desk: Desk, model: ScriptedModel, question: str) -> None:
    model.say("It takes 5 business days [1].")
    told = await desk.ask(question)
    assert snippets(told) == []
    assert "snippet" not in told.finish.extension


@pytest.mark.parametrize("way", ["documents", "answer", "switched off", "no model"])
async def test_the_guard_and_the_switch_have_their_say(desk: Desk, model: ScriptedModel, way: str) -> None:
    model.say("It takes 5 business days [1].")
    match way:
        case "documents":
            desk.inspect = lambda texts: [text.replace("5 business", "[MASKED]") for text in texts]
        case "answer":
            desk.shown_of = lambda text: text.replace("5 business", "[MASKED]")
        case "switched off":
            await settings(desk, {"snippet": False})
        case "no model":
            desk.generator = None
    assert snippets(await desk.ask(QUESTION)) == []


async def test_it_does_not_wait_for_the_model(desk: Desk, model: ScriptedModel) -> None:
    from ondol.application.assistant.answer import AssistantRoom, answer
    from ondol.application.knowledge.search import IndexStates
    from ondol.core.ids import new_id
    from ondol.infrastructure.serving.types import ChatRequest, Message

    model.say(Reply("Never.", trouble="hang_before_headers"))
    room = AssistantRoom(desk.house.platform.knowledge, IndexStates(), desk.generator, lambda tenant_id: "ACME")
    request = ChatRequest(new_id(), desk.assistant.model, (Message("user", QUESTION),))
    events: Any = answer(room, desk.house.tenant_id, desk.house.people["visitor"], desk.assistant, request)
    async with asyncio.timeout(10):
        while not isinstance(await anext(events), Snippet):
            pass
    await events.aclose()

"""What was written waits until it is known what of it was shown, and is kept once, however the answer ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest

from ondol.application.assistant.answer import AssistantRoom, answer
from ondol.application.assistant.giving import AnswerGiven
from ondol.application.assistant.record import Keep
from ondol.application.knowledge.search import IndexStates
from ondol.core.ids import new_id
from ondol.infrastructure.serving.scripted import ScriptedModel
from ondol.infrastructure.serving.types import ChatEvent, ChatRequest, Message, Shown, TextDelta
from tests.application.assistant.conftest import Desk

pytestmark = pytest.mark.anyio


def given_by(desk: Desk, question: str = "How long does a refund take?") -> AnswerGiven:
    room = AssistantRoom(desk.house.platform.knowledge, IndexStates(), desk.generator, lambda tenant_id: "ACME")
    request = ChatRequest(new_id(), desk.assistant.model, (Message("user", question),))

    def events(keep: Keep) -> AsyncGenerator[ChatEvent, None]:
        told = answer(room, desk.house.tenant_id, desk.house.people["visitor"], desk.assistant, request, tuple, keep)
        return cast("AsyncGenerator[ChatEvent, None]", told)

    return AnswerGiven(desk.house.platform.knowledge, events)


async def kept(desk: Desk) -> int:
    async with desk.house.platform.database.tenant_tx(desk.house.tenant_id) as connection:
        found = await (await connection.execute("select count(*) as counted from answers")).fetchone()
    return 0 if found is None else int(found["counted"])


async def test_nothing_is_kept_before_it_is_known_what_was_shown(desk: Desk) -> None:
    given = given_by(desk)
    async for _ in given:
        pass
    assert await kept(desk) == 0
    await asyncio.gather(given.settle(Shown("It is masked.", 5)), given.settle(Shown("Again.", 6)))
    assert await kept(desk) == 1
    found = await desk.last_answer()
    assert (found["answer"], found["outcome"], found["provenance"]["total_us"], found["provenance"]["request"]) == (
        "It is masked.",
        "answered",
        5,
        True,
    )


async def test_an_answer_that_nobody_reads_to_its_end_is_kept_as_far_as_it_was_shown(desk: Desk, model: ScriptedModel) -> None:
    model.say("It takes 5 business days [1]. It goes back to the card that was charged [1].")
    given = given_by(desk)
    async for event in given:
        if isinstance(event, TextDelta):
            break
    await asyncio.gather(given.aclose(), given.settle(Shown("It takes", 5)))
    found = await desk.last_answer()
    assert (found["answer"], found["outcome"]) == ("It takes", "cancelled")


async def test_nothing_is_kept_where_nothing_was_written(desk: Desk) -> None:
    given = given_by(desk, "")
    with pytest.raises(Exception, match="no question"):
        async for _ in given:
            pass
    await given.settle(Shown("", 5))
    assert await kept(desk) == 0

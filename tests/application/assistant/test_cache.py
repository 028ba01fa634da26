"""Answers that are given again: to the same question by who may read the same, and to nobody else; what is gone is gone from them at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ondol.application.assistant.cache import KEPT_FOR, AnswerCache, Kept
from ondol.application.assistant.record import Answered
from ondol.application.assistant.store import get_answer, put_assistant
from ondol.application.knowledge.search import Found
from ondol.core.errors import RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.serving.scripted import ScriptedModel
from ondol.infrastructure.serving.types import Message, ThreadPlace, Usage
from ondol.infrastructure.storage.blobs import KeyOwner
from tests.application.assistant.conftest import Desk, Told
from tests.application.conftest import SteppedClock

pytestmark = pytest.mark.anyio

QUESTION = "How long does a refund take?"


@pytest.fixture
def caching(desk: Desk) -> Desk:
    desk.cache, desk.policies = AnswerCache(1_000_000), (b"policy",)
    return desk


def of(told: Told) -> str | None:
    """The answer that was given again; None for one that was made anew."""
    cached: dict[str, str] | None = told.finish.extension.get("cached")
    return cached["answer_id"] if cached else None


async def test_the_same_question_gets_the_same_answer_without_a_model(caching: Desk, model: ScriptedModel) -> None:
    model.say("It takes 5 business days [1].")
    first = await caching.ask(QUESTION)
    again = await caching.ask(f"  {QUESTION.replace(' ', '  ')} ")
    assert (of(first), of(again)) == (None, str(first.request.id))
    assert len(model.requests) == 1
    assert again.text == first.text
    assert again.finish.annotations == first.finish.annotations
    told, same = dict(first.finish.extension), dict(again.finish.extension)
    assert told.pop("answer_id") != same.pop("answer_id")
    for extension in (told, same):
        extension.pop("cached", None)
        extension.pop("snippet", None)
    assert told == same
    kept = await caching.last_answer()
    assert (kept["id"], kept["answer"]) == (again.request.id, first.text)


@pytest.mark.parametrize(
    "change",
    [
        "other words",
        "other reader",
        "other policy",
        "other settings",
        "other model",
        "earlier turns",
        "in a thread",
        "not wanted",
        "bounded",
        "switched off",
        "no policies told",
        "masked",
    ],
)
async def test_whatever_differs_is_answered_anew(caching: Desk, model: ScriptedModel, change: str) -> None:
    model.say("It takes 5 business days [1].")
    question = "How long does a refund to [CARD_1] take?" if change == "masked" else QUESTION
    await caching.ask(question)
    earlier: tuple[Message, ...] = ()
    more: dict[str, Any] = {}
    match change:
        case "other words":
            question = "How long does the refund take?"
        case "other reader":
            more = {"who": "security"}
        case "other policy":
            caching.policies = (b"another",)
        case "other settings":
            await settings(caching, {"verification": {"partial": "strike"}})
        case "other model":
            assert caching.generator is not None
            caching.generator = replace(caching.generator, model="another")
        case "earlier turns":
            earlier = (Message("user", "Hello?"), Message("assistant", "Hello."))
        case "in a thread":
            more = {"thread": ThreadPlace()}
        case "not wanted":
            more = {"cached": False}
        case "bounded":
            more = {"max_tokens": 5}
        case "switched off":
            await settings(caching, {"cache": False})
        case "no policies told":
            caching.policies = None
    assert of(await caching.ask(question, *earlier, **more)) is None
    assert len(model.requests) == 2


async def settings(desk: Desk, told: dict[str, Any]) -> None:
    platform = desk.house.platform
    async with platform.database.tenant_tx(desk.house.tenant_id) as connection:
        made = (connection, desk.house.tenant_id, desk.assistant.id, "desk", desk.assistant.base_id, told, platform.clock())
        desk.assistant = await put_assistant(*made)


async def test_who_may_read_the_same_shares_it(caching: Desk) -> None:
    first = await caching.ask(QUESTION, who="visitor")
    again = await caching.ask(QUESTION, who="support")
    assert (of(again), again.text) == (str(first.request.id), first.text)
    platform = caching.house.platform
    async with platform.database.tenant_tx(caching.house.tenant_id) as connection:
        told = await get_answer(connection, platform.keyring, caching.house.tenant_id, again.request.id)
    assert told["person_id"] == caching.house.people["support"]


@pytest.mark.parametrize("what", ["replaced", "restricted", "answer erased", "asker erased", "too old"])
async def test_what_stood_behind_it_and_is_gone_is_not_said_again(caching: Desk, what: str) -> None:
    house = caching.house
    await caching.ask(QUESTION)
    match what:
        case "replaced":
            house.write("refund.md", "# Refund policy\n\nA refund is paid within 9 business days. It goes back to the card that was charged.\n")
            await house.ingest()
        case "restricted":
            house.write("refund.md", "---\nclass: restricted\n---\n# Refund policy\n\nA refund is paid within 5 business days.\n")
            await house.ingest()
        case "answer erased":
            await as_owner(caching, "delete from ondol.answers")
        case "asker erased":
            house.platform.keyring.destroy(KeyOwner(house.tenant_id, "subject", house.people["visitor"]))
        case "too old":
            assert isinstance(house.platform.clock, SteppedClock)
            house.platform.clock.now += KEPT_FOR
    if what == "asker erased":
        told = await caching.ask(QUESTION, who="support")
    else:
        told = await caching.ask(QUESTION)
    assert of(told) is None
    assert ("5 business days" in told.text) == (what not in ("replaced", "restricted"))


async def test_a_right_that_is_lost_in_the_index_only_is_seen_by_the_confirmation(caching: Desk) -> None:
    """The key holds the base's revision; were that not moved, the documents table would still have its say."""
    await caching.ask(QUESTION)
    await as_owner(caching, "update ondol.document_versions set state = 'removed'")
    told = await caching.ask(QUESTION)
    assert of(told) is None
    assert "5 business days" not in told.text


async def as_owner(desk: Desk, statement: str) -> None:
    async with desk.house.platform.database.tenant_tx(desk.house.tenant_id) as connection:
        if statement.startswith("update"):
            await connection.execute(statement)
            return
    import psycopg

    async with await psycopg.AsyncConnection.connect(desk.house.platform.database.addresses.owner, autocommit=True) as owner:
        await owner.execute(statement)


async def test_a_refusal_is_made_anew(caching: Desk) -> None:
    for _ in range(2):
        assert of(await caching.ask("What does a submarine cost?")) is None


async def test_what_is_refused_from_now_on_is_not_said_again(caching: Desk) -> None:
    assert "5 business days" in (await caching.ask(QUESTION)).text
    await settings(caching, {"refuse_below": 1})
    told = await caching.ask(QUESTION)
    assert (of(told), "5 business days" in told.text) == (None, False)


async def test_a_switch_that_is_none_is_told(caching: Desk) -> None:
    await settings(caching, {"cache": "off"})
    with pytest.raises(RequestError, match="`cache` of an assistant is neither true nor false"):
        await caching.ask(QUESTION)


def kept(text: str, until: Any) -> Kept:
    found = Found((), {}, new_id(), None, 1, 1)
    return Kept(new_id(), new_id(), Answered(text, (), "answered", Usage(1, 1)), found, until)


def test_it_keeps_to_its_bound_and_drops_what_was_used_longest_ago() -> None:
    cache, now = AnswerCache(100), SteppedClock().now
    later = now + timedelta(minutes=1)
    for number in range(12):
        cache.put(bytes([number]), kept("x" * 10, later))
        cache.get(b"\x00", now)
    assert len(cache) == 10
    assert cache.get(b"\x00", now) is not None
    assert cache.get(b"\x01", now) is None
    cache.put(b"large", kept("x" * 11, later))
    assert cache.get(b"large", now) is None
    assert cache.get(b"\x00", later) is None
    assert len(cache) == 9
    cache.clear()
    assert (len(cache), cache.get(b"\x05", now)) == (0, None)

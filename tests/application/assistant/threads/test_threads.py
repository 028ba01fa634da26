"""Threads: what was said goes on, branches, is forgotten when it must be, and belongs to one person."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from ondol.application.assistant.giving import stands_or_is_taken_back
from ondol.application.assistant.threads import store
from ondol.application.assistant.threads.types import Thread, Turn
from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import ThreadPlace, Usage
from tests.application.assistant.conftest import Desk, Told
from tests.application.conftest import PEOPLE

pytestmark = pytest.mark.anyio

NEW = ThreadPlace()


def place_behind(told: Told) -> ThreadPlace:
    return ThreadPlace(uuid.UUID(told.finish.extension["thread"]["id"]))


async def thread_of(desk: Desk, told: Told, who: str = "visitor") -> tuple[Thread, list[Turn]]:
    platform, tenant_id = desk.house.platform, desk.house.tenant_id
    thread_id, person_id = uuid.UUID(told.finish.extension["thread"]["id"]), desk.house.people[who]
    async with platform.database.tenant_tx(tenant_id) as connection:
        thread = await store.find_thread(connection, platform.keyring, tenant_id, person_id, thread_id)
        return thread, await store.turns_of(connection, platform.keyring, tenant_id, person_id, thread_id, limit=100)


def prompt_of(model: ScriptedModel) -> str:
    """All that the model was shown last."""
    return json.dumps(model.requests[-1].body["messages"], ensure_ascii=False)


async def test_a_thread_goes_on_from_its_last_turn(desk: Desk) -> None:
    first = await desk.ask("How long does a refund take?", thread=NEW)
    second = await desk.ask("And to what does it go back?", thread=place_behind(first))
    told = first.finish.extension["thread"]
    assert told == {"id": told["id"], "turn": str(first.request.id), "parent": None, "asked": "How long does a refund take?", "remembered": 0}
    assert second.finish.extension["thread"]["parent"] == str(first.request.id)
    assert "Refund policy" in second.titles
    thread, turns = await thread_of(desk, first)
    assert (thread.title, thread.turns, thread.head_id) == ("How long does a refund take?", 2, second.request.id)
    assert [(turn.question, turn.answer, turn.parent_id) for turn in turns] == [
        ("How long does a refund take?", first.text, None),
        ("And to what does it go back?", second.text, first.request.id),
    ]


async def test_what_is_kept_is_sealed_and_without_a_thread_nothing_is(desk: Desk) -> None:
    alone = await desk.ask("How long does a refund take?")
    assert "thread" not in alone.finish.extension
    assert await rows_of(desk) == []
    await desk.ask("How long does a refund take?", thread=NEW)
    kept = await rows_of(desk)
    assert len(kept) == 2
    assert all(word not in row.lower() for row in kept for word in ("refund", "business", "b'how"))


@pytest.mark.parametrize("turns", [1, 2])
async def test_a_turn_that_nobody_saw_to_its_end_is_taken_back(desk: Desk, turns: int) -> None:
    first = await desk.ask("How long does a refund take?", thread=NEW)
    last = await desk.ask("And to what does it go back?", thread=place_behind(first)) if turns == 2 else first
    platform, person_id = desk.house.platform, desk.house.people["visitor"]
    async with platform.database.tenant_tx(desk.house.tenant_id) as connection:
        assert not await store.withdraw_turn(connection, new_id(), last.request.id), "somebody else's"
        if turns == 2:
            assert not await store.withdraw_turn(connection, person_id, first.request.id), "something was said after it"
        assert await store.withdraw_turn(connection, person_id, last.request.id)
        assert not await store.withdraw_turn(connection, person_id, last.request.id)
    if turns == 1:
        assert await rows_of(desk) == []
    else:
        thread, left = await thread_of(desk, first)
        assert (thread.turns, thread.head_id, [turn.id for turn in left]) == (1, first.request.id, [first.request.id])


async def test_an_answer_on_record_stands_and_one_that_is_not_leaves_no_turn(desk: Desk) -> None:
    told = await desk.ask("How long does a refund take?", thread=NEW)
    house, room, lost = desk.house, desk.house.platform.knowledge, new_id()
    person_id, place = house.people["visitor"], told.finish.extension["thread"]
    turn = Turn(lost, told.request.id, "And?", "And?", "Nobody saw the end of this", refused=False, rests_on=frozenset(), created_at=house.clock())
    async with room.database.tenant_tx(house.tenant_id) as connection:
        assert await store.grow_thread(connection, room.keyring, house.tenant_id, person_id, uuid.UUID(place["id"]), turn, house.clock())
    assert await stands_or_is_taken_back(room, house.tenant_id, person_id, told.request.id)
    assert not await stands_or_is_taken_back(room, house.tenant_id, person_id, lost)
    thread, left = await thread_of(desk, told)
    assert (thread.turns, thread.head_id, [each.id for each in left]) == (1, told.request.id, [told.request.id])


async def rows_of(desk: Desk) -> list[str]:
    async with desk.house.platform.database.tenant_tx(desk.house.tenant_id) as connection:
        statement = (
            "select encode(title_sealed, 'escape') || t::text as row from threads t"
            " union all select encode(said_sealed, 'escape') || t::text from turns t"
        )
        return [str(row["row"]) for row in await (await connection.execute(statement)).fetchall()]


async def test_a_thread_is_one_persons_in_one_tenant_with_one_assistant(desk: Desk) -> None:
    first = await desk.ask("How long does a refund take?", thread=NEW)
    place = place_behind(first)
    for who, where in (("support", place), ("visitor", ThreadPlace(new_id()))):
        with pytest.raises(NotFound) as refused:
            await desk.ask("And then?", who=who, thread=where)
        assert refused.value.code == "thread_not_found"
    platform = desk.house.platform
    other = await create_tenant(
        platform.database, platform.keyring, slug="other", name="Other", time_zone="UTC", currency="USD", now=desk.house.clock()
    )
    async with platform.database.tenant_tx(other.id) as connection:
        with pytest.raises(NotFound):
            await store.find_thread(connection, platform.keyring, other.id, desk.house.people["visitor"], place.thread_id or new_id())


async def test_a_turn_of_another_thread_is_none_of_this_one(desk: Desk) -> None:
    first, other = [await desk.ask("How long does a refund take?", thread=NEW) for _ in range(2)]
    with pytest.raises(NotFound) as refused:
        await desk.ask("And then?", thread=ThreadPlace(place_behind(first).thread_id, other.request.id))
    assert (refused.value.code, refused.value.param) == ("turn_not_found", "ondol.parent")


async def test_an_edited_question_is_a_branch_that_knows_nothing_of_the_other(desk: Desk, model: ScriptedModel) -> None:
    model.say(lambda body: "It is so [1].")
    first = await desk.ask("How long does a refund take?", thread=NEW)
    await desk.ask("To which card is the refund paid?", thread=place_behind(first))
    await desk.ask("On which weekdays is a refund paid?", thread=ThreadPlace(place_behind(first).thread_id, first.request.id))
    assert "How long does a refund take?" in prompt_of(model)
    assert "To which card" not in prompt_of(model)
    await desk.ask("When does the help line answer on weekdays?", thread=ThreadPlace(place_behind(first).thread_id, from_start=True))
    assert "refund take?" not in prompt_of(model)
    _, turns = await thread_of(desk, first)
    assert [turn.parent_id for turn in turns] == [None, first.request.id, first.request.id, None]


async def set_clearance(desk: Desk, clearance: str) -> None:
    declared = PEOPLE.replace("{login: security, clearance: restricted,", f"{{login: security, clearance: {clearance},")
    assert declared.count(clearance) >= 1
    await apply_declaration(desk.house.platform.declaration_room, parse_declaration(declared))


async def test_what_a_person_may_no_longer_read_no_thread_reminds_them_of(desk: Desk, model: ScriptedModel) -> None:
    model.say(lambda body: "The vault opens with the word Sesame [1].")
    first = await desk.ask("With which word does the vault open at midnight?", who="security", thread=NEW)
    assert "Sesame" in first.text
    model.say(lambda body: "It takes 5 business days [1].")
    second = await desk.ask("How long does a refund take?", who="security", thread=place_behind(first))
    assert "Sesame" in prompt_of(model)
    await set_clearance(desk, "public")
    third = await desk.ask("How long does a refund take in days?", who="security", thread=place_behind(first))
    assert "Sesame" not in prompt_of(model)
    assert "vault" not in prompt_of(model)
    assert second.text not in prompt_of(model)  # it was written by a model that had been reminded of the vault
    assert third.finish.extension["thread"]["remembered"] == 0
    assert not third.finish.extension["refused"]


async def test_what_was_replaced_is_not_said_again(desk: Desk, model: ScriptedModel) -> None:
    model.say(lambda body: "It takes 5 business days [1].")
    first = await desk.ask("How long does a refund take?", thread=NEW)
    desk.house.write("refund.md", "# Refund policy\n\nA refund is paid within 9 business days. It goes back to the card that was charged.\n")
    await desk.house.ingest()
    model.say(lambda body: "It takes 9 business days [1].")
    await desk.ask("How long does a refund take now?", thread=place_behind(first))
    assert "5 business days" not in prompt_of(model)


async def ask_often(desk: Desk, model: ScriptedModel, count: int, who: str = "visitor") -> list[Told]:
    """Questions of one thread, which a model answers; it sums up with a word of its own."""
    said: list[Told] = []
    for number in range(count):
        model.say(lambda body: "They spoke of refunds." if "Sum up" in json.dumps(body) else "It takes 5 business days [1].")
        place = place_behind(said[0]) if said else NEW
        said.append(await desk.ask(f"How long does refund number {number} take?", who=who, thread=place))
    return said


async def test_turns_before_the_last_ones_are_summed_up_by_the_model(desk: Desk, model: ScriptedModel) -> None:
    said = await ask_often(desk, model, 9)
    prompt = prompt_of(model)
    assert "They spoke of refunds." in prompt
    assert "refund number 7" in prompt
    assert "refund number 1 take" not in prompt
    _, turns = await thread_of(desk, said[0])
    assert [turn.summary for turn in turns].count("They spoke of refunds.") == 1
    messages = model.requests[-1].body["messages"]
    [summed] = [message for message in messages if "They spoke" in (message["content"] or "")]
    assert (summed["role"], summed["content"]) == ("assistant", "So far: They spoke of refunds.")


async def test_a_summary_that_breaks_off_is_paid_for_all_the_same(desk: Desk, model: ScriptedModel) -> None:
    cut_off, answer = Reply("They spoke of", trouble="cut_off"), Reply("It takes 5 business days [1].", usage=Usage(100, 10))
    said: list[Told] = []
    for number in range(9):
        model.say(lambda body: cut_off if "Sum up" in json.dumps(body) else answer)
        said.append(await desk.ask(f"How long does refund number {number} take?", thread=place_behind(said[0]) if said else NEW))
    used = [told.finish.usage for told in said]
    summed = [place for place, usage in enumerate(used) if usage != Usage(100, 10)]
    assert summed
    assert all(used[place].input_tokens > 200 and used[place].estimated for place in summed)


async def test_a_summary_is_not_used_when_its_ground_is_gone(desk: Desk, model: ScriptedModel) -> None:
    said = await ask_often(desk, model, 9)
    desk.house.write("refund.md", "# Refund policy\n\nA refund is paid within 9 business days.\n")
    await desk.house.ingest()
    model.say(lambda body: "It takes 9 business days [1].")
    await desk.ask("How long does a refund take now?", thread=place_behind(said[0]))
    assert "They spoke" not in prompt_of(model)


async def test_memory_keeps_to_its_budget_and_can_be_off(desk: Desk, model: ScriptedModel) -> None:
    said = await ask_often(desk, model, 3)
    for settings, remembered in (({"tokens": 30}, 1), ({"turns": 2}, 2), ({"turns": 0}, 0), ({}, 3)):
        await put_settings(desk, {"memory": settings})
        told = await desk.ask("How long does the refund of this week take?", thread=ThreadPlace(place_behind(said[0]).thread_id, said[-1].request.id))
        assert told.finish.extension["thread"]["remembered"] == remembered, settings


async def put_settings(desk: Desk, settings: Mapping[str, Any]) -> None:
    platform = desk.house.platform
    async with platform.database.tenant_tx(desk.house.tenant_id) as connection:
        from ondol.application.assistant.store import put_assistant

        base_id, now = desk.assistant.base_id, platform.clock()
        desk.assistant = await put_assistant(connection, desk.house.tenant_id, desk.assistant.id, "desk", base_id, settings, now)


@pytest.mark.parametrize("told", [{"turns": 13}, {"turns": True}, {"turns": -1}, {"tokens": "many"}, {"summary": 1}, {"other": 1}, [1]])
async def test_a_wrong_setting_is_told(desk: Desk, told: Any) -> None:
    await put_settings(desk, {"memory": told})
    with pytest.raises(RequestError) as refused:
        await desk.ask("How long does a refund take?", thread=NEW)
    assert (refused.value.code, refused.value.param) == ("invalid_setting", "memory")


async def test_what_a_person_told_to_keep_in_mind_is_put_before_the_model(desk: Desk, model: ScriptedModel) -> None:
    platform, tenant_id, person_id = desk.house.platform, desk.house.tenant_id, desk.house.people["visitor"]
    async with platform.database.tenant_tx(tenant_id) as connection:
        for name, value in (("plan", "Business"), ("city", "Busan"), ("plan", "Premium")):
            await store.put_slot(connection, platform.keyring, tenant_id, person_id, desk.assistant.id, name, value, platform.clock())
    model.say(lambda body: "It takes 5 business days [1].")
    await desk.ask("How long does a refund take?", thread=NEW)
    assert "city = Busan; plan = Premium" in prompt_of(model)
    await desk.ask("How long does a refund take?", who="support", thread=NEW)
    assert "Busan" not in prompt_of(model)
    await desk.ask("How long does a refund take?")
    assert "Busan" not in prompt_of(model)


async def test_the_guard_looks_at_what_is_remembered_and_what_was_withheld_is_not_kept(desk: Desk, model: ScriptedModel) -> None:
    model.say(lambda body: "It takes 5 business days [1].")
    desk.shown_of = lambda text: text.replace("5 business days", "[MASKED]")
    first = await desk.ask("How long does a refund take?", thread=NEW)
    _, turns = await thread_of(desk, first)
    assert "[MASKED]" in turns[0].answer
    assert "5 business" not in turns[0].answer
    desk.screen = lambda texts: ["" if "refund" in text else text for text in texts]
    await desk.ask("To which card is it paid?", thread=place_behind(first))
    assert "MASKED" not in prompt_of(model)
    assert "How long" not in prompt_of(model)


async def test_a_thread_that_is_deleted_meanwhile_takes_the_answer_with_it_only_in_memory(desk: Desk, model: ScriptedModel) -> None:
    model.say(lambda body: "It takes 5 business days [1].")
    first = await desk.ask("How long does a refund take?", thread=NEW)
    platform, tenant_id, place = desk.house.platform, desk.house.tenant_id, place_behind(first)
    generator = desk.generator
    assert generator is not None
    assert place.thread_id is not None

    async def deleting(request: Any) -> Any:
        async with platform.database.tenant_tx(tenant_id) as connection:
            assert await store.delete_thread(connection, desk.house.people["visitor"], place.thread_id or new_id(), platform.clock()) == 1
        async for event in generator.stream(request):
            yield event

    desk.generator = type(generator)(generator.model, deleting, generator.context_tokens)
    second = await desk.ask("How long does a refund take on a card?", thread=place)
    assert "5 business days" in second.text
    assert "thread" not in second.finish.extension
    assert len(await rows_of(desk)) == 2, "the thread that waits to go has another turn than its first"
    assert await store.forget_deleted(platform.database, platform.clock() + store.BROUGHT_BACK_FOR) == 1
    assert await rows_of(desk) == []


async def test_a_full_thread_takes_no_more(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await desk.ask("How long does a refund take?", thread=NEW)
    monkeypatch.setattr(store, "TURNS_MAX", 1)
    with pytest.raises(Conflict) as refused:
        await desk.ask("And then?", thread=place_behind(first))
    assert refused.value.code == "thread_full"


async def test_a_person_and_a_document_can_be_forgotten(desk: Desk) -> None:
    first = await desk.ask("How long does a refund take?", thread=NEW)
    await desk.ask("When does the help line answer?", thread=place_behind(first))
    _, turns = await thread_of(desk, first)
    platform, tenant_id, person_id = desk.house.platform, desk.house.tenant_id, desk.house.people["visitor"]
    async with platform.database.tenant_tx(tenant_id) as connection:
        await store.put_slot(connection, platform.keyring, tenant_id, person_id, desk.assistant.id, "plan", "Premium", platform.clock())
        assert await store.erase_resting_on(connection, turns[0].rests_on) == 2  # the second was asked with the first in mind
    again = await desk.ask("How long does a refund take?", thread=place_behind(first))  # the turn that it would follow is gone
    assert again.finish.extension["thread"]["remembered"] == 0
    async with platform.database.tenant_tx(tenant_id) as connection:
        assert await store.erase_person(connection, person_id) == {"threads": 1, "memory_slots": 1, "thread_shares": 0}
    assert await rows_of(desk) == []

"""A release names an index version: it is asked, written to and kept for as long as the release may serve."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from ondol.application.assistant.answer import AssistantRoom, answer
from ondol.application.assistant.extractive import ANSWERED_MIN
from ondol.application.assistant.release import compose, create_release, let_live, wish_of
from ondol.application.assistant.release_diff import release_diff
from ondol.application.assistant.serving import OpenedReleases
from ondol.application.assistant.store import find_assistant
from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.application.knowledge.index_versions import (
    Wanted,
    activate_version,
    build_version,
    drop_old_versions,
    drop_version,
    keep_versions,
    list_versions,
    rebuild,
    start_version,
)
from ondol.application.knowledge.search import IndexStates
from ondol.application.knowledge.tuning import tune
from ondol.application.knowledge.types import IndexSettings, Retrieval
from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.releases import Release, Why, roll_back
from ondol.infrastructure.serving.scripted import ScriptedModel
from ondol.infrastructure.serving.types import ChatRequest, Finish, Message, TextDelta
from tests.application.assistant.conftest import Desk
from tests.application.knowledge.meanings import register
from tests.application.knowledge.test_reranking import by_length

pytestmark = pytest.mark.anyio


async def release(desk: Desk, index: str = "active", **chosen: object) -> Release:
    room = desk.house.platform.knowledge
    made = await create_release(room, desk.house.tenant_id, desk.assistant, wish_of({}, **chosen), index)
    return await let_live(room, desk.house.tenant_id, made.id, Why("improvement"))


async def build(desk: Desk, characters: int) -> None:
    """Another version of the index, which then serves the base."""
    room, tenant_id = desk.house.platform.knowledge, desk.house.tenant_id
    made = await start_version(room, tenant_id, desk.assistant.base_id, IndexSettings().resized(characters, None), Wanted(activate=True))
    await build_version(room, tenant_id, made.id)


async def states(desk: Desk) -> dict[int, str]:
    async with desk.house.platform.database.tenant_tx(desk.house.tenant_id) as connection:
        return {item.number: item.state for item in await list_versions(connection, desk.assistant.base_id, dropped=True)}


async def ask(desk: Desk, question: str) -> tuple[str, str, str]:
    """The answer, the index version that was asked, and the release."""
    platform, tenant_id = desk.house.platform, desk.house.tenant_id
    async with platform.database.tenant_tx(tenant_id) as connection:
        found = await find_assistant(connection, "desk")
        assistant, serving = await OpenedReleases().open(connection, platform.keyring, tenant_id, found)
    room = AssistantRoom(platform.knowledge, IndexStates(), None, lambda tenant_id: "ACME")
    request = ChatRequest(new_id(), assistant.model, (Message("user", question),))
    events = [event async for event in answer(room, tenant_id, desk.house.people["visitor"], assistant, request, serving=serving)]
    [finish] = [event for event in events if isinstance(event, Finish)]
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    return text, finish.extension["searched"]["index_version"], finish.extension["release"]


async def test_a_release_asks_its_own_index_which_hears_of_new_documents_and_is_kept(desk: Desk) -> None:
    room, tenant_id = desk.house.platform.knowledge, desk.house.tenant_id
    named = await release(desk)
    await build(desk, 100)
    await build(desk, 120)
    desk.house.write("parking.md", "# Parking\n\nVisitors park behind the blue gate.\n")
    await desk.house.ingest()
    text, asked, told = await ask(desk, "Where do visitors park?")
    assert ("blue gate" in text, asked, told) == (True, str(named.manifest.bases[0].index_version_id), str(named.id))
    await keep_versions(room, tenant_id, desk.assistant.base_id, 1, 1)
    desk.house.clock.advance(days=30)
    await drop_old_versions(room, tenant_id)
    assert await states(desk) == {1: "retired", 2: "dropped", 3: "active"}
    with pytest.raises(Conflict, match="release"):
        await drop_version(room, tenant_id, named.manifest.bases[0].index_version_id or new_id())


async def test_what_is_behind_is_brought_up_to_date_before_it_goes_live(desk: Desk) -> None:
    room, tenant_id = desk.house.platform.knowledge, desk.house.tenant_id
    await keep_versions(room, tenant_id, desk.assistant.base_id, 20, None)
    await build(desk, 100)
    await build(desk, 120)  # now nobody writes to the first
    desk.house.write("parking.md", "# Parking\n\nVisitors park behind the blue gate.\n")
    await desk.house.ingest()
    named = await release(desk, "1")
    text, asked, _ = await ask(desk, "Where do visitors park?")
    assert ("blue gate" in text, asked) == (True, str(named.manifest.bases[0].index_version_id))


async def test_an_index_that_is_lost_is_stood_in_for_and_told(desk: Desk) -> None:
    named = await release(desk)
    await rebuild(desk.house.platform.knowledge, desk.house.tenant_id, desk.assistant.base_id)
    text, asked, told = await ask(desk, "How long does a refund take?")
    assert ("5 business days" in text, told) == (True, str(named.id))
    assert asked != str(named.manifest.bases[0].index_version_id)


async def test_a_release_that_names_what_is_gone_does_not_go_live(desk: Desk) -> None:
    room, tenant_id = desk.house.platform.knowledge, desk.house.tenant_id
    first = await release(desk)
    draft = await create_release(room, tenant_id, desk.assistant, wish_of({}, turns_max=1), "active")
    await rebuild(room, tenant_id, desk.assistant.base_id)
    with pytest.raises(Conflict, match="dropped"):
        await let_live(room, tenant_id, draft.id, Why("improvement"))
    assert (await ask(desk, "How long does a refund take?"))[2] == str(first.id)


async def test_an_assistant_whose_index_goes_on_follows_it(desk: Desk) -> None:
    await release(desk, "follow")
    before = (await ask(desk, "How long does a refund take?"))[1]
    await build(desk, 100)
    assert (await ask(desk, "How long does a refund take?"))[1] != before


async def test_going_back_asks_the_index_of_before(desk: Desk) -> None:
    platform, tenant_id = desk.house.platform, desk.house.tenant_id
    first = await release(desk)
    await build(desk, 100)
    second = await release(desk)
    assert (await ask(desk, "How long does a refund take?"))[1:] == (str(second.manifest.bases[0].index_version_id), str(second.id))
    async with platform.database.tenant_tx(tenant_id) as connection:
        await roll_back(connection, platform.keyring, tenant_id, desk.assistant.id, Why("incident"), platform.clock() + timedelta(1))
    assert (await ask(desk, "How long does a refund take?"))[1:] == (str(first.manifest.bases[0].index_version_id), str(first.id))


@pytest.mark.parametrize(
    "settings",
    [
        {"passages_max": 0},
        {"turns_max": "six"},
        {"model": 5},
        {"model": "m", "extractive": True},
        {"prompt_values": {"a": 1.5}},
        {"evidence_turn": "system"},
        {"snippet": "yes"},
        {"cache": 1},
        {"memory": {"turns": 99}},
        {"retrieval": {"rewrite": "all"}},
        {"verification": {"partial": "hide"}},
        {"refuse_below": 2},
        {"guard": "off"},
    ],
)
async def test_settings_that_are_wrong_are_refused_when_they_are_set(desk: Desk, settings: dict[str, object]) -> None:
    """Not when somebody asks: by the command line and the API, which make releases of them, and by applying a declaration, which changes nothing."""
    with pytest.raises(RequestError) as caught:
        wish_of(settings)
    name = next(iter(settings))
    assert name in f"{caught.value.message} {caught.value.param}"
    room = desk.house.platform.declaration_room
    declared = {"slug": "acme", "name": "Acme", "assistants": [{"name": "desk", "base": "base", "settings": settings}]}
    with pytest.raises(RequestError, match="Assistant desk"):
        await apply_declaration(room, parse_declaration(json.dumps({"version": 1, "tenants": [declared]})))
    async with desk.house.platform.database.tenant_tx(desk.house.tenant_id) as connection:
        assert (await find_assistant(connection, "desk")).settings == {}


async def test_what_is_searched_for_is_part_of_a_release(desk: Desk) -> None:
    platform, tenant_id = desk.house.platform, desk.house.tenant_id
    room = platform.knowledge
    off = await create_release(room, tenant_id, desk.assistant, wish_of({}, retrieval={"rewrite": "off", "queries_max": 5}), "active")
    assert off.id == (await create_release(room, tenant_id, desk.assistant, wish_of({}), "active")).id
    for told, asked in (({"rewrite": "rewrite"}, ("rewrite", 2)), ({"rewrite": "multi", "queries_max": 4}, ("multi", 4))):
        made = await create_release(room, tenant_id, desk.assistant, wish_of({"retrieval": told}), "active")
        assert (made.manifest.retrieval.rewrite, made.manifest.retrieval.queries_max) == asked
        async with platform.database.tenant_tx(tenant_id) as connection:
            named = replace(desk.assistant, release_id=made.id)
            _, serving = await OpenedReleases().open(connection, platform.keyring, tenant_id, named)
        assert serving is not None
        assert (serving.retrieval.rewrite, serving.retrieval.others_max) == (asked[0], asked[1] - 1)
    with pytest.raises(RequestError, match="queries_max"):
        await create_release(room, tenant_id, desk.assistant, wish_of({"retrieval": {"rewrite": "all"}}), "active")


async def test_a_release_searches_as_the_base_said_when_it_was_made(desk: Desk) -> None:
    """Fusion, candidates, diversity and reranker: what the base says later is for later releases, and a declaration follows it."""
    platform, tenant_id, base_id = desk.house.platform, desk.house.tenant_id, desk.assistant.base_id
    room = platform.knowledge
    await tune(room, tenant_id, base_id, Retrieval(fusion="scores", vector_weight=0.25, depth=50))
    pinned = await release(desk)
    own = await create_release(room, tenant_id, desk.assistant, wish_of({"retrieval": {"depth": 20, "diversity": 0.5}}), "active")
    await tune(room, tenant_id, base_id, Retrieval(depth=200))

    async def search_of(release_id: uuid.UUID) -> Retrieval | None:
        async with platform.database.tenant_tx(tenant_id) as connection:
            _, serving = await OpenedReleases().open(connection, platform.keyring, tenant_id, replace(desk.assistant, release_id=release_id))
        assert serving is not None
        return serving.search

    assert await search_of(pinned.id) == Retrieval(fusion="scores", vector_weight=0.25, depth=50)
    assert await search_of(own.id) == Retrieval(fusion="scores", vector_weight=0.25, depth=20, diversity=0.5)
    async with platform.database.tenant_tx(tenant_id) as connection:
        told = (await release_diff(connection, platform.keyring, tenant_id, pinned, own)).fields
        made = await compose(
            platform.database, platform.keyring, connection, tenant_id, desk.assistant, wish_of({}), "follow", platform.clock, pins=False
        )
    assert told == {"retrieval.search.depth": (50, 20), "retrieval.search.diversity_thousandths": (0, 500)}
    assert (made.retrieval.search, made.guard_policy_digest) == (msgspec.UNSET, None)
    with pytest.raises(RequestError, match="depth"):
        await create_release(room, tenant_id, desk.assistant, wish_of({"retrieval": {"depth": 1}}), "active")


async def test_a_pinned_reranker_orders_what_an_answer_rests_on_and_must_be_there(desk: Desk) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    async with ScriptedModel(by_length) as server:
        await register(house, server)
        named = await release(desk, retrieval={"reranker": "meanings"})
        assert (await ask(desk, "How long does a refund take?"))[2] == str(named.id)
        assert [request.path for request in server.requests] == ["/v1/rerank"]
        await tune(room, house.tenant_id, desk.assistant.base_id, Retrieval(reranker="meanings"))
        await release(desk, retrieval={"reranker": ""})
        await ask(desk, "How long does a refund take?")
        assert len(server.requests) == 1
    await house.platform.models.close()
    with pytest.raises(NotFound, match="nobody"):
        await create_release(room, house.tenant_id, desk.assistant, wish_of({"retrieval": {"reranker": "nobody"}}), "active")


async def test_below_what_is_refused_is_part_of_a_release(desk: Desk) -> None:
    platform, tenant_id = desk.house.platform, desk.house.tenant_id
    question = "How long does a refund take?"
    plain = await create_release(platform.knowledge, tenant_id, desk.assistant, wish_of({}), "active")
    told = await create_release(platform.knowledge, tenant_id, desk.assistant, wish_of({"refuse_below": ANSWERED_MIN}), "active")
    assert (plain.manifest.verification.refuse_below_thousandths, told.manifest.verification.refuse_below_thousandths) == (msgspec.UNSET, 420)
    await let_live(platform.knowledge, tenant_id, plain.id, Why("improvement"))
    assert "5 business days" in (await ask(desk, question))[0]
    await release(desk, refuse_below=1)
    assert "5 business days" not in (await ask(desk, question))[0]
    with pytest.raises(RequestError, match="refuse_below"):
        await create_release(platform.knowledge, tenant_id, desk.assistant, wish_of({"refuse_below": 1.5}), "active")


async def test_the_index_of_a_release_may_serve_the_base_again(desk: Desk) -> None:
    """What the base serves and what a release names are two things: each goes its own way."""
    room, tenant_id = desk.house.platform.knowledge, desk.house.tenant_id
    named = await release(desk)
    await build(desk, 100)
    index_id = named.manifest.bases[0].index_version_id
    assert index_id is not None
    await activate_version(room, tenant_id, index_id)
    assert (await states(desk))[1] == "active"
    assert (await ask(desk, "How long does a refund take?"))[1] == str(index_id)

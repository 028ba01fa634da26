"""From production into a golden set: sampled, masked, proposed by one person, let in by another, and gone with whoever asked."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ondol.application.erasure import erase_subject
from ondol.application.evaluation.golden.production import sample_answers, turns_of
from ondol.application.evaluation.types import Turn
from ondol.core.ids import new_id
from ondol.infrastructure.gateway.records.feedback import Opinion, give_feedback
from ondol.infrastructure.ledger.erasure import carry_out
from ondol.wiring.erasure import erasure_room
from tests.application.conftest import House
from tests.application.evaluation.people import Ask, asking, recorded

pytestmark = pytest.mark.anyio

SETS = "/golden-sets"


@pytest.fixture
async def ask(house: House) -> AsyncIterator[Ask]:
    async with asking(house) as (call, _):

        async def below(who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
            return await call(who, method, SETS + path, body)

        yield below


async def test_what_somebody_asked_enters_a_set_masked_and_by_two_people(house: House, ask: Ask) -> None:
    request_id = await recorded(house, "My number is 010-2345-6789 and my mail kim@example.com: when am I paid back?")
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await give_feedback(
            connection, house.platform.keyring, house.tenant_id, request_id, Opinion("down", corrected="Within 7 days, kim@example.com."),
            person_id=house.people["visitor"], api_key_id=None, now=house.clock(),
        )  # fmt: skip
    assert (await ask("owner", "POST", "", {"name": "support"}))[0] == 200
    assert await ask("owner", "POST", "/support/samples", {"way": "random"}) == (200, {"proposals": 1, "left_out": 0})
    assert await ask("owner", "POST", "/support/samples", {"way": "random"}) == (200, {"proposals": 0, "left_out": 0})
    [proposal] = (await ask("owner", "GET", "/support/proposals"))[1]["proposals"]
    question = proposal["item"]["turns"][-1]["text"]
    assert "when am I paid back?" in question
    assert "2345" not in str(proposal) and "kim@" not in str(proposal)
    assert (proposal["reasons"], proposal["request"]) == (["disliked"], str(request_id))
    ids = {"ids": [proposal["id"]]}
    assert await ask("owner", "POST", "/support/proposals/approve", ids) == (403, "second_person_required")
    reworded = {**proposal["item"], "expected": ["Within 7 days."]}
    assert (await ask("admin", "PUT", f"/support/proposals/{proposal['id']}", {"item": reworded}))[0] == 200
    assert await ask("admin", "POST", "/support/proposals/approve", ids) == (403, "second_person_required"), "who words it has proposed it"
    status, kept = await ask("owner", "POST", "/support/proposals/approve", ids)
    assert (status, kept["version"]["number"], kept["version"]["items"]) == (200, 1, 1)
    assert await ask("owner", "POST", "/support/proposals/approve", ids) == (404, "proposal_not_found")
    [shown] = (await ask("auditor", "GET", "/support/items"))[1]["items"]
    assert (shown["id"], shown["item"]["expected"]) == (f"answer-{request_id}", ["Within 7 days."])
    with psycopg.connect(house.platform.database.addresses.owner, options="-c search_path=ondol") as owner:
        assert owner.execute("select state, content_sealed from golden_proposals").fetchall() == [("approved", b"")]
        kinds = [row[0] for row in owner.execute("select kind from ledger_events where kind like 'golden.%' order by id").fetchall()]
    assert kinds == ["golden.created", "golden.proposed", "golden.proposed", "golden.version", "golden.approved"]


async def test_risks_come_first_and_the_same_seed_takes_the_same(house: House) -> None:
    calm = [await recorded(house, f"calm question number {number}?") for number in range(8)]
    refused = await recorded(house, "refused?", refused=True, decision="block")
    guarded = await recorded(house, "guarded?", decision="mask")
    unverified = await recorded(house, "unverified?", "Perhaps.")

    async def sampled(way: Any, count: int, seed: int, skipped: list[uuid.UUID] | None = None) -> list[tuple[uuid.UUID, tuple[str, ...]]]:
        async with house.platform.database.tenant_tx(house.tenant_id) as connection:
            found = await sample_answers(
                connection, house.platform.keyring, house.tenant_id, lambda _, text: text, way=way, count=count, seed=seed,
                since=house.clock() - timedelta(days=1), now=house.clock(), skipped=skipped or [],
            )  # fmt: skip
        return [(one.request_id, one.reasons) for one in found.answers]

    risky = await sampled("risk", 20, 1)
    assert risky[0] == (refused, ("refused", "guard"))
    assert dict(risky[1:]) == {guarded: ("guard",), unverified: ("unverified",)}
    first = await sampled("random", 4, 1)
    assert first == await sampled("random", 4, 1)
    assert first != await sampled("random", 4, 2)
    rest = await sampled("random", 20, 1, [one for one, _ in first])
    assert {one for one, _ in first} | {one for one, _ in rest} == {*calm, refused, guarded, unverified}
    assert len(rest) == 7


async def test_what_cannot_be_masked_is_left_out(house: House) -> None:
    await recorded(house, "fine?")
    await recorded(house, "broken?")
    await recorded(house, "x" * 70_000)

    def mask(_tenant_id: uuid.UUID, text: str) -> str:
        if "broken" in text:
            raise ValueError("a check failed")
        return text

    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        since = house.clock() - timedelta(days=1)
        found = await sample_answers(
            connection, house.platform.keyring, house.tenant_id, mask, way="random", count=9, seed=0, since=since, now=house.clock()
        )
    assert ([one.turns[-1].text for one in found.answers if len(one.turns[-1].text) < 99], found.left_out) == (["fine?"], 1)


async def test_a_proposal_goes_with_the_person_who_asked(house: House, ask: Ask) -> None:
    await recorded(house, "mine?")
    await recorded(house, "theirs?", who="support")
    await ask("owner", "POST", "", {"name": "support"})
    await ask("owner", "POST", "/support/samples", {})
    platform = house.platform
    erasure = await erase_subject(platform.knowledge, house.tenant_id, "visitor")
    assert (await carry_out(erasure_room(platform), house.tenant_id, erasure.id)).state == "proved"
    left = (await ask("owner", "GET", "/support/proposals"))[1]["proposals"]
    assert [one["item"]["turns"][-1]["text"] for one in left] == ["theirs?"]
    assert await ask("owner", "POST", "/support/proposals/reject", {"ids": [left[0]["id"]]}) == (200, {"decided": 1})


async def test_who_may_not_and_mistakes_are_refused(house: House, ask: Ask) -> None:
    item = {"id": "a", "question": "Why?", "language": "en"}
    for method, path, body in (("POST", "", {"name": "support"}), ("POST", "/support/samples", {}), ("GET", "/support/proposals", None)):
        assert await ask("auditor", method, path, body) == (403, "role_required")
    assert await ask("member", "GET", "") == (403, "role_required")
    await ask("owner", "POST", "", {"name": "support", "split": "hidden", "floors": {"language=en": 1}})
    assert await ask("owner", "POST", "", {"name": "support"}) == (409, "golden_exists")
    assert await ask("foreigner", "GET", "/support") == (404, "golden_not_found")
    assert await ask("admin", "POST", "/support/versions", {"items": [{**item, "language": "ko"}]}) == (400, "below_floor")
    assert await ask("admin", "POST", "/support/versions", {"items": [{"id": "a"}]}) == (400, "bad_item")
    assert (await ask("admin", "POST", "/support/versions", {"items": [item]}))[1]["version"]["slices"] == {"language=en": 1}
    assert await ask("admin", "GET", "/support/items") == (403, "golden_hidden")
    assert (await ask("owner", "GET", "/support/items"))[1]["items"][0]["item"]["turns"][-1]["text"] == "Why?"
    me = (await ask("owner", "GET", "/support"))[1]["golden"]["owner"]
    assert await ask("admin", "PATCH", "/support", {"owner": me}) == (403, "golden_hidden")
    assert await ask("owner", "PATCH", "/support", {"owner": str(new_id())}) == (404, "person_not_found")
    assert (await ask("owner", "POST", "/support/versions", {"items": [{**item, "question": "Why not?"}]}))[1]["new"] is True
    assert (await ask("auditor", "GET", "/support/difference?first=1"))[1] == {"added": [], "removed": [], "changed": {"a": ["turns"]}}
    assert (await ask("auditor", "GET", "/support/stale"))[1] == {"version": 2, "stale": {}}
    assert await ask("auditor", "GET", "/support/contamination?base=none") == (404, "base_not_found")


async def test_items_come_in_pages(ask: Ask) -> None:
    await ask("owner", "POST", "", {"name": "support"})
    items = [{"id": f"q-{number}", "question": "Why?"} for number in range(5)]
    await ask("owner", "POST", "/support/versions", {"items": items})
    seen: list[list[str]] = []
    after: int | None = -1
    while after is not None:
        page = (await ask("owner", "GET", f"/support/items?limit=2&after={after}"))[1]
        seen.append([one["id"] for one in page["items"]])
        after = page["next"]
    assert seen == [["q-0", "q-1"], ["q-2", "q-3"], ["q-4"]]


def test_turns_are_read_from_the_record_without_instructions() -> None:
    prompt = "[system] be kind\n\n[user] first\n\nline\n\n[assistant] answer\n\n[tool] 3\n\n[user] second [user] mark"
    assert turns_of(prompt) == [Turn("user", "first\n\nline"), Turn("assistant", "answer"), Turn("user", "second [user] mark")]
    assert turns_of("nothing") == []

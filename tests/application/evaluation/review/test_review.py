"""Reviews as raters and managers see them: given by the server, blind, once each, back when left lying, decided by somebody else."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from ondol.application.erasure import erase_subject
from ondol.application.evaluation.review.judging import next_item
from ondol.application.evaluation.review.store import find_queue
from ondol.application.evaluation.review.types import Given
from ondol.infrastructure.gateway.records.feedback import Opinion, give_feedback
from ondol.infrastructure.ledger.erasure import carry_out
from ondol.infrastructure.storage.postgres import Connection
from ondol.wiring.erasure import erasure_room
from tests.application.conftest import House
from tests.application.evaluation.people import Ask, asking, recorded

pytestmark = pytest.mark.anyio

QUEUES, MINE = "/review-queues", "/my-reviews"
UPLOADS = [{"question": f"question {number}?", "answer": f"answer {number}."} for number in range(6)]


class Desk:
    """Who asks, and shorthands for judging."""

    def __init__(self, house: House, ask: Ask, people: dict[str, uuid.UUID]) -> None:
        self.house, self.ask, self.people = house, ask, people

    async def make(self, *raters: str, name: str = "answers", **options: Any) -> None:
        body = {"name": name, "guideline": "Be fair.", "raters": [str(self.people[login]) for login in raters], **options}
        status, told = await self.ask("owner", "POST", QUEUES, body)
        assert status == 200, told

    async def put(self, *items: dict[str, Any], name: str = "answers") -> None:
        assert (await self.ask("owner", "POST", f"{QUEUES}/{name}/items", {"items": list(items)}))[1] == {"items": len(items), "left_out": 0}

    async def take(self, who: str, name: str = "answers") -> dict[str, Any] | None:
        status, told = await self.ask(who, "POST", f"{MINE}/{name}/next")
        assert status == 200, told
        item: dict[str, Any] | None = told["item"]
        return item

    async def rate(self, who: str, item: str, points: int | dict[str, int | None], **note: Any) -> tuple[int, Any]:
        given = {"helpfulness": points, "clarity": points} if isinstance(points, int) else points
        return await self.ask(who, "POST", f"{MINE}/answers/items/{item}/rating", {"points": given, **note})

    async def rate_all(self, who: str, points: int, **note: Any) -> list[str]:
        """Judge whatever comes; what it was, in its order."""
        seen = []
        while item := await self.take(who):
            assert (await self.rate(who, item["id"], points, **note))[0] == 200
            seen.append(item["turns"][-1]["text"])
        return seen

    async def items(self, state: str) -> list[dict[str, Any]]:
        return (await self.ask("auditor", "GET", f"{QUEUES}/answers/items?state={state}"))[1]["items"]  # type: ignore[no-any-return]


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with asking(house) as (ask, people):
        yield Desk(house, ask, people)


async def test_each_rater_gets_every_item_once_blind_and_in_an_order_of_their_own(desk: Desk) -> None:
    await desk.make("ann", "bob", scales=["helpfulness", "clarity"])
    await desk.put(*UPLOADS)
    first = await desk.take("ann")
    assert first is not None
    assert set(first) == {"id", "turns", "answer", "scales", "guideline", "guideline_version", "until"}
    assert (first["guideline"], first["guideline_version"], first["scales"]) == ("Be fair.", 1, ["helpfulness", "clarity"])
    assert await desk.take("ann") == first, "what was taken stays until it is judged"
    ann, bob = await desk.rate_all("ann", 4), await desk.rate_all("bob", 4)
    assert sorted(ann) == sorted(bob) == [item["question"] for item in UPLOADS]
    assert ann != bob
    assert [len(item["ratings"]) for item in await desk.items("agreed")] == [2] * 6
    assert (await desk.ask("ann", "GET", MINE))[1] == {
        "queues": [{"name": "answers", "open": True, "scales": ["helpfulness", "clarity"], "ratings": 6}]
    }
    again = await desk.rate("ann", first["id"], 5)
    assert again == (409, "not_taken"), "nobody judges an item twice"


async def test_no_more_people_get_an_item_than_are_needed_even_at_the_same_moment(desk: Desk) -> None:
    await desk.make("ann", "bob", "cho", quorum=2, lease_minutes=30)
    await desk.put(UPLOADS[0])
    taken = await asyncio.gather(*(desk.take(who) for who in ("ann", "bob", "cho")))
    assert sorted(item is None for item in taken) == [False, False, True]
    [without] = [who for who, item in zip(("ann", "bob", "cho"), taken, strict=True) if item is None]
    others = [who for who in ("ann", "bob", "cho") if who != without]
    desk.house.clock.advance(minutes=31)
    item = await desk.take(without)
    assert item is not None, "what was left lying comes back"
    assert await desk.rate(others[0], item["id"], 3) == (409, "not_taken"), "whose time is over must take it again"
    assert (await desk.rate(without, item["id"], 3))[0] == 200
    retaken = await desk.take(others[0])
    assert retaken is not None
    assert await desk.take(others[1]) is None
    assert (await desk.ask(others[0], "DELETE", f"{MINE}/answers/items/{item['id']}"))[1] == {"changed": True}
    assert (await desk.take(others[1]) or {})["id"] == item["id"], "what is given back is free at once"


async def test_who_asks_while_an_item_is_being_given_waits_and_does_not_get_it_too(desk: Desk) -> None:
    await desk.make("ann", "bob", quorum=1)
    await desk.put(UPLOADS[0])
    platform, tenant_id, now = desk.house.platform, desk.house.tenant_id, desk.house.clock()

    async def take(connection: Connection, who: str) -> Given | None:
        queue = await find_queue(connection, "answers")
        return await next_item(connection, platform.keyring, tenant_id, queue, desk.people[who], now)

    async def later() -> Given | None:
        async with platform.database.tenant_tx(tenant_id) as connection:
            return await take(connection, "bob")

    async with await psycopg.AsyncConnection.connect(platform.database.addresses.owner, autocommit=True) as owner:

        async def waits() -> bool:
            found = await owner.execute("select from pg_locks join pg_stat_activity using (pid) where not granted and datname = current_database()")
            return await found.fetchone() is not None

        async with platform.database.tenant_tx(tenant_id) as connection:
            assert await take(connection, "ann") is not None
            bob = asyncio.create_task(later())
            while not (bob.done() or await waits()):
                pass
        assert await bob is None


async def test_who_does_not_agree_is_decided_upon_by_somebody_else(desk: Desk) -> None:
    await desk.make("ann", "bob", "admin", scales=["helpfulness", "clarity"], quorum=2)
    await desk.put(UPLOADS[0])
    item = (await desk.take("ann") or {})["id"]
    note = {"spans": [{"start": 0, "end": 6, "label": "vague"}], "correction": "A better answer.", "comment": "too short"}
    assert (await desk.rate("ann", item, {"helpfulness": 1, "clarity": None}, **note))[0] == 200
    [waiting] = await desk.items("open")
    assert waiting["ratings"] == [], "while others judge, nobody sees what was thought"
    assert await desk.ask("admin", "GET", f"{QUEUES}/answers/items") == (403, "blind")
    assert await desk.ask("admin", "GET", f"{QUEUES}/answers/agreement") == (403, "blind")
    assert (await desk.take("admin") or {})["id"] == item
    assert (await desk.rate("admin", item, 4))[0] == 200
    [disputed] = await desk.items("disputed")
    assert [(one["points"], one["correction"]) for one in disputed["ratings"]] == [
        ({"helpfulness": 1, "clarity": None}, "A better answer."), ({"helpfulness": 4, "clarity": 4}, ""),
    ]  # fmt: skip
    decision = f"{QUEUES}/answers/items/{item}/decision"
    final = {"points": {"helpfulness": 2, "clarity": 4}, "correction": "The right answer."}
    assert await desk.ask("admin", "POST", decision, final) == (403, "second_person_required")
    assert await desk.ask("member", "POST", decision, final) == (403, "role_required")
    status, told = await desk.ask("owner", "POST", decision, final)
    assert (status, told["state"], told["decided"], told["correction"]) == (200, "settled", {"helpfulness": 2, "clarity": 4}, "The right answer.")
    assert await desk.ask("owner", "POST", decision, final) == (409, "not_disputed")
    exported = (await desk.ask("auditor", "GET", f"{QUEUES}/answers/export?kind=preferences"))[1]["lines"]
    assert exported == [
        {
            "form": 1, "id": item, "prompt": [{"role": "user", "text": "question 0?"}], "chosen": "The right answer.",
            "rejected": "answer 0.", "points": {"helpfulness": 2, "clarity": 4},
        }
    ]  # fmt: skip
    [line] = (await desk.ask("auditor", "GET", f"{QUEUES}/answers/export"))[1]["lines"]
    assert [rating["rater"] for rating in line["ratings"]] == [1, 2]
    assert str(desk.people["ann"]) not in json.dumps(line)


async def test_agreement_and_drift_are_told(desk: Desk) -> None:
    await desk.make("ann", "bob", scales=["clarity"])
    await desk.put(*UPLOADS, *({"question": f"gold {number}?", "answer": "x", "gold": {"clarity": 5}} for number in range(10)))
    judged = 0
    while item := await desk.take("ann"):
        judged += item["turns"][-1]["text"].startswith("gold")
        points = (5 if judged <= 4 else 1) if item["turns"][-1]["text"].startswith("gold") else int(item["answer"][-2]) % 5 + 1
        await desk.rate("ann", item["id"], {"clarity": points})
    while item := await desk.take("bob"):
        await desk.rate("bob", item["id"], {"clarity": 5 if item["turns"][-1]["text"].startswith("gold") else int(item["answer"][-2]) % 5 + 1})
    told = (await desk.ask("auditor", "GET", f"{QUEUES}/answers/agreement"))[1]
    alpha = told["alphas"]["clarity"]
    assert (alpha["alpha"], alpha["items"], alpha["ratings"]) == (1, 6, 12), "planted items are not in it"
    assert [(pair["both"], pair["kappa"], pair["tau"]) for pair in told["pairs"]] == [(6, 1, 1)]
    drifts = {one["rater"]: (one["planted"], one["bias"], one["drifts"]) for one in told["drifts"]}
    assert drifts == {str(desk.people["ann"]): (10, -2.4, True), str(desk.people["bob"]): (10, 0, False)}
    assert sorted(told["ratings"].values()) == [16, 16]


async def test_answers_come_in_by_risk_at_random_and_by_opinion_masked_and_not_to_who_asked(desk: Desk) -> None:
    house = desk.house
    await desk.make("ann", "bob", name="answers", feedback="disliked")
    calm = [await recorded(house, f"calm {number}?") for number in range(4)]
    await recorded(house, "refused, mail kim@example.com?", refused=True)
    assert (await desk.ask("owner", "POST", f"{QUEUES}/answers/samples", {"count": 3, "risk_share": 0.67}))[1] == {"items": 3, "left_out": 0}
    assert (await desk.ask("owner", "POST", f"{QUEUES}/answers/samples", {"count": 9, "risk_share": 0}))[1]["items"] == 2, "nothing comes in twice"
    opened = await desk.items("open")
    assert sorted(item["reasons"] for item in opened) == [[], [], [], [], ["refused"]]
    assert "kim@example.com" not in json.dumps(opened)
    liked, disliked = await recorded(house, "liked?"), await recorded(house, "disliked?")
    asked = replace(house, people={**house.people, "ann": desk.people["ann"]})
    own = await recorded(asked, "mine?", who="ann")
    platform = house.platform
    for request, person, opinion in ((liked, "visitor", Opinion("up")), (disliked, "visitor", Opinion("down")), (own, "ann", Opinion("down"))):
        async with platform.database.tenant_tx(house.tenant_id) as connection:
            await give_feedback(
                connection, platform.keyring, house.tenant_id, request, opinion, person_id=asked.people[person], api_key_id=None, now=house.clock()
            )
    ann = await desk.rate_all("ann", 3)
    assert (len(ann), "disliked?" in ann, "liked?" in ann, "mine?" in ann) == (len(calm) + 2, True, False, False)
    assert "mine?" in await desk.rate_all("bob", 3)
    assert {tuple(item["reasons"]) for item in await desk.items("agreed")} == {(), ("refused",), ("feedback", "disliked")}


async def test_what_is_agreed_is_put_up_for_a_golden_set(desk: Desk) -> None:
    request_id = await recorded(desk.house, "when am I paid back?")
    await desk.make("ann", "bob")
    await desk.put(UPLOADS[0])
    await desk.ask("owner", "POST", f"{QUEUES}/answers/samples", {"count": 5})
    await desk.rate_all("ann", 3)
    await desk.rate_all("bob", 3, correction="Within 7 days.")
    await desk.ask("owner", "POST", "/golden-sets", {"name": "support"})
    assert (await desk.ask("owner", "POST", f"{QUEUES}/answers/golden", {"golden": "support"}))[1] == {"proposals": 1}
    [proposal] = (await desk.ask("owner", "GET", "/golden-sets/support/proposals"))[1]["proposals"]
    assert (proposal["request"], proposal["item"]["expected"], proposal["reasons"]) == (str(request_id), ["Within 7 days."], ["reviewed"])


async def test_what_a_person_asked_goes_and_so_do_the_words_of_who_judged(desk: Desk) -> None:
    await recorded(desk.house, "mine?")
    await desk.make("ann", "bob", quorum=1)
    await desk.put(UPLOADS[0])
    await desk.ask("owner", "POST", f"{QUEUES}/answers/samples", {"count": 5})
    await desk.rate_all("ann", 3, comment="said ann")
    platform = desk.house.platform
    for login in ("visitor", "ann"):
        erasure = await erase_subject(platform.knowledge, desk.house.tenant_id, login)
        assert (await carry_out(erasure_room(platform), desk.house.tenant_id, erasure.id)).state == "proved"
    [left] = await desk.items("agreed")
    assert (left["turns"][-1]["text"], left["ratings"][0]["comment"], left["decided"]["clarity"]) == ("question 0?", "", 3)
    with psycopg.connect(platform.database.addresses.owner, options="-c search_path=ondol") as owner:
        assert owner.execute("select count(*) from review_ratings").fetchall() == [(1,)]
        assert owner.execute("select person_id from review_raters").fetchall() == [(desk.people["bob"],)]


async def test_who_may_not_and_mistakes_are_refused(desk: Desk) -> None:
    await desk.make("ann", scales=["clarity"])
    assert await desk.ask("owner", "POST", QUEUES, {"name": "answers", "guideline": "x"}) == (409, "queue_exists")
    assert await desk.ask("owner", "POST", QUEUES, {"name": "other", "guideline": "x", "raters": [str(uuid.uuid4())]}) == (404, "person_not_found")
    for method, path, body in (("POST", QUEUES, {}), ("GET", f"{QUEUES}/answers", None), ("POST", f"{QUEUES}/answers/samples", {})):
        assert await desk.ask("ann", method, path, body) == (403, "role_required")
    assert await desk.ask("bob", "POST", f"{MINE}/answers/next") == (404, "queue_not_found"), "who is no rater does not learn of it"
    assert await desk.ask("foreigner", "GET", f"{QUEUES}/answers") == (404, "queue_not_found")
    for wrong in (
        {"question": "x"},
        {"answer": "x"},
        {"question": "x", "answer": "y", "gold": {"clarity": 6}},
        {"question": "x", "answer": "y", "z": 1},
    ):
        assert (await desk.ask("owner", "POST", f"{QUEUES}/answers/items", {"items": [wrong]}))[0] == 400
    await desk.put(UPLOADS[0])
    item = (await desk.take("ann") or {})["id"]
    span = {"start": 0, "end": 6, "label": "x"}
    mistakes: tuple[tuple[dict[str, int | None], dict[str, Any]], ...] = (
        ({"clarity": 6}, {}), ({"tone": 3}, {}), ({"clarity": None}, {}), ({"clarity": 3}, {"spans": [{**span, "end": 99}]}),
        ({"clarity": 3}, {"spans": [{**span, "start": 6}]}), ({"clarity": True}, {}),
    )  # fmt: skip
    for points, note in mistakes:
        assert (await desk.rate("ann", item, points, **note))[0] == 400, (points, note)
    assert (await desk.ask("owner", "PATCH", f"{QUEUES}/answers", {"guideline": "Be fairer."}))[0] == 200
    assert (await desk.take("ann") or {})["guideline_version"] == 2
    assert (await desk.ask("owner", "PATCH", f"{QUEUES}/answers", {"open": False}))[0] == 200
    assert await desk.ask("ann", "POST", f"{MINE}/answers/next") == (409, "queue_closed")
    assert await desk.rate("ann", item, {"clarity": 3}) == (409, "queue_closed")
    await desk.ask("owner", "PATCH", f"{QUEUES}/answers", {"open": True, "remove": [str(desk.people["ann"])]})
    assert await desk.rate("ann", item, {"clarity": 3}) == (404, "queue_not_found")

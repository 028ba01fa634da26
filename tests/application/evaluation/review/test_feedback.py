"""What people thought of answers comes into the review queues whose rule asks for it, and into no others."""

from __future__ import annotations

import pytest

from ondol.application.evaluation.review.filling import FEEDBACK_AT_ONCE_MAX
from ondol.application.evaluation.review.store import add_queue, change_queue, find_queue, items_page, list_queues
from ondol.application.evaluation.review.types import FeedbackRule
from ondol.infrastructure.gateway.records.feedback import Opinion, give_feedback
from ondol.wiring import reviews
from ondol.wiring.reviews import take_all_feedback
from tests.application.conftest import House
from tests.application.evaluation.people import recorded

pytestmark = pytest.mark.anyio


async def made(house: House, name: str, feedback: FeedbackRule) -> None:
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await add_queue(
            connection, house.platform.keyring, house.tenant_id, name, guideline="Be fair.", feedback=feedback, by=None, now=house.clock()
        )


async def thought(house: House, question: str, opinion: Opinion) -> None:
    request_id = await recorded(house, question)
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await give_feedback(
            connection, house.platform.keyring, house.tenant_id, request_id, opinion, person_id=house.people["visitor"], api_key_id=None,
            now=house.clock(),
        )  # fmt: skip


async def test_each_queue_has_what_its_rule_asks_for_and_once(house: House) -> None:
    for name, rule in (("none", "none"), ("disliked", "disliked"), ("every", "all"), ("closed", "all")):
        await made(house, name, rule)  # type: ignore[arg-type]
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        closed = await find_queue(connection, "closed")
        await change_queue(connection, house.tenant_id, closed, is_open=False, by=None, now=house.clock())
    await recorded(house, "nobody said anything?")
    await thought(house, "liked?", Opinion("up"))
    await thought(house, "call 010-2345-6789?", Opinion("down"))
    await thought(house, "few points?", Opinion(score=10))
    assert await take_all_feedback(house.platform) == 5
    assert await take_all_feedback(house.platform) == 0
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        counts = {queue.name: states.get("open", 0) for queue, states, _ in await list_queues(connection)}
        items = await items_page(connection, house.platform.keyring, await find_queue(connection, "disliked"), ["open"])
    assert counts == {"none": 0, "disliked": 2, "every": 3, "closed": 0}
    assert {item.reasons for item in items} == {("feedback", "disliked")}
    assert not any("2345" in item.judged.turns[-1].text for item in items)


async def test_more_than_a_portion_comes_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await made(house, "every", "all")
    for number in range(FEEDBACK_AT_ONCE_MAX + 3):
        await thought(house, f"question {number}?", Opinion("up"))
    monkeypatch.setattr(reviews, "ROUNDS_MAX", 1)
    assert await take_all_feedback(house.platform) == FEEDBACK_AT_ONCE_MAX
    assert await take_all_feedback(house.platform) == 3


async def test_where_no_queue_has_a_rule_the_guard_is_not_opened(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviews, "open_guard", None)
    await made(house, "none", "none")
    assert await take_all_feedback(house.platform) == 0

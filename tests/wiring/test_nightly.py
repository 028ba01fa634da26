"""Plans of nights: what a suite must be for it, over the API, each tenant for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ondol.application.evaluation.golden.change import Change, put_version
from ondol.application.evaluation.golden.plain import item_of
from ondol.application.evaluation.golden.store import add_set
from ondol.application.evaluation.suites import SuiteError
from ondol.core.errors import RequestError
from ondol.wiring.nightly import run_night, suite_of_plan
from tests.application.assistant.conftest import Desk, desk
from tests.application.callers import Callers, callers_of
from tests.application.conftest import house

__all__ = ["desk", "house"]

pytestmark = pytest.mark.anyio

SUITE = """
card: {name: help-nightly, owner: care@example.com, purpose: Answers of the help desk., risk: limited, users: customers, success: {}}
target: {assistant: desk}
cases: {golden: help@1}
scorers: [{name: correct, type: contains_all}]
gate: {primary: [{metric: correct, margin: 0.05}], coverage: 0.9}
"""
PATH = "/evaluation/nightly"
WRONG = {
    "cases": ("{golden: help@1}", "[{id: a, question: Who}]", "cases"),
    "target": ("{assistant: desk}", "{route: small}", "target"),
    "gate": ("primary: [{metric: correct, margin: 0.05}], ", "", "gate.primary"),
    "version": ("help@1", "help@one", "cases.golden"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_a_suite_that_could_not_be_asked_each_night_is_refused(case: str) -> None:
    before, after, param = WRONG[case]
    with pytest.raises(RequestError) as refusal:
        suite_of_plan(SUITE.replace(before, after))
    assert refusal.value.param == param


def test_a_suite_names_no_file_of_this_machine() -> None:
    with pytest.raises(SuiteError):
        suite_of_plan(SUITE.replace("{golden: help@1}", "{file: cases.jsonl}"))


@pytest.fixture
async def ask(desk: Desk) -> AsyncIterator[Callers]:
    async with callers_of(desk.house) as asked:
        yield asked


async def golden(desk: Desk) -> None:
    item = {"id": "hours", "question": "When does the help line answer?", "expected": "09:00", "language": "en", "asker": "visitor"}
    house = desk.house
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        made = await add_set(connection, house.tenant_id, "help", split="test", owner_id=house.people["support"], by=None, now=house.clock())
        change = Change(items=[item_of(item)])
        await put_version(connection, house.platform.keyring, house.tenant_id, made, change, by=house.people["support"], now=house.clock())


async def test_a_plan_is_set_shown_and_dropped_and_a_night_is_told(ask: Callers, desk: Desk) -> None:
    await golden(desk)
    body = {"suite": SUITE, "login": "visitor", "at": "18:01", "policy": "rollback"}
    plan = {"assistant": "desk", "suite": "help-nightly", "at": "18:01", "policy": "rollback", "next": "2026-11-21T09:01:00Z"}
    assert await ask("owner", "PUT", f"{PATH}/desk", body) == (200, plan)
    assert await ask("auditor", "GET", PATH) == (200, {"plans": [plan]})
    look = await run_night(desk.house.platform, await _tenant(desk), desk.assistant.id)
    assert look.outcome == "failed"  # nothing serves yet
    assert look.alarm_at is not None
    nights = (await ask("auditor", "GET", f"{PATH}/desk?limit=1"))[1]
    assert [(night["outcome"], night["reason"], night["run"]) for night in nights["nights"]] == [
        ("failed", "The assistant has no release called live.", None)
    ]
    assert await ask("owner", "DELETE", f"{PATH}/desk") == (200, {"dropped": True})
    assert await ask("owner", "DELETE", f"{PATH}/desk") == (404, "no_nightly_plan")


async def test_who_may_not_and_mistakes_are_refused(ask: Callers, desk: Desk) -> None:
    await golden(desk)
    body = {"suite": SUITE, "login": "visitor"}
    assert await ask("auditor", "PUT", f"{PATH}/desk", body) == (403, "role_required")
    assert await ask("auditor", "DELETE", f"{PATH}/desk") == (403, "role_required")
    assert (await ask("foreigner", "PUT", f"{PATH}/desk", body))[0] == 404
    assert await ask("foreigner", "GET", PATH) == (200, {"plans": []})
    assert (await ask("foreigner", "GET", f"{PATH}/desk"))[0] == 404
    assert (await ask("owner", "PUT", f"{PATH}/other", body))[0] == 404
    for wrong in ({"login": "nobody"}, {"suite": SUITE.replace("help@1", "help@7")}, {"suite": SUITE.replace("help@1", "none@1")}):
        assert (await ask("owner", "PUT", f"{PATH}/desk", {**body, **wrong}))[0] == 404, wrong
    wrongs: list[dict[str, object]] = [{"at": "24:00"}, {"policy": "pray"}, {"suite": ""}, {"suite": "a: ["}, {"more": 1}]
    for each in wrongs:
        assert (await ask("owner", "PUT", f"{PATH}/desk", {**body, **each}))[0] == 400, each


async def _tenant(desk: Desk) -> Any:
    from ondol.infrastructure.access.people import find_tenant

    return await find_tenant(desk.house.platform.database, "acme")

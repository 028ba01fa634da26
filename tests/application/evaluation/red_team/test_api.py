"""The red team over the admin API: attacks are priced, begun, carried out by the worker and told by group; nightly plans begin them by themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ondol.application.evaluation.red_team.plans import due_plans, list_plans
from ondol.wiring.red_team import begin_due_attacks
from tests.application.evaluation.queue.test_queue import CAP, Inside, Office, inside, office, worker

__all__ = ["inside", "office"]

pytestmark = pytest.mark.anyio
PATH = "/evaluation/red-team"
ATTACK: dict[str, Any] = {"route": "m", "categories": ["jailbreak"], "languages": ["ko", "en"], "mutators": ["plain"], "limit": 4, **CAP}


async def test_attacks_are_priced_begun_and_told_by_group(office: Office) -> None:
    arsenal = await office.did("auditor", "GET", f"{PATH}/scenarios")
    assert {"jailbreak", "extraction"} <= set(arsenal["categories"])
    assert {"plain", "base64"} <= set(arsenal["mutators"])
    assert all(one["hits"] is None or one["found"] <= one["hits"] for one in arsenal["detectors"])
    before = await office.did("owner", "POST", f"{PATH}/runs/estimate", ATTACK)
    assert (before["suite"], before["cases"], before["cap"]) == ("red-team m", 4, "1")
    assert list(office.up.requests) == []
    runs = []
    async with worker(office):
        for _ in range(2):
            begun = await office.did("owner", "POST", f"{PATH}/runs", ATTACK)
            runs.append(begun["id"])
            assert (await office.until(begun["id"], lambda run: run["state"] not in ("waiting", "running")))["state"] == "finished"
    told = await office.did("auditor", "GET", f"{PATH}/runs/{runs[0]}")
    assert [group["group"] for group in told["groups"]] == ["jailbreak", "all"]
    assert told["groups"][-1]["judged"] == 4
    assert told["groups"][-1]["told"]["value"] == len(told["groups"][-1]["got_through"]) / 4
    by_language = await office.did("auditor", "GET", f"{PATH}/runs/{runs[0]}?by=language")
    assert {group["group"] for group in by_language["groups"]} <= {"ko", "en", "all"}
    same = await office.did("auditor", "GET", f"{PATH}/runs/{runs[1]}/changes?baseline={runs[0]}")
    assert (same["pairs"], same["difference"]["value"], same["is_worse"], same["newly"]) == (4, 0.0, False, [])


WRONG: dict[str, tuple[dict[str, Any], int, tuple[str, str | None]]] = {
    "nothing": ({**ATTACK, "route": None}, 400, ("bad_attack", "assistant")),
    "both": ({**ATTACK, "assistant": "help"}, 400, ("bad_attack", "assistant")),
    "a mutator": ({**ATTACK, "mutators": ["shouting"]}, 400, ("bad_attack", "mutators")),
    "no cap": ({**ATTACK, "cost": None}, 400, ("cap_needed", "cost")),
    "an absent model": ({**ATTACK, "route": "absent"}, 404, ("model_not_found", "model")),
    "an absent assistant": ({**ATTACK, "route": None, "assistant": "absent"}, 404, ("model_not_found", "model")),
}


@pytest.mark.parametrize("case", sorted(WRONG))
async def test_what_cannot_be_attacked_is_refused(office: Office, case: str) -> None:
    body, status, told = WRONG[case]
    assert await office.ask("owner", "POST", f"{PATH}/runs", body) == (status, told)
    assert await office.ask("auditor", "POST", f"{PATH}/runs", body) == (403, ("role_required", None))


async def test_a_plan_is_set_shown_begun_in_its_night_and_dropped(office: Office, inside: Inside) -> None:
    await office.tenancy.declare(bases=["docs"], assistants=[{"name": "help", "base": "docs"}])
    async with inside.ground.at_once():
        pass
    plan = {"categories": ["jailbreak"], "languages": ["ko"], "mutators": ["plain"], "limit": 3, "at": "02:30"}
    put = await office.did("owner", "PUT", f"{PATH}/plans/help", plan)
    assert (put["assistant"], put["at"], put["limit"], put["cost"]) == ("help", "02:30", 3, None)
    assert await office.did("auditor", "GET", f"{PATH}/plans") == {"plans": [put]}
    platform = office.tenancy.ground.platform
    async with office.tenancy.change() as connection:
        [kept] = await list_plans(connection)
        await connection.execute("update red_team_plans set next_at = %s", (platform.clock() - timedelta(minutes=1),))
    assert (office.tenancy.id, kept.assistant_id) in await due_plans(platform.database, platform.clock())
    [begun] = await begin_due_attacks(platform)
    assert await begin_due_attacks(platform) == [], "a night is taken once"
    run = (await office.did("owner", "GET", f"/evaluation/runs/{begun}"))["run"]
    assert (run["suite"], run["state"], run["queued"], run["total"]) == ("red-team help", "waiting", True, 3)
    assert (await office.did("auditor", "GET", f"{PATH}/plans"))["plans"][0]["next"] == put["next"]
    assert await office.ask("auditor", "DELETE", f"{PATH}/plans/help") == (403, ("role_required", None))
    assert await office.did("owner", "DELETE", f"{PATH}/plans/help") == {"dropped": True}
    assert await office.ask("owner", "DELETE", f"{PATH}/plans/help") == (404, ("no_red_team_plan", None))

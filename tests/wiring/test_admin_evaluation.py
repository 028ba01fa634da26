"""Runs and suites over the admin API: figures for readers, content for whoever it was asked as."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

import pytest

from ondol.application.evaluation.runs import Kept, Metric, RunDigests, add_run
from ondol.application.evaluation.runs.store import put_results
from ondol.application.evaluation.types import Answer, CaseResult, Score, Turn
from ondol.infrastructure.access.people import find_person, find_tenant
from tests.wiring.test_admin import Api, api

__all__ = ["api"]

pytestmark = pytest.mark.anyio

DIGESTS = RunDigests(
    suite="aa" * 32, data="bb" * 32, data_name="x", target="cc" * 32, target_name="assistant/help", identity={}, judges={}, code="dd" * 32,
    code_version="0", environment="ee" * 32,
)  # fmt: skip
RIGHT = Metric(name="right", type="exact_match", unit="share", better="higher", is_hard_zero=False, version="1")
SUITE: dict[str, Any] = {
    "card": {"name": "s", "owner": "o", "purpose": "p", "risk": "limited", "users": "u", "success": {"right": 0.5}},
    "target": {"route": "m"},
    "cases": [{"question": "x", "expected": ["y"]}],
    "scorers": [{"name": "right", "type": "exact_match"}],
}


async def run(api: Api, *askers: str | None, slug: str = "acme", suite: str = "s", right: Collection[int] = (0,)) -> str:
    """A run with a result for each asker, asked in that name; those at the places `right` are right."""
    platform, now = api.platform, api.platform.clock()
    tenant = await find_tenant(platform.database, slug)
    kept = []
    async with platform.database.tenant_tx(tenant.id) as connection:
        run_id = await add_run(
            connection, platform.keyring, tenant.id, suite_name=suite, suite={}, state="running", cases=len(askers), repeats=1, digests=DIGESTS,
            metrics=[RIGHT], by=None, now=now,
        )  # fmt: skip
        for place, login in enumerate(askers):
            person = await find_person(connection, platform.keyring, tenant.id, login) if login else None
            scores = {"right": Score(value=float(place in right), reason="a secret reason")}
            answer = Answer(text="a secret answer", latency_ms=2.0)
            result = CaseResult(case_id=f"c{place}", repeat=0, cluster=f"c{place}", slices={"kind": "k"}, answer=answer, scores=scores)
            kept.append(Kept(place=place, result=result, turns=(Turn("user", "q"),), person_id=person.id if person else None))
        await put_results(connection, platform.keyring, tenant.id, run_id, kept, now)
    return str(run_id)


async def test_runs_and_suites_are_listed_and_read(api: Api) -> None:
    first, second = await run(api, None, None), await run(api, None)
    _, page = await api.ask("owner", "GET", "/evaluation/runs?limit=1")
    assert ([item["id"] for item in page["runs"]], page["next"]) == ([second], second)
    _, rest = await api.ask("owner", "GET", f"/evaluation/runs?limit=1&before={page['next']}&suite=s")
    assert ([(item["id"], item["done"], item["total"]) for item in rest["runs"]], rest["next"]) == ([(first, 2, 2)], None)
    _, read = await api.ask("auditor", "GET", f"/evaluation/runs/{first}?slice=kind")
    [metric] = read["metrics"]
    assert (metric["value"], metric["n_ok"], metric["n_total"], read["digests"]["target_name"]) == (0.5, 2, 2, "assistant/help")
    assert [(part["slice"], part["value"], part["metrics"][0]["value"]) for part in read["slices"]] == [("kind", "k", 0.5)]
    assert read["slice_names"] == ["kind"]
    _, suites = await api.ask("owner", "GET", "/evaluation/suites")
    assert [(item["name"], item["last_run"]) for item in suites["suites"]] == [("s", second)]


async def test_content_is_told_to_whoever_it_was_asked_as(api: Api) -> None:
    run_id = await run(api, "owner", "member", None)
    _, page = await api.ask("owner", "GET", f"/evaluation/runs/{run_id}/results")
    assert [(item["withheld"], item["answer"], item["question"]) for item in page["results"]] == [
        (False, "a secret answer", "q"),
        (True, None, None),
        (False, "a secret answer", "q"),
    ]
    assert page["results"][1]["scores"] == {"right": {"value": 0.0, "status": "ok", "reason": None}}
    assert "secret" not in str(page["results"][1])
    _, first = await api.ask("owner", "GET", f"/evaluation/runs/{run_id}/results?limit=2")
    _, last = await api.ask("owner", "GET", f"/evaluation/runs/{run_id}/results?limit=2&after={first['next']}")
    assert ([item["place"] for item in first["results"]], [item["place"] for item in last["results"]], last["next"]) == ([0, 1], [2], None)


async def test_a_run_is_deleted_by_those_who_may(api: Api) -> None:
    run_id = await run(api, None)
    assert (await api.ask("auditor", "DELETE", f"/evaluation/runs/{run_id}"))[0] == 403
    assert (await api.ask("member", "GET", f"/evaluation/runs/{run_id}"))[0] == 403
    assert await api.ask("owner", "DELETE", f"/evaluation/runs/{run_id}") == (200, {"deleted": True})
    for path in (f"/evaluation/runs/{run_id}", f"/evaluation/runs/{run_id}/results", f"/evaluation/runs/{uuid.uuid4()}"):
        assert (await api.ask("owner", "GET", path))[0] == 404


async def test_a_suite_is_checked(api: Api) -> None:
    status, told = await api.ask("owner", "POST", "/evaluation/suites/check", {"suite": SUITE})
    assert (status, told["target"], told["cases"], told["scorers"]) == (200, "route/m", 1, ["right"])
    changes: list[dict[str, Any]] = [
        {"repeat": 3},
        {"cases": {"file": "/etc/passwd"}},
        {"scorers": [{"name": "right", "type": "exact_mach"}]},
        {"cases": []},
        {"target": {"python": "x:y"}, "limits": {"cost": "5 EUR"}},
    ]
    for change in changes:
        assert await api.ask("owner", "POST", "/evaluation/suites/check", {"suite": {**SUITE, **change}}) == (400, "invalid_suite"), change

"""Two runs side by side over the admin API."""

from __future__ import annotations

import uuid

import pytest

from tests.wiring.test_admin import Api, api
from tests.wiring.test_admin_evaluation import run

__all__ = ["api"]

pytestmark = pytest.mark.anyio


async def test_two_runs_are_compared_case_by_case_and_content_stays_with_whoever_it_was_asked_as(api: Api) -> None:
    before, after = await run(api, "member", None, None), await run(api, "member", None, None, right=(1, 2))
    _, told = await api.ask("auditor", "GET", f"/evaluation/runs/{after}/compare?baseline={before}")
    [metric] = told["metrics"]
    assert (told["metric"], metric["baseline"], metric["candidate"], metric["pairs"]) == ("right", 1 / 3, 2 / 3, 3)
    assert (metric["won"], metric["lost"], metric["tied"]) == (2, 1, 0)
    assert [(one["difference"], one["candidate"]["withheld"], one["candidate"]["answer"]) for one in told["cases"]] == [
        (-1.0, True, None),
        (1.0, False, "a secret answer"),
        (1.0, False, "a secret answer"),
    ]
    _, told = await api.ask("auditor", "GET", f"/evaluation/runs/{after}/compare?baseline={before}&limit=1&metric=right")
    assert (len(told["cases"]), told["slices"], told["slice_names"]) == (1, [], ["kind"])
    _, told = await api.ask("auditor", "GET", f"/evaluation/runs/{after}/compare?baseline={before}&slice=kind&slice=absent")
    [part] = told["slices"]
    assert (part["slice"], part["value"], part["compared"]["pairs"]) == ("kind", "k", 3)
    assert part["compared"]["difference"] == metric["difference"] and part["compared"]["p_adjusted"] is not None


async def test_what_cannot_be_compared_is_refused(api: Api) -> None:
    first, other, foreign = await run(api, None), await run(api, None, suite="other"), await run(api, None, slug="other")
    path = f"/evaluation/runs/{first}/compare"
    assert await api.ask("owner", "GET", f"{path}?baseline={other}") == (400, "other_suite")
    assert await api.ask("owner", "GET", f"{path}?baseline={foreign}") == (404, "run_not_found")
    assert await api.ask("owner", "GET", f"{path}?baseline={uuid.uuid4()}") == (404, "run_not_found")
    assert await api.ask("owner", "GET", f"{path}?baseline={first}&metric=absent") == (404, "metric_not_found")
    assert (await api.ask("owner", "GET", path))[0] == 400
    assert await api.ask("member", "GET", f"{path}?baseline={first}") == (403, "role_required")

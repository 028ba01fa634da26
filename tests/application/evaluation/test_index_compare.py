"""Two versions of an index before a golden set, over the admin API."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ondol.application.evaluation.index_compare import measured
from ondol.application.evaluation.types import Case, Turn
from ondol.application.knowledge.index_versions import care_for_versions
from tests.application.knowledge.test_api import Api, api

__all__ = ["api"]

pytestmark = pytest.mark.anyio
ITEMS = [
    {"id": "lamp", "question": "Which colour is the lamp?", "documents": ["lamp"]},
    {"id": "crane", "question": "How much does the crane lift?", "documents": ["crane"]},
    {"id": "closed", "question": "What does the vault hold?", "documents": ["vault"]},
    {"id": "unknown", "question": "Anything else?"},
]


async def golden(api: Api, name: str = "harbour", **more: Any) -> None:
    await api.did("POST", "/evaluation/golden-sets", {"name": name, **more})
    await api.did("POST", f"/evaluation/golden-sets/{name}/versions", {"items": ITEMS})


async def filled(api: Api) -> None:
    """Three documents, of which one is closed to the owner, and a second version that is cut otherwise and lacks nothing."""
    house = api.house
    house.write("lamp.md", "# Lamp\n\nThe lamp of the harbour is green.\n")
    house.write("crane.md", "# Crane\n\nThe crane lifts ninety tonnes.\n")
    house.write("vault.md", "---\nclass: restricted\n---\n# Vault\n\nThe vault holds the lamp's spare glass.\n")
    await house.ingest()
    await api.did("POST", "/bases/base/index/versions", {"passage_chars": 120, "passage_chars_max": 240})
    await care_for_versions(house.platform.knowledge, house.tenant_id)


async def test_versions_are_compared_by_what_answers_within_the_asker_s_rights(api: Api) -> None:
    await filled(api)
    await golden(api)
    told = await api.did("POST", "/bases/base/index/compare", {"second": "2", "golden": "harbour"})
    assert (told["first"], told["second"], told["asked"], told["left_out"], told["next"]) == (1, 2, 3, 1, None)
    by_name = {metric["metric"]: metric for metric in told["metrics"]}
    assert set(by_name) == {"retrieval.recall", "retrieval.mrr", "retrieval.ndcg"}
    # Two of three are found by both; what only others may read is found by neither.
    assert by_name["retrieval.recall"]["first"] == by_name["retrieval.recall"]["second"] == pytest.approx(2 / 3)
    assert (by_name["retrieval.recall"]["difference"], told["changed"]) == (0, [])
    assert by_name["retrieval.recall"]["low"] <= 0 <= by_name["retrieval.recall"]["high"]
    part = await api.did("POST", "/bases/base/index/compare", {"second": "2", "golden": "harbour", "start": 1, "items": 1})
    assert (part["asked"], part["next"]) == (1, 2)
    assert (await api.did("GET", "/bases/base/index/versions"))["versions"][0]["state"] == "ready", "a comparison let a version serve"


def test_a_version_that_finds_less_is_seen_in_every_figure() -> None:
    cases = [Case(id=name, turns=(Turn("user", "?"),), facts={"documents": [name]}) for name in ("lamp", "crane")]
    recall, first, ranking = measured(cases, [(["lamp", "crane"], ["crane", "lamp"]), (["crane"], ["lamp"])])
    assert (recall.baseline, recall.candidate, recall.difference) == (1.0, 0.5, -0.5)
    # 1 and 1 before; 1/2 and nothing after.
    assert (first.baseline, first.candidate) == (1.0, 0.25)
    assert ranking.candidate == pytest.approx((1 / math.log2(3) + 0) / 2)
    assert (recall.won, recall.lost, recall.tied, recall.pairs) == (0, 1, 1, 2)


async def test_who_may_not_and_what_is_wrong(api: Api) -> None:
    await filled(api)
    await golden(api, "secret", split="hidden")
    asked = {"second": "2", "golden": "secret"}
    assert await api.ask("member", "POST", "/bases/base/index/compare", asked) == (403, "role_required")
    assert await api.ask("auditor", "POST", "/bases/base/index/compare", asked) == (403, "golden_hidden")
    assert (await api.ask("owner", "POST", "/bases/base/index/compare", asked))[0] == 200
    assert await api.ask("owner", "POST", "/bases/base/index/compare", {**asked, "second": "9"}) == (404, "index_version_not_found")
    assert await api.ask("owner", "POST", "/bases/base/index/compare", {**asked, "items": 101}) == (400, "invalid_request")
    assert await api.ask("owner", "POST", "/bases/absent/index/compare", asked) == (404, "base_not_found")


async def test_what_is_kept_and_what_served_before_is_told(api: Api) -> None:
    await filled(api)
    assert (
        await api.did("GET", "/bases/base/index/keep") == {"versions": 3, "days": None}
        or (await api.did("GET", "/bases/base/index/keep"))["versions"] >= 1
    )
    await api.did("PUT", "/bases/base/index/keep", {"versions": 5, "days": 7})
    assert await api.did("GET", "/bases/base/index/keep") == {"versions": 5, "days": 7}
    assert await api.ask("member", "GET", "/bases/base/index/keep") == (403, "role_required")
    await api.did("POST", "/bases/base/index/versions/2/activate")
    listed = (await api.did("GET", "/bases/base/index/versions"))["versions"]
    assert [(one["number"], one["previous"], one["missing"]) for one in listed] == [(2, False, None), (1, True, None)]
    await api.did("POST", "/bases/base/index/versions", {"passage_chars": 200})
    listed = (await api.did("GET", "/bases/base/index/versions"))["versions"]
    assert [(one["number"], one["missing"]) for one in listed if one["state"] == "building"] == [(3, 3)]

"""Prompts over the admin API: who may, what comes back, and each tenant for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.application.callers import Callers, callers_of
from tests.application.conftest import House

pytestmark = pytest.mark.anyio

BODY = {"texts": {"en": {"role": "you help $who", "constraints": ["be brief"]}}, "variables": {"who": "line"}}


@pytest.fixture
async def ask(house: House) -> AsyncIterator[Callers]:
    async with callers_of(house) as asked:
        yield asked


async def test_a_prompt_is_set_shown_labelled_and_compared(ask: Callers) -> None:
    status, kept = await ask("owner", "PUT", "/prompts/support", BODY)
    assert (status, kept["version"], kept["new"]) == (200, 1, True)
    assert (await ask("owner", "PUT", "/prompts/support", BODY))[1]["new"] is False
    assert (await ask("owner", "PUT", "/prompts/support", {"texts": {"ko": {"role": "짧게"}}}))[1]["version"] == 2
    assert (await ask("owner", "PUT", "/prompts/support/labels/good", {"version": "1"}))[1] == {"version": 1, "changed": True}
    shown = (await ask("auditor", "GET", "/prompts/support?version=good"))[1]
    assert (shown["prompt"], shown["digest"]) == ({**BODY, "texts": BODY["texts"]}, kept["digest"])
    assert "+  ko:" in (await ask("auditor", "GET", "/prompts/support/diff?first=good"))[1]["diff"]
    listed = (await ask("auditor", "GET", "/prompts"))[1]
    assert ([(item["version"], item["labels"]) for item in listed["prompts"]], listed["built_in"]) == ([(2, []), (1, ["good"])], ["assistant"])


async def test_who_may_not_and_mistakes_are_refused(ask: Callers) -> None:
    await ask("owner", "PUT", "/prompts/support", BODY)
    for method, path, body in (("PUT", "/prompts/support", BODY), ("PUT", "/prompts/support/labels/good", {"version": "1"})):
        assert await ask("auditor", method, path, body) == (403, "role_required")
    for path in ("/prompts", "/prompts/support", "/prompts/support/diff?first=1"):
        assert await ask("member", "GET", path) == (403, "role_required")
    assert await ask("foreigner", "GET", "/prompts/support") == (404, "prompt_not_found")
    assert (await ask("foreigner", "GET", "/prompts"))[1]["prompts"] == []
    assert await ask("owner", "GET", "/prompts/support?version=9") == (404, "prompt_not_found")
    assert await ask("owner", "PUT", "/prompts/support", {"texts": {"en": {"role": "$nobody"}}}) == (400, "invalid_prompt")
    assert (await ask("owner", "PUT", "/prompts/support", {"texts": {}}))[0] == 400
    assert (await ask("owner", "PUT", "/prompts/Support", BODY))[0] == 400
    assert await ask("owner", "PUT", "/prompts/support/labels/builtin", {"version": "1"}) == (400, "bad_label")

"""Searching over the admin API: stage by stage, as somebody else without their secrets, and the passages of a document."""

from __future__ import annotations

from typing import Any

import pytest

from tests.application.knowledge.documents.conftest import DOCUMENTS, Api

pytestmark = pytest.mark.anyio
SEARCH = "/bases/base/search"


async def asked(api: Api, who: str, query: str) -> tuple[int, Any]:
    return await api.ask(who, "GET", f"{SEARCH}?{query}")


async def test_what_is_found_stands_at_its_place_in_each_stage(api: Api) -> None:
    await api.put(b"# Beacon\n\nThe beacon is white.", f"{DOCUMENTS}?file=a.md&key=en/beacon")
    await api.put(b"# Boats\n\nBoats see the beacon from afar, and the harbour too.", f"{DOCUMENTS}?file=b.md&key=en/boats")
    status, found = await asked(api, "editor", "question=white%20beacon&limit=5")
    assert status == 200
    assert [(hit["place"], hit["key"], hit["class"]) for hit in found["hits"]] == [(1, "en/beacon", "public"), (2, "en/boats", "public")]
    assert found["hits"][0]["text"].endswith("The beacon is white.")
    [full_text] = found["stages"]
    assert (full_text["name"], full_text["degraded"]) == ("full_text", "")
    assert [place["hit"] for place in full_text["ranked"]] == [1, 2]
    assert "beacon" in found["terms"]


async def test_another_persons_search_shows_nothing_that_the_caller_may_not_read(api: Api) -> None:
    await api.put(b"# Beacon\n\nThe beacon is white.", f"{DOCUMENTS}?file=a.md&key=en/beacon")
    await api.put(b"# Secret beacon\n\nThe secret beacon is red.", f"{DOCUMENTS}?file=b.md&key=en/secret&group=support")
    status, as_support = await asked(api, "auditor", "question=beacon&as=support")
    assert status == 200
    assert ([hit["key"] for hit in as_support["hits"]], as_support["withheld"], as_support["stages"]) == (["en/beacon"], 1, [])
    assert "secret" not in str(as_support["hits"])
    _, as_visitor = await asked(api, "auditor", "question=beacon&as=visitor")
    assert ([hit["key"] for hit in as_visitor["hits"]], as_visitor["withheld"]) == (["en/beacon"], 0)


async def test_who_may_search_and_in_whose_name(api: Api) -> None:
    assert await asked(api, "member", "question=x") == (403, "role_required")
    assert await asked(api, "editor", "question=x&as=visitor") == (403, "role_required")
    assert (await asked(api, "owner", "question=x&as=nobody"))[0] == 404
    assert (await asked(api, "owner", "question="))[0] == 400
    assert (await asked(api, "stranger", "question=x"))[0] == 404


async def test_passages_are_told_as_they_were_cut_to_those_who_may_read_them(api: Api) -> None:
    text = "# Harbour\n\n" + "\n\n".join(f"## Pier {number}\n\n" + f"Pier {number} takes boats. " * 40 for number in range(6))
    taken = await api.put(text.encode(), f"{DOCUMENTS}?file=a.md")
    path = f"{DOCUMENTS}/{taken['document']}/passages"
    status, first = await api.ask("editor", "GET", f"{path}?limit=2")
    assert (status, [one["ordinal"] for one in first["passages"]], first["next"]) == (200, [0, 1], 1)
    _, second = await api.ask("editor", "GET", f"{path}?after=1&limit=100")
    assert second["next"] is None
    told = first["passages"] + second["passages"]
    assert [one["ordinal"] for one in told] == list(range(len(told)))
    assert any(one["headings"][-1:] == ["Pier 3"] for one in told)
    assert await api.ask("member", "GET", path) == (403, "role_required")
    assert (await api.ask("editor", "PUT", f"{DOCUMENTS}/{taken['document']}/access", {"groups": ["support"]}))[0] == 200
    assert await api.ask("editor", "GET", path) == (404, "document_not_found")

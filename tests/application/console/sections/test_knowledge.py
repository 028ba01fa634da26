"""Knowledge bases in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
ID = "0190f0c0-0000-7000-8000-000000000003"
DOCUMENT = {
    "id": ID, "key": "en/<i>beacon</i>", "title": "Beacon & <b>boats</b>", "file": "a.md", "state": "current", "class": "internal",
    "groups": ["support"], "people": [], "access": None, "set_by_hand": False, "version": 3, "version_id": ID, "language": "en",
    "media_type": "text/markdown", "bytes": 2048, "passages": 2, "origin": "upload",
    "valid_from": None, "valid_until": None, "created_at": "2026-11-01T15:30:00Z",
}  # fmt: skip
PASSAGES = {
    "document": ID,
    "passages": [{"ordinal": 0, "headings": ["<u>"], "page": 2, "start": 0, "end": 5, "text": "<script>x</script>"}],
    "next": None,
}
HIT = {
    "place": 1, "document": ID, "document_version": ID, "title": "Beacon", "key": "k", "passage": 0, "headings": [], "class": "public", "score": 1.5,
    "coverage": 0.5, "text": "The beacon is white.",
}  # fmt: skip


def tell(fakes: Any) -> None:
    fakes.replies["GET", "/bases/base/documents"] = (200, {"documents": [DOCUMENT], "next": ID})
    fakes.replies["GET", f"/bases/base/documents/{ID}"] = (200, DOCUMENT)
    fakes.replies["GET", f"/bases/base/documents/{ID}/passages"] = (200, PASSAGES)


async def test_documents_are_listed_with_hostile_titles_as_text(fakes: Any) -> None:
    tell(fakes)
    browser = await visitor(fakes, "editor")
    page = (await browser.get("/knowledge/base?state=nonsense")).text
    assert "Beacon &amp; &lt;b&gt;boats&lt;/b&gt;" in page
    assert 'data-base="base"' in page
    assert fakes.asked[-1].query == (("state", "current"), ("limit", "100"))
    auditor = await visitor(fakes, "auditor")
    assert "data-base" not in (await auditor.get("/knowledge/base")).text, "who may not write gets no place to drop files"


async def test_passages_are_shown_as_text(fakes: Any) -> None:
    tell(fakes)
    browser = await visitor(fakes, "editor")
    page = (await browser.get(f"/knowledge/base/documents/{ID}")).text
    assert "&lt;script&gt;x&lt;/script&gt;" in page and "<script>x" not in page


async def test_readers_are_set(fakes: Any) -> None:
    tell(fakes)
    fakes.replies["PUT", f"/bases/base/documents/{ID}/access"] = (200, {"document": ID, "version": ID, "changed": True})
    browser = await visitor(fakes, "editor")
    token = act_token((await browser.get(f"/knowledge/base/documents/{ID}")).text)
    form = {"form_token": token, "class": "restricted", "groups": "support, , sales", "access": " level <= 2 "}
    answer = await browser.post(f"/knowledge/base/documents/{ID}/access", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/knowledge/base/documents/{ID}?done=restricted")
    sent = next(asked for asked in fakes.asked if asked.method == "PUT")
    assert json.loads(sent.body) == {"groups": ["support", "sales"], "class": "restricted", "access": "level <= 2"}
    del fakes.replies["GET", f"/bases/base/documents/{ID}"]
    closed = await browser.post(f"/knowledge/base/documents/{ID}/access", data=form)
    assert closed.headers["location"] == "/knowledge/base?done=restricted", "who closed it to themselves goes to the list"


async def test_a_search_shows_the_rank_of_each_stage(fakes: Any) -> None:
    stages = [{"name": "full_text", "ranked": [{"place": 4, "hit": 1, "score": 1.0}, {"place": 5, "hit": None, "score": 0.5}], "degraded": ""}]
    found = {"base": "base", "asked_as": "", "index_version": ID, "hits": [HIT], "withheld": 2, "stages": stages, "terms": {"beacon": 1.0}}
    fakes.replies["GET", "/bases/base/search"] = (200, found)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/knowledge/base/search?question=beacon&as=visitor&lang=en")).text
    assert "Full text 4" in page and "2 of their hits are not shown" in page
    assert dict(fakes.asked[-1].query) == {"question": "beacon", "as": "visitor", "limit": "10"}
    fakes.replies["GET", "/bases/base/search"] = (404, {"error": {"code": "person_not_found", "message": "There is nobody so.", "param": "as"}})
    refused = await browser.get("/knowledge/base/search?question=beacon&as=nobody")
    assert refused.status_code == 404 and "There is nobody so." in refused.text and 'value="beacon"' in refused.text


async def test_a_path_in_a_name_stays_a_name(fakes: Any) -> None:
    browser = await visitor(fakes, "owner")
    await browser.get("/knowledge/%2e%2e%2fkeys")
    assert all("/keys" not in asked.path.replace("%2Fkeys", "") for asked in fakes.asked)

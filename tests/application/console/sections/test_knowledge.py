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
    fakes.replies["GET", "/bases"] = (200, {"bases": [{"name": "base"}, {"name": "other"}]})
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


VERSION: dict[str, Any] = {
    "number": 2, "id": ID, "state": "ready", "tags": [], "passage_chars": 300, "passage_chars_max": 600, "analyser": "a1", "embedder": None,
    "dimensions": None, "passages": 7, "vectors": 0, "segments": 1, "created_at": "2026-11-01T15:30:00Z", "built_at": "2026-11-01T15:31:00Z",
    "activated_at": None, "keep_until": "2026-11-08T15:31:00Z", "failure": "", "previous": False, "missing": None,
}  # fmt: skip
SERVES = {**VERSION, "number": 1, "state": "active", "passage_chars": 600, "passage_chars_max": 1200, "keep_until": None}
COMPARED: dict[str, Any] = {
    "first": 1, "second": 2, "asked": 40, "left_out": 3, "next": 43,
    "metrics": [{"metric": "retrieval.recall", "first": 0.9, "second": 0.95, "difference": 0.05, "low": -0.01, "high": 0.11}],
    "changed": [{"id": "q1", "question": "<b>Where?</b>", "first": None, "second": 2}],
}  # fmt: skip


def tell_versions(fakes: Any, *versions: dict[str, Any]) -> None:
    fakes.replies["GET", "/bases/base/index/versions"] = (200, {"versions": list(versions)})
    fakes.replies["GET", "/bases/base/index/keep"] = (200, {"versions": 3, "days": None})
    fakes.replies["GET", "/evaluation/golden-sets"] = (200, {"sets": [{"name": "refunds", "version": 1}, {"name": "empty", "version": None}]})


async def test_letting_a_version_serve_names_what_changes(fakes: Any) -> None:
    retired = {**VERSION, "number": 3, "state": "retired", "previous": True, "passage_chars": 600, "passage_chars_max": 1200}
    tell_versions(fakes, {**VERSION, "number": 4, "state": "building", "missing": 12}, retired, VERSION, SERVES)
    browser = await visitor(fakes, "owner")
    page = (await browser.get("/knowledge/base/index?lang=en")).text
    assert "Characters wanted 600 → 300; At most 1200 → 600" in page
    assert "Version 3 serves again." in page and "Its settings are the same" in page
    assert "12 documents to go" in page and "Retired" in page and "9 Nov 2026" in page
    assert 'value="empty"' not in page, "a set without a version cannot be asked"
    auditor = await visitor(fakes, "auditor")
    seen = (await auditor.get("/knowledge/base/index?lang=en")).text
    assert "/activate" not in seen and "/drop" not in seen and "Compare two versions" in seen


async def test_two_versions_are_compared_on_a_golden_set(fakes: Any) -> None:
    tell_versions(fakes, VERSION, SERVES)
    fakes.replies["POST", "/bases/base/index/compare"] = (200, COMPARED)
    browser = await visitor(fakes, "owner")
    page = (await browser.get("/knowledge/base/index/compare?first=1&second=2&golden=refunds&start=0&lang=en")).text
    assert json.loads(fakes.asked[-1].body) == {"first": "1", "second": "2", "golden": "refunds", "start": 0}
    assert "90.0%" in page and "-1.0% – 11.0%" in page and "&lt;b&gt;Where?&lt;/b&gt;" in page and "absent" in page
    assert "<del>600</del>" in page and "<ins>300</ins>" in page and "start=43" in page
    assert "/knowledge/base/index/2/activate" in page
    fakes.replies["POST", "/bases/base/index/compare"] = (403, {"error": {"code": "golden_hidden", "message": "It is hidden.", "param": None}})
    refused = await browser.get("/knowledge/base/index/compare?first=1&second=2&golden=secret")
    assert refused.status_code == 403 and "It is hidden." in refused.text


async def test_what_is_kept_tagged_and_given_up_goes_to_the_api(fakes: Any) -> None:
    tell_versions(fakes, VERSION, SERVES)
    fakes.replies["PUT", "/bases/base/index/keep"] = (200, {"changed": True})
    fakes.replies["PUT", "/bases/base/index/tags/good"] = (200, {"changed": True})
    fakes.replies["DELETE", "/bases/base/index/versions/2"] = (200, {"changed": True})
    browser = await visitor(fakes, "owner")
    token = act_token((await browser.get("/knowledge/base/index")).text)
    for path, fields, done, sent in (
        ("keep", {"versions": "5", "days": ""}, "kept", {"versions": 5, "days": None}),
        ("tag", {"version": "2", "name": " good "}, "tagged", {"version": "2"}),
        ("2/drop", {}, "dropped", None),
    ):
        answer = await browser.post(f"/knowledge/base/index/{path}", data={"form_token": token, **fields})
        assert answer.headers["location"] == f"/knowledge/base/index?done={done}"
        assert (json.loads(fakes.asked[-1].body) if sent else None) == sent


async def test_a_document_is_moved_to_where_it_then_stands(fakes: Any) -> None:
    tell(fakes)
    moved = "0190f0c0-0000-7000-8000-000000000009"
    fakes.replies["POST", f"/bases/base/documents/{ID}/move"] = (200, {"document": moved, "version": ID, "changed": True})
    browser = await visitor(fakes, "editor")
    token = act_token((await browser.get(f"/knowledge/base/documents/{ID}")).text)
    answer = await browser.post(f"/knowledge/base/documents/{ID}/move", data={"form_token": token, "base": "other", "key": ""})
    assert answer.headers["location"] == f"/knowledge/other/documents/{moved}?done=moved"
    assert json.loads(fakes.asked[-1].body) == {"base": "other"}

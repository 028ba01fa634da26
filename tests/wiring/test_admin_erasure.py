"""Erasures by the admin API: who may ask for them, what they answer, and that one tenant sees nothing of another's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.infrastructure.access.people import find_tenant
from ondol.infrastructure.ledger.erasure import carry_out
from ondol.wiring.erasure import erasure_room
from tests.wiring.test_admin import Api
from tests.wiring.test_admin import api as admin_api

pytestmark = pytest.mark.anyio
api = admin_api


@pytest.fixture
async def filled(api: Api, tmp_path: Path) -> AsyncIterator[Api]:
    """A base with one document."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "light.md").write_text("---\nid: light\n---\n# Lighthouse\n\nThe lighthouse opens with the word Sesame.\n")
    tenant = await find_tenant(api.platform.database, "acme")
    await ingest_folder(api.platform.knowledge, tenant.id, "base", folder, IngestOptions(), lambda done, total: None)
    yield api
    api.platform.lance.close()


async def test_a_document_is_erased_shown_and_verified(filled: Api) -> None:
    wish = {"base": "base", "document": "light", "reason": "ticket-4711"}
    status, hidden = await filled.ask("owner", "POST", "/erasures/documents", wish)
    assert (status, hidden["state"], hidden["reason"], hidden["receipt"]) == (200, "hidden", "ticket-4711", None)
    place = f"/erasures/{hidden['id']}"
    assert await filled.ask("auditor", "POST", f"{place}/verify") == (409, "erasure_not_proved")
    tenant = await find_tenant(filled.platform.database, "acme")
    await carry_out(erasure_room(filled.platform), tenant.id, UUID(hidden["id"]))
    status, proved = await filled.ask("auditor", "GET", place)
    assert (status, proved["state"], proved["receipt"]["target"]) == (200, "proved", hidden["target"])
    assert {step["name"] for step in proved["steps"] if step["before"]} == {"index", "blobs", "documents", "key"}
    assert (await filled.ask("auditor", "POST", f"{place}/verify"))[1]["holds"] is True
    status, listed = await filled.ask("auditor", "GET", "/erasures?limit=1")
    assert [(item["id"], item["receipt"]) for item in listed["erasures"]] == [(hidden["id"], None)]
    assert await filled.ask("owner", "POST", "/erasures/documents", {**wish, "document": "light"}) == (404, "document_not_found")


async def test_what_would_go_is_counted_and_nothing_goes_by_it(filled: Api) -> None:
    wish = {"base": "base", "document": "light"}
    status, outlook = await filled.ask("owner", "POST", "/erasures/documents/preview", wish)
    assert (status, outlook["kind"], outlook["documents"]) == (200, "document", 0)
    counted = {store["name"]: store["found"] for store in outlook["stores"]}
    assert {name for name, found in counted.items() if found} == {"index", "blobs", "documents", "key"}
    _, person = await filled.ask("owner", "POST", "/erasures/subjects/preview", {"login": "member"})
    assert {store["name"]: store["found"] for store in person["stores"]}["person"] > 0
    assert (await filled.ask("owner", "GET", "/erasures"))[1] == {"erasures": []}
    assert (await filled.ask("member", "GET", "/assistants"))[0] == 200, "the person was shut out by a look"
    tenant = await find_tenant(filled.platform.database, "acme")
    _, hidden = await filled.ask("owner", "POST", "/erasures/documents", wish)
    assert hidden["target"] == outlook["target"]
    await carry_out(erasure_room(filled.platform), tenant.id, UUID(hidden["id"]))
    _, proved = await filled.ask("owner", "GET", f"/erasures/{hidden['id']}")
    assert {step["name"]: step["found"] for step in proved["receipt"]["stores"]} == counted, "the look and the erasure found another count"


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "expected"),
    [
        ("member", "POST", "/erasures/documents", {"base": "base", "document": "light"}, (403, "role_required")),
        ("auditor", "POST", "/erasures/documents", {"base": "base", "document": "light"}, (403, "role_required")),
        ("auditor", "POST", "/erasures/subjects", {"login": "member"}, (403, "role_required")),
        ("auditor", "POST", "/erasures/documents/preview", {"base": "base", "document": "light"}, (403, "role_required")),
        ("member", "POST", "/erasures/subjects/preview", {"login": "member"}, (403, "role_required")),
        ("other owner", "POST", "/erasures/documents/preview", {"base": "base", "document": "light"}, (404, "base_not_found")),
        ("other owner", "POST", "/erasures/subjects/preview", {"login": "member"}, (404, "person_not_found")),
        ("owner", "POST", "/erasures/subjects/preview", {"login": "member", "identifiers": ["x"]}, (400, "bad_identifier")),
        ("member", "GET", "/erasures", None, (403, "role_required")),
        ("nobody", "GET", "/erasures", None, (401, "invalid_api_key")),
        ("other owner", "POST", "/erasures/documents", {"base": "base", "document": "light"}, (404, "base_not_found")),
        ("other owner", "POST", "/erasures/subjects", {"login": "member"}, (404, "person_not_found")),
        ("owner", "POST", "/erasures/documents", {"base": "base", "document": "light", "reason": "he asked"}, (400, "bad_reason")),
        ("owner", "POST", "/erasures/documents", {"base": "base"}, (400, "invalid_request")),
        ("owner", "POST", "/erasures/subjects", {"login": "member", "identifiers": ["x"]}, (400, "bad_identifier")),
        ("owner", "GET", "/erasures/01920000-0000-7000-8000-000000000000", None, (404, "erasure_not_found")),
    ],
)
async def test_who_may_not_and_what_is_wrong(filled: Api, who: str, method: str, path: str, body: object, expected: tuple[int, str]) -> None:
    status, code = await filled.ask(who, method, path, body)
    assert (status, code) == expected
    assert (await filled.ask("owner", "GET", "/erasures"))[1] == {"erasures": []}


async def test_nothing_is_told_of_another_tenants_erasure(filled: Api) -> None:
    _, hidden = await filled.ask("owner", "POST", "/erasures/documents", {"base": "base", "document": "light"})
    for method, path in (("GET", f"/erasures/{hidden['id']}"), ("POST", f"/erasures/{hidden['id']}/verify")):
        assert await filled.ask("other owner", method, path) == (404, "erasure_not_found")
    assert (await filled.ask("other owner", "GET", "/erasures"))[1] == {"erasures": []}

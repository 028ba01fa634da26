"""Index versions over the admin API: who may, what comes of it, and that the job worker does what is long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from ondol.application.knowledge.index_versions import care_for_versions
from ondol.infrastructure.access.keys import KeyDirectory, create_key
from ondol.infrastructure.access.people import NewPerson, add_person
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.storage.postgres import rows
from ondol.wiring.admin import admin_application
from tests.application.conftest import House
from tests.application.knowledge.meanings import DIMENSIONS, embedder
from tests.infrastructure.gateway.server.wire import running
from tests.infrastructure.guard.words import word_checks

pytestmark = pytest.mark.anyio


@dataclass
class Api:
    """The API over a house, and a key for an owner, an auditor and a member."""

    house: House
    client: httpx.AsyncClient
    texts: dict[str, str]

    async def ask(self, who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = await self.client.request(method, f"/api/v1{path}", json=body, headers={"authorization": f"Bearer {self.texts[who]}"})
        told = answer.json()
        return answer.status_code, told["error"]["code"] if "error" in told else told

    async def did(self, method: str, path: str, body: object = None) -> Any:
        status, told = await self.ask("owner", method, path, body)
        assert status == 200, told
        return told

    async def states(self) -> list[tuple[int, str, list[str], int]]:
        listed = await self.did("GET", "/bases/base/index/versions")
        return [(item["number"], item["state"], item["tags"], item["passage_chars"]) for item in listed["versions"]]


@pytest.fixture
async def api(house: House) -> AsyncIterator[Api]:
    platform, texts = house.platform, {}
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        for login, role in (("owner", "owner"), ("auditor", "auditor"), ("member", "member")):
            person = await add_person(connection, platform.keyring, house.tenant_id, NewPerson(login, login, roles=frozenset({role})), house.clock())  # type: ignore[arg-type]
            texts[login] = (await create_key(connection, house.tenant_id, person.id, "key", house.clock()))[1].text
    keys, policies = KeyDirectory(platform.database, house.clock), PolicyDirectory(platform.database, platform.keyring, checks=word_checks)
    await keys.refresh()
    async with (
        running(admin_application(platform, keys, policies)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client,
    ):
        yield Api(house, client, texts)


async def test_a_version_is_built_served_rolled_back_tagged_and_given_up(api: Api) -> None:
    house = api.house
    house.write("a.md", "# Alpha\n\n" + "The beacon is white. " * 60)
    await house.ingest()
    made = await api.did("POST", "/bases/base/index/versions", {"passage_chars": 100})
    assert (made["number"], made["state"], made["passage_chars"], made["passage_chars_max"]) == (2, "building", 100, 200)
    assert await api.ask("owner", "POST", "/bases/base/index/versions/2/activate") == (409, "index_not_ready")
    assert await care_for_versions(house.platform.knowledge, house.tenant_id) == 1
    assert await api.states() == [(2, "ready", [], 100), (1, "active", [], 600)]
    await api.did("PUT", "/bases/base/index/tags/short", {"version": "2"})
    assert (await api.did("POST", "/bases/base/index/versions/short/activate"))["state"] == "active"
    assert max(len(item.text) for item in (await house.search("beacon")).evidence) <= 200
    assert (await api.did("POST", "/bases/base/index/rollback"))["number"] == 1
    assert max(len(item.text) for item in (await house.search("beacon")).evidence) > 200
    assert await api.ask("owner", "DELETE", "/bases/base/index/versions/active") == (409, "index_serves")
    await api.did("PUT", "/bases/base/index/keep", {"versions": 1, "days": 7})
    await api.did("DELETE", "/bases/base/index/tags/short")
    await api.did("DELETE", "/bases/base/index/versions/2")
    assert await api.states() == [(1, "active", [], 600)]
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        kinds = [row["kind"] for row in await rows(connection, "select kind from ledger_events where kind like 'index.%%' order by id", {})]
    assert kinds[3:] == [
        "index.started", "index.built", "index.tagged", "index.activated", "index.rolled_back", "index.kept", "index.untagged", "index.dropped",
    ]  # fmt: skip


async def test_a_rebuild_is_left_to_the_job_worker_and_replaces_everything(api: Api) -> None:
    api.house.write("a.md", "# Alpha\n\nThe beacon is white.")
    await api.house.ingest()
    assert (await api.did("POST", "/bases/base/index/rebuild"))["state"] == "building"
    assert await care_for_versions(api.house.platform.knowledge, api.house.tenant_id) == 1
    assert await api.states() == [(2, "active", [], 600)]
    assert await api.house.titles("beacon") == ["Alpha"]


async def test_a_version_with_vectors_is_built_and_the_base_tuned(api: Api) -> None:
    house = api.house
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    async with embedder(house):
        made = await api.did("POST", "/bases/base/index/versions", {"embedder": "meanings", "activate": True})
        assert (made["embedder"], made["dimensions"], made["vectors"]) == ("meanings", DIMENSIONS, 0)
        assert await care_for_versions(house.platform.knowledge, house.tenant_id) == 1
        listed = (await api.did("GET", "/bases/base/index/versions"))["versions"]
        assert [(item["embedder"], item["vectors"]) for item in listed] == [("meanings", 1), (None, 0)]
        assert await house.titles("beacon") == ["Alpha"]
        assert await api.ask("owner", "POST", "/bases/base/index/versions", {"embedder": "absent"}) == (404, "model_not_found")
        assert await api.ask("owner", "POST", "/bases/base/index/versions", {"query_prefix": "q: "}) == (400, "bad_embedder")
    default = {"fusion": "ranks", "rank_constant": 60, "vector_weight": 0.5, "depth": 100}
    shown = await api.did("GET", "/bases/base/index/retrieval")
    assert {name: shown[name] for name in default} == default
    assert await api.ask("owner", "PUT", "/bases/base/index/retrieval", {"reranker": "absent"}) == (404, "model_not_found")
    await api.did("PUT", "/bases/base/index/retrieval", {"fusion": "scores", "vector_weight": 0.25})
    shown = await api.did("GET", "/bases/base/index/retrieval")
    assert {name: shown[name] for name in default} == {**default, "fusion": "scores", "vector_weight": 0.25}


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("GET", "/bases/absent/index/versions", None, (404, "base_not_found")),
        ("POST", "/bases/base/index/versions/9/activate", None, (404, "index_version_not_found")),
        ("POST", "/bases/base/index/rollback", None, (409, "no_previous_version")),
        ("POST", "/bases/base/index/versions", {"passage_chars": 49}, (400, "invalid_request")),
        ("POST", "/bases/base/index/versions", {"passage_chars": 500, "passage_chars_max": 100}, (400, "bad_passage_size")),
        ("POST", "/bases/base/index/versions", {"size": 1}, (400, "invalid_request")),
        ("PUT", "/bases/base/index/tags/active", {"version": "1"}, (400, "bad_tag")),
        ("PUT", "/bases/base/index/tags/7", {"version": "1"}, (400, "bad_tag")),
        ("GET", "/bases/absent/index/retrieval", None, (404, "base_not_found")),
        ("PUT", "/bases/base/index/retrieval", {"vector_weight": 1.5}, (400, "invalid_request")),
        ("PUT", "/bases/base/index/retrieval", {"depth": 1001}, (400, "invalid_request")),
        ("DELETE", "/bases/base/index/tags/nobody", None, (404, "tag_not_found")),
        ("PUT", "/bases/base/index/keep", {"versions": 0}, (400, "invalid_request")),
    ],
)
async def test_a_mistake_is_told(api: Api, method: str, path: str, body: object, told: tuple[int, str]) -> None:
    await api.house.ingest()
    assert await api.ask("owner", method, path, body) == told


async def test_auditors_read_and_members_do_not(api: Api) -> None:
    await api.house.ingest()
    assert (await api.ask("auditor", "GET", "/bases/base/index/versions"))[0] == 200
    assert await api.ask("auditor", "POST", "/bases/base/index/rebuild") == (403, "role_required")
    assert await api.ask("member", "GET", "/bases/base/index/versions") == (403, "role_required")

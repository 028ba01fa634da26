"""A base to which documents come one by one."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.application.knowledge import store
from ondol.application.knowledge.content import documents_prefix
from ondol.application.knowledge.documents import Changed, Document, Told, find_document, page_of_documents, put_file
from ondol.application.knowledge.documents.taking import take_in
from ondol.application.knowledge.frontmatter import document_key_hash
from ondol.core.ids import new_id
from ondol.infrastructure.access.keys import KeyDirectory, create_key
from ondol.infrastructure.access.people import NewPerson, add_person, find_person, find_tenant
from ondol.infrastructure.gateway.server import Handler
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.storage.postgres import rows
from ondol.wiring.admin import admin_application
from tests.application.conftest import House
from tests.infrastructure.gateway.server.wire import running
from tests.infrastructure.guard.words import word_checks


@dataclass
class Desk:
    """Shorthands for one person's, or the installation's, work on the documents of a house."""

    house: House
    bases: Mapping[str, uuid.UUID]

    @property
    def base_id(self) -> uuid.UUID:
        return self.bases["base"]

    async def put(self, text: str, name: str = "a.md", *, who: str | None = None, base: str = "base", **told: Any) -> Changed:
        """Take a file in."""
        house = self.house
        person_id = None if who is None else house.people[who]
        said = Told(name, **told)
        return await put_file(house.platform.knowledge, house.tenant_id, self.bases[base], said, text.encode(), person_id=person_id)

    async def find(self, key: str, *, who: str | None = None, base: str = "base") -> Document | None:
        """The document of a key, as somebody sees it."""
        room, tenant_id = self.house.platform.knowledge, self.house.tenant_id
        key_hash = document_key_hash(room.tenant_key(tenant_id, "knowledge"), key)
        person_id = None if who is None else self.house.people[who]
        async with room.database.tenant_tx(tenant_id) as connection:
            return await find_document(room, connection, tenant_id, self.bases[base], person_id, key_hash=key_hash)

    async def keys(self, *, who: str | None = None, state: Any = "current", base: str = "base", limit: int = 100) -> list[str]:
        """The keys of all pages of the list, in order."""
        room, tenant_id = self.house.platform.knowledge, self.house.tenant_id
        person_id = None if who is None else self.house.people[who]
        keys: list[str] = []
        after = None
        while True:
            async with room.database.tenant_tx(tenant_id) as connection:
                found, after = await page_of_documents(
                    room, connection, tenant_id, self.bases[base], person_id, state=state, after=after, limit=limit
                )
            assert len(found) <= limit
            keys += [document.details.key for document in found]
            if after is None:
                return keys

    async def events(self) -> list[str]:
        """What the ledger tells of documents."""
        async with self.house.platform.database.tenant_tx(self.house.tenant_id) as connection:
            found = await rows(connection, "select kind from ledger_events where kind like 'document.%%' order by id", {})
        return [row["kind"].removeprefix("document.") for row in found]


@pytest.fixture
async def desk(house: House) -> Desk:
    """Two empty bases."""
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        bases = {name: (await store.ensure_base(connection, house.tenant_id, name, new_id(), house.clock())).id for name in ("base", "other")}
    return Desk(house, bases)


DOCUMENTS = "/bases/base/documents"
FOREIGN = "version: 1\ntenants: [{slug: foreign, people: [{login: owner, roles: [owner]}]}]"


@dataclass
class Api:
    """The API over a house; `texts` holds a key for each person."""

    house: House
    client: httpx.AsyncClient
    port: int
    handler: Handler
    texts: dict[str, str]

    async def ask(self, who: str, method: str, path: str, body: object = None, *, content: Any = None, key: str | None = None) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.texts[who]}"} | ({"idempotency-key": key} if key else {})
        answer = await self.client.request(method, f"/api/v1{path}", json=body, content=content, headers=headers)
        told = answer.json()
        return answer.status_code, told["error"]["code"] if "error" in told else told

    async def send(self, content: Any, path: str = f"{DOCUMENTS}?file=a.md", *, who: str = "editor", method: str = "POST", **key: Any) -> str:
        status, told = await self.ask(who, method, path, content=content, **key)
        assert status == 202, told
        return str(told["upload"])

    async def state(self, upload: str, *, who: str = "editor", base: str = "base") -> dict[str, Any]:
        status, told = await self.ask(who, "GET", f"/bases/{base}/uploads/{upload}")
        assert status == 200, told
        return dict(told)

    async def put(self, content: bytes, path: str = f"{DOCUMENTS}?file=a.md", **how: Any) -> dict[str, Any]:
        """Send a file and take it in as the job worker does."""
        upload = await self.send(content, path, **how)
        await take_in(self.house.platform.knowledge, self.house.tenant_id, uuid.UUID(upload))
        return await self.state(upload)

    async def keys(self, who: str = "editor", query: str = "") -> list[str]:
        status, told = await self.ask(who, "GET", f"{DOCUMENTS}{query}")
        assert status == 200, told
        return [document["key"] for document in told["documents"]]

    def sealed(self) -> tuple[set[str], int]:
        """Blobs and keys of documents and uploads."""
        keyring, tenant_id = self.house.platform.keyring, self.house.tenant_id
        owners = sum(owner.kind == "document" for owner in keyring.list_owners(tenant_id))
        return set(self.house.platform.blobs.list(documents_prefix(tenant_id))), owners

    async def events(self, kind: str) -> list[dict[str, Any]]:
        async with self.house.platform.database.tenant_tx(self.house.tenant_id) as connection:
            return await rows(connection, "select kind, actor_id, body from ledger_events where kind like %(kind)s order by id", {"kind": kind})


@pytest.fixture
async def api(house: House) -> AsyncIterator[Api]:
    platform, texts = house.platform, {}
    await apply_declaration(
        platform.declaration_room, parse_declaration("version: 1\ntenants: [{slug: foreign, people: [{login: owner, roles: [owner]}]}]")
    )
    foreign = await find_tenant(platform.database, "foreign")
    async with platform.database.tenant_tx(foreign.id) as connection:
        stranger = await find_person(connection, platform.keyring, foreign.id, "owner")
        texts["stranger"] = (await create_key(connection, foreign.id, stranger.id, "key", house.clock()))[1].text
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        for role in ("owner", "editor", "auditor", "member"):
            new = NewPerson(role, role, roles=frozenset({role}))
            person = await add_person(connection, platform.keyring, house.tenant_id, new, house.clock())
            texts[role] = (await create_key(connection, house.tenant_id, person.id, "key", house.clock()))[1].text
            texts[f"{role} again"] = (await create_key(connection, house.tenant_id, person.id, "key", house.clock()))[1].text
    keys, policies = KeyDirectory(platform.database, house.clock), PolicyDirectory(platform.database, platform.keyring, checks=word_checks)
    await keys.refresh()
    handler = admin_application(platform, keys, policies)
    async with (
        running(handler) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client,
    ):
        api = Api(house, client, server.port, handler, texts)
        assert (await api.ask("owner", "PUT", "/bases/base"))[0] == 200
        yield api

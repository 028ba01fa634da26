"""A base to which documents come one by one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from ondol.application.knowledge import store
from ondol.application.knowledge.documents import Changed, Document, Told, find_document, page_of_documents, put_file
from ondol.application.knowledge.frontmatter import document_key_hash
from ondol.core.ids import new_id
from ondol.infrastructure.storage.postgres import rows
from tests.application.conftest import House


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

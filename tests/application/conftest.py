"""A whole platform in a temporary folder, on a fresh database of the shared server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.application.knowledge.ingest import IngestOptions, IngestReport, ingest_folder
from ondol.application.knowledge.search import Found, IndexStates, search
from ondol.application.knowledge.store import find_base
from ondol.core.config import Settings
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.infrastructure.storage.folder import open_folder
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.platform import Platform, build_platform

PEOPLE = """
version: 1
tenants:
  - slug: acme
    groups:
      - {name: support}
      - {name: security}
      - {name: staff, members: [support, security]}
    people:
      - {login: visitor, kind: service}
      - {login: support, clearance: internal, groups: [support]}
      - {login: security, clearance: restricted, groups: [security]}
"""


@dataclass
class SteppedClock:
    """A clock that stands still until a test moves it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 21, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class House:
    """A platform with one tenant, its people, and shorthands for taking files in and searching."""

    platform: Platform
    clock: SteppedClock
    tenant_id: uuid.UUID
    people: Mapping[str, uuid.UUID]
    folder: Path
    states: IndexStates = field(default_factory=IndexStates)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the folder that `ingest` takes in."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    async def ingest(self, *, base: str = "base", prune: bool = False, wait_s: float = 10.0, **options: object) -> IngestReport:
        """Take the folder in."""
        chosen = IngestOptions(prune=prune, **options)  # type: ignore[arg-type]
        return await ingest_folder(self.platform.knowledge, self.tenant_id, base, self.folder, chosen, lambda done, total: None, wait_s=wait_s)

    async def search(self, question: str, *, who: str = "visitor", base: str = "base", limit: int = 10) -> Found:
        """Search as one of the people."""
        async with self.platform.database.tenant_tx(self.tenant_id) as connection:
            found = await find_base(connection, base)
        return await search(self.platform.knowledge, self.states, self.tenant_id, self.people[who], found.id, question, limit=limit)

    async def titles(self, question: str, *, who: str = "visitor") -> list[str]:
        """The titles of what a search finds, best first."""
        return [item.version.details.title for item in (await self.search(question, who=who)).evidence]


@pytest.fixture
async def house(addresses: DatabaseAddresses, tmp_path: Path, anyio_backend: str) -> AsyncIterator[House]:
    """A house with people in three circles."""
    clock = SteppedClock()
    platform = build_platform(Settings(data_dir=tmp_path / "data"), open_folder(tmp_path / "data"), addresses, clock)
    await apply_declaration(platform.declaration_room, parse_declaration(PEOPLE))
    tenant = await find_tenant(platform.database, "acme")
    async with platform.database.tenant_tx(tenant.id) as connection:
        people = {login: (await find_person(connection, platform.keyring, tenant.id, login)).id for login in ("visitor", "support", "security")}
    folder = tmp_path / "files"
    folder.mkdir()
    yield House(platform, clock, tenant.id, people, folder)
    await platform.close()

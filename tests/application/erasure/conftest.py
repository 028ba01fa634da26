"""A house in which things are erased, and an outsider's look at what is left of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ondol.application.assistant.answer import AssistantRoom, answer
from ondol.application.assistant.store import put_assistant
from ondol.application.erasure import erase_document
from ondol.application.knowledge.search import IndexStates
from ondol.application.knowledge.store import find_base
from ondol.core.ids import new_id
from ondol.infrastructure.ledger.erasure import Erasure, carry_out
from ondol.infrastructure.serving.types import ChatRequest, Message
from ondol.wiring.erasure import erasure_room
from tests.application.conftest import House


@dataclass
class Office:
    """Whoever erases."""

    house: House

    async def ask(self, question: str, who: str = "visitor") -> uuid.UUID:
        """Have a question answered from the base; the id of request and answer."""
        platform = self.house.platform
        async with platform.database.tenant_tx(self.house.tenant_id) as connection:
            base = await find_base(connection, "base")
            assistant = await put_assistant(connection, self.house.tenant_id, new_id(), "desk", base.id, {}, platform.clock())
        request = ChatRequest(new_id(), assistant.model, (Message("user", question),))
        room = AssistantRoom(platform.knowledge, IndexStates(), None, lambda tenant_id: "ACME")
        async for _ in answer(room, self.house.tenant_id, self.house.people[who], assistant, request):
            pass
        return request.id

    async def hide(self, name: str) -> Erasure:
        """Ask for the erasure of a document."""
        return await erase_document(self.house.platform.knowledge, self.house.tenant_id, "base", name)

    async def prove(self, erasure: Erasure) -> Erasure:
        """Carry an erasure out."""
        return await carry_out(erasure_room(self.house.platform), self.house.tenant_id, erasure.id)

    async def erase(self, name: str) -> Erasure:
        """Erase a document."""
        return await self.prove(await self.hide(name))

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What the owner of the database sees, over all tenants."""
        with psycopg.connect(self.house.platform.database.addresses.owner, options="-c search_path=ondol") as owner:
            return owner.execute(query, parameters).fetchall()

    def write(self, statement: str, *parameters: object) -> None:
        """Write as the owner of the database."""
        with psycopg.connect(self.house.platform.database.addresses.owner, options="-c search_path=ondol") as owner:
            owner.execute(statement, parameters)

    def files(self, *parts: str) -> set[Path]:
        """All files of the stores whose path holds these texts."""
        return {path for path in self.house.platform.folder.root.rglob("*") if path.is_file() and all(part in str(path) for part in parts)}


@pytest.fixture
def office(house: House) -> Office:
    """An office in an empty house."""
    return Office(house)

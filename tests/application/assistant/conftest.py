"""Assistants over the documents of a house."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from ondol.application.assistant.answer import AssistantRoom, Generator, answer
from ondol.application.assistant.cache import AnswerCache
from ondol.application.assistant.quoting import Inspect
from ondol.application.assistant.store import get_answer, put_assistant
from ondol.application.assistant.threads import Screen
from ondol.application.assistant.types import Assistant
from ondol.application.knowledge.search import IndexStates
from ondol.application.knowledge.store import find_base
from ondol.core.ids import new_id
from ondol.infrastructure.serving.chat_model import ChatModel
from ondol.infrastructure.serving.scripted import ScriptedModel
from ondol.infrastructure.serving.types import ChatEvent, ChatRequest, Finish, Message, TextDelta, ThreadPlace
from ondol.wiring.platform import opened_router
from tests.application.conftest import House


@dataclass(frozen=True)
class Told:
    """What an answer said."""

    request: ChatRequest
    events: list[ChatEvent]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def finish(self) -> Finish:
        [finish] = [event for event in self.events if isinstance(event, Finish)]
        return finish

    @property
    def titles(self) -> list[str]:
        return [source["title"] for source in self.finish.extension["sources"]]


@dataclass
class Desk:
    """An assistant that can be asked."""

    house: House
    assistant: Assistant
    generator: Generator | None = None
    inspect: Inspect = tuple
    screen: Screen = tuple
    shown_of: Callable[[str], str] = str
    cache: AnswerCache | None = None
    policies: Sequence[bytes] | None = None

    async def ask(self, question: str, *earlier: Message, who: str = "visitor", thread: ThreadPlace | None = None, **more: Any) -> Told:
        room = AssistantRoom(self.house.platform.knowledge, IndexStates(), self.generator, lambda tenant_id: "ACME", cache=self.cache)
        request = ChatRequest(new_id(), self.assistant.model, (*earlier, Message("user", question)), thread=thread, **more)
        looks: Any = {"inspect": self.inspect, "screen": self.screen, "shown_of": self.shown_of, "policies": self.policies}
        events = answer(room, self.house.tenant_id, self.house.people[who], self.assistant, request, **looks)
        return Told(request, [event async for event in events])

    async def last_answer(self) -> dict[str, Any]:
        """The record of the answer that was given last."""
        platform = self.house.platform
        async with platform.database.tenant_tx(self.house.tenant_id) as connection:
            found = await (await connection.execute("select id from answers order by id desc limit 1")).fetchone()
            assert found is not None
            return await get_answer(connection, platform.keyring, self.house.tenant_id, found["id"])


@pytest.fixture
async def desk(house: House) -> Desk:
    """An assistant over a few documents, of which one is closed."""
    house.write("refund.md", "# Refund policy\n\nA refund is paid within 5 business days. It goes back to the card that was charged.\n")
    house.write("hours.md", "# Opening hours\n\nThe help line answers from 09:00 to 18:00 on weekdays.\n")
    house.write("ko.md", "# 환불 정책\n\n환불은 영업일 기준 5일 안에 처리됩니다. 돈은 결제한 카드로 돌려드립니다.\n")
    house.write("secret.md", "---\nclass: restricted\n---\n# Vault procedure\n\nThe vault opens with the word Sesame at midnight.\n")
    await house.ingest()
    platform = house.platform
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        base = await find_base(connection, "base")
        made = await put_assistant(connection, house.tenant_id, new_id(), "desk", base.id, {}, platform.clock())
    return Desk(house, made)


@pytest.fixture
async def model(desk: Desk) -> AsyncIterator[ScriptedModel]:
    """A scripted model over real HTTP that the desk generates with."""
    async with ScriptedModel() as scripted, opened_router() as router:
        chat = ChatModel(router, scripted.base_url, "sk-test", "scripted", 5.0)
        desk.generator = Generator("scripted", chat.stream, 4096)
        yield scripted

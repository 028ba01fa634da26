"""An assistant's answer on its way through the gateway: what was written waits here until it is known what of it was shown."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from ondol.application.assistant.record import Given, Keep, keep_answer
from ondol.application.assistant.store import answer_stands
from ondol.application.assistant.threads.store import withdraw_turn
from ondol.application.knowledge.rooms import Knowledge
from ondol.infrastructure.serving.types import ChatEvent, Shown


class AnswerGiven:
    """An `OwnAnswer`: its events are iterated once, then `settle` keeps its record.

    Args:
        answer: gives the events, and hands what was written to what it is called with.
    """

    def __init__(self, room: Knowledge, answer: Callable[[Keep], AsyncGenerator[ChatEvent, None]]) -> None:
        self._room = room
        self._given: Given | None = None
        self._closing = asyncio.Lock()
        self._events = answer(self._hold)

    def __aiter__(self) -> AsyncIterator[ChatEvent]:
        """The events."""
        return self._events

    async def aclose(self) -> None:
        """End the work. What was written until then is handed over."""
        async with self._closing:
            await self._events.aclose()

    async def settle(self, shown: Shown) -> None:
        """Keep what was shown, once.

        Raises:
            DatabaseAway: Postgres does not answer.
        """
        await self.aclose()
        async with self._closing:
            if self._given is not None:
                await keep_answer(self._room, self._given, shown)
            self._given = None

    async def _hold(self, given: Given) -> None:
        self._given = given


async def stands_or_is_taken_back(room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, answer_id: uuid.UUID) -> bool:
    """Whether an answer is on record whose worker is gone. One that is not leaves no turn in its thread either, so that it can be given again."""
    async with room.database.tenant_tx(tenant_id) as connection:
        if await answer_stands(connection, answer_id):
            return True
        await withdraw_turn(connection, person_id, answer_id)
    return False

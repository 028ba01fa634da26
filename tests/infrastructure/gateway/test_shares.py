"""Two tenants ask one upstream, and one of them has it hang: the other is served all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from tests.infrastructure.gateway.ground import Ground, open_ground

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ground(addresses: DatabaseAddresses, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Ground]:
    async with open_ground(addresses, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("shared", [False, True], ids=["each has a provider", "the model is shared with all"])
async def test_a_tenant_whose_answers_hang_leaves_room_for_the_next(ground: Ground, shared: bool) -> None:
    assert ground.operator is not None
    ground.room.client.allow(9)
    async with ScriptedModel(Reply(trouble="hang_before_headers")) as upstream:
        async with ground.at_once():
            greedy, modest = await ground.tenancy(), await ground.tenancy()
            for owner in (ground.operator,) if shared else (greedy, modest):
                await owner.provider(upstream.base_url)
                await owner.model(shared=shared)
        hanging = [asyncio.create_task(greedy.ask()) for _ in range(30)]
        try:
            await upstream.requests_came(8)
            upstream.say(Reply("Well."))
            answers = [await modest.ask() for _ in range(5)]
            assert [answer.status_code for answer in answers] == [200] * 5
            assert len(upstream.requests) == 8 + 5
        finally:
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

from __future__ import annotations
import pytest
from tests.infrastructure.gateway.ground import Ground, served
pytestmark = pytest.mark.anyio

async def test_one(ground: Ground) -> None:
    async with served(ground, "Hello you.") as (tenancy, upstream):
        answer = await tenancy.ask()
        print(answer.status_code, answer.headers, answer.text)
        print(await tenancy.record())
        print(upstream.requests[0])
        answer = await tenancy.ask({"messages": [{"role":"user","content":"x"}], "stream": True})
        print(answer.text)

async def test_two(ground: Ground) -> None:
    async with served(ground, "Hello you.") as (tenancy, upstream):
        answer = await tenancy.ask()

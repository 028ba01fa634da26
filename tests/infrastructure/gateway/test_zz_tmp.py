import asyncio, json, pytest
from ondol.infrastructure.serving.scripted import Reply
from ondol.infrastructure.serving.types import Usage
from tests.infrastructure.gateway.ground import served
from tests.infrastructure.gateway.conftest import *
pytestmark = pytest.mark.anyio
async def test_it(ground):
    async with served(ground, Reply("An answer of some words.", usage=Usage(10, 20_000), trouble="hang_after_finish", tells_usage=False)) as (tenancy, up):
        await tenancy.budget(100_000)
        for _ in range(5):
            told = {"authorization": f"Bearer {tenancy.key}"}
            async with ground.http.stream("POST", "/v1/chat/completions", json={"model":"m","messages":[{"role":"user","content":"hi"}],"stream":True,"max_tokens":20000}, headers=told) as r:
                async for piece in r.aiter_text():
                    if "words" in piece: break
        await asyncio.sleep(0.3)
        print([(x.outcome, x.input_tokens, x.output_tokens) for x in tenancy.records])

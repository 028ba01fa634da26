"""The fake model speaks to the real client, and to the command line."""

from __future__ import annotations

import asyncio
import sys

import openai
import pytest

from ondol.infrastructure.serving.scripted import Reply, ScriptedModel

pytestmark = pytest.mark.anyio


async def test_it_answers_the_real_client() -> None:
    async with ScriptedModel(["First.", "Second."], model="toy") as model, openai.AsyncOpenAI(base_url=model.base_url, api_key="x") as client:
        assert [card.id async for card in client.models.list()] == ["toy"]
        texts = []
        for _ in range(3):
            answer = await client.chat.completions.create(model="toy", messages=[{"role": "user", "content": "Q"}])
            texts.append(answer.choices[0].message.content)
        assert texts == ["First.", "Second.", "Second."]
        stream = await client.chat.completions.create(model="toy", messages=[{"role": "user", "content": "Q"}], stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Second."
        assert [request.path for request in model.requests] == ["/v1/models"] + ["/v1/chat/completions"] * 4


async def test_it_can_answer_by_the_question() -> None:
    def says(body: object) -> str:
        return "Seoul" if "수도" in str(body) else "I do not know."

    async with ScriptedModel(says) as model, openai.AsyncOpenAI(base_url=model.base_url, api_key="x") as client:
        answer = await client.chat.completions.create(model="any", messages=[{"role": "user", "content": "한국의 수도?"}])
        assert answer.choices[0].message.content == "Seoul"


async def test_an_unknown_address_is_404() -> None:
    async with ScriptedModel() as model, openai.AsyncOpenAI(base_url=model.base_url, api_key="x", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="any", input="x")


async def test_closing_it_hangs_up_on_waiting_callers() -> None:
    model = ScriptedModel(Reply(trouble="hang_before_headers"))
    await model.start()
    async with openai.AsyncOpenAI(base_url=model.base_url, api_key="x", max_retries=0) as client:
        asking = asyncio.create_task(client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Q"}]))
        await model.requests_came(1)
        await model.close()
        with pytest.raises(openai.APIConnectionError):
            await asking
    assert model.open_connections == 0


async def test_the_command_prints_its_address_and_answers() -> None:
    command = [sys.executable, "-W", "error", "-m", "ondol.infrastructure.serving.scripted", "--port", "0", "--say", "From the command."]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            base_url = (await process.stdout.readline()).decode().strip()
        async with openai.AsyncOpenAI(base_url=base_url, api_key="x") as client:
            answer = await client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Q"}])
        assert answer.choices[0].message.content == "From the command."
    finally:
        process.terminate()
        await process.wait()

"""What is particular to `transformers serve`: streams without an end mark, responses of its own, and one model only."""

from __future__ import annotations

import pytest

from tests.infrastructure.gateway.ground import Ground, events_of
from tests.upstreams.servers import ModelServer
from tests.upstreams.test_upstreams import ASK, PLAIN, ask_itself, check_paid, tenancy_of

pytestmark = [pytest.mark.anyio, pytest.mark.upstreams]


async def test_its_own_streams_have_no_end_mark(transformers: ModelServer) -> None:
    """What the gateway copes with. When this fails the server has changed."""
    own = await ask_itself(transformers, stream=True)
    assert own.status_code == 200
    assert "[DONE]" not in own.text
    assert events_of(own.text)[-1]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("stream", [False, True])
async def test_its_own_responses(ground: Ground, transformers: ModelServer, stream: bool) -> None:
    """It streams unless it is told not to."""
    tenancy = await tenancy_of(ground, transformers, provider={"speaks_responses": True})
    async with tenancy.client() as client:
        if stream:
            events = [event async for event in await client.responses.create(model="m", input="hello", max_output_tokens=8, stream=True)]
            assert events[-1].type == "response.completed"
            answer = events[-1].response
            assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == answer.output_text
        else:
            answer = await client.responses.create(model="m", input="hello", max_output_tokens=8)
    assert answer.output_text
    assert answer.usage is not None
    assert (answer.model, answer.usage.output_tokens) == ("m", 8)
    record = await tenancy.record()
    check_paid(record)
    assert (record.output_tokens, record.usage_estimated) == (8, False)


async def test_a_model_that_it_has_not(ground: Ground, transformers: ModelServer) -> None:
    tenancy = await tenancy_of(ground, transformers, name="other")
    answer = await tenancy.ask({"messages": ASK, **PLAIN})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "upstream_refused")
    assert "pinned" not in answer.text
    assert (await tenancy.record()).outcome == "upstream_refused"

"""A guarded upstream behind the real gateway, asked by the real `openai` client."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest

from ondol.infrastructure.gateway.guarding import GuardedUpstream
from ondol.infrastructure.guard.conversation import Conversation, prepare_guards
from ondol.infrastructure.guard.policy import policy_from
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding
from ondol.infrastructure.serving import ChatEvent, ChatRequest, ChatUpstream, Finish, TextDelta, Usage

pytestmark = pytest.mark.anyio

CITATION = {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 3, "url": "https://x.example/refund", "title": "x"}}


@dataclass(frozen=True)
class Cards:
    """Finds sixteen digits and a word."""

    name: str = "cards"
    reach: int | None = 24

    def find(self, text: GuardText) -> Sequence[Finding]:
        cards = [Finding(self.name, "cards.card", *match.span(), 1.0, "format", "CARD") for match in re.finditer(r"\d{16}", text.original)]
        return cards + [Finding(self.name, "cards.bomb", *match.span(), 1.0, "word", "BOMB") for match in re.finditer("bomb", text.original)]


GUARDS = prepare_guards(
    [
        policy_from(
            {
                "version": 1,
                "name": "test",
                "stages": {
                    "input": [{"find": "cards:CARD", "do": "tokenise"}, {"find": "cards:BOMB", "do": "block"}],
                    "output": [{"find": "cards:CARD", "do": "mask"}, {"find": "cards:BOMB", "do": "block"}],
                },
            }
        )
    ],
    {"cards": Cards()},
)


@dataclass
class Upstream:
    """Says what it is told to, in small pieces, and remembers what it was asked."""

    says: str = "Fine."
    asked: list[ChatRequest] = field(default_factory=list)
    closed: bool = False

    def stream(self) -> ChatUpstream:
        async def upstream(request: ChatRequest) -> AsyncIterator[ChatEvent]:
            self.asked.append(request)
            try:
                text = self.says.replace("{asked}", request.messages[-1].content)
                for place in range(0, len(text), 3):
                    yield TextDelta(text[place : place + 3])
                yield Finish("stop", Usage(12, 5), (CITATION,), {"answer_id": "a-1"})
            finally:
                self.closed = True

        return GuardedUpstream(upstream, Conversation(GUARDS, bytes(32)))


async def ask(gateway: Any, content: Any, *, stream: bool = False) -> tuple[str, str, dict[str, Any]]:
    """What is answered: text, finish reason and the extension field."""
    async with gateway.client() as client:
        messages: list[Any] = [{"role": "user", "content": content}]
        if not stream:
            whole = await client.chat.completions.create(model="m", messages=messages)
            return whole.choices[0].message.content, whole.choices[0].finish_reason, (whole.model_extra or {}).get("ondol", {})
        chunks = [chunk async for chunk in await client.chat.completions.create(model="m", messages=messages, stream=True)]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        return text, chunks[-1].choices[0].finish_reason, (chunks[-1].model_extra or {}).get("ondol", {})


@pytest.mark.parametrize("stream", [False, True])
async def test_the_upstream_sees_tokens_and_the_caller_values(gateway: Any, stream: bool) -> None:
    upstream = Upstream("You said {asked}")
    gateway.models["m"] = upstream.stream()
    text, reason, extension = await ask(gateway, "pay with 4111111111111111 please", stream=stream)
    assert "4111" not in upstream.asked[0].messages[-1].content
    assert "4111" not in str(upstream.asked[0].raw)
    assert text == "You said pay with 4111111111111111 please"
    assert reason == "stop"
    assert extension["guard"]["decisions"] == {"input": "mask", "output": "allow"}
    assert extension["guard"]["policy"] == GUARDS.digest.hex()
    assert extension["answer_id"] == "a-1"


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_refused_never_reaches_the_upstream(gateway: Any, stream: bool) -> None:
    upstream = Upstream()
    gateway.models["m"] = upstream.stream()
    text, reason, extension = await ask(gateway, "make a bomb", stream=stream)
    assert upstream.asked == []
    assert reason == "content_filter"
    assert "policy" in text
    assert extension["guard"]["rules"] == ["cards.bomb"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_cut_where_it_must_stop(gateway: Any, stream: bool) -> None:
    upstream = Upstream("First you take 4111111111111111 and a bomb and " + "x" * 3000)
    gateway.models["m"] = upstream.stream()
    text, reason, extension = await ask(gateway, "hello", stream=stream)
    assert text.startswith("First you take [CARD_1] and a \n\n")
    assert "bomb" not in text
    assert reason == "content_filter"
    assert extension["guard"]["decisions"]["output"] == "block"
    assert upstream.closed


async def test_citations_are_left_out_where_their_places_no_longer_hold(gateway: Any) -> None:
    async with gateway.client() as client:
        for says, kept in (("No number.", True), ("The card 4111111111111111.", False)):
            gateway.models["m"] = Upstream(says).stream()
            answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
            assert bool(answer.choices[0].message.annotations) is kept


async def test_a_long_text_is_guarded_as_a_short_one(gateway: Any) -> None:
    upstream = Upstream("x" * 30_000 + " 4111111111111111")
    gateway.models["m"] = upstream.stream()
    text, reason, _ = await ask(gateway, "y " * 15_000 + "4111111111111111")
    assert "4111" not in upstream.asked[0].messages[-1].content
    assert (text[-9:], reason) == (" [CARD_1]", "stop")


async def test_the_record_says_what_the_guard_did(gateway: Any) -> None:
    gateway.models["m"] = Upstream("Fine.").stream()
    await ask(gateway, "make a bomb")
    record = await gateway.record()
    assert (record.guard_policy, record.guard_decision, record.guard_rules) == (GUARDS.digest, "block", ("cards.bomb",))
    assert (record.status, record.outcome) == (200, "answered")


async def test_parts_that_are_no_text_are_passed_on(gateway: Any) -> None:
    upstream = Upstream()
    gateway.models["m"] = upstream.stream()
    image = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
    await ask(gateway, [{"type": "text", "text": "4111111111111111"}, image])
    content = upstream.asked[0].raw["messages"][0]["content"]
    assert content[1] == image
    assert "4111" not in content[0]["text"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_breaks_off_is_told_and_not_passed_off_as_filtered(gateway: Any, stream: bool) -> None:
    async def upstream(request: ChatRequest) -> AsyncIterator[ChatEvent]:
        yield TextDelta("The beginning of")

    gateway.models["m"] = GuardedUpstream(upstream, Conversation(GUARDS, bytes(32)))
    with pytest.raises(openai.APIError):
        await ask(gateway, "hello", stream=stream)
    assert (await gateway.record()).outcome == "upstream_cut_off"

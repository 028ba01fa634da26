"""How an assistant asks one of its tenant's models: by the routes, fallbacks, bounds and pinned prompts of that model, at its price."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.parameters import apply_bounds
from ondol.infrastructure.gateway.shapes.base import Asked, Json
from ondol.infrastructure.gateway.shapes.chat import chat_usage, read_chat
from ondol.infrastructure.gateway.translate import Translation, plan
from ondol.infrastructure.serving.chat_model import Said, chat_fields
from ondol.infrastructure.serving.directory import AssistantCard, ModelCard
from ondol.infrastructure.serving.tokens import estimate_input_tokens
from ondol.infrastructure.serving.types import ChatEvent, ChatRequest, Finish, Outgoing, Route, TargetRow, TextDelta, Usage

if TYPE_CHECKING:
    from ondol.infrastructure.gateway.tally import Tally

CONTEXT_TOKENS = 8_192
"""What prompt and answer take together where neither the release nor the model says it."""

BESIDE_TOKENS = 600
"""What completing a question from its conversation, and summing that up, may write."""

_SEARCH: Json = {
    "type": "function",
    "function": {
        "name": "search_documents",
        "description": "Searches the documents.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}


def route_of(tally: Tally, card: ModelCard, context_tokens: int) -> Route:
    """The model of an assistant's release, for one request."""
    return Route(card.row.alias, context_tokens, _Asking(tally, card).stream)


class _Asking:
    """One request's way to the model."""

    def __init__(self, tally: Tally, card: ModelCard) -> None:
        self._tally = tally
        self._card = card

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Ask the model: any number of deltas, then one `Finish`. Closing the iterator cancels the upstream's work at once.

        Raises:
            UpstreamError: when all its targets fail, or the answer breaks off.
            RequestError: when the answer is much longer than was reserved, or cannot be asked for.
        """
        tally, settings = self._tally, self._card.settings
        prompts = tuple(filter(None, (tally.tenant.prompt, self._card.prompt)))
        plain, tooled = (self._asked(request, tools) for tools in ((), (_SEARCH,)))
        most = min(request.max_tokens or tally.output_tokens, tally.output_tokens)
        ways: dict[object, Translation] = {}

        def make(target: TargetRow) -> Outgoing:
            # Anthropic's family takes the answer of a tool only where tools are named.
            asked = tooled if target.provider.kind == "anthropic" and request.messages[-1].role == "tool" else plain
            way = ways[target.id] = plan(asked, target)
            tally.asked_upstream = True
            return Outgoing(way.operation, way.request(asked, target, prompts, most), trace=tally.trace_header())

        sticky = hashlib.blake2b(f"{plain.conversation}\x00{tally.caller.person_id}".encode(), digest_size=16).digest() if settings.sticky else b""
        deadline_s = min(settings.deadline_s, tally.bounds.deadline_s or settings.deadline_s)
        said = Said(request)
        tally.input_tokens, tally.counting = estimate_input_tokens(request.messages), said.estimate
        share = tally.caller.tenant_id
        answer = await tally.door.router.open(self._card.row, make, stream=True, sticky_key=sticky, deadline_s=deadline_s, share=share)
        tally.answered_by(answer)
        tally.counting = said.estimate
        tally.asking += 1
        told: Usage | None = None
        is_whole = False
        try:
            assert answer.frames is not None  # noqa: S101 - a stream was asked for
            async for frames in ways[answer.target.id].frames(answer.frames):
                text = "".join([said.take(frame) for frame in frames])
                for frame in frames:
                    told = chat_usage(frame.data.get("usage")) or told
                if tally.overdrawn(said.estimate):
                    raise RequestError("The answer used up what was reserved for it.", "Ask for a shorter one.", code="budget_exceeded")
                if text:
                    yield TextDelta(text)
            finish = said.finish()
            used = told or finish.usage
            is_whole = True
            tally.spend(used)
            yield Finish(finish.reason, used, provider=answer.target.provider.name)
        finally:
            answer.cancel()
            if not is_whole:
                tally.spend(told or tally.untold(said.estimate.tokens()))

    def _asked(self, request: ChatRequest, tools: tuple[Json, ...]) -> Asked:
        """The request in the gateway's own form, within the bounds of the model's parameters."""
        body = chat_fields(request, self._card.row.alias)
        if tools:
            body |= {"tools": list(tools), "tool_choice": "none"}
        asked = read_chat(body)
        apply_bounds(asked, self._card.settings)
        return asked


def route_tokens(card: AssistantCard, route: ModelCard) -> int:
    """What prompt and answer of an assistant may take together of its model's context."""
    return min(card.context_tokens or CONTEXT_TOKENS, route.settings.context_tokens or card.context_tokens or CONTEXT_TOKENS)

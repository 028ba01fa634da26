"""The request to a generative model: rules as the system's turn, the evidence as a tool's answer, within a budget of tokens.

Models are trained to obey the system, then the user, and tools not at all. What a document says stands where it carries the least weight.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from ondol.application.assistant.types import REFUSALS
from ondol.application.knowledge.search import Evidence
from ondol.application.prompts import Prompt, load_prompt, render_prompt
from ondol.application.prompts.templates_store import Language
from ondol.infrastructure.guard.canaries import mark_prompt
from ondol.infrastructure.serving.tokens import estimate_tokens
from ondol.infrastructure.serving.types import ChatRequest, Message

EvidenceTurn: TypeAlias = Literal["tool", "user"]
ANSWER_TOKENS_RESERVED = 1024
HISTORY_TURNS_MAX = 6


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a model is asked.

    Attributes:
        prompt: which the request was made of.
        given: how many passages fitted into it, from the first.
    """

    request: ChatRequest
    prompt: Prompt
    given: int


def build_request(
    request: ChatRequest,
    question: str,
    evidence: Sequence[Evidence],
    *,
    language: Language,
    organisation: str,
    model: str,
    context_tokens: int,
    evidence_turn: EvidenceTurn = "tool",
    canary: str = "",
) -> Prepared:
    """The request for the model.

    The caller's own system messages are left out: the system prompt is the assistant's. Evidence stands between random marks, so that a
    document cannot pretend to end it.

    Args:
        evidence: what may be shown, in the order of its numbers; an empty text is left out, its number stays.
        evidence_turn: whose turn it is in. `user` is for models whose chat template knows no tools: then documents weigh as much as the asker.
        context_tokens: what prompt and answer may take together.
        canary: a word that must not come out, put into the system prompt; empty for none.
    """
    prompt = load_prompt("assistant", language)
    history = [message for message in request.messages[:-1] if message.role in ("user", "assistant")][-HISTORY_TURNS_MAX:]
    fence = f"<<{secrets.token_hex(4)}>>"
    system = mark_prompt(render_prompt(prompt, organisation=organisation, refusal=REFUSALS[language], fence=fence), canary)
    asked_tokens = estimate_tokens(system + question) + sum(estimate_tokens(m.content) for m in history)
    blocks = _fitting(evidence, fence, context_tokens - ANSWER_TOKENS_RESERVED - asked_tokens)
    passages = "\n".join([*blocks, fence])
    turns = (Message("system", system), *(Message(m.role, m.content) for m in history))
    messages = (*turns, *_evidence_turns(question, passages, evidence_turn))
    return Prepared(replace(request, model=model, messages=messages, stream=True, raw={}), prompt, len(blocks))


def _fitting(evidence: Sequence[Evidence], fence: str, budget: int) -> list[str]:
    """As many passages from the first as fit into so many tokens; of the first, what fits."""
    blocks: list[str] = []
    for number, found in enumerate(evidence, 1):
        block = f"{fence}\n[{number}] {_heading_of(found)}\n{found.text}" if found.text else f"{fence}\n[{number}] -"
        cost = estimate_tokens(block)
        if cost > budget and not blocks and budget > 0:
            block = block[: max(1, len(block) * budget // cost)]
            cost = budget
        if cost > budget:
            break
        budget -= cost
        blocks.append(block)
    return blocks


def _evidence_turns(question: str, passages: str, turn: EvidenceTurn) -> tuple[Message, ...]:
    if turn == "user":
        return (Message("user", f"{passages}\n\n{question}"),)
    call = {"id": "call_documents", "type": "function", "function": {"name": "search_documents", "arguments": json.dumps({"query": question})}}
    return (
        Message("user", question),
        Message("assistant", "", {"tool_calls": [call]}),
        Message("tool", passages, {"tool_call_id": call["id"]}),
    )


def _heading_of(found: Evidence) -> str:
    parts = [found.version.details.title, *(heading for heading in found.headings if heading != found.version.details.title)]
    return " > ".join(parts)

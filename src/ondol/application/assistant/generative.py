"""Answers by a generative model: evidence into a prompt within a token budget, the model's text through the citation gate."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ondol.application.assistant.types import REFUSALS
from ondol.application.knowledge.search import Evidence
from ondol.application.prompts import Prompt, load_prompt, render_prompt
from ondol.application.prompts.templates_store import Language
from ondol.infrastructure.guard.canaries import mark_prompt
from ondol.infrastructure.serving.tokens import estimate_tokens
from ondol.infrastructure.serving.types import ChatRequest, Message

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
    canary: str = "",
) -> Prepared:
    """The request for the model.

    The caller's own system messages are left out: the system prompt is the assistant's. Evidence stands between random marks, so that a
    document cannot pretend to end it.

    Args:
        context_tokens: what prompt and answer may take together.
        canary: a word that must not come out, put into the system prompt; empty for none.
    """
    prompt = load_prompt("assistant", language)
    history = [message for message in request.messages[:-1] if message.role in ("user", "assistant")][-HISTORY_TURNS_MAX:]
    fence = f"<<{secrets.token_hex(4)}>>"
    asked_tokens = estimate_tokens(mark_prompt(prompt.text, canary) + question) + sum(estimate_tokens(m.content) for m in history)
    budget = context_tokens - ANSWER_TOKENS_RESERVED - asked_tokens
    blocks: list[str] = []
    for number, found in enumerate(evidence, 1):
        block = f"{fence}\n[{number}] {_heading_of(found)}\n{found.text}"
        cost = estimate_tokens(block)
        if blocks and cost > budget:
            break
        budget -= cost
        blocks.append(block)
    system = render_prompt(prompt, organisation=organisation, refusal=REFUSALS[language], fence=fence, passages="\n".join([*blocks, fence]))
    messages = (Message("system", mark_prompt(system, canary)), *(Message(m.role, m.content) for m in history), Message("user", question))
    return Prepared(replace(request, model=model, messages=messages, stream=True, raw={}), prompt, len(blocks))


def _heading_of(found: Evidence) -> str:
    parts = [found.version.details.title, *(heading for heading in found.headings if heading != found.version.details.title)]
    return " > ".join(parts)

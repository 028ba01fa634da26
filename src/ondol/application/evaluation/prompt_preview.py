"""A prompt that is being written: its text as a model is told it, and the answers that it brings beside those of what serves.

Nothing is kept of it. The answers are asked for through the gateway in the name of whoever writes, within their rights, limits and budgets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ondol.application.assistant.drafts import Draft
from ondol.application.assistant.types import REFUSALS
from ondol.application.evaluation.golden import store
from ondol.application.evaluation.golden.types import case_of
from ondol.application.evaluation.types import Answer, Case
from ondol.application.prompts import Language, Prompt, render_prompt
from ondol.core.clock import Clock
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.inside import InsideAnswer
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection

CASES_MAX = 3
"""So many cases are answered at once; each takes two answers."""
TOKENS_MAX = 700
"""So long an answer may be."""
ANSWER_SECONDS_MAX = 60.0

AskDraft: TypeAlias = Callable[[Principal, Draft | None, Mapping[str, Any]], Awaitable[InsideAnswer]]
"""Asks an assistant in somebody's name, by a draft or as it serves, with the body of a chat request."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A case, and its answers by the draft and by what serves; None where none was asked for."""

    case: Case
    draft: Answer | None = None
    live: Answer | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some cases of a golden set, and the place from which to go on; None behind the last."""

    cases: Sequence[Case]
    next: int | None


def rendered(draft: Draft, organisation: str) -> dict[Language, str]:
    """The text of a draft in each of its languages.

    Raises:
        PromptError: when a variable has no value, or one that is not of its type.
    """
    prompt = Prompt("draft", None, draft.body, draft.body.digest)
    known = {language: {**draft.values, "organisation": organisation, "refusal": REFUSALS[language]} for language in draft.body.texts}
    return {language: render_prompt(prompt, language, values) for language, values in known.items()}


async def some_cases(connection: Connection, keyring: KeyRing, who: Principal, golden: str, *, first: int, count: int, clock: Clock) -> Page:
    """Cases of the newest version of a golden set, from a place on; what was erased is passed over.

    Raises:
        NotFound: when there is no such set, or no version of it.
        Forbidden: when it is hidden, and another person's.
        Conflict: when it has expired.
    """
    found, version = await store.find_version(connection, golden)
    store.refuse_hidden(found, who.person_id)
    store.refuse_expired(found, clock())
    cases: list[Case] = []
    place = first
    async for kept in store.items_of(connection, keyring, version, after=first - 1):
        place += 1
        if kept.item is not None:
            cases.append(case_of(kept.item))
        if len(cases) == count:
            break
    return Page(cases, place if place < version.items else None)


async def answered(ask: AskDraft, who: Principal, assistant: str, draft: Draft, cases: Sequence[Case]) -> list[Pair]:
    """Each case with both of its answers. What fails is an answer that says why."""
    asked = [_answer(ask, who, assistant, by, case) for case in cases for by in (draft, None)]
    found = iter(await asyncio.gather(*asked))
    return [Pair(case, next(found), next(found)) for case in cases]


async def _answer(ask: AskDraft, who: Principal, assistant: str, draft: Draft | None, case: Case) -> Answer:
    from ondol.application.evaluation.targets.assistant import read_assistant
    from ondol.application.evaluation.targets.base import Replied, failed
    from ondol.application.evaluation.targets.chat import exchanged, messages_of

    turns = case.turns if all(turn.text for turn in case.turns) else case.turns[-1:]
    body = {"model": f"assistant/{assistant}", "messages": messages_of(turns), "max_tokens": TOKENS_MAX, "ondol": {"cache": False}}

    async def send() -> Replied:
        told = await ask(who, draft, body)
        return Replied(told.status, told.headers, told.body)

    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await exchanged(send, read_assistant)
    except TimeoutError:
        return failed(f"No answer came within {ANSWER_SECONDS_MAX:.0f} seconds.")

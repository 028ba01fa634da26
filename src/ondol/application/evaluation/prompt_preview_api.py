"""Looking at a prompt before it is kept, in the admin API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ondol.application.assistant.drafts import Draft
from ondol.application.assistant.store import find_assistant
from ondol.application.evaluation.prompt_preview import CASES_MAX, AskDraft, Page, Pair, answered, rendered, some_cases
from ondol.application.evaluation.types import Answer
from ondol.application.knowledge.api import KnowledgeServices
from ondol.application.prompts import Language, prompt_body
from ondol.application.prompts.api import PromptPut
from ondol.core.errors import RequestError
from ondol.core.money import decimal_text
from ondol.infrastructure.access.route_roles import WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.releases import find_release

NOTHING = Page((), None)
Name = Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewServices(KnowledgeServices):
    """What the route works with.

    Attributes:
        organisation: the readable name of the caller's tenant.
        installation_model: what answers for assistants whose release leaves it to the installation; empty where none does.
        ask: the way to the assistants; None in a process that answers no questions.
    """

    organisation: Callable[[Principal], Awaitable[str]]
    installation_model: Callable[[], str]
    ask: AskDraft | None


class PreviewBody(Body):
    """A prompt as it would be kept, with the values of its variables.

    `golden` names a golden set, of which `cases` from the place `first` on are shown. With `answer` the assistant answers them, by this prompt and by
    the one that serves: two requests to its model for each case, in your name and by your rights, limits and budgets.
    """

    prompt: PromptPut
    values: dict[str, str | int] = Field(default={}, max_length=100)
    assistant: Name | None = None
    golden: Name | None = None
    first: int = Field(default=0, ge=0, le=2**31 - 2)
    cases: int = Field(default=CASES_MAX, ge=1, le=CASES_MAX)
    answer: bool = False


class AnswerShown(BaseModel):
    """An answer. `failure` says why there is none."""

    text: str
    refused: bool
    failure: str
    sources: int
    input_tokens: int
    output_tokens: int
    cost: str | None
    currency: str | None
    latency_ms: float


class CaseShown(BaseModel):
    """A case of the set with its answers by the draft and by what serves; null where they were not asked for."""

    id: str
    question: str
    language: str
    expected: list[str]
    draft: AnswerShown | None
    live: AnswerShown | None


class PreviewShown(BaseModel):
    """What a model is told, by language. `live` is the prompt that serves the assistant, and `model` what writes its answers: null where none does,
    and then no prompt is used. `next` is what to give as `first` for the next cases.
    """

    digest: str
    texts: dict[Language, str]
    live: str | None
    model: str | None
    cases: list[CaseShown]
    next: int | None


def prompt_preview_router(services: PreviewServices) -> APIRouter:
    """The route ``/evaluation/prompt-preview``."""
    router = APIRouter(prefix="/evaluation", tags=["prompts"])

    @router.post("/prompt-preview", openapi_extra=WRITE)
    async def preview_prompt(body: PreviewBody, who: Principal = services.writes) -> PreviewShown:
        """Look at a prompt before it is kept: its text, and the answers that it brings. Nothing of it is kept, and nothing that is live changes."""
        draft = Draft(prompt_body(body.prompt.model_dump()), body.values)
        texts = rendered(draft, await services.organisation(who))
        if body.answer and (body.assistant is None or body.golden is None):
            absent = "assistant" if body.assistant is None else "golden"
            raise RequestError("Answers take an assistant and a golden set.", "Name both.", code="nothing_to_answer", param=absent)
        live, model = await _live(services, who, body.assistant)
        page = await _cases(services, who, body)
        pairs = [Pair(case) for case in page.cases]
        if body.answer and model is not None:
            if services.ask is None:
                raise RequestError("This process answers no questions.", "Ask a running gateway.", code="no_gateway", param="answer")
            pairs = await answered(services.ask, who, body.assistant or "", draft, page.cases)
        return PreviewShown(
            digest=draft.body.digest.hex(), texts=texts, live=live, model=model, cases=[_case(pair) for pair in pairs], next=page.next
        )

    return router


async def _live(services: PreviewServices, who: Principal, name: str | None) -> tuple[str | None, str | None]:
    """The prompt that an assistant serves by, and the model that writes its answers."""
    if name is None:
        return None, None
    async with services.knowledge.database.tenant_tx(who.tenant_id) as connection:
        manifest = (await find_release(connection, (await find_assistant(connection, name)).id, "live")).manifest
    writer = {"model": manifest.route.model, "extractive": None, "installation": services.installation_model() or None}[manifest.route.kind]
    return f"{manifest.prompt.name}@{manifest.prompt.version}", writer


async def _cases(services: PreviewServices, who: Principal, body: PreviewBody) -> Page:
    if body.golden is None:
        return NOTHING
    room = services.knowledge
    async with room.database.tenant_tx(who.tenant_id) as connection:
        return await some_cases(connection, room.keyring, who, body.golden, first=body.first, count=body.cases, clock=room.clock)


def _case(pair: Pair) -> CaseShown:
    case = pair.case
    return CaseShown(
        id=case.id, question=case.question, language=case.language, expected=list(case.expected), draft=_answer(pair.draft), live=_answer(pair.live)
    )


def _answer(found: Answer | None) -> AnswerShown | None:
    if found is None:
        return None
    return AnswerShown(
        text=found.text,
        refused=bool(found.is_refusal),
        failure=found.error,
        sources=len(found.sources),
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        cost=decimal_text(found.cost_nano) if found.cost_nano else None,
        currency=found.currency if found.cost_nano else None,
        latency_ms=found.latency_ms,
    )

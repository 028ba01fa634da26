"""The log of requests, what was said in one of them, and what people thought of answers. Who reads what was said is told to the ledger."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from ondol.core.errors import NotFound
from ondol.core.ids import first_id_at
from ondol.core.money import Currency, decimal_text
from ondol.infrastructure.access.route_roles import READ
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import PAGE, PAGE_MAX, GatewayServices, Moment
from ondol.infrastructure.gateway.records import feedback
from ondol.infrastructure.gateway.records.content import content_of
from ondol.infrastructure.gateway.records.types import RequestRecord
from ondol.infrastructure.gateway.records.usage import get_request as find_request
from ondol.infrastructure.gateway.records.usage import list_requests as find_requests
from ondol.infrastructure.ledger import record

Word = Annotated[str | None, Query(max_length=300)]


class RequestShown(BaseModel):
    """One request. Times are in microseconds; `cost` is in units of `currency`, exact, and null where no price was known."""

    id: uuid.UUID
    created_at: datetime
    person_id: uuid.UUID
    key_id: uuid.UUID | None
    model: str
    route: str
    provider: str
    upstream_model: str
    stream: bool
    status: int
    outcome: str
    attempts: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    images: int
    audio_ms: int
    characters: int
    usage_estimated: bool
    cost: str | None
    currency: Currency | None
    price_id: uuid.UUID | None
    queue_us: int
    guard_us: int
    upstream_us: int
    first_token_us: int | None
    duration_us: int
    guard_decision: str | None
    guard_rules: list[str]
    guard_policy: str | None
    trace_id: str


class RequestPage(BaseModel):
    """Requests, the newest first. `next` is what to give as `before` for the next page."""

    requests: list[RequestShown]
    next: uuid.UUID | None


class ContentShown(BaseModel):
    """What was said in a request, as far as it is kept."""

    id: uuid.UUID
    mode: Literal["masked", "full"]
    prompt: str
    answer: str
    created_at: datetime
    keep_until: datetime


class FeedbackShown(BaseModel):
    """What somebody thought of an answer."""

    id: uuid.UUID
    request_id: uuid.UUID
    person_id: uuid.UUID
    key_id: uuid.UUID | None
    thumb: Literal["up", "down"] | None
    score: int | None
    reasons: list[str]
    corrected: str
    comment: str
    created_at: datetime


class FeedbackPage(BaseModel):
    """Opinions, the newest first. `next` is what to give as `before` for the next page."""

    feedback: list[FeedbackShown]
    next: uuid.UUID | None


def requests_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/requests``, and ``/feedback``."""
    router = APIRouter(tags=["requests"])
    _request_routes(router, services)
    _feedback_routes(router, services)
    return router


def _request_routes(router: APIRouter, services: GatewayServices) -> None:
    @router.get("/requests", openapi_extra=READ)
    async def list_requests(
        since: Moment | None = None,
        until: Moment | None = None,
        before: uuid.UUID | None = None,
        person: uuid.UUID | None = None,
        key: uuid.UUID | None = None,
        model: Word = None,
        outcome: Word = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
        who: Principal = services.reads,
    ) -> RequestPage:
        """The log of requests. A request stands here about a second after its answer."""
        end = page_end(until, before)
        async with services.within(who) as connection:
            found = await find_requests(
                connection, since=since, before=end, person_id=person, api_key_id=key, model=model, outcome=outcome, limit=limit + 1
            )
        return RequestPage(requests=[_shown(item) for item in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.get("/requests/{request_id}", openapi_extra=READ)
    async def get_request(request_id: uuid.UUID, who: Principal = services.reads) -> RequestShown:
        """One request, without what was said."""
        async with services.within(who) as connection:
            return _shown(await find_request(connection, request_id))

    @router.get("/requests/{request_id}/content", openapi_extra=READ)
    async def get_content(request_id: uuid.UUID, who: Principal = services.reads) -> ContentShown:
        """What was said in a request, where it is kept. Each reading is an event of the ledger, in the reader's name."""
        now = services.clock()
        async with services.within(who) as connection:
            found = await content_of(connection, services.keyring, who.tenant_id, request_id, now)
            if found is None:
                hint = "The gateway's settings say whether and for how long contents are kept."
                raise NotFound("What was said in this request is not kept.", hint, code="content_not_kept")
            body = {"request": request_id, "mode": found.mode}
            await record(connection, who.tenant_id, kind="content.read", actor_id=who.person_id, body=body, now=now)
        return ContentShown(
            id=found.id, mode=found.mode, prompt=found.prompt, answer=found.answer, created_at=found.created_at, keep_until=found.keep_until
        )


def _feedback_routes(router: APIRouter, services: GatewayServices) -> None:
    @router.get("/feedback", openapi_extra=READ)
    async def list_feedback(
        request: uuid.UUID | None = None,
        before: uuid.UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=feedback.PAGE_MAX - 1)] = 50,
        who: Principal = services.reads,
    ) -> FeedbackPage:
        """What people thought of answers. Where people's own words are among it, the reading is an event of the ledger."""
        async with services.within(who) as connection:
            found = await feedback.list_feedback(connection, services.keyring, who.tenant_id, request_id=request, before=before, limit=limit + 1)
            texts = sum(1 for item in found[:limit] if item.opinion.corrected or item.opinion.comment)
            if texts:
                body = {"texts": texts}
                await record(connection, who.tenant_id, kind="feedback.read", actor_id=who.person_id, body=body, now=services.clock())
        return FeedbackPage(feedback=[_opinion(item) for item in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)


def page_end(until: datetime | None, before: uuid.UUID | None) -> uuid.UUID | None:
    """Before which id a page ends: of a moment and an id the earlier one."""
    if until is None:
        return before
    end = first_id_at(int(until.timestamp() * 1000))
    return end if before is None else min(end, before)


def _opinion(item: feedback.Feedback) -> FeedbackShown:
    return FeedbackShown(
        id=item.id,
        request_id=item.request_id,
        person_id=item.person_id,
        key_id=item.api_key_id,
        thumb=item.opinion.thumb,
        score=item.opinion.score,
        reasons=list(item.opinion.reasons),
        corrected=item.opinion.corrected,
        comment=item.opinion.comment,
        created_at=item.created_at,
    )


_SAME = RequestShown.model_fields.keys() - {"key_id", "cost", "guard_policy", "guard_rules"}


def _shown(item: RequestRecord) -> RequestShown:
    return RequestShown(
        **{name: getattr(item, name) for name in _SAME},
        key_id=item.api_key_id,
        cost=None if item.cost_nano is None else decimal_text(item.cost_nano),
        guard_policy=item.guard_policy.hex() if item.guard_policy else None,
        guard_rules=list(item.guard_rules),
    )

"""The admin API about tool calls: whether one may run, and the approvals that some wait for. A router only, as `api` is."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from ondol.core.errors import NotFound, RequestError
from ondol.infrastructure.access.people import get_person
from ondol.infrastructure.access.route_roles import ANYBODY, ASK, READERS, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.guard import approvals
from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.api import GuardServices
from ondol.infrastructure.guard.approvals import ApprovalState, KeptApproval, Question, Viewer
from ondol.infrastructure.guard.conversation import Guards
from ondol.infrastructure.guard.incidents import Case, kind_of, open_incident, rules_of
from ondol.infrastructure.guard.samples import findings_json, masked_sample, names_masked
from ondol.infrastructure.guard.tools import Approval, ApprovalNeeded, CallResult, ToolCall, ToolContext, call_of, judge_call
from ondol.infrastructure.guard.tools.arguments import BadArguments, parse_arguments
from ondol.infrastructure.storage.postgres import Connection

TEXTS_MAX = 200
TEXT_CHARACTERS_MAX = 500_000
NAME_CHARACTERS_MAX = 1_000

_Texts = Annotated[list[Annotated[str, Field(max_length=TEXT_CHARACTERS_MAX)]], Field(max_length=TEXTS_MAX)]


class CallBody(Body):
    """A call as a model wrote it: its arguments are the text of a JSON object, or the object where only that is left."""

    name: str = Field(max_length=NAME_CHARACTERS_MAX)
    arguments: str | dict[str, Any] = ""


class DecideBody(Body):
    """A call, where it comes from, and what it rests on.

    `own` is what the person wrote; `untrusted` are documents and results of tools that the model was shown.
    """

    call: CallBody
    model: str = ""
    assistant: str = ""
    base: str = ""
    own: _Texts = Field(default_factory=list)
    untrusted: _Texts = Field(default_factory=list)
    approval_id: uuid.UUID | None = None


class AnswerBody(Body):
    """Why somebody says yes or no."""

    note: str = Field(default="", max_length=approvals.NOTE_CHARACTERS_MAX)


def tools_router(services: GuardServices) -> APIRouter:
    """The routes below ``/guard`` that are about tools."""
    router = APIRouter(prefix="/guard", tags=["guard"])
    _decide_route(router, services)
    _approval_routes(router, services)
    return router


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call to decide about, with everything that it takes."""

    who: Principal
    guards: Guards
    call: ToolCall
    context: ToolContext
    key: bytes
    request_id: uuid.UUID

    async def judged(self, approval: Approval | None = None) -> CallResult:
        context = self.context if approval is None else replace(self.context, approvals=(approval,))
        return await asyncio.to_thread(judge_call, self.call, self.guards.stages.get("tool"), self.guards.tools, context, Marks(self.key))


def _decide_route(router: APIRouter, services: GuardServices) -> None:
    @router.post("/tools/decide", openapi_extra=ASK)
    async def decide_call(request: Request, body: DecideBody) -> dict[str, Any]:
        """Decide about a call before it runs, by the policies in force. It runs with the `arguments` that are returned, or not at all."""
        who = services.caller(request, ANYBODY)
        guards = services.policies.guards_for(who.tenant_id, body.model, body.assistant, body.base, who.api_key_id)
        context = ToolContext(str(who.tenant_id), services.clock(), body.untrusted, body.own)
        key = await services.policies.key_for(who.tenant_id)
        asked = _Asked(who, guards, ToolCall(body.call.name, _text(body.call.arguments)), context, key, request.state.request_id)
        result = await asked.judged()
        needed = result.tools.approval_needed if result.tools is not None else None
        waiting: dict[str, Any] | None = None
        used: uuid.UUID | None = None
        async with services.within(who) as connection:
            if needed is not None and body.approval_id is not None:
                used = body.approval_id
                result = await asked.judged(await _use(services, connection, asked, needed, used))
            elif needed is not None:
                waiting = await _ask(services, connection, asked, result, needed)
            await _open_incident(services, connection, asked, result)
        return _shown_decision(guards, result, waiting, used)


def _approval_routes(router: APIRouter, services: GuardServices) -> None:
    @router.get("/approvals", openapi_extra=ASK)
    async def list_approvals(
        request: Request,
        state: ApprovalState | None = None,
        before: uuid.UUID | None = None,
        limit: int = Query(50, ge=1, le=approvals.PAGE_MAX - 1),
    ) -> dict[str, Any]:
        """Approvals that the caller asked for, may give, or all for who may read the guard; the newest first, without arguments."""
        who = services.caller(request, ANYBODY)
        async with services.within(who) as connection:
            viewer = await _viewer(services, connection, who)
            found = await approvals.list_approvals(
                connection, services.keyring, who.tenant_id, viewer, services.clock(), state=state, before=before, limit=limit + 1
            )
        shown = [{**_shown(item, viewer), "arguments": None} for item in found[:limit]]
        return {"approvals": shown, "next": found[limit - 1].id if len(found) > limit else None}

    @router.get("/approvals/{approval_id}", openapi_extra=ASK)
    async def get_approval(request: Request, approval_id: uuid.UUID) -> dict[str, Any]:
        """One approval. Its arguments are for whoever asked and for whoever may approve."""
        who = services.caller(request, ANYBODY)
        async with services.within(who) as connection:
            return await _one(services, connection, who, approval_id)

    @router.post("/approvals/{approval_id}/approve", openapi_extra=ASK)
    async def approve(request: Request, approval_id: uuid.UUID, body: AnswerBody) -> dict[str, Any]:
        """Let the call run, once, in the caller's name. It takes the role that the policy names, and somebody else than who asked."""
        return await _answer(services, request, approval_id, body, approved=True)

    @router.post("/approvals/{approval_id}/deny", openapi_extra=ASK)
    async def deny(request: Request, approval_id: uuid.UUID, body: AnswerBody) -> dict[str, Any]:
        """Say no, in the caller's name."""
        return await _answer(services, request, approval_id, body, approved=False)


async def _answer(services: GuardServices, request: Request, approval_id: uuid.UUID, body: AnswerBody, *, approved: bool) -> dict[str, Any]:
    who = services.caller(request, ANYBODY)
    async with services.within(who) as connection:
        viewer = await _viewer(services, connection, who)
        await _one(services, connection, who, approval_id)
        await approvals.answer(
            connection,
            services.keyring,
            who.tenant_id,
            approval_id,
            approved=approved,
            note=body.note,
            by=who.person_id,
            roles=viewer.roles,
            now=services.clock(),
        )
        return await _one(services, connection, who, approval_id)


async def _viewer(services: GuardServices, connection: Connection, who: Principal) -> Viewer:
    person = await get_person(connection, services.keyring, who.tenant_id, who.person_id)
    return Viewer(who.person_id, approvals.roles_of(person), sees_all=bool(who.roles & READERS))


async def _one(services: GuardServices, connection: Connection, who: Principal, approval_id: uuid.UUID) -> dict[str, Any]:
    viewer = await _viewer(services, connection, who)
    found = await approvals.get_approval(connection, services.keyring, who.tenant_id, approval_id, services.clock())
    if not viewer.may_see(found):
        raise NotFound("There is no such approval.", "`ondol guard approvals list` shows all.", code="approval_not_found")
    return _shown(found, viewer)


async def _use(services: GuardServices, connection: Connection, asked: _Asked, needed: ApprovalNeeded, approval_id: uuid.UUID) -> Approval:
    """Use up the approval that a caller names."""
    who, now = asked.who, asked.context.now
    return await approvals.use_approval(
        connection, services.keyring, who.tenant_id, approval_id, role=needed.role, digest=needed.digest, by=who.person_id, now=now
    )


async def _ask(services: GuardServices, connection: Connection, asked: _Asked, result: CallResult, needed: ApprovalNeeded) -> dict[str, Any]:
    """Ask for the approval that a call needs."""
    arguments = result.tools.arguments if result.tools is not None else None
    who, now = asked.who, asked.context.now
    minutes = min(item.approval_minutes for item in asked.guards.tools if item.enforced)
    question = Question(
        who.tenant_id,
        asked.call.name,
        call_of(asked.call.name, arguments or {}).arguments,
        needed.digest,
        needed.reasons,
        needed.role,
        asked.guards.digest,
        who.person_id,
        now,
        now + timedelta(minutes=minutes),
        who.api_key_id,
        asked.request_id,
    )
    approval_id, expires_at, _ = await approvals.ask(connection, services.keyring, question)
    return {"id": approval_id, "role": needed.role, "reasons": needed.reasons, "expires_at": expires_at}


async def _open_incident(services: GuardServices, connection: Connection, asked: _Asked, result: CallResult) -> None:
    """What is blocked here is an incident, as it is on a request's way."""
    for text, verdict in result.noted:
        kind = kind_of("tool", verdict)
        if kind is None:
            continue
        sample = await asyncio.to_thread(lambda text=text, verdict=verdict: names_masked(masked_sample(text, verdict.decided, asked.key)))  # type: ignore[misc]
        who = asked.who
        case = Case(
            who.tenant_id, kind, "tool", asked.guards.digest, rules_of(verdict), sample.text, asked.context.now, who.person_id, who.api_key_id,
            asked.request_id,
        )  # fmt: skip
        await open_incident(connection, services.keyring, case)


def _shown_decision(guards: Guards, result: CallResult, waiting: dict[str, Any] | None, used: uuid.UUID | None) -> dict[str, Any]:
    arguments = None
    if result.decision == "allow":
        arguments = result.tools.arguments if result.tools is not None else _object(result.rest)
    return {
        "policies": [policy.name for policy in guards.policies],
        "decision": result.decision,
        "would": result.verdict.would,
        "findings": findings_json(result.verdict.decided),
        "failed": list(result.verdict.failed),
        "arguments": arguments,
        "approval_needed": waiting,
        "approval_used": used,
    }


def _shown(approval: KeptApproval, viewer: Viewer) -> dict[str, Any]:
    arguments = approval.arguments if approval.arguments and viewer.may_read(approval) else None
    return {**asdict(approval), "policy_digest": approval.policy_digest.hex(), "arguments": arguments}


def _text(arguments: str | dict[str, Any]) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _object(text: str) -> dict[str, Any]:
    try:
        return dict(parse_arguments(text))
    except BadArguments as error:
        raise RequestError(
            f"The arguments cannot be read: {error}.", "Send the text of one JSON object.", code="bad_arguments", param="call.arguments"
        ) from error

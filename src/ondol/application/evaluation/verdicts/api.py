"""Verdicts in the admin API, and what an assistant requires of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from ondol.application.assistant.store import find_assistant
from ondol.application.evaluation.verdicts.requirements import Requirement, get_requirement, put_requirement, span_of_days, span_text
from ondol.application.evaluation.verdicts.results import check_results
from ondol.application.evaluation.verdicts.store import LAST_ID, PAGE_MAX, get_verdict, list_verdicts
from ondol.application.evaluation.verdicts.types import Outcome, Verdict
from ondol.application.evaluation.verdicts.verify import Keys, check_stored, file_of
from ondol.application.knowledge.api import KnowledgeServices
from ondol.core.errors import LedgerBroken, NotFound
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.ledger import prove

AssistantName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictServices(KnowledgeServices):
    """What the routes work with.

    Attributes:
        keys: reads the keys that a verdict may be signed with.
    """

    keys: Callable[[], Keys]


class VerdictRow(BaseModel):
    """A verdict as lists show it. Digests are SHA-256 in hexadecimal."""

    id: uuid.UUID
    outcome: Outcome
    suite: str
    suite_digest: str
    target: str
    target_digest: str
    release: uuid.UUID | None
    run: uuid.UUID
    signer: str
    created_by: uuid.UUID | None
    created_at: datetime


class VerdictShown(VerdictRow):
    """A verdict with its signed envelope, as tools for DSSE read it."""

    envelope: dict[str, Any]


class VerdictList(BaseModel):
    """Verdicts, the newest first. `next` is what to give as `before` for the next page."""

    verdicts: list[VerdictRow]
    next: uuid.UUID | None


class VerdictChecked(BaseModel):
    """Whether a verdict holds: its signature, what it names, the stored results, and its event in the ledger; `sealed` once the chain holds that.

    `results` is how many results were looked at, null where the run was deleted; of `results_erased` only the digest stands.
    """

    holds: bool
    sealed: bool
    reason: str | None
    results: int | None = None
    results_erased: int = 0


class VerdictFile(BaseModel):
    """A verdict as `ondol eval verify FILE` takes it: the text of the file."""

    content: str


class RequirementBody(Body):
    """A suite by its name, the digest of it with its cases (`ondol eval check --json`), and how old a verdict may be, such as `30d`."""

    suite: str = Field(min_length=1, max_length=200)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", max_length=64)
    valid_for: str = Field(default="30d", pattern=r"^[1-9][0-9]{0,4}[mhd]$", max_length=6)


class RequirementShown(BaseModel):
    """What an assistant requires before a release of it goes live."""

    suite: str
    digest: str
    valid_for: str


class RequirementChanged(BaseModel):
    """What the assistant requires now; null for nothing."""

    required: RequirementShown | None
    changed: bool


def verdicts_router(services: VerdictServices) -> APIRouter:
    """The routes below ``/evaluation/verdicts``."""
    router = APIRouter(prefix="/evaluation/verdicts", tags=["evaluation"])
    database = services.knowledge.database

    @router.get("", openapi_extra=READ)
    async def list_all_verdicts(
        assistant: Annotated[str | None, Query(max_length=63)] = None,
        suite: Annotated[str | None, Query(max_length=200)] = None,
        before: uuid.UUID = LAST_ID,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX - 1)] = 100,
        who: Principal = services.reads,
    ) -> VerdictList:
        """What evaluations came to, signed."""
        async with database.tenant_tx(who.tenant_id) as connection:
            assistant_id = (await find_assistant(connection, assistant)).id if assistant is not None else None
            found = await list_verdicts(connection, assistant_id=assistant_id, suite=suite, before=before, limit=limit + 1)
        return VerdictList(verdicts=[VerdictRow(**_row(item)) for item in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.get("/{verdict}", openapi_extra=READ)
    async def show_verdict(verdict: uuid.UUID, who: Principal = services.reads) -> VerdictShown:
        """A verdict with its signed envelope."""
        async with database.tenant_tx(who.tenant_id) as connection:
            found = await get_verdict(connection, verdict)
        return VerdictShown(**_row(found), envelope=msgspec.json.decode(found.envelope))

    @router.get("/{verdict}/file", openapi_extra=READ)
    async def verdict_file(verdict: uuid.UUID, who: Principal = services.reads) -> VerdictFile:
        """A verdict as a file that holds by itself, with the proof that the ledger holds it."""
        async with database.tenant_tx(who.tenant_id) as connection:
            found = await get_verdict(connection, verdict)
        return VerdictFile(content=file_of(found, await prove(database, who.tenant_id, verdict)).decode())

    @router.post("/{verdict}/verify", openapi_extra=READ)
    async def verify_verdict(verdict: uuid.UUID, who: Principal = services.reads) -> VerdictChecked:
        """Check a verdict: its signature, everything that it names, the results that are stored, and its event in the ledger's chain."""
        try:
            checked = await check_stored(database, services.keys(), who.tenant_id, verdict)
            results = await check_results(database, services.knowledge.keyring, who.tenant_id, checked.statement)
        except LedgerBroken as error:
            return VerdictChecked(holds=False, sealed=False, reason=error.message)
        return VerdictChecked(holds=True, sealed=checked.sealed, reason=None, results=results.count, results_erased=results.erased)

    return router


def requirement_router(services: VerdictServices) -> APIRouter:
    """The routes of what an assistant requires."""
    router = APIRouter(prefix="/assistants/{assistant}/required-verdict", tags=["evaluation"])
    room = services.knowledge

    @router.get("", openapi_extra=READ)
    async def show_requirement(assistant: AssistantName, who: Principal = services.reads) -> RequirementShown:
        """What an assistant requires before a release of it goes live."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await get_requirement(connection, (await find_assistant(connection, assistant)).id)
        if found is None:
            raise NotFound("The assistant requires no verdict.", "PUT sets what it requires.", code="no_requirement")
        return _shown(found)

    @router.put("", openapi_extra=WRITE)
    async def set_requirement(assistant: AssistantName, body: RequirementBody, who: Principal = services.writes) -> RequirementChanged:
        """Let an assistant require a passing verdict of a suite. What is live stays; going back is never asked for one."""
        wanted = Requirement(body.suite, bytes.fromhex(body.digest), span_of_days(body.valid_for))
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await find_assistant(connection, assistant)
            changed = await put_requirement(connection, who.tenant_id, found.id, wanted, room.clock(), by=who.person_id)
        return RequirementChanged(required=_shown(wanted), changed=changed)

    @router.delete("", openapi_extra=WRITE)
    async def drop_requirement(assistant: AssistantName, who: Principal = services.writes) -> RequirementChanged:
        """Let an assistant require nothing."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await find_assistant(connection, assistant)
            changed = await put_requirement(connection, who.tenant_id, found.id, None, room.clock(), by=who.person_id)
        return RequirementChanged(required=None, changed=changed)

    return router


def _shown(requirement: Requirement) -> RequirementShown:
    return RequirementShown(suite=requirement.suite, digest=requirement.suite_digest.hex(), valid_for=span_text(requirement.valid_for))


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.id,
        "outcome": verdict.outcome,
        "suite": verdict.suite,
        "suite_digest": verdict.suite_digest.hex(),
        "target": verdict.target,
        "target_digest": verdict.target_digest.hex(),
        "release": verdict.release_id,
        "run": verdict.run_id,
        "signer": verdict.signer,
        "created_by": verdict.created_by,
        "created_at": verdict.created_at,
    }

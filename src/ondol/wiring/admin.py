"""The admin API of one HTTP worker, joined with the stores."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from ondol.application.assistant.api import access_router, answers_router
from ondol.application.assistant.attachments_api import AttachmentServices, attachments_router
from ondol.application.assistant.manage_api import assistants_router
from ondol.application.assistant.releases_api import ReleaseServices, releases_router
from ondol.application.assistant.threads.api import thread_router
from ondol.application.channels.bots.api import BotServices, bots_router
from ondol.application.channels.widgets.api import WidgetServices, widgets_router
from ondol.application.channels.widgets.front import NoticeOf
from ondol.application.erasure.api import ErasureServices, erasure_router
from ondol.application.evaluation.gate.api import CompareServices, compare_router
from ondol.application.evaluation.golden.api import GoldenServices, golden_router
from ondol.application.evaluation.index_compare_api import index_compare_router
from ondol.application.evaluation.kept_answers_api import KeptAnswerServices, kept_answers_router
from ondol.application.evaluation.nightly.api import NightlyServices, nightly_router
from ondol.application.evaluation.nightly.types import Plan, Policy
from ondol.application.evaluation.prompt_preview import AskDraft
from ondol.application.evaluation.prompt_preview_api import PreviewServices, prompt_preview_router
from ondol.application.evaluation.quality.api import QualityServices, quality_router, recommendation_router
from ondol.application.evaluation.red_team.api import RedTeamServices, red_team_router
from ondol.application.evaluation.review.api import ReviewServices, review_router
from ondol.application.evaluation.runs.api import RunServices, runs_router
from ondol.application.evaluation.runs.starting_api import StartServices, starting_router
from ondol.application.evaluation.verdicts.api import VerdictServices, requirement_router, verdicts_router
from ondol.application.knowledge.api import KnowledgeServices, index_router
from ondol.application.knowledge.attachments.keep import AttachmentDesk
from ondol.application.knowledge.documents.api import DocumentServices, documents_router
from ondol.application.knowledge.documents.uploads import Reception
from ondol.application.knowledge.search_api import search_router
from ondol.application.prompts.api import prompts_router
from ondol.core.errors import Forbidden, KeyDestroyed, NotFound, Unauthenticated
from ondol.infrastructure.access.callers import caller_of
from ondol.infrastructure.access.keys import KeyDirectory
from ondol.infrastructure.access.people import get_person, list_tenants
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin import AdminApi, Authenticate, create_admin, principal_of_request
from ondol.infrastructure.gateway.admin_api import GatewayServices, gateway_routers
from ondol.infrastructure.gateway.admin_api.jobs import JobServices, jobs_router
from ondol.infrastructure.gateway.admin_api.ledger import LedgerServices, ledger_router
from ondol.infrastructure.gateway.admin_api.sign_ins import SignInServices, sign_ins_router
from ondol.infrastructure.gateway.admin_api.targets import TargetSeen, none_seen, targets_router
from ondol.infrastructure.gateway.admin_api.tenant import Residency, TenantServices, tenant_router
from ondol.infrastructure.guard.api import GuardServices, guard_router
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.guard.texts_api import texts_router
from ondol.infrastructure.guard.tools_api import tools_router
from ondol.infrastructure.jobs.read import Schedule
from ondol.wiring.erasure import erasure_room, verify_receipt
from ondol.wiring.evaluation_starting import OpenGateway, Starter
from ondol.wiring.guard import masker
from ondol.wiring.inside import open_inside
from ondol.wiring.platform import Platform
from ondol.wiring.verdicts import gate_of, ledger_keys, revoke_signing_key, verdict_keys

ADMIN_PATHS = ("/api/",)


def admin_authentication(platform: Platform, keys: KeyDirectory) -> Authenticate:
    """Who sends a request to the admin API, with the roles of this moment.

    A key that is restricted to models is refused: it lies in an application, and must not do there what its person may.
    """

    async def authenticate(headers: Mapping[str, str], _client: str) -> Principal:
        principal = await caller_of(keys, platform.sign_in, headers)
        if principal.models is not None:
            hint = "Use a key without a list of models, or the console."
            raise Forbidden("This key is for calling models: it opens neither the admin API nor the metrics.", hint, code="key_for_models_only")
        # A key proves a person only; what that person may do is asked each time, so that a role that was taken away is gone at once.
        try:
            async with platform.database.tenant_tx(principal.tenant_id) as connection:
                person = await get_person(connection, platform.keyring, principal.tenant_id, principal.person_id)
        except (NotFound, KeyDestroyed) as error:
            raise Unauthenticated("Whoever this key belongs to is gone.", "Make a new one with `ondol key create`.") from error
        return replace(principal, roles=person.roles)

    return authenticate


def _scorer_types() -> Collection[str]:
    from ondol.application.evaluation.loaders import LOADERS

    return LOADERS.keys()


def _no_notice(_tenant_id: uuid.UUID) -> Mapping[str, str]:
    return {}


def admin_application(
    platform: Platform,
    keys: KeyDirectory,
    policies: PolicyDirectory,
    open_gateway: OpenGateway | None = None,
    *,
    ask_draft: AskDraft | None = None,
    notice_of: NoticeOf = _no_notice,
    seen: Callable[[uuid.UUID], list[TargetSeen]] = none_seen,
) -> AdminApi:
    """Build it.

    Args:
        keys: the worker's API keys.
        policies: the worker's guard policies.
        open_gateway: the worker's gateway; one of its own is opened for each evaluation that is begun where there is none.
        ask_draft: asks assistants by prompts that are not kept yet; None in a process that answers no questions.
        notice_of: what a tenant's people are told before they ask.
        seen: the targets of a tenant's models as this worker sees them.
    """
    authenticate = admin_authentication(platform, keys)
    services = GuardServices(platform.database, platform.keyring, platform.clock, policies, principal_of_request)
    shared = (platform.database, platform.keyring, platform.clock, principal_of_request, lambda: platform.settings.sign_in)
    gateway = GatewayServices(*shared)
    knowledge = KnowledgeServices(platform.knowledge, principal_of_request)
    reception = Reception(platform.knowledge, lambda: platform.settings.http.upload_bytes_max)
    documents = DocumentServices(platform.knowledge, principal_of_request, reception)
    desk = AttachmentDesk(platform.knowledge, reception, platform.attachment_limits)
    attachments = AttachmentServices(platform.knowledge, principal_of_request, desk)
    revoke = partial(revoke_signing_key, platform.database, platform.folder, platform.clock)
    ledger = LedgerServices(*shared, partial(ledger_keys, platform.folder), revoke)
    room = platform.sign_in  # one for all requests: it holds how many passwords are hashed at once
    sign_ins = SignInServices(*shared, lambda: replace(room, settings=platform.settings.sign_in))
    jobs = JobServices(*shared, partial(_schedules, platform))
    verdicts = VerdictServices(platform.knowledge, principal_of_request, keys=partial(verdict_keys, platform.folder))
    releases = ReleaseServices(platform.knowledge, principal_of_request, partial(gate_of, platform.folder, platform.clock))
    quality = QualityServices(platform.database, platform.keyring, platform.clock, principal_of_request)
    starter = Starter(platform, open_gateway or partial(open_inside, platform))
    guards = [guard_router(services), tools_router(services), texts_router(services)]
    routers = [
        *guards,
        *gateway_routers(gateway),
        targets_router(gateway, seen),
        ledger_router(ledger),
        jobs_router(jobs),
        sign_ins_router(sign_ins),
        tenant_router(TenantServices(*shared, partial(_residency, platform))),
        index_router(knowledge),
        index_compare_router(knowledge),
        documents_router(documents),
        search_router(knowledge),
        prompts_router(gateway),
        prompt_preview_router(_previews(platform, ask_draft)),
        answers_router(knowledge),
        kept_answers_router(KeptAnswerServices(platform.knowledge, principal_of_request, look=partial(_look, policies))),
        access_router(knowledge),
        assistants_router(releases),
        releases_router(releases),
        verdicts_router(verdicts),
        nightly_router(NightlyServices(platform.knowledge, principal_of_request, put=partial(_put_plan, platform))),
        requirement_router(verdicts),
        thread_router(knowledge),
        attachments_router(attachments),
        bots_router(BotServices(platform.knowledge, principal_of_request)),
        widgets_router(WidgetServices(platform.knowledge, notice_of, principal_of_request)),
        runs_router(RunServices(platform.database, platform.keyring, platform.clock, principal_of_request, _scorer_types)),
        starting_router(StartServices(platform.database, platform.keyring, platform.clock, principal_of_request, starter.plan, starter.begin)),
        red_team_router(RedTeamServices(platform.database, platform.keyring, platform.clock, principal_of_request, starter.plan, starter.begin)),
        quality_router(quality),
        recommendation_router(quality),
        compare_router(CompareServices(platform.database, platform.keyring, principal_of_request)),
        golden_router(GoldenServices(platform.knowledge, masker(policies), principal_of_request)),
        review_router(ReviewServices(platform.knowledge, masker(policies), principal_of_request)),
        erasure_router(
            ErasureServices(platform.knowledge, partial(verify_receipt, platform), lambda: erasure_room(platform).erasers, principal_of_request)
        ),
    ]
    return create_admin(authenticate, routers, streams=lambda method, path: documents.streams(method, path) or attachments.streams(method, path))


def _previews(platform: Platform, ask: AskDraft | None) -> PreviewServices:
    async def organisation(who: Principal) -> str:
        return next(tenant.name for tenant in await list_tenants(platform.database) if tenant.id == who.tenant_id)

    def installation_model() -> str:
        model = platform.settings.model
        return model.name if model.base_url or model.api_key else ""

    return PreviewServices(platform.knowledge, principal_of_request, organisation=organisation, installation_model=installation_model, ask=ask)


def _residency(platform: Platform) -> Residency:
    settings = platform.settings
    elsewhere = settings.storage.blobs_url and not settings.storage.blobs_url.startswith("file:")
    return Residency("external" if settings.database.url else "embedded", "object_store" if elsewhere else "local")


def _schedules(platform: Platform, after: datetime) -> list[Schedule]:
    """The job worker's tasks are made when somebody asks for them: an HTTP worker stays small until then."""
    from ondol.wiring.jobs import schedules_of

    return schedules_of(platform, after)


def _look(policies: PolicyDirectory, tenant_id: uuid.UUID) -> Callable[[str], Awaitable[list[Mapping[str, Any]]]]:
    """What the tenant's guard finds in a text that goes out."""

    async def look(text: str) -> list[Mapping[str, Any]]:
        guard = policies.guards_for(tenant_id).stages.get("output")
        if guard is None:
            return []
        found, _ = await asyncio.to_thread(guard.find, text)
        return [
            {"kind": f"{item.check}:{item.entity or item.rule}", "check": item.check, "rule": item.rule, "entity": item.entity}
            | {"start": item.start, "end": item.end, "confidence": item.confidence}
            for item in found
        ]

    return look


async def _put_plan(platform: Platform, who: Principal, assistant: str, suite: str, login: str, at_minute: int, policy: Policy) -> Plan:
    """Evaluation is imported when somebody plans one: a worker stays small until then."""
    from ondol.wiring.nightly import plan_nights

    [tenant] = [each for each in await list_tenants(platform.database) if each.id == who.tenant_id]
    return await plan_nights(platform, tenant, assistant, suite, login, at_minute, policy, who.person_id)

"""The job worker: periodic care of the installation, uploads, and the ledger's sealer."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta

from ondol.application.evaluation.nightly.store import any_night_due
from ondol.application.evaluation.red_team.plans import due_plans
from ondol.application.knowledge.segments import drop_replaced
from ondol.application.knowledge.sweep import sweep_unnamed
from ondol.core.config import Settings
from ondol.infrastructure.access.people import list_tenants
from ondol.infrastructure.access.sign_in import forget_old_sessions
from ondol.infrastructure.jobs import JobApp, create_job_app, run_jobs
from ondol.infrastructure.jobs.read import Schedule
from ondol.infrastructure.ledger import LedgerSigner, run_sealer
from ondol.infrastructure.storage.postgres.care import make_partitions_ahead
from ondol.wiring.erasure import hide_what_came_back, run_erasures
from ondol.wiring.evaluation_jobs import run_evaluations
from ondol.wiring.platform import Platform
from ondol.wiring.stores import base_url

SEGMENT_CARE = "* * * * *"
INDEX_CARE = "* * * * * */10"
NIGHTLY = "17 18 * * *"
"""Periodic times are cron expressions in UTC; this one is 03:17 in Seoul."""
SWEEP = "47 18 * * *"

GUARD_ALARMS = "* * * * * */10"
"""Every ten seconds."""
GUARD_CARE = "37 * * * *"
RECORD_CARE = "7 * * * *"
UPLOAD_CARE = "27 * * * *"
STREAM_CARE = "*/5 * * * *"
THREAD_CARE = "*/5 * * * *"
REVIEW_CARE = "*/5 * * * *"

NIGHTS = "* * * * *"
"""Each assistant has a minute of its own, in the time zone of its tenant."""

SESSIONS_KEPT_DAYS = 30


def register_tasks(app: JobApp, platform: Platform) -> None:
    """Give the worker its tasks."""

    @app.periodic(cron=SEGMENT_CARE)
    @app.task(name="drop_replaced_segments", queueing_lock="drop_replaced_segments", pass_context=False)
    async def drop_replaced_segments(timestamp: int) -> None:
        del timestamp
        for tenant in await list_tenants(platform.database):
            await drop_replaced(platform.knowledge, tenant.id)

    @app.periodic(cron=INDEX_CARE)
    @app.task(name="index_care", queueing_lock="index_care", lock="index_care", pass_context=False)
    async def index_care(timestamp: int) -> None:
        from ondol.application.knowledge.index_versions import care_for_versions

        del timestamp
        for tenant in await list_tenants(platform.database):
            await care_for_versions(platform.knowledge, tenant.id)

    @app.periodic(cron=NIGHTLY)
    @app.task(name="nightly_care", queueing_lock="nightly_care", pass_context=False)
    async def nightly_care(timestamp: int) -> None:
        del timestamp
        await make_partitions_ahead(platform.database, platform.clock())
        await forget_old_sessions(platform.database, platform.clock() - timedelta(days=SESSIONS_KEPT_DAYS))

    @app.periodic(cron=SWEEP)
    @app.task(name="sweep_unnamed", queueing_lock="sweep_unnamed", pass_context=False)
    async def sweep(timestamp: int) -> None:
        del timestamp
        for tenant in await list_tenants(platform.database):
            await sweep_unnamed(platform.knowledge, tenant.id)

    @app.periodic(cron=UPLOAD_CARE)
    @app.task(name="upload_care", queueing_lock="upload_care", pass_context=False)
    async def upload_care(timestamp: int) -> None:
        from ondol.application.knowledge.documents.once import forget_keys
        from ondol.application.knowledge.documents.uploads import forget_uploads

        del timestamp
        await forget_uploads(platform.database, platform.clock())
        await forget_keys(platform.database, platform.clock())

    @app.periodic(cron=RECORD_CARE)
    @app.task(name="record_care", queueing_lock="record_care", pass_context=False)
    async def record_care(timestamp: int) -> None:
        from ondol.infrastructure.gateway.records.content import expire_contents

        del timestamp
        await expire_contents(platform.database, platform.clock())

    @app.periodic(cron=STREAM_CARE)
    @app.task(name="stream_care", queueing_lock="stream_care", pass_context=False)
    async def stream_care(timestamp: int) -> None:
        from ondol.infrastructure.gateway.streams.journal import expire_streams

        del timestamp
        await expire_streams(platform.database)

    @app.periodic(cron=THREAD_CARE)
    @app.task(name="thread_care", queueing_lock="thread_care", pass_context=False)
    async def thread_care(timestamp: int) -> None:
        from ondol.application.assistant.threads.store import forget_deleted
        from ondol.application.knowledge.attachments.keep import forget_files

        del timestamp
        await forget_deleted(platform.database, platform.clock())
        for tenant in await list_tenants(platform.database):
            await forget_files(platform.knowledge, tenant.id, platform.clock())

    @app.periodic(cron=REVIEW_CARE)
    @app.task(name="review_care", queueing_lock="review_care", lock="review_care", pass_context=False)
    async def review_care(timestamp: int) -> None:
        from ondol.wiring.reviews import take_all_feedback

        del timestamp
        await take_all_feedback(platform)

    _register_guard_tasks(app, platform)
    _register_nightly_tasks(app, platform)


def _register_guard_tasks(app: JobApp, platform: Platform) -> None:
    """The guard is imported when one of its tasks first runs: the worker stays small until then."""
    alarms = platform.settings.guard.alarms

    async def guard_alarms(timestamp: int) -> None:
        from ondol.infrastructure.guard.alarms import give_alarms

        del timestamp
        slugs = {tenant.id: tenant.slug for tenant in await list_tenants(platform.database)}
        home = base_url(platform.settings)
        await give_alarms(platform.database, alarms, slugs, lambda _slug, incident: f"{home}/api/v1/guard/incidents/{incident}", platform.clock)

    if alarms.webhook_url or alarms.email_to:
        task = app.task(name="guard_alarms", queueing_lock="guard_alarms", pass_context=False)(guard_alarms)
        app.periodic(cron=GUARD_ALARMS)(task)

    @app.periodic(cron=GUARD_CARE)
    @app.task(name="guard_care", queueing_lock="guard_care", pass_context=False)
    async def guard_care(timestamp: int) -> None:
        from ondol.infrastructure.guard.approvals import expire_approvals
        from ondol.infrastructure.guard.traffic import expire_traffic
        from ondol.infrastructure.guard.vault import expire_tokens

        del timestamp
        await expire_tokens(platform.database, platform.clock())
        await expire_traffic(platform.database, platform.clock())
        await expire_approvals(platform.database, platform.clock())


def _register_nightly_tasks(app: JobApp, platform: Platform) -> None:
    """Evaluation is imported when an assistant's night comes: the worker stays small until then."""
    alarms = platform.settings.guard.alarms

    @app.periodic(cron=NIGHTS)
    @app.task(name="nightly_evaluation", queueing_lock="nightly_evaluation", lock="nightly_evaluation", pass_context=False)
    async def nightly_evaluation(timestamp: int) -> None:
        del timestamp
        if await any_night_due(platform.database, platform.clock()):
            from ondol.wiring.nightly import run_due_nights

            await run_due_nights(platform)

    @app.periodic(cron=NIGHTS)
    @app.task(name="nightly_attacks", queueing_lock="nightly_attacks", lock="nightly_attacks", pass_context=False)
    async def nightly_attacks(timestamp: int) -> None:
        del timestamp
        if await due_plans(platform.database, platform.clock()):
            from ondol.wiring.red_team import begin_due_attacks

            await begin_due_attacks(platform)

    async def nightly_alarms(timestamp: int) -> None:
        from ondol.wiring.nightly import tell_of_nights

        del timestamp
        await tell_of_nights(platform)

    if alarms.webhook_url or alarms.email_to:
        task = app.task(name="nightly_alarms", queueing_lock="nightly_alarms", pass_context=False)(nightly_alarms)
        app.periodic(cron=NIGHTS)(task)


def schedules_of(platform: Platform, after: datetime) -> list[Schedule]:
    """The periodic tasks of this installation, and when each comes next after a moment."""
    app = create_job_app(platform.database.addresses)
    register_tasks(app, platform)
    periodic = app.periodic_registry.periodic_tasks.values()
    return [Schedule(each.task.name, each.cron, each.croniter.get_next(ret_type=datetime, start_time=after)) for each in periodic]


def settings_used(settings: Settings) -> object:
    """What the job worker makes of the settings when it begins."""
    return settings.guard.alarms, base_url(settings)


async def run_worker(platform: Platform, stop: asyncio.Event) -> None:
    """Run jobs, take uploads in, read attachments, carry evaluations and erasures out, and seal the ledger until `stop` is set."""
    app = create_job_app(platform.database.addresses)
    register_tasks(app, platform)
    signer = await asyncio.to_thread(LedgerSigner.open_or_create, platform.folder.ledger_key)
    await hide_what_came_back(platform)
    beside = [
        asyncio.create_task(run_sealer(platform.database, signer, platform.clock, stop)),
        asyncio.create_task(run_erasures(platform, stop)),
        asyncio.create_task(_take_uploads_in(platform, stop)),
        asyncio.create_task(_read_attachments(platform, stop)),
        asyncio.create_task(run_evaluations(platform, stop)),
    ]
    try:
        await run_jobs(app, stop)
    finally:
        stop.set()
        for task in beside:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _take_uploads_in(platform: Platform, stop: asyncio.Event) -> None:
    from ondol.application.knowledge.documents.taking import documents_of, run_takers

    await run_takers(platform.database, documents_of(platform.knowledge), stop)


async def _read_attachments(platform: Platform, stop: asyncio.Event) -> None:
    from ondol.application.knowledge.attachments.reading import reading_of
    from ondol.application.knowledge.documents.taking import run_takers

    await run_takers(platform.database, reading_of(platform.knowledge, platform.attachment_limits), stop)

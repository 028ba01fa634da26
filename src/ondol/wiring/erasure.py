"""Erasure, joined: each room's erasers in their order, what a process forgets, and what must be erased again after a restore."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from ondol.application.erasure import hide_again
from ondol.infrastructure.ledger import LedgerSigner
from ondol.infrastructure.ledger.erasure import Erasure, ErasureFollower, ErasureRoom, Gone, ReceiptCheck, carry_out_open, check_receipt
from ondol.infrastructure.ledger.erasure.store import unknown_tombstones
from ondol.infrastructure.ledger.signing import public_keys_path, read_public_keys
from ondol.wiring.platform import Platform

if TYPE_CHECKING:
    from ondol.application.assistant.answer import AssistantRoom

AGAIN_SECONDS = 10.0
"""An erasure that a store refused, or that waits for a writer, is tried again after so long."""

LEFT: Mapping[str, str] = MappingProxyType(
    {
        "answers": "who asked, and on which ids the answer rests: the account of an answer, without its content",
        "requests": "accounts of the tenant: ids and figures; the id of a person names nobody once the person is gone",
        "request_hours": "sums of the same accounts by the hour: ids and figures",
        "ledger_events": "a ledger cannot forget: ids, counts and keyed addresses, never content",
        "ledger_batches": "digests of the ledger",
        "artefacts": "ids and keyed addresses, which nobody can turn back once the tenant's key or the content is gone",
        "audiences": "an access rule: ids of groups and people, and a digest of those",
        "sign_in_failures": "keyed hashes of a try to sign in, which the nightly care removes",
        "releases": "a digest of settings",
        "guard_policies": "digests of rules, and the id of whoever made them",
        "guard_bindings": "the id of whoever bound a policy",
        "guard_canaries": "words of the platform, about nobody",
        "guard_incidents": "who closed an incident: the accountability of whoever works here",
        "guard_texts": "hashes of works that no answer may repeat, which the tenant put there",
        "erasures": "what was erased: ids, counts, and the receipt",
        "budget_credits": "the id of whoever paid in: an account of the tenant",
        "gateway_settings": "what the tenant tells people, sealed under the tenant's key",
        "models": "the tenant's own instructions for a model, sealed under the tenant's key",
        "prompt_versions": "what assistants are told: the tenant's own words, sealed under the tenant's key",
        "release_moves": "who let a release serve: the accountability of whoever works here",
        "access_requests": "who asked for access, and who decided: an account, without the note",
        "idempotency_keys": "keyed hashes of a request's key and body for a day, and the ids that it was answered with",
        "verdicts": "names, digests and figures of evaluations, and the id of whoever asked for one: the accountability of whoever works here",
        "verdict_requirements": "who set what an assistant requires: the accountability of whoever works here",
        "nightly_plans": "who set the nightly evaluation; its suite holds no cases and is sealed under the tenant's key",
        "red_team_plans": "who set the nightly attacks, and in whose name they are asked: the accountability of whoever works here",
        "attribute_values": "the tenant's own words for its departments and such",
        "providers": "the tenant's secrets for its providers",
        "review_queues": "the id of whoever made a queue: the accountability of whoever works here",
        "review_guidelines": "what raters are told: the tenant's own words, sealed under the tenant's key",
        "review_decisions": "who decided where raters did not agree; its words lie under the item's key and go with the item",
        "widgets": "the secret of a tenant's site, and the id of whoever made the widget: the accountability of whoever works here",
        "bots": "the tenant's secrets for a chat, and the id of whoever made the bot: the accountability of whoever works here",
        "bot_events": "keyed hashes of what a chat sent, forgotten with the first that comes a day later",
        "golden_versions": "a digest of items, and the id of whoever made the version: the accountability of whoever works here",
    }
)
"""Tables with a personal, sealed or hashed column that no eraser empties, or not wholly, and why."""

_log = logging.getLogger(__name__)


def erasure_room(platform: Platform, forget: Callable[[Gone], None] | None = None) -> ErasureRoom:
    """What carrying erasures out works with.

    Args:
        forget: drops what else this process keeps of the erased; the platform's own memory is always dropped.
    """
    from ondol.application.assistant.erasure import answer_erasers
    from ondol.application.assistant.threads.erasure import thread_erasers
    from ondol.application.channels.bots.erasure import bot_eraser
    from ondol.application.channels.widgets.erasure import widget_eraser
    from ondol.application.evaluation.golden.erasure import golden_erasers
    from ondol.application.evaluation.judges.kept import judgement_eraser
    from ondol.application.evaluation.quality.recommending import recommendation_eraser
    from ondol.application.evaluation.review.erasure import review_erasers
    from ondol.application.evaluation.runs.erasure import run_erasers
    from ondol.application.knowledge.attachments.erasure import attachment_erasers
    from ondol.application.knowledge.erasure import StorePlaces, document_erasers, key_eraser
    from ondol.infrastructure.access.erasure import person_eraser
    from ondol.infrastructure.gateway.records.erasure import record_erasers
    from ondol.infrastructure.gateway.records.lines import FORM
    from ondol.infrastructure.gateway.records.spooled import spool_eraser
    from ondol.infrastructure.gateway.streams.journal import stream_erasers
    from ondol.infrastructure.guard.erasure import guard_erasers

    storage, folder, database = platform.settings.storage, platform.folder, platform.database
    places = StorePlaces(blobs=storage.blobs_url or folder.blobs, keyring=storage.keyring_url or folder.keyring)
    index, *documents = document_erasers(platform.knowledge, places)
    attachments = attachment_erasers(platform.knowledge, places)
    erasers = (
        index,
        *answer_erasers(database),
        *thread_erasers(database),
        *golden_erasers(database),
        *run_erasers(database),
        judgement_eraser(database),
        *review_erasers(database),
        recommendation_eraser(database),
        *stream_erasers(database),
        *record_erasers(database),
        spool_eraser(database, folder.spool / FORM, platform.clock),
        *guard_erasers(database),
        widget_eraser(database),
        bot_eraser(database),
        *documents,
        *attachments,
        person_eraser(database),
        key_eraser(platform.keyring, places),
    )
    return ErasureRoom(
        database=database,
        keyring=platform.keyring,
        clock=platform.clock,
        signer=partial(LedgerSigner.open_or_create, folder.ledger_key),
        erasers=erasers,
        horizon_days=platform.settings.backup.keyring_keep_days or None,
        forget=forget or partial(forget_gone, platform),
    )


def forget_gone(platform: Platform, gone: Gone, assistants: AssistantRoom | None = None) -> None:
    """Drop from the memory of this process what was erased: key, opened texts, open segments, states of indexes, answers kept for others."""
    platform.keyring.forget(gone.owner)
    platform.knowledge.texts.forget(gone.version_ids)
    platform.knowledge.shelf.forget(gone.segment_ids)
    if assistants is not None:
        assistants.states.forget_tenant(gone.owner.tenant_id)
        if assistants.cache is not None:
            assistants.cache.clear()


@contextlib.asynccontextmanager
async def forgetting(platform: Platform, forget: Callable[[Gone], None]) -> AsyncIterator[None]:
    """Forget what is erased, for as long as this lasts."""
    following = asyncio.create_task(ErasureFollower(platform.database, forget).run(), name="erasures")
    try:
        yield
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following


async def run_erasures(platform: Platform, stop: asyncio.Event) -> None:
    """Carry out whatever is asked, as soon as it is asked, until `stop` is set."""
    wake = asyncio.Event()
    room = erasure_room(platform)
    following = asyncio.create_task(ErasureFollower(platform.database, room.forget, wake.set).run(), name="erasures")
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            waking = asyncio.create_task(wake.wait())
            await asyncio.wait({waking, stopping}, timeout=AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()
            wake.clear()
            if not stop.is_set():
                await _carried_out(room)
    finally:
        for task in (following, stopping):
            task.cancel()
        await asyncio.gather(following, stopping, return_exceptions=True)


async def _carried_out(room: ErasureRoom) -> None:
    try:
        await carry_out_open(room)
    except Exception:
        # The boundary of this task: without it no erasure would ever be carried out again, and nobody would know.
        _log.exception("erasures not carried out")


async def verify_receipt(platform: Platform, erasure: Erasure) -> ReceiptCheck:
    """Check a receipt against the ledger's public keys and events, and probe every store again.

    Raises:
        Conflict: when the erasure has no receipt yet.
    """
    listed = public_keys_path(platform.folder.ledger_key)
    keys = await asyncio.to_thread(read_public_keys, listed) if listed.exists() else {}
    return await check_receipt(erasure_room(platform), keys, erasure)


async def hide_what_came_back(platform: Platform) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Hide again what a restore has brought back, before anybody is served; tenant and id of each erasure that has to be carried out.

    The key ring's tombstones know more than a database that was restored from an older backup.
    """
    buried = {owner.id: (owner, at) for owner, at in await asyncio.to_thread(lambda: list(platform.keyring.list_buried()))}
    if not buried:
        return []
    again: list[tuple[uuid.UUID, uuid.UUID]] = []
    for owner, at in [buried[target_id] for target_id in await unknown_tombstones(platform.database, buried)]:
        await asyncio.to_thread(platform.keyring.destroy, owner)
        erasure = await hide_again(platform.knowledge, owner.tenant_id, owner.kind, owner.id, at)
        if erasure is not None:
            again.append((owner.tenant_id, erasure.id))
    return again

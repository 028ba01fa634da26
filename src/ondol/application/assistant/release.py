"""Releases of an assistant: what one is made of, and letting one serve. What a release names is looked at before it goes live."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from ondol.application.assistant.extractive import answered_min_of
from ondol.application.assistant.generative import HISTORY_TURNS_MAX, PROMPT, system_text
from ondol.application.assistant.rewriting import RetrievalSettings, retrieval_settings
from ondol.application.assistant.searching import search_of
from ondol.application.assistant.threads import memory_settings
from ondol.application.assistant.types import PASSAGES_SHOWN_MAX, REFUSALS, Assistant, switch_of
from ondol.application.assistant.verify import verification_policy
from ondol.application.knowledge.index import ANALYSER_ID
from ondol.application.knowledge.index_versions import IndexVersion, complete_version, find_version
from ondol.application.knowledge.index_versions.store import count_missing, get_version
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.store import get_base
from ondol.application.prompts import Language, Prompt
from ondol.application.prompts.store import find_prompt, keep_prompt
from ondol.core.clock import Clock
from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.policies import applying_names
from ondol.infrastructure.guard.store import BUILT_IN, find_by_digest, keep_built_in, list_bindings, list_policies
from ondol.infrastructure.releases import (
    EvidenceTurn,
    Gate,
    IndexPart,
    Manifest,
    MemoryPart,
    PromptPart,
    Release,
    RetrievalPart,
    RoutePart,
    SearchPart,
    VerificationPart,
    Why,
    activate,
    get_release,
    hold_assistant,
    manifest_json,
    open_gate,
    parse_manifest,
    propose,
    save_release,
)
from ondol.infrastructure.releases.manifest import MANIFEST_VERSION, Passages, Tokens, Turns, Value
from ondol.infrastructure.serving.offered import offers
from ondol.infrastructure.serving.prices.store import current_price
from ondol.infrastructure.serving.store import get_model
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database

DECLARED = Why("declared")
SWITCHES = ("snippet", "cache")
"""Settings of an assistant that are on or off, and part of no release."""
FOLLOW = "follow"
"""Instead of an index version: whichever the base serves."""


class Wish(msgspec.Struct, frozen=True):
    """What a release is to be made of; an assistant's settings say it where nobody says otherwise.

    Attributes:
        prompt: a reference, such as ``support@3``.
        prompt_values: of its variables.
        model: one of the tenant's models by its alias; without one what the installation's settings name answers.
        extractive: no model answers: sentences are quoted.
        evidence_turn: whose turn the passages are in; `user` for models that know no tools.
        passages_max, context_tokens_max: what of the passages a model is shown.
        turns_max: how many turns of the conversation it is told again.
        retrieval: ``{"rewrite": "multi", "queries_max": 3}``, and how the base is searched, where not as it says: ``{"reranker": "rerank-ko"}``.
        guard: `pin` for the version of the policy that is in force when the release is made, `follow` for the one in force when somebody asks; where
            nobody says, a release that somebody makes pins it, and one that is made of a declaration follows.
        verification: ``{"unsupported": "remove", "partial": "show"}``.
        refuse_below: below this probability the built-in model refuses, such as 0.87.
        memory: of threads: ``{"turns": 4, "tokens": 1500, "summary": true}``.
    """

    prompt: Annotated[str, msgspec.Meta(max_length=130)] = PROMPT
    prompt_values: Annotated[dict[str, Value], msgspec.Meta(max_length=100)] = {}
    model: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    extractive: bool = False
    evidence_turn: EvidenceTurn = "tool"
    passages_max: Passages = PASSAGES_SHOWN_MAX
    context_tokens_max: Tokens | None = None
    turns_max: Turns = HISTORY_TURNS_MAX
    retrieval: Any = None
    verification: Any = None
    refuse_below: Any = None
    memory: Any = None
    guard: Literal["pin", "follow"] | None = None


def wish_of(settings: Mapping[str, Any], **chosen: Any) -> Wish:
    """What an assistant's settings ask for, or what was chosen instead; settings of other rooms are passed over.

    Raises:
        RequestError: when one is wrong, also of those that no release holds; `param` names it.
    """
    told = {**settings, **{name: value for name, value in chosen.items() if value is not None}}
    if chosen.get("model") is not None:
        told["extractive"] = False
    elif chosen.get("extractive"):
        told["model"] = None
    try:
        wish = msgspec.convert(told, Wish)
    except msgspec.ValidationError as error:
        raise RequestError(f"The assistant's settings are wrong: {error}.", "Mend the settings.", code="invalid_setting") from error
    for name in SWITCHES:
        switch_of(settings, name)
    memory_settings(wish.memory), retrieval_settings(wish.retrieval), verification_policy(wish.verification)
    if wish.refuse_below is not None:
        answered_min_of(wish.refuse_below)
    if wish.extractive and wish.model is not None:
        raise RequestError("An assistant has a model or is extractive, not both.", "Leave one out.", code="invalid_setting", param="model")
    return wish


async def compose(
    database: Database,
    keyring: KeyRing,
    connection: Connection,
    tenant_id: uuid.UUID,
    assistant: Assistant,
    wish: Wish,
    index: str,
    clock: Clock,
    *,
    pins: bool = True,
) -> Manifest:
    """The manifest of a release that is as wished, of what there is now.

    Args:
        index: the version of the base's index by its number, a tag or `active`; `follow` for whichever the base serves.
        pins: whether the guard's policy and the base's way to search are held as they are now, where the wish does not say.

    Raises:
        NotFound: when something of it does not exist.
        Conflict: when the index version cannot serve.
        RequestError: when a value does not fit the prompt.
    """
    found = await find_prompt(connection, keyring, tenant_id, wish.prompt)
    _check_values(found, wish.prompt_values)
    prompt = await keep_prompt(connection, keyring, tenant_id, found, now=clock())
    assert prompt.version is not None  # noqa: S101 - it is kept now
    if wish.model is not None:
        await _check_route(database, connection, wish.model)
    version = None if index == FOLLOW else await find_version(connection, assistant.base_id, index)
    if version is not None:
        _check_index(version)
    memory = memory_settings(wish.memory)
    base = await get_base(connection, assistant.base_id)
    guard = wish.guard or ("pin" if pins else "follow")
    kind: Literal["model", "extractive", "installation"] = "model" if wish.model is not None else "extractive" if wish.extractive else "installation"
    made = Manifest(
        manifest_version=MANIFEST_VERSION,
        prompt=PromptPart(name=prompt.name, version=prompt.version, digest=prompt.digest.hex(), values=dict(wish.prompt_values)),
        route=RoutePart(kind=kind, model=wish.model, evidence_turn=wish.evidence_turn),
        bases=[
            IndexPart(
                base_id=assistant.base_id,
                index_version_id=version.id if version is not None else None,
                analyser_id=version.analyser_id if version is not None else None,
            )
        ],
        retrieval=_retrieval(wish, retrieval_settings(wish.retrieval), search_of(wish.retrieval, base.retrieval, pins=pins)),
        verification=_verification(wish),
        guard_policy_digest=await policy_in_force(connection, tenant_id, assistant, clock()) if guard == "pin" else None,
        memory=MemoryPart(turns_max=wish.turns_max, thread_turns_max=memory.turns, thread_tokens_max=memory.tokens, summary=memory.summary),
        context_features=[],
        price_list_id=await _price_list(connection, wish.model, clock()),
        evaluation=None,
    )
    return parse_manifest(manifest_json(made))


def _retrieval(wish: Wish, settings: RetrievalSettings, search: SearchPart | msgspec.UnsetType) -> RetrievalPart:
    """What is off is not written, as it was not before there was anything to switch on: the same release keeps its digest."""
    plain = RetrievalPart(passages_max=wish.passages_max, context_tokens_max=wish.context_tokens_max, search=search)
    if settings.rewrite == "off":
        return plain
    return msgspec.structs.replace(plain, rewrite=settings.rewrite, queries_max=settings.others_max + 1)


def _verification(wish: Wish) -> VerificationPart:
    """What is to be shown, and below what is refused; where nobody says, the latter is not written and is what is shipped."""
    policy, answered_min = verification_policy(wish.verification), answered_min_of(wish.refuse_below)
    plain = VerificationPart(unsupported=policy.unsupported, partial=policy.partial)
    return plain if wish.refuse_below is None else msgspec.structs.replace(plain, refuse_below_thousandths=round(answered_min * 1000))


async def declare_release(
    database: Database,
    keyring: KeyRing,
    connection: Connection,
    tenant_id: uuid.UUID,
    assistant: Assistant,
    clock: Clock,
    *,
    gate: Gate = open_gate,
) -> Release | None:
    """Let an assistant serve what its declaration says, unless it serves a release that somebody made; the new release, if there is one.

    Args:
        gate: asked where the assistant serves something already. A release that it does not let through is the candidate, and what is live stays.

    Raises:
        RequestError: as `compose` does.
    """
    live = await _live(connection, assistant)
    if live is not None and not live.is_implicit:
        return None
    manifest = await compose(database, keyring, connection, tenant_id, assistant, wish_of(assistant.settings), FOLLOW, clock, pins=False)
    release = await save_release(connection, tenant_id, assistant.id, manifest, clock(), is_implicit=True)
    if live is not None and live.id == release.id:
        return None
    if live is not None and await gate(connection, release) is not None:
        if release.state == "candidate":
            return None
        return await propose(connection, tenant_id, release.id, clock())
    return await activate(connection, keyring, tenant_id, release.id, DECLARED, clock(), kind="declare")


async def create_release(
    room: Knowledge, tenant_id: uuid.UUID, assistant: Assistant, wish: Wish, index: str, *, actor_id: uuid.UUID | None = None
) -> Release:
    """Make a draft; nothing that is live changes by it.

    Raises:
        RequestError: as `compose` does.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        manifest = await compose(room.database, room.keyring, connection, tenant_id, assistant, wish, index, room.clock)
    await _check_reranker(room, tenant_id, manifest)
    async with room.database.tenant_tx(tenant_id) as connection:
        return await save_release(connection, tenant_id, assistant.id, manifest, room.clock(), by=actor_id)


async def let_live(room: Knowledge, tenant_id: uuid.UUID, release_id: uuid.UUID, why: Why, *, gate: Gate = open_gate) -> Release:
    """Let a release serve: it becomes the candidate, its index is brought up to date, and then the pointer moves in one transaction.

    Args:
        gate: asked last, when everything that the release names was found.

    Raises:
        Conflict: when something that it names is gone or cannot serve, or the gate does not let it through; it stays a candidate then.
        NotFound, LedgerBroken: as `releases.get_release` does.
    """
    async with room.database.tenant_tx(tenant_id) as connection:
        release = await propose(connection, tenant_id, release_id, room.clock(), actor_id=why.actor_id)
        behind = [version for version in await _named_versions(connection, release) if await count_missing(connection, version)]
    await _check_reranker(room, tenant_id, release.manifest)
    unreadable: set[uuid.UUID] = set()
    for version in behind:
        unreadable |= (await complete_version(room, tenant_id, version)).unreadable

    async with room.database.tenant_tx(tenant_id) as connection:
        whole = partial(_check_whole, room.database, room.keyring, tenant_id, frozenset(unreadable), gate)
        return await activate(connection, room.keyring, tenant_id, release_id, why, room.clock(), gate=whole)


async def _check_whole(
    database: Database,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    without: frozenset[uuid.UUID],
    gate: Gate,
    connection: Connection,
    release: Release,
) -> str | None:
    """Whether all that a release names is there; then the gate is asked."""
    manifest = release.manifest
    try:
        prompt = await find_prompt(connection, keyring, tenant_id, f"{manifest.prompt.name}@{manifest.prompt.version}")
        if prompt.digest.hex() != manifest.prompt.digest:
            return "its prompt is not the one that was named."
        _check_values(prompt, manifest.prompt.values)
        if manifest.route.model is not None:
            await _check_route(database, connection, manifest.route.model)
        pinned = manifest.pinned_policy
        if pinned is not None and await find_by_digest(connection, pinned) is None:
            return "the version of the guard's policy that it names is gone."
        for version in await _named_versions(connection, release):
            if missing := await count_missing(connection, version, without):
                return f"index version {version.number} lacks {missing:,} documents that came meanwhile. Try again."
    except RequestError as error:
        return error.message
    return await gate(connection, release)


async def _named_versions(connection: Connection, release: Release) -> list[IndexVersion]:
    """The index versions that a release names.

    Raises:
        Conflict: when one of them cannot serve.
    """
    named = [part.index_version_id for part in release.manifest.bases if part.index_version_id is not None]
    versions = [await get_version(connection, version_id) for version_id in named]
    for version in versions:
        _check_index(version)
    return versions


def _check_index(version: IndexVersion) -> None:
    if version.state not in ("ready", "active", "retired"):
        hint = "Name another one: `ondol index list BASE` shows all."
        raise Conflict(f"Index version {version.number} is {version.state}.", hint, code="index_not_ready")
    if version.analyser_id != ANALYSER_ID:
        hint = "Build a new one: `ondol index build BASE`."
        raise Conflict(f"Index version {version.number} was made by another version of the text analysis.", hint, code="index_outdated")


async def _check_reranker(room: Knowledge, tenant_id: uuid.UUID, manifest: Manifest) -> None:
    """Whether the reranker that a manifest names is there.

    Raises:
        RequestError: when it is not.
    """
    search = manifest.retrieval.search
    if isinstance(search, SearchPart) and search.reranker is not None:
        await room.reranker_of(tenant_id, search.reranker)


async def _check_route(database: Database, connection: Connection, alias: str) -> None:
    if not await offers(database, connection, alias):
        hint = "`ondol model list` shows the models."
        raise NotFound(f"There is no model called {alias[:100]}.", hint, code="model_not_found", param="model")


def _check_values(prompt: Prompt, values: Mapping[str, Value]) -> None:
    """Whether the prompt can be written in each of its languages.

    Raises:
        PromptError: when a value is missing or not of its variable's type.
        RequestError: for a value that the prompt has no variable for.
    """
    strangers = sorted(set(values) - set(prompt.body.variables))
    if strangers:
        raise RequestError(f"The prompt has no variable ${strangers[0][:50]}.", "Take the value away.", code="invalid_prompt", param="prompt_values")
    languages: tuple[Language, ...] = ("ko", "en")
    for language in languages:
        if language in prompt.body.texts:
            system_text(prompt, language, {**values, "organisation": "", "refusal": REFUSALS[language]}, "")


async def policy_in_force(connection: Connection, tenant_id: uuid.UUID, assistant: Assistant, now: datetime) -> str | None:
    """The digest of the policy that is chosen for the assistant now; the built-in one is kept, since a later version of Ondol has another."""
    known = {stored.policy.name: stored.policy for stored in await list_policies(connection)} | {BUILT_IN: default_policy()}
    floors = [name for name, policy in known.items() if policy.floor]
    places = {"assistant": assistant.name, "model": assistant.model, "base": assistant.base}
    names = applying_names(await list_bindings(connection), floors, places)
    if names[0] == BUILT_IN:
        await keep_built_in(connection, tenant_id, default_policy(), now)
    return known[names[0]].digest.hex() if names[0] in known else None


async def _price_list(connection: Connection, alias: str | None, now: datetime) -> uuid.UUID | None:
    """The price list of the first target of one of the tenant's own models."""
    try:
        targets = (await get_model(connection, alias)).targets if alias is not None else ()
    except NotFound:
        return None  # a shared one: its owner pays
    return await current_price(connection, targets[0].provider, targets[0].name, now) if targets else None


async def _live(connection: Connection, assistant: Assistant) -> Release | None:
    held = await hold_assistant(connection, assistant.id)
    return await get_release(connection, held["live_release_id"]) if held["live_release_id"] is not None else None

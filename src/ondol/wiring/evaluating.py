"""Evaluation, joined with the platform: what targets and scorers reach of it, in the name of whoever asks."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ondol.application.assistant.store import find_assistant
from ondol.application.evaluation.scorers import Tools
from ondol.application.evaluation.scorers.base import Asked
from ondol.application.evaluation.suites.cases import exact
from ondol.application.evaluation.targets import Reach, Replied, Searched
from ondol.application.evaluation.targets.chat import exchanged, messages_of
from ondol.application.evaluation.types import Answer, Ranked
from ondol.application.knowledge.search import Found, IndexStates, search
from ondol.application.knowledge.store import ReadableVersion, find_base, readable_versions
from ondol.application.prompts.render import render_prompt
from ondol.application.prompts.store import find_prompt
from ondol.core.canonical import digest
from ondol.core.errors import RequestError
from ondol.infrastructure.access.people import find_person, groups_of_person
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.gateway.door import Caller
from ondol.infrastructure.gateway.inside import ask_inside
from ondol.infrastructure.guard.canaries import list_canaries
from ondol.infrastructure.guard.conversation import Guards
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.policy import Policy
from ondol.infrastructure.guard.store import BUILT_IN, get_policy
from ondol.infrastructure.guard.trial import guards_of, try_text
from ondol.infrastructure.guard.types import Stage
from ondol.infrastructure.releases import find_release
from ondol.infrastructure.serving.directory import AssistantCard, ModelCard
from ondol.wiring.inside import InsideGateway, targets_of
from ondol.wiring.platform import Platform

CHAT = "/v1/chat/completions"
STAGES = {"full_text": "full_text", "vectors": "vectors", "fusion": "fused", "rerank": "reranked", "diversity": "diverse"}
"""The names that scorers give to the stages of a search."""


@dataclass
class EvaluationRoom:
    """What one run reaches.

    Attributes:
        runner: the login of whoever runs the suite: those cases are asked in this name that name nobody.
    """

    platform: Platform
    inside: InsideGateway
    tenant: Tenant
    runner: str
    _callers: dict[str, Caller] = field(default_factory=dict)
    _cards: dict[tuple[str, str], AssistantCard] = field(default_factory=dict)
    _guards: dict[str, Guards] = field(default_factory=dict)
    _states: IndexStates = field(default_factory=IndexStates)

    def reach(self, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Reach:
        """What targets may call; the last two from the command line only."""
        return Reach(self.chat, self.search, self.check, self.prompt, self.identity, self.is_registered, environment, folder)

    async def tools(self, folder: Path | None = None) -> Tools:
        """What scorers may call, and the tenant's canaries that are looked for now."""
        async with self.platform.database.tenant_tx(self.tenant.id) as connection:
            known = await list_canaries(connection, self.platform.keyring, self.tenant.id)
        values = tuple(canary.value for canary in known if canary.retired_at is None)
        return Tools(ask=self.ask_model, look=self.look, folder=folder, canaries=values, closed_to=_closed_to)

    async def caller(self, login: str | None) -> Caller:
        """Who asks, by login.

        Raises:
            NotFound: when the tenant has no such person.
        """
        name = login or self.runner
        known = self._callers.get(name)
        if known is None:
            async with self.platform.database.tenant_tx(self.tenant.id) as connection:
                person = await find_person(connection, self.platform.keyring, self.tenant.id, name)
                groups = await groups_of_person(connection, person.id)
            known = self._callers[name] = Caller(self.tenant.id, person.id, None, None, groups)
        return known

    async def chat(self, asker: str | None, body: Mapping[str, Any], release: str) -> Replied:
        """Ask a model or an assistant through the gateway."""
        released = None
        if release:
            released = self.tenant.id, await self._released(str(body["model"]).removeprefix("assistant/"), release)
        answer = await ask_inside(self.inside.gateway(released), await self.caller(asker), CHAT, body)
        return Replied(answer.status, answer.headers, answer.body)

    async def ask_model(self, alias: str, asked: Asked) -> Answer:
        """Ask a model for a judge, or as a simulated user."""
        body: dict[str, Any] = {
            "model": alias,
            "messages": messages_of(asked.turns),
            "temperature": asked.temperature,
            "max_tokens": asked.tokens_max,
        }
        if asked.seed is not None:
            body["seed"] = asked.seed
        if asked.schema is not None:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": dict(asked.schema)}}
        return await exchanged(lambda: self.chat(None, body, ""))

    async def search(self, base: str, question: str, asker: str | None, limit: int) -> Searched:
        """Search a base as somebody, and name what each stage ranked. What the asker may not read has no name: it is told by its id."""
        caller = await self.caller(asker)
        room, tenant_id = self.platform.knowledge, self.tenant.id
        async with room.database.tenant_tx(tenant_id) as connection:
            found_base = await find_base(connection, base)
        found = await search(room, self._states, tenant_id, caller.person_id, found_base.id, question, limit=limit)
        ids = {ranked.document_version_id for stage in found.stages for ranked in stage.ranked}
        async with room.database.tenant_tx(tenant_id) as connection:
            visible = await room.visible.of(connection, tenant_id, caller.person_id)
            readable = await readable_versions(connection, room.keyring, tenant_id, ids, visible.audience_ids, room.clock())
        return _searched(found, readable)

    async def look(self, text: str) -> list[Mapping[str, Any]]:
        """What the tenant's guard finds in a text that goes out."""
        guard = self.inside.guard.policies.guards_for(self.tenant.id).stages.get("output")
        if guard is None:
            return []
        found, _ = await asyncio.to_thread(guard.find, text)
        return [
            {"kind": f"{item.check}:{item.entity or item.rule}", "check": item.check, "rule": item.rule, "entity": item.entity}
            | {"start": item.start, "end": item.end, "confidence": item.confidence}
            for item in found
        ]

    async def check(self, policy: str, stage: str, text: str) -> Mapping[str, Any]:
        """A guard policy's verdict on a text, without the text."""
        if policy not in self._guards:
            self._guards[policy] = guards_of(await self._policy(policy))
        tried = await asyncio.to_thread(try_text, self._guards[policy], _stage(stage), text)
        return {name: value for name, value in tried.plain().items() if name != "text"}

    async def prompt(self, reference: str, language: str, values: Mapping[str, Any]) -> str:
        """A prompt's text."""
        async with self.platform.database.tenant_tx(self.tenant.id) as connection:
            found = await find_prompt(connection, self.platform.keyring, self.tenant.id, reference)
        return render_prompt(found, "ko" if language == "ko" else "en", values)

    async def is_registered(self, netloc: str) -> bool:
        """Whether an address is that of one of the tenant's providers."""
        return any(urlsplit(target.provider.base_url).netloc == netloc for target in targets_of(self.inside.room.directory, self.tenant.id))

    async def identity(self, kind: str, name: str) -> Mapping[str, str]:
        """What a thing is, by digest.

        Raises:
            NotFound: when there is no such thing.
        """
        tell: dict[str, Callable[[str], Any]] = {
            "assistant": self._assistant,
            "route": self._route,
            "prompt": self._prompt,
            "retriever": self._retriever,
            "guard": self._guard,
        }
        told: Mapping[str, str] = await tell[kind](name)
        return told

    async def _assistant(self, name: str) -> Mapping[str, str]:
        plain, _, release = name.partition("@")
        async with self.platform.database.tenant_tx(self.tenant.id) as connection:
            assistant = await find_assistant(connection, plain)
            found = await find_release(connection, assistant.id, release or "live")
        manifest = found.manifest
        index = manifest.bases[0].index_version_id
        guards = self.inside.guard.policies.guards_for(self.tenant.id, assistant=plain, base=assistant.base)
        route = await self._route(manifest.route.model) if manifest.route.model is not None else {"model": digest(manifest.route.kind).hex()}
        return {
            "assistant": plain,
            "release": found.digest.hex(),
            "release_number": str(found.number),
            "prompt": manifest.prompt.digest,
            "index": str(index) if index else await self._active_index(assistant.base),
            "guard": digest([bytes(each) for each in guards.digests]).hex(),
            **route,
        }

    async def _route(self, alias: str) -> Mapping[str, str]:
        directory = self.inside.room.directory
        card = directory.model(directory.tenant(self.tenant.id), alias)
        if not isinstance(card, ModelCard):
            raise RequestError(f"{alias[:100]} is an assistant.", "Name it in `assistant`.", param="target.route")
        targets = [[target.provider.name, target.provider.base_url, target.model, target.priority, target.weight] for target in card.row.targets]
        settings = exact(msgspec.to_builtins(card.settings))
        return {"route": alias, "model": digest({"targets": exact(targets), "settings": settings, "prompt": card.prompt}).hex()}

    async def _prompt(self, reference: str) -> Mapping[str, str]:
        async with self.platform.database.tenant_tx(self.tenant.id) as connection:
            found = await find_prompt(connection, self.platform.keyring, self.tenant.id, reference)
        return {"prompt_name": f"{found.name}@{found.version or 'builtin'}", "prompt": found.digest.hex()}

    async def _retriever(self, base: str) -> Mapping[str, str]:
        async with self.platform.database.tenant_tx(self.tenant.id) as connection:
            found = await find_base(connection, base)
        retrieval = digest(exact(msgspec.to_builtins(found.retrieval))).hex()
        return {"retriever": base, "index": str(found.active_index_id or ""), "retrieval": retrieval}

    async def _guard(self, reference: str) -> Mapping[str, str]:
        return {"guard_policy": reference, "guard": (await self._policy(reference)).digest.hex()}

    async def _active_index(self, base: str) -> str:
        return (await self._retriever(base))["index"]

    async def _policy(self, reference: str) -> Policy:
        name, _, version = reference.partition("@")
        if name == BUILT_IN:
            return default_policy()
        if version and not (version.isascii() and version.isdecimal() and len(version) < 10):
            raise RequestError(f"{reference[:100]} names no version of a policy.", "For example: careful@2", param="target.guard")
        async with self.platform.database.tenant_tx(self.tenant.id) as connection:
            return (await get_policy(connection, name, int(version) if version else None)).policy

    async def _released(self, name: str, release: str) -> AssistantCard:
        known = self._cards.get((name, release))
        if known is not None:
            return known
        async with self.platform.database.tenant_tx(self.tenant.id) as connection:
            assistant = await find_assistant(connection, name)
            found = await find_release(connection, assistant.id, release)
        manifest, tenant = found.manifest, self.inside.room.directory.tenant(self.tenant.id)
        card = AssistantCard(
            assistant.id,
            assistant.name,
            assistant.base,
            tenant.assistants[name].created_at,
            found.id,
            manifest.route.model or "",
            manifest.retrieval.context_tokens_max,
            manifest.pinned_policy,
        )
        self._cards[name, release] = card
        return card


def _searched(found: Found, readable: Mapping[uuid.UUID, ReadableVersion]) -> Searched:
    def name(version_id: uuid.UUID) -> str:
        known = readable.get(version_id)
        return known.details.key if known is not None else str(version_id)

    ranked = [
        Ranked(
            STAGES[stage.name],
            tuple(name(each.document_version_id) for each in stage.ranked),
            tuple(f"{each.document_version_id}:{each.passage_ordinal}" for each in stage.ranked),
        )
        for stage in found.stages
        if stage.name in STAGES
    ]
    given = found.evidence
    final = Ranked(
        "final",
        tuple(each.version.details.key for each in given),
        tuple(f"{each.hit.document_version_id}:{each.hit.passage_ordinal}" for each in given),
    )
    degraded = {str(stage.name): stage.degraded for stage in found.stages if stage.degraded}
    documents = tuple(sorted({str(each.version.document_id) for each in given}))
    names = {str(known.document_id): known.details.key for known in readable.values()}
    names |= {str(each.version.document_id): each.version.details.key for each in given}
    return Searched((*ranked, final), "\n\n".join(each.text for each in given), documents, degraded, names)


async def _closed_to(_asker: str | None, documents: Sequence[str]) -> Sequence[str]:
    """What the search named by its id, since the asker may not read it: `EvaluationRoom.search` asked the authority."""
    return [document for document in documents if _ID.fullmatch(document)]


_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _stage(name: str) -> Stage:
    stages: Sequence[Stage] = ("input", "model", "tool", "output")
    return next(stage for stage in stages if stage == name)

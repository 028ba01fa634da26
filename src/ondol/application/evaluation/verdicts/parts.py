"""The parts of a release, each with a digest: what a verdict is signed over, and what must still be so when the release goes live."""

from __future__ import annotations

import uuid
from datetime import datetime

import msgspec

from ondol.application.assistant.release import policy_in_force
from ondol.application.assistant.store import list_assistants
from ondol.application.assistant.types import Assistant
from ondol.application.knowledge.index_versions.store import IndexVersion, find_version, get_version
from ondol.core.canonical import Json, digest
from ondol.core.errors import NotFound
from ondol.infrastructure.releases import Release
from ondol.infrastructure.serving.store import get_model
from ondol.infrastructure.storage.postgres import Connection


async def served_parts(connection: Connection, tenant_id: uuid.UUID, release: Release, now: datetime) -> dict[str, bytes]:
    """What a release answers by at this moment, as digests of 32 bytes: `prompt`, `route`, `model`, `guard`, and `index/ID` for each base.

    A release that follows the index of its base, or the policy that is bound, answers by another one as soon as that changes.

    Raises:
        NotFound: when an index version of it is gone, or its assistant.
    """
    manifest = release.manifest
    assistant = await _assistant(connection, release.assistant_id)
    route = manifest.route
    parts = {
        "prompt": bytes.fromhex(manifest.prompt.digest),
        "route": digest({"kind": route.kind, "model": route.model, "evidence_turn": route.evidence_turn}),
    }
    if route.model is not None:
        parts["model"] = await _model(connection, route.model)
    guard = manifest.pinned_policy or await policy_in_force(connection, tenant_id, assistant, now)
    if guard is not None:
        parts["guard"] = guard if isinstance(guard, bytes) else bytes.fromhex(guard)
    for part in manifest.bases:
        if part.index_version_id is not None:
            version = await get_version(connection, part.index_version_id)
        else:
            version = await find_version(connection, part.base_id, "active")
        parts[f"index/{version.id}"] = _index(version)
    return parts


async def _model(connection: Connection, alias: str) -> bytes:
    """Which targets answer a model; of one that another tenant shares, no more than its name can be told."""
    try:
        model = await get_model(connection, alias)
    except NotFound:
        return digest({"alias": alias})
    targets: list[Json] = [
        {"provider": target.provider, "name": target.name, "priority": target.priority, "weight": target.weight} for target in model.targets
    ]
    return digest({"alias": alias, "targets": targets})


def _index(version: IndexVersion) -> bytes:
    settings = msgspec.json.encode(version.settings, order="sorted").decode()
    return digest({"id": version.id, "base": version.base_id, "analyser": version.analyser_id, "settings": settings})


async def _assistant(connection: Connection, assistant_id: uuid.UUID) -> Assistant:
    found = next((each for each in await list_assistants(connection) if each.id == assistant_id), None)
    if found is None:
        raise NotFound("There is no such assistant.", param="assistant_id")
    return found

"""What Postgres keeps of releases. A manifest is checked against its digest each time that it is read: one that was altered serves nobody."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from ondol.core.canonical import Json, digest
from ondol.core.errors import LedgerBroken, NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import Link, NewArtefact, add_artefacts, add_links, record
from ondol.infrastructure.releases.manifest import Manifest, ManifestError, manifest_digest, manifest_json, parse_manifest
from ondol.infrastructure.releases.types import Listed, Move, Release
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

PAGE_MAX = 500
NUMBER_END = 2**31 - 1

QUERIES = load_queries("ondol.infrastructure.releases")


async def hold_assistant(connection: Connection, assistant_id: uuid.UUID) -> dict[str, Any]:
    """Where an assistant points, held until the end of the transaction, so that its pointer and its releases change one after another.

    Raises:
        NotFound: when the tenant has no such assistant.
    """
    found = await one(connection, QUERIES["assistant_hold"], {"assistant_id": assistant_id})
    if found is None:
        raise NotFound("There is no such assistant.", param="assistant_id")
    return found


async def save_release(
    connection: Connection,
    tenant_id: uuid.UUID,
    assistant_id: uuid.UUID,
    manifest: Manifest,
    now: datetime,
    *,
    by: uuid.UUID | None = None,
    is_implicit: bool = False,
) -> Release:
    """Save a manifest as a draft release of an assistant; the same manifest again is the release that has it.

    Raises:
        NotFound: when the tenant has no such assistant.
    """
    await hold_assistant(connection, assistant_id)
    key: dict[str, object] = {"assistant_id": assistant_id, "digest": manifest_digest(manifest)}
    fresh: dict[str, object] = {
        **key,
        "tenant_id": tenant_id,
        "id": new_id(),
        "manifest": manifest_json(manifest).decode(),
        "manifest_version": manifest.manifest_version,
        "is_implicit": is_implicit,
        "by": by,
        "now": now,
    }
    added = await one(connection, QUERIES["release_add"], fresh)
    saved = added or await one(connection, QUERIES["release_by_digest"], key)
    assert saved is not None  # noqa: S101 - the assistant is held, and releases are never removed
    if added is None and saved["is_implicit"] and not is_implicit:
        await connection.execute(QUERIES["release_made"], {"id": saved["id"]})
    release = await get_release(connection, saved["id"])
    if added is not None:
        await _tell(connection, tenant_id, release, now)
    return release


async def get_release(connection: Connection, release_id: uuid.UUID) -> Release:
    """One release, with its manifest checked against its digest.

    Raises:
        NotFound: when the tenant has no such release.
        LedgerBroken: when the stored manifest is not the one that was saved.
    """
    row = await one(connection, QUERIES["release_by_id"], {"id": release_id})
    if row is None:
        raise NotFound("There is no such release.", code="release_not_found", param="release_id")
    text = row.pop("manifest")
    try:
        kept = digest(cast(Json, json.loads(text)))
        manifest = parse_manifest(text)
    except (ManifestError, TypeError) as error:
        raise LedgerBroken(f"The manifest of release {release_id} cannot be read: {error}") from error
    if kept != bytes(row["digest"]):
        raise LedgerBroken(f"The manifest of release {release_id} is not the one that was saved.")
    return Release(**_listed(row), manifest=manifest)


async def find_release(connection: Connection, assistant_id: uuid.UUID, name: str) -> Release:
    """A release of an assistant by its number, or `live`, `previous` or `candidate`.

    Raises:
        NotFound: when nothing is called so.
        LedgerBroken: as `get_release` does.
    """
    number = int(name) if name.isascii() and name.isdecimal() and len(name) < 10 else None
    found = await one(connection, QUERIES["release_named"], {"assistant_id": assistant_id, "number": number, "word": name})
    if found is None:
        hint = "`ondol release list ASSISTANT` shows all."
        raise NotFound(f"The assistant has no release called {name[:100]}.", hint, code="release_not_found", param="release")
    return await get_release(connection, found["id"])


async def list_releases(connection: Connection, assistant_id: uuid.UUID, *, before: int = NUMBER_END, limit: int = PAGE_MAX) -> list[Listed]:
    """The releases of an assistant with numbers below `before`, newest first."""
    values = {"assistant_id": assistant_id, "before": before, "limit": limit}
    return [Listed(**_listed(row)) for row in await rows(connection, QUERIES["releases_all"], values)]


async def list_moves(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, assistant_id: uuid.UUID, *, before: uuid.UUID | None = None, limit: int = PAGE_MAX
) -> list[Move]:
    """The moves of an assistant's pointer before one of them, newest first.

    Raises:
        SealBroken: when a note is not the one that was kept.
    """
    values: dict[str, object] = {"assistant_id": assistant_id, "before": before, "limit": limit}
    found = await rows(connection, QUERIES["moves_all"], values)
    key = keyring.get(KeyOwner.tenant(tenant_id)) if any(row["note_sealed"] for row in found) else None
    moves = []
    for row in found:
        sealed = row.pop("note_sealed")
        note = open_bytes(key, bytes(sealed), b"release move" + row["id"].bytes).decode() if sealed and key is not None else ""
        moves.append(Move(note=note, **row))
    return moves


async def _tell(connection: Connection, tenant_id: uuid.UUID, release: Release, now: datetime) -> None:
    """Put a new release into the ledger, with the index versions that it rests on."""
    await add_artefacts(connection, tenant_id, [NewArtefact(id=release.id, kind="release", address=release.digest)], now)
    named = [part.index_version_id for part in release.manifest.bases if part.index_version_id is not None]
    for index_version_id in named:
        values = {"tenant_id": tenant_id, "release_id": release.id, "index_version_id": index_version_id}
        await connection.execute(QUERIES["release_index_add"], values)
    await add_links(connection, tenant_id, [Link(release.id, index_version_id, "derived_from") for index_version_id in named], now)
    body: dict[str, Json] = {
        "assistant": release.assistant_id,
        "release": release.id,
        "number": release.number,
        "digest": release.digest,
        "implicit": release.is_implicit,
    }
    await record(connection, tenant_id, kind="release.created", actor_id=release.created_by, body=body, now=now)


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "digest": bytes(row["digest"])}

"""Going live and going back: one pointer of the assistant, moved in one transaction, felt by every worker at its next request.

The pointer stands in the assistant's row, whose change is told to all workers at once. Beside the live release there is room for another that
some of the requests go to: whatever chooses among them would do so where a request finds its assistant (`serving.directory`).
"""

from __future__ import annotations

import uuid
from datetime import datetime

from ondol.core.canonical import Json
from ondol.core.errors import Conflict, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import record
from ondol.infrastructure.releases.store import QUERIES, get_release, hold_assistant
from ondol.infrastructure.releases.types import Gate, Kind, Release, Why, open_gate
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, one

NOTE_CHARACTERS_MAX = 2_000


async def propose(
    connection: Connection, tenant_id: uuid.UUID, release_id: uuid.UUID, now: datetime, *, actor_id: uuid.UUID | None = None
) -> Release:
    """Make a release the candidate of its assistant; what was the candidate before is a draft again. What a candidate names is kept.

    Nothing happens to the one that is live.

    Raises:
        NotFound, LedgerBroken: as `get_release` does.
    """
    await hold_assistant(connection, (await get_release(connection, release_id)).assistant_id)
    release = await get_release(connection, release_id)
    if release.state in ("live", "candidate"):
        return release
    await connection.execute(QUERIES["candidates_withdraw"], {"assistant_id": release.assistant_id, "id": release.id})
    await connection.execute(QUERIES["release_state"], {"id": release.id, "state": "candidate"})
    body: dict[str, Json] = {"assistant": release.assistant_id, "release": release.id, "number": release.number}
    await record(connection, tenant_id, kind="release.proposed", actor_id=actor_id, body=body, now=now)
    return await get_release(connection, release.id)


async def activate(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    release_id: uuid.UUID,
    why: Why,
    now: datetime,
    *,
    kind: Kind = "activate",
    gate: Gate = open_gate,
) -> Release:
    """Let a release serve; the one that served is kept for a way back. Nothing happens when it serves already.

    Args:
        gate: asked first.

    Raises:
        Conflict: when the gate does not let it through.
        NotFound, LedgerBroken: as `get_release` does: a manifest that was altered never goes live.
    """
    release = await get_release(connection, release_id)
    held = await hold_assistant(connection, release.assistant_id)
    if held["live_release_id"] == release.id:
        return release
    refused = await gate(connection, release)
    if refused is not None:
        raise Conflict(
            f"Release {release.number} may not go live: {refused}", "Mend what is missing, or make another release.", code="release_refused"
        )
    await connection.execute(QUERIES["candidates_withdraw"], {"assistant_id": release.assistant_id, "id": release.id})
    await connection.execute(QUERIES["release_state"], {"id": release.id, "state": "live"})
    return await _move(connection, keyring, tenant_id, release, held["live_release_id"], held["live_release_id"], kind, why, now)


async def roll_back(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, assistant_id: uuid.UUID, why: Why, now: datetime) -> Release:
    """Let the release serve that served before; once more goes back further.

    Raises:
        Conflict: when there is none.
        LedgerBroken: when its manifest was altered.
    """
    held = await hold_assistant(connection, assistant_id)
    if held["previous_release_id"] is None:
        raise Conflict("No release served before.", "`ondol release history ASSISTANT` shows what there was.", code="no_previous_release")
    release = await get_release(connection, held["previous_release_id"])
    before = await one(connection, QUERIES["served_before"], {"assistant_id": assistant_id, "id": release.id})
    previous = before["from_id"] if before is not None else None
    return await _move(connection, keyring, tenant_id, release, held["live_release_id"], previous, "rollback", why, now)


async def _move(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    to: Release,
    from_id: uuid.UUID | None,
    previous_id: uuid.UUID | None,
    kind: Kind,
    why: Why,
    now: datetime,
) -> Release:
    """Move the pointer, and tell the table and the ledger who did so and why. The ledger takes no free text: a note is sealed in the table."""
    if len(why.note) > NOTE_CHARACTERS_MAX:
        raise RequestError(f"The note is longer than {NOTE_CHARACTERS_MAX:,} characters.", "Shorten it.", param="note")
    await connection.execute(QUERIES["assistant_point"], {"assistant_id": to.assistant_id, "live": to.id, "previous": previous_id})
    move_id = new_id()
    note = why.note.encode("utf-8", "replace")
    sealed = seal_bytes(keyring.get(KeyOwner.tenant(tenant_id)), note, b"release move" + move_id.bytes) if note else None
    values = {
        "tenant_id": tenant_id,
        "id": move_id,
        "assistant_id": to.assistant_id,
        "from_id": from_id,
        "to_id": to.id,
        "kind": kind,
        "reason": why.reason,
        "note_sealed": sealed,
        "actor_id": why.actor_id,
        "now": now,
    }
    await connection.execute(QUERIES["move_add"], values)
    body: dict[str, Json] = {"assistant": to.assistant_id, "from": from_id, "to": to.id, "number": to.number, "reason": why.reason, "move": move_id}
    told = {"declare": "release.declared", "activate": "release.activated", "rollback": "release.rolled_back"}[kind]
    await record(connection, tenant_id, kind=told, actor_id=why.actor_id, body=body, now=now)
    return await get_release(connection, to.id)

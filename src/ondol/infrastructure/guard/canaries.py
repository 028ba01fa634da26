"""Canaries: made-up words that stand in prompts, documents and memories and nowhere else. One that comes out is a leak, whatever else is said."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime

from ondol.core.errors import NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.guard.sealing import open_text, seal_text
from ondol.infrastructure.guard.store import QUERIES
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, one, rows

CANARIES_MAX = 1_000
"""Of one tenant, retired ones counted."""
PURPOSE_CHARACTERS_MAX = 200
LETTERS = 20
"""Of the random part: 94 bits, so nobody writes one by chance."""

PROMPT_PURPOSE = "system prompts"
"""Of the canary that places itself: one of a tenant stands in all system prompts that the tenant or an assistant pinned."""
DOCUMENT_PURPOSE = "document "
"""Before the name of a decoy document."""

_ALPHABET = "abcdefghijkmnpqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Canary:
    """A canary and where it stands."""

    id: uuid.UUID
    purpose: str
    value: str
    created_at: datetime
    retired_at: datetime | None


def new_canary() -> str:
    """A fresh value: letters only, so that no tokeniser, translation of punctuation or change of case takes it apart for good."""
    return "canary" + "".join(secrets.choice(_ALPHABET) for _ in range(LETTERS))


async def add_canary(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, purpose: str, *, by: uuid.UUID | None, now: datetime) -> Canary:
    """A new canary.

    Args:
        purpose: where it will stand, in people's words.

    Raises:
        RequestError: when the purpose is empty or too long, or the tenant has too many.
    """
    if not purpose.strip() or len(purpose) > PURPOSE_CHARACTERS_MAX:
        raise RequestError(
            f"A purpose has 1 to {PURPOSE_CHARACTERS_MAX} characters.", "Say where it will stand.", code="bad_purpose", param="purpose"
        )
    if len(await rows(connection, QUERIES["canaries_all"], {"limit": CANARIES_MAX})) >= CANARIES_MAX:
        raise RequestError(f"A tenant has at most {CANARIES_MAX} canaries.", "Use one of them again.", code="too_many_canaries")
    canary = Canary(new_id(), purpose, new_canary(), now, None)
    sealed = seal_text(keyring, tenant_id, None, canary.value, _context(canary.id))
    values: dict[str, object] = {"tenant_id": tenant_id, "id": canary.id, "purpose": purpose, "value_sealed": sealed, "now": now}
    await connection.execute(QUERIES["canary_add"], values)
    await record(connection, tenant_id, kind="guard.canary_added", actor_id=by, body={"canary": canary.id}, now=now)
    return canary


def mark_prompt(text: str, canary: str) -> str:
    """A system prompt with a canary in it, as a comment that says nothing to a model; as it is where there is no canary, or it stands there already.

    It comes first: whoever makes a model repeat its instructions mostly has it begin at their beginning.
    """
    return text if not canary or canary in text else f"<!-- {canary} -->\n{text}"


def document_line(canary: str) -> str:
    """The line that makes a document a decoy, as text that a parser, an index and a model keep."""
    return f"문서 관리번호 / Document reference: {canary}"


async def ensure_canary(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, purpose: str, *, by: uuid.UUID | None, now: datetime
) -> Canary:
    """The oldest canary in force for a purpose; a new one where there is none.

    Raises:
        RequestError: when the purpose is empty or too long, or the tenant has too many.
    """
    present = (item for item in await list_canaries(connection, keyring, tenant_id) if item.purpose == purpose and item.retired_at is None)
    found = next(present, None)
    return found or await add_canary(connection, keyring, tenant_id, purpose, by=by, now=now)


async def list_canaries(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID) -> list[Canary]:
    """The tenant's canaries with their values, the oldest first."""
    found = await rows(connection, QUERIES["canaries_all"], {"limit": CANARIES_MAX})
    return [
        Canary(
            row["id"], row["purpose"], open_canary(keyring, tenant_id, row["id"], bytes(row["value_sealed"])), row["created_at"], row["retired_at"]
        )
        for row in found
    ]


async def retire_canary(connection: Connection, tenant_id: uuid.UUID, canary_id: uuid.UUID, *, by: uuid.UUID | None, now: datetime) -> None:
    """Look for a canary no longer.

    Raises:
        NotFound: when none in force has this id.
    """
    if await one(connection, QUERIES["canary_retire"], {"id": canary_id, "now": now}) is None:
        raise NotFound("No canary in force has this id.", "`ondol guard canary list` shows all.", code="canary_not_found")
    await record(connection, tenant_id, kind="guard.canary_retired", actor_id=by, body={"canary": canary_id}, now=now)


def open_canary(keyring: KeyRing, tenant_id: uuid.UUID, canary_id: uuid.UUID, sealed: bytes) -> str:
    """The value of a row.

    Raises:
        KeyDestroyed, SealBroken: when it cannot be opened any more.
    """
    return open_text(keyring, tenant_id, None, sealed, _context(canary_id))


def _context(canary_id: uuid.UUID) -> bytes:
    return b"guard-canary" + canary_id.bytes

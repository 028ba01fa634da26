"""Registered texts: what no answer may repeat, such as copyrighted works. Kept are keyed hashes of their letters, sealed; the words are not."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from ondol.core.canonical import keyed_digest
from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.guard.checks.overlap import WORDS_MIN
from ondol.infrastructure.guard.checks.shingles import CORPUS_GRAM_CHARACTERS, STEP_CHARACTERS, WORD_LETTERS, CorpusIndex, squeezed_text
from ondol.infrastructure.guard.sealing import open_text, seal_text
from ondol.infrastructure.guard.store import QUERIES
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, one, rows

TEXT_BYTES_MAX = 5_000_000
"""Of one text, in UTF-8."""
TEXTS_MAX = 2_000
"""Of one tenant."""
WORDS_MAX = 5_000_000
"""Of one tenant's texts together. A million words take 4 to 6 MiB of each worker's memory."""
NAME_CHARACTERS_MAX = 200
NOTE_CHARACTERS_MAX = 2_000
PAGE_MAX = 200

_LAST = uuid.UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class RegisteredText:
    """A text that no answer may repeat.

    Attributes:
        note: whose it is and under which licence, in people's words.
        words: how many; words run together count as one for each five letters.
        created_by: who registered it; None for the command line.
    """

    id: uuid.UUID
    name: str
    note: str
    words: int
    created_at: datetime
    created_by: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text on its way into the register.

    Attributes:
        digest: of the text, under the tenant's key, 32 bytes.
        hashes_sealed: what it is recognised by.
    """

    name: str
    note: str
    words: int
    digest: bytes
    hashes_sealed: bytes
    id: uuid.UUID


def index_text(text: str, key: bytes) -> tuple[CorpusIndex, int]:
    """What a text is recognised by, and how many words it has.

    Args:
        key: 16 to 64 bytes.

    Raises:
        RequestError: when it is too long, or too short to be recognised.
    """
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        raise RequestError(
            f"The text is larger than {TEXT_BYTES_MAX // 1_000_000} MB.", "Register its parts one by one.", code="text_too_large", param="text"
        )
    letters = squeezed_text(text)
    words = max(len(text.split()), len(letters) // WORD_LETTERS)
    if words < WORDS_MIN or len(letters) < CORPUS_GRAM_CHARACTERS + 2 * STEP_CHARACTERS:
        raise RequestError(
            f"The text has fewer than {WORDS_MIN} words.",
            "What is shorter is quotation and cannot be recognised.",
            code="text_too_short",
            param="text",
        )
    return CorpusIndex.build([text], key=key), words


def prepare_text(keyring: KeyRing, tenant_id: uuid.UUID, name: str, note: str, text: str) -> PreparedText:
    """Make a text ready for the register. Takes up to half a second for a long one: call it in a thread.

    Raises:
        RequestError: when its name, its note or the text cannot be kept.
        KeyDestroyed: when the tenant was erased.
    """
    if not name.strip() or len(name) > NAME_CHARACTERS_MAX:
        raise RequestError(f"A name has 1 to {NAME_CHARACTERS_MAX} characters.", "Give the work's title.", code="bad_name", param="name")
    if len(note) > NOTE_CHARACTERS_MAX:
        raise RequestError(f"A note has at most {NOTE_CHARACTERS_MAX:,} characters.", "Say whose it is.", code="bad_note", param="note")
    key = corpus_key(keyring, tenant_id)
    index, words = index_text(text, key)
    text_id = new_id()
    sealed = seal_bytes(keyring.get(KeyOwner.tenant(tenant_id)), index.save(), _context(text_id))
    digest = keyed_digest(key, "guard-text", text.encode("utf-8", "surrogatepass"))
    return PreparedText(name, note, words, digest, sealed, text_id)


async def add_text(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, prepared: PreparedText, *, by: uuid.UUID | None, now: datetime
) -> RegisteredText:
    """Register a text.

    Raises:
        RequestError: when the tenant has too many, or too long ones.
        Conflict: when it is registered already.
    """
    if await one(connection, QUERIES["text_by_digest"], {"digest": prepared.digest}) is not None:
        raise _known()
    counted = await one(connection, QUERIES["texts_counted"], {})
    if counted is not None and (counted["counted"] >= TEXTS_MAX or counted["words"] + prepared.words > WORDS_MAX):
        raise RequestError(
            f"A tenant registers at most {TEXTS_MAX:,} texts with {WORDS_MAX:,} words together.", "Remove one first.", code="too_many_texts"
        )
    values: dict[str, object] = {
        "tenant_id": tenant_id,
        "id": prepared.id,
        "name": prepared.name,
        "note_sealed": await asyncio.to_thread(seal_text, keyring, tenant_id, None, prepared.note, _note_context(prepared.id)),
        "words": prepared.words,
        "digest": prepared.digest,
        "hashes_sealed": prepared.hashes_sealed,
        "now": now,
        "by": by,
    }
    try:
        async with connection.transaction():
            await connection.execute(QUERIES["text_add"], values)
    except psycopg.errors.UniqueViolation:
        raise _known() from None
    await record(connection, tenant_id, kind="guard.text_added", actor_id=by, body={"text": prepared.id, "words": prepared.words}, now=now)
    return RegisteredText(prepared.id, prepared.name, prepared.note, prepared.words, now, by)


async def list_texts(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, *, before: uuid.UUID | None = None, limit: int = PAGE_MAX
) -> list[RegisteredText]:
    """The tenant's texts, the newest first, at most `PAGE_MAX`."""
    found = await rows(connection, QUERIES["texts_page"], {"before": before or _LAST, "limit": min(limit, PAGE_MAX)})
    return [
        RegisteredText(
            row["id"],
            row["name"],
            open_text(keyring, tenant_id, None, bytes(row["note_sealed"]), _note_context(row["id"])),
            row["words"],
            row["created_at"],
            row["created_by"],
        )
        for row in found
    ]


async def remove_text(connection: Connection, tenant_id: uuid.UUID, text_id: uuid.UUID, *, by: uuid.UUID | None, now: datetime) -> None:
    """Let a text be repeated again: its hashes and its note are gone at once.

    Raises:
        NotFound: when none has this id.
    """
    if await one(connection, QUERIES["text_remove"], {"id": text_id, "now": now}) is None:
        raise NotFound("No registered text has this id.", "`ondol guard texts list` shows all.", code="text_not_found")
    await record(connection, tenant_id, kind="guard.text_removed", actor_id=by, body={"text": text_id}, now=now)


async def forget_registrar(connection: Connection, person_id: uuid.UUID) -> int:
    """Forget which texts one person registered; how many those were."""
    return (await connection.execute(QUERIES["texts_forget"], {"person_id": person_id})).rowcount


async def load_corpus(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, text_ids: Sequence[uuid.UUID]) -> CorpusIndex:
    """What a tenant's texts are recognised by, in a system transaction. Texts that were removed in the meantime are left out.

    Raises:
        KeyDestroyed, SealBroken: when they cannot be opened any more.
        ValueError: when what is sealed is no index.
    """
    saved: list[bytes] = []
    for text_id in text_ids:
        row = await one(connection, QUERIES["text_hashes"], {"tenant_id": tenant_id, "id": text_id})
        if row is not None:
            saved.append(await asyncio.to_thread(_opened, keyring, tenant_id, text_id, bytes(row["hashes_sealed"])))
    return await asyncio.to_thread(lambda: CorpusIndex.joined(saved, key=corpus_key(keyring, tenant_id)))


def corpus_key(keyring: KeyRing, tenant_id: uuid.UUID) -> bytes:
    """The tenant's key for the hashes of registered texts, 32 bytes."""
    return keyring.get(KeyOwner.tenant(tenant_id)).derive("guard-texts")


def _opened(keyring: KeyRing, tenant_id: uuid.UUID, text_id: uuid.UUID, sealed: bytes) -> bytes:
    return open_bytes(keyring.get(KeyOwner.tenant(tenant_id)), sealed, _context(text_id))


def _known() -> Conflict:
    return Conflict("This text is registered already.", "`ondol guard texts list` shows all.", code="text_known")


def _context(text_id: uuid.UUID) -> bytes:
    return b"guard-text" + text_id.bytes


def _note_context(text_id: uuid.UUID) -> bytes:
    return b"guard-text-note" + text_id.bytes

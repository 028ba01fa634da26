"""What judges said, kept beyond a run: the same judge is not paid twice for the same question.

A reply is found by an HMAC under the tenant's key over the digest of the question (who judges, how it is asked, the case, the answer, the repeat),
over what the judge's name leads to, so that a name that leads to another model asks anew, and over who asked for the answer. It is kept for
`KEPT_DAYS`, sealed under the key of the person in whose name the answer was asked, and goes with that person, and with the documents whose words may
stand in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from ondol.application.evaluation.scorers.base import Owner
from ondol.core.canonical import keyed_digest
from ondol.core.clock import Clock
from ondol.core.errors import KeyDestroyed, OndolError, SealBroken
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, row_eraser
from ondol.infrastructure.ledger.erasure.rows import values_of
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one

KEPT_DAYS: Final = 90
EXPIRED_AT_ONCE: Final = 100
DOCUMENTS_MAX: Final = 200
"""Of one answer; of an answer with more nothing is kept."""
_PURPOSE: Final = "judgement"

QUERIES = load_queries("ondol.application.evaluation.judges")

ModelDigest = Callable[[str], Awaitable[str]]
"""What a model's name leads to, as a digest; raises `OndolError` where it leads nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReplies:
    """See the module.

    Attributes:
        model_digest: asked once for each name.
        count: told of each reply that was found.
    """

    database: Database
    keyring: KeyRing
    clock: Clock
    tenant_id: uuid.UUID
    model_digest: ModelDigest
    count: Callable[[], None] = lambda: None
    _digests: dict[str, str] = field(default_factory=dict)

    async def get(self, model: str, question: bytes, owner: Owner) -> str | None:
        """The reply; None where there is none, it is too old, or its key is gone."""
        address = await self._address(model, question, owner)
        if address is None:
            return None
        values = {"address": address, "since": self.clock() - timedelta(days=KEPT_DAYS)}
        async with self.database.tenant_tx(self.tenant_id) as connection:
            found = await one(connection, QUERIES["judgement_by_address"], values)
        if found is None:
            return None
        try:
            plain = open_bytes(self.keyring.get(self._owner(found["person_id"])), bytes(found["reply_sealed"]), address)
        except (KeyDestroyed, SealBroken):
            return None
        self.count()
        return plain.decode()

    async def put(self, model: str, question: bytes, reply: str, owner: Owner) -> None:
        """Keep a reply."""
        address = await self._address(model, question, owner)
        if address is None or len(owner.document_ids) > DOCUMENTS_MAX:
            return
        try:
            sealed = seal_bytes(self.keyring.get_or_create(self._owner(owner.person_id)), reply.encode("utf-8", "replace"), address)
        except KeyDestroyed:
            return  # whoever was erased while their answer was judged is not kept
        now = self.clock()
        values = {
            "tenant_id": self.tenant_id,
            "address": address,
            "person_id": owner.person_id,
            "document_ids": sorted(owner.document_ids),
            "reply_sealed": sealed,
            "now": now,
        }
        async with self.database.tenant_tx(self.tenant_id) as connection:
            await connection.execute(QUERIES["judgement_put"], values)
            await connection.execute(QUERIES["judgements_expire"], {"since": now - timedelta(days=KEPT_DAYS), "limit": EXPIRED_AT_ONCE})

    async def _address(self, model: str, question: bytes, owner: Owner) -> bytes | None:
        if model not in self._digests:
            try:
                self._digests[model] = await self.model_digest(model)
            except OndolError:
                self._digests[model] = ""  # what leads nowhere, or to an assistant, is not remembered
        if not self._digests[model]:
            return None
        key = self.keyring.get_or_create(KeyOwner.tenant(self.tenant_id)).derive(_PURPOSE)
        asked_for = owner.person_id.bytes if owner.person_id is not None else bytes(16)
        return keyed_digest(key, _PURPOSE, question + asked_for + self._digests[model].encode())

    def _owner(self, person_id: uuid.UUID | None) -> KeyOwner:
        return KeyOwner.tenant(self.tenant_id) if person_id is None else KeyOwner(self.tenant_id, "subject", person_id)


def judgement_eraser(database: Database) -> Eraser:
    """Remove what judges said of a person's answers, or of answers that may hold words of a document."""

    async def erase(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["judgements_erase"], values_of(erasure))

    return row_eraser(database, "judgements", method="deleted", tables=["judgements"], count=QUERIES["judgements_erase_count"], erase=erase)

"""Requests that carry an Idempotency-Key: the same one is done once and answered the same, another one with the same key is refused.

A key belongs to its caller: one API key, or a person's sessions. It is kept for a day. What failed is not remembered and may be tried again.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from ondol.application.knowledge.documents.store import QUERIES
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.canonical import keyed_digest
from ondol.core.errors import Conflict, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.storage.postgres import Connection, Database, one

KEPT = timedelta(hours=24)
LOST_AFTER = timedelta(minutes=15)
"""A first try of which nothing was heard for so long died; another one may be made. What the first then still does is not committed."""
FORGET_MAX = 10_000

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class IdempotencyKeyReused(RequestError):
    """Another request was sent with the same Idempotency-Key."""

    status = 422
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request.", "Use a new key for a new request.")


@dataclass(frozen=True, slots=True)
class Slot:
    """The first request with a key, which is being done."""

    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered to the same request; ids and words only.

    Attributes:
        body_digest: of the body, where that was not part of what was compared; None where it was.
    """

    status: int
    answer: dict[str, object]
    body_digest: bytes | None


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request with a key.

    Attributes:
        caller_id: the API key, else the person.
        request_digest: of all that makes it this request.
    """

    tenant_id: uuid.UUID
    caller_id: uuid.UUID
    key_hash: bytes
    request_digest: bytes


def keyed_request(room: Knowledge, tenant_id: uuid.UUID, caller_id: uuid.UUID, key: str, request: bytes) -> Keyed:
    """A request with its key.

    Args:
        request: all that makes it this request, as bytes.

    Raises:
        RequestError: when the key cannot be one.
    """
    if _KEY.fullmatch(key) is None:
        raise RequestError("The Idempotency-Key cannot be used.", "Give 1 to 255 visible ASCII characters.", code="bad_idempotency_key")
    secret = room.tenant_key(tenant_id, "knowledge")
    return Keyed(tenant_id, caller_id, keyed_digest(secret, "idempotency", key.encode()), keyed_digest(secret, "request", request))


async def begin(room: Knowledge, keyed: Keyed) -> Slot | Answered:
    """Begin a request, or say what was answered to it before.

    Raises:
        IdempotencyKeyReused: the key was used for another request.
        Conflict: the same request is being done at this moment.
    """
    now = room.clock()
    async with room.database.tenant_tx(keyed.tenant_id) as connection:
        values = {"caller_id": keyed.caller_id, "key_hash": keyed.key_hash}
        times = {"now": now, "keep_until": now + KEPT, "lost_before": now - LOST_AFTER}
        fresh = {"tenant_id": keyed.tenant_id, "id": new_id(), "request_digest": keyed.request_digest}
        made = await one(connection, QUERIES["key_begin"], {**values, **times, **fresh})
        if made is not None:
            return Slot(made["id"])
        used = await one(connection, QUERIES["key_used"], values)
    if used is not None and bytes(used["request_digest"]) != keyed.request_digest:
        raise IdempotencyKeyReused
    if used is None or used["status"] is None:
        raise Conflict("The same request is being done at this moment.", "Ask again in a moment.", code="idempotency_key_in_use")
    return Answered(used["status"], used["answer"], None if used["body_digest"] is None else bytes(used["body_digest"]))


async def end(connection: Connection, slot: Slot, status: int, answer: dict[str, object], body_digest: bytes | None = None) -> None:
    """Remember what is answered, in the transaction that does what was asked for.

    Raises:
        Conflict: it took so long that another try was begun: nothing of this one may be committed.
    """
    values = {"id": slot.id, "status": status, "answer": Jsonb(answer), "body_digest": body_digest}
    if (await connection.execute(QUERIES["key_end"], values)).rowcount != 1:
        raise Conflict("The request took too long, and was begun anew.", "Ask again with the same key.", code="idempotency_key_in_use")


async def give_up(room: Knowledge, tenant_id: uuid.UUID, slot: Slot) -> None:
    """The request failed: the same key may be used again."""
    async with room.database.tenant_tx(tenant_id) as connection:
        await connection.execute(QUERIES["key_give_up"], {"id": slot.id})


async def forget_keys(database: Database, now: datetime) -> int:
    """Remove keys whose time is over, at most `FORGET_MAX`; how many that were."""
    async with database.system_tx() as connection:
        return (await connection.execute(QUERIES["keys_forget"], {"now": now, "limit": FORGET_MAX})).rowcount

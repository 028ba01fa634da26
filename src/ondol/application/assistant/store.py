"""What assistants keep in Postgres."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from ondol.application.assistant.types import Assistant, Outcome
from ondol.core.errors import KeyDestroyed, NotFound
from ondol.infrastructure.ledger.erasure import reopen
from ondol.infrastructure.storage.blobs import DataKey, KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

QUERIES = load_queries("ondol.application.assistant")


async def put_assistant(
    connection: Connection, tenant_id: uuid.UUID, assistant_id: uuid.UUID, name: str, base_id: uuid.UUID, settings: Mapping[str, Any], now: datetime
) -> Assistant:
    """Add an assistant, or give the one of that name a new base and settings."""
    values = {"tenant_id": tenant_id, "id": assistant_id, "name": name, "base_id": base_id, "settings": Jsonb(dict(settings)), "now": now}
    await connection.execute(QUERIES["assistant_add"], values)
    return await find_assistant(connection, name)


async def find_assistant(connection: Connection, name: str) -> Assistant:
    """The assistant of a name.

    Raises:
        NotFound: when the tenant has none of that name.
    """
    found = await one(connection, QUERIES["assistant_by_name"], {"name": name})
    if found is None:
        raise NotFound(f"There is no assistant called {name}.", "GET /v1/models lists what you may call.", code="model_not_found", param="model")
    return Assistant(**found)


async def list_assistants(connection: Connection) -> list[Assistant]:
    """Every assistant of the tenant, the oldest first."""
    return [Assistant(**row) for row in await rows(connection, QUERIES["assistants_all"], {})]


async def add_answer(
    connection: Connection,
    key: DataKey,
    tenant_id: uuid.UUID,
    *,
    answer_id: uuid.UUID,
    assistant_id: uuid.UUID,
    person_id: uuid.UUID,
    outcome: Outcome,
    question: str,
    text: str,
    provenance: Mapping[str, Any],
    shown: Sequence[uuid.UUID],
    now: datetime,
) -> None:
    """Record an answer; question and text are sealed with `key`, the asker's own.

    Where a document that it was shown was erased meanwhile, neither is kept, and the erasure looks again for what the answer left elsewhere.
    """
    content = json.dumps({"question": question, "answer": text}, ensure_ascii=False).encode()
    erased = [row["document_id"] for row in await rows(connection, QUERIES["documents_erased"], {"version_ids": shown})]
    values = {
        "tenant_id": tenant_id,
        "id": answer_id,
        "assistant_id": assistant_id,
        "person_id": person_id,
        "outcome": outcome,
        "content_sealed": b"" if erased else seal_bytes(key, content, b"answer" + answer_id.bytes),
        "provenance": Jsonb(dict(provenance)),
        "now": now,
    }
    await connection.execute(QUERIES["answer_add"], values)
    if erased:
        await reopen(connection, "document", erased)


async def answer_row(connection: Connection, answer_id: uuid.UUID) -> dict[str, Any]:
    """An answer as it is kept: its question and text are sealed.

    Raises:
        NotFound: when there is none.
    """
    found = await one(connection, QUERIES["answer_by_id"], {"id": answer_id})
    if found is None:
        raise NotFound("There is no such answer.", code="answer_not_found")
    return found


async def answer_records(connection: Connection, answer_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Mapping[str, Any]]:
    """The records of some answers as they are stored; of those that have none, nothing."""
    return {row["id"]: row["provenance"] for row in await rows(connection, QUERIES["answer_records"], {"ids": list(answer_ids)})}


async def answer_links(connection: Connection, answer_id: uuid.UUID) -> list[uuid.UUID]:
    """The document versions that the lineage says an answer cites."""
    return [row["parent_id"] for row in await rows(connection, QUERIES["answer_links"], {"id": answer_id})]


def open_answer(key: DataKey, row: Mapping[str, Any]) -> tuple[str, str]:
    """The question and the text of an answer's row, with its asker's key.

    Raises:
        KeyDestroyed: when it was erased with a document that it was shown.
        SealBroken: when it was altered or moved.
    """
    if not row["content_sealed"]:
        raise KeyDestroyed("The answer was erased with a document that it rests on.", "That it was given is still on record.")
    content = json.loads(open_bytes(key, bytes(row["content_sealed"]), b"answer" + row["id"].bytes))
    return content["question"], content["answer"]


async def get_answer(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, answer_id: uuid.UUID) -> dict[str, Any]:
    """An answer's row with its question and text opened.

    Raises:
        NotFound: when there is none.
        KeyDestroyed: when the asker was erased, or a document that it was shown.
    """
    found = await answer_row(connection, answer_id)
    question, text = open_answer(keyring.get(KeyOwner(tenant_id, "subject", found["person_id"])), found)
    return {**found, "question": question, "answer": text}


async def answer_stands(connection: Connection, answer_id: uuid.UUID) -> bool:
    """Whether an answer is on record."""
    return await one(connection, QUERIES["answer_stands"], {"id": answer_id}) is not None

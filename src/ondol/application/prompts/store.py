"""What Postgres keeps of prompts: versions sealed with the tenant's key, and labels that point to them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec
import psycopg

from ondol.application.prompts.templates_store import built_in_names, load_prompt
from ondol.application.prompts.types import Prompt, PromptBody, prompt_body
from ondol.core.canonical import Json, canonical_json
from ondol.core.errors import Conflict, LedgerBroken, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import add_artefact, record
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

BUILT_IN = "builtin"
LATEST = "latest"
VERSIONS_MAX = 10_000
"""So many versions of all its prompts together a tenant keeps."""
NAME = re.compile(r"[a-z0-9](-?[a-z0-9]){0,62}")
LABEL = re.compile(r"[a-z](-?[a-z0-9]){0,62}")

_QUERIES = load_queries("ondol.application.prompts")


@dataclass(frozen=True, slots=True)
class PromptVersion:
    """A version of a prompt as lists show it: without its text.

    Attributes:
        is_built_in: it came with the platform, and was kept because a release names it.
    """

    name: str
    version: int
    digest: bytes
    is_built_in: bool
    labels: tuple[str, ...]
    created_by: uuid.UUID | None
    created_at: datetime


async def put_prompt(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, name: str, body: PromptBody, *, by: uuid.UUID | None, now: datetime
) -> tuple[Prompt, bool]:
    """Keep a prompt: a new version, unless the newest one says the same.

    Returns:
        The version, and whether it is new.

    Raises:
        RequestError: when the name is none, or there are too many versions.
        Conflict: when somebody else put a version in the same moment.
    """
    _check_name(name)
    newest = await one(connection, _QUERIES["prompt_newest"], {"name": name})
    if newest is not None and bytes(newest["digest"]) == body.digest:
        return _opened(keyring, tenant_id, newest), False
    return await _add(connection, keyring, tenant_id, Prompt(name, None, body, body.digest), by=by, now=now, is_built_in=False), True


async def keep_prompt(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, prompt: Prompt, *, now: datetime) -> Prompt:
    """The prompt as a version that stays: what came with the platform is kept, since the next release of the platform may bring another.

    Raises:
        Conflict: when somebody else put a version in the same moment.
    """
    if prompt.version is not None:
        return prompt
    known = await one(connection, _QUERIES["prompt_by_digest"], {"name": prompt.name, "digest": prompt.digest})
    if known is not None:
        return _opened(keyring, tenant_id, known)
    return await _add(connection, keyring, tenant_id, prompt, by=None, now=now, is_built_in=True)


async def find_prompt(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, reference: str) -> Prompt:
    """The prompt that ``NAME``, ``NAME@VERSION``, ``NAME@LABEL`` or ``NAME@builtin`` means.

    A name alone is the newest version that people made, or else the one that came with the platform.

    Raises:
        NotFound: when there is none.
        SealBroken, LedgerBroken: when it is not what was kept.
    """
    name, _, which = reference.partition("@")
    if NAME.fullmatch(name):
        found = None
        if which in ("", LATEST):
            found = await one(connection, _QUERIES["prompt_newest"], {"name": name})
        elif which.isascii() and which.isdecimal() and len(which) < 10:
            found = await one(connection, _QUERIES["prompt_by_version"], {"name": name, "version": int(which)})
        elif which != BUILT_IN and LABEL.fullmatch(which):
            found = await one(connection, _QUERIES["prompt_by_label"], {"name": name, "label": which})
        if found is not None:
            return _opened(keyring, tenant_id, found)
        if which in ("", LATEST, BUILT_IN) and name in built_in_names():
            return load_prompt(name)
    raise NotFound(
        f"There is no prompt called {reference[:130]}.", "`ondol prompt list` shows what there is.", code="prompt_not_found", param="prompt"
    )


async def list_prompts(connection: Connection, name: str | None = None) -> list[PromptVersion]:
    """The versions of all prompts, or of one: by name, newest first."""
    found = await rows(connection, _QUERIES["prompts_all"], {"name": name})
    return [PromptVersion(**{**row, "digest": bytes(row["digest"]), "labels": tuple(row["labels"])}) for row in found]


async def put_label(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, reference: str, label: str, *, by: uuid.UUID | None, now: datetime
) -> tuple[Prompt, bool]:
    """Call a version by a label; one that was another version's moves.

    Returns:
        The version, and whether the label moved.

    Raises:
        RequestError: when the label is none, or what comes with the platform is meant, which is called `builtin` and nothing else.
        NotFound: when there is no such version.
    """
    if not LABEL.fullmatch(label) or len(label) > 63 or label in (BUILT_IN, LATEST):
        hint = f"A label is a word of a-z, 0-9 and single hyphens, and neither {BUILT_IN} nor {LATEST}."
        raise RequestError(f"{label[:100]!r} is no label.", hint, code="bad_label", param="label")
    prompt = await find_prompt(connection, keyring, tenant_id, reference)
    if prompt.version is None:
        raise RequestError(f"{prompt.name} comes with the platform.", "Keep it as a version of your own first: `ondol prompt set`.", code="bad_label")
    row = await one(connection, _QUERIES["prompt_by_version"], {"name": prompt.name, "version": prompt.version})
    assert row is not None  # noqa: S101 - it was found just now, and versions are never removed
    values = {"tenant_id": tenant_id, "name": prompt.name, "label": label, "version_id": row["id"], "now": now}
    moved = (await connection.execute(_QUERIES["label_put"], values)).rowcount > 0
    if moved:
        body: dict[str, Json] = {"prompt": prompt.name, "version": prompt.version, "label": label}
        await record(connection, tenant_id, kind="prompt.labelled", actor_id=by, body=body, now=now)
    return prompt, moved


async def _add(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, prompt: Prompt, *, by: uuid.UUID | None, now: datetime, is_built_in: bool
) -> Prompt:
    counted = await one(connection, _QUERIES["prompts_counted"], {})
    if counted is not None and counted["counted"] >= VERSIONS_MAX:
        raise RequestError(f"A tenant keeps at most {VERSIONS_MAX:,} versions of prompts.", code="too_many_prompts")
    version_id, key = new_id(), keyring.get(KeyOwner.tenant(tenant_id))
    content = canonical_json(cast(Json, msgspec.to_builtins(prompt.body)))
    values = {
        "tenant_id": tenant_id,
        "id": version_id,
        "name": prompt.name,
        "body_sealed": seal_bytes(key, content, b"prompt" + version_id.bytes),
        "digest": prompt.digest,
        "is_built_in": is_built_in,
        "by": by,
        "now": now,
    }
    try:
        async with connection.transaction():
            made = await one(connection, _QUERIES["prompt_add"], values)
    except psycopg.errors.UniqueViolation:
        raise Conflict(f"Somebody else changed the prompt {prompt.name} in this moment.", "Look at it and try again.") from None
    assert made is not None  # noqa: S101 - an insert returns its row
    await add_artefact(connection, tenant_id, "prompt", artefact_id=version_id, address=prompt.digest, now=now)
    body: dict[str, Json] = {"prompt": prompt.name, "version": made["version"], "digest": prompt.digest}
    await record(connection, tenant_id, kind="prompt.put", actor_id=by, body=body, now=now)
    return Prompt(prompt.name, made["version"], prompt.body, prompt.digest)


def _opened(keyring: KeyRing, tenant_id: uuid.UUID, row: Mapping[str, Any]) -> Prompt:
    content = open_bytes(keyring.get(KeyOwner.tenant(tenant_id)), bytes(row["body_sealed"]), b"prompt" + row["id"].bytes)
    body = prompt_body(msgspec.json.decode(content))
    if body.digest != bytes(row["digest"]):
        raise LedgerBroken(f"Version {row['version']} of the prompt {row['name']} is not the one that was kept.")
    return Prompt(row["name"], row["version"], body, body.digest)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or len(name) > 63:
        hint = "A name is made of a-z, 0-9 and single hyphens, at most 63."
        raise RequestError(f"{name[:100]!r} is no name of a prompt.", hint, code="bad_name", param="name")

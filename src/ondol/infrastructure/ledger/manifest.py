"""The release manifest: prompt, model, index, retrieval settings and guard policy, which change together or not at all.

A manifest is immutable and known by its digest over canonical JSON, in which every field is written, also those that are null. It holds
no fractions: a share is whole thousandths. A new version of the schema gets a new number and a record of its own.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, cast

import msgspec
import psycopg

from ondol.core.canonical import Json, canonical_json, digest
from ondol.core.errors import LedgerBroken, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.storage.postgres import Connection, load_queries, one

MANIFEST_VERSION = 1
MANIFEST_BYTES_MAX = 65_536

ReleaseState = Literal["draft", "gated", "shadow", "canary", "live", "retired"]

# In Python `$` also matches before a last newline, so lengths or a look ahead for white space stand beside the patterns.
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64, description="SHA-256 in hexadecimal.")]
Slug = Annotated[str, msgspec.Meta(pattern=r"^(?!\S*\s)[a-z0-9](-?[a-z0-9])*$", min_length=1, max_length=63, description="A name in small letters.")]
Word = Annotated[str, msgspec.Meta(pattern=r"^(?!\S*\s)[A-Za-z0-9][A-Za-z0-9._:/@+-]*$", min_length=1, max_length=200, description="A name.")]
Count = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Tokens = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Thousandths = Annotated[int, msgspec.Meta(ge=0, le=1000)]

_SQL = load_queries("ondol.infrastructure.ledger")


class PromptPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which prompt template, by name and by the digest of its text."""

    name: Slug
    digest: Digest


class ModelPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model. `revision` pins its weights or its dated version; null where a provider knows none."""

    provider: Slug
    name: Word
    revision: Word | None


class IndexPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which index version of which knowledge base, and the analyser that made its terms."""

    base_id: uuid.UUID
    index_version_id: uuid.UUID
    analyser_id: Word


class RetrievalPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How passages are found and chosen.

    `candidates_max` hits are ranked, at most `passages_max` of them and `context_tokens_max` tokens go into the prompt, and those
    below `score_floor_thousandths` of the best score are left out.
    """

    mode: Literal["terms", "vectors", "both"]
    candidates_max: Count
    passages_max: Count
    context_tokens_max: Tokens
    score_floor_thousandths: Thousandths


class EvaluationPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which suite judged it, and its verdict; null until there is one."""

    suite_digest: Digest
    verdict_id: uuid.UUID | None


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an answer depends on, version 1."""

    manifest_version: Literal[1]
    prompt: PromptPart
    model: ModelPart
    index: IndexPart
    retrieval: RetrievalPart
    guard_policy_digest: Digest | None
    price_list_id: uuid.UUID | None
    evaluation: EvaluationPart | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A saved manifest. `digest` is `manifest_digest` of it."""

    id: uuid.UUID
    assistant_id: uuid.UUID
    manifest: Manifest
    digest: bytes
    state: ReleaseState
    created_at: datetime


class ManifestError(RequestError):
    """A manifest does not follow its schema; `param` is the path of the field, such as ``prompt.digest``."""

    code = "invalid_manifest"


def parse_manifest(content: bytes | str) -> Manifest:
    """Read a manifest from JSON.

    Raises:
        ManifestError: when it is too large, no JSON, of another version, or a field is missing, unknown or wrong.
    """
    encoded = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(encoded) > MANIFEST_BYTES_MAX:
        raise ManifestError(f"The manifest has {len(encoded):,} bytes.", f"At most {MANIFEST_BYTES_MAX:,} are read.")
    try:
        tree = json.loads(encoded, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"The manifest is not valid JSON: {error}") from error
    if isinstance(tree, dict) and type(version := tree.get("manifest_version")) is int and version != MANIFEST_VERSION:
        raise ManifestError(
            f"The manifest has version {version}; this version of Ondol reads {MANIFEST_VERSION}.",
            "Update Ondol." if version > MANIFEST_VERSION else "Versions begin with 1.",
            param="manifest_version",
        )
    try:
        return msgspec.convert(tree, Manifest, strict=True)
    except UnicodeEncodeError as error:
        raise ManifestError("The manifest holds half of a surrogate pair, which is no text.") from error
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".")
        raise ManifestError(
            f"The manifest is wrong at {field}: {what}." if field else f"The manifest is wrong: {what}.",
            "`manifest_schema` lists every field.",
            param=field or None,
        ) from error


def manifest_json(manifest: Manifest) -> bytes:
    """The manifest as canonical JSON."""
    return canonical_json(_plain(manifest))


def manifest_digest(manifest: Manifest) -> bytes:
    """SHA-256 of `manifest_json`, 32 bytes."""
    return digest(_plain(manifest))


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the manifest."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Manifest)}


async def save_release(
    connection: Connection,
    tenant_id: uuid.UUID,
    assistant_id: uuid.UUID,
    manifest: Manifest,
    now: datetime,
    *,
    release_id: uuid.UUID | None = None,
) -> uuid.UUID:
    """Save a manifest as a draft release of an assistant and return its id; the same manifest again returns the release that has it.

    Raises:
        NotFound: when the tenant has no such assistant. The transaction can only be rolled back then.
    """
    key: dict[str, object] = {"tenant_id": tenant_id, "assistant_id": assistant_id, "digest": manifest_digest(manifest)}
    fresh: dict[str, object] = {
        **key,
        "id": release_id or new_id(),
        "manifest": manifest_json(manifest).decode(),
        "manifest_version": manifest.manifest_version,
        "now": now,
    }
    try:
        saved = await one(connection, _SQL["insert_release"], fresh) or await one(connection, _SQL["release_by_digest"], key)
    except psycopg.errors.ForeignKeyViolation as error:
        raise NotFound("There is no such assistant.", param="assistant_id") from error
    if saved is None:
        raise NotFound("The release was removed while it was saved.", "Save it again.")
    return cast("uuid.UUID", saved["id"])


async def load_release(connection: Connection, tenant_id: uuid.UUID, release_id: uuid.UUID) -> Release:
    """One release, with its manifest checked against its digest.

    Raises:
        NotFound: when the tenant has no such release.
        LedgerBroken: when the stored manifest is not the one that was saved.
    """
    row = await one(connection, _SQL["release_by_id"], {"tenant_id": tenant_id, "id": release_id})
    if row is None:
        raise NotFound("There is no such release.", param="release_id")
    try:
        manifest = parse_manifest(row["manifest"])
    except ManifestError as error:
        raise LedgerBroken(f"The manifest of release {release_id} cannot be read: {error.message}") from error
    if manifest_digest(manifest) != row["digest"]:
        raise LedgerBroken(f"The manifest of release {release_id} is not the one that was saved.")
    return Release(
        id=row["id"],
        assistant_id=row["assistant_id"],
        manifest=manifest,
        digest=row["digest"],
        state=row["state"],
        created_at=row["created_at"],
    )


def _plain(manifest: Manifest) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", msgspec.to_builtins(manifest))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a field twice: two readers could take different ones."""
    tree = dict(pairs)
    if len(tree) < len(pairs):
        raise ValueError("an object names a field twice")
    return tree

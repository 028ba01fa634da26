from __future__ import annotations

import copy
import json
import uuid
from datetime import datetime
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.rows import DictRow

from ondol.core.canonical import canonical_json, digest
from ondol.core.errors import LedgerBroken, NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import (
    Manifest,
    ManifestError,
    Release,
    load_release,
    manifest_digest,
    manifest_json,
    manifest_schema,
    parse_manifest,
    save_release,
)
from ondol.infrastructure.ledger.manifest import MANIFEST_BYTES_MAX
from ondol.infrastructure.storage.postgres import Database

pytestmark = pytest.mark.anyio

Tenants = tuple[uuid.UUID, uuid.UUID]

PLAIN: dict[str, Any] = {
    "manifest_version": 1,
    "prompt": {"name": "support", "digest": "ab" * 32},
    "model": {"provider": "openai", "name": "meta-llama/Llama-3.1-8B", "revision": None},
    "index": {
        "base_id": "0190a1b2-0000-7000-8000-000000000001",
        "index_version_id": "0190a1b2-0000-7000-8000-000000000002",
        "analyser_id": "mecab+bigrams@1",
    },
    "retrieval": {"mode": "terms", "candidates_max": 50, "passages_max": 8, "context_tokens_max": 3000, "score_floor_thousandths": 0},
    "guard_policy_digest": None,
    "price_list_id": None,
    "evaluation": {"suite_digest": "cd" * 32, "verdict_id": None},
}


def changed(path: str, value: object) -> str:
    tree = copy.deepcopy(PLAIN)
    *parents, name = path.split(".")
    part = tree
    for parent in parents:
        part = part[parent]
    if value is ...:
        del part[name]
    else:
        part[name] = value
    return json.dumps(tree)


def test_a_manifest_comes_back() -> None:
    manifest = parse_manifest(json.dumps(PLAIN))
    assert manifest.model.name == "meta-llama/Llama-3.1-8B"
    assert manifest.index.base_id == uuid.UUID("0190a1b2-0000-7000-8000-000000000001")
    assert manifest_json(manifest) == canonical_json(PLAIN)
    assert parse_manifest(manifest_json(manifest)) == manifest
    assert manifest_digest(manifest) == digest(PLAIN)
    # Pinned: a release made by this version must have the same digest in every later one.
    assert manifest_digest(manifest).hex() == "ba2c361444b8ccc673ff1b358e381b0f7ffde71e05859ff9d425854691f1237d"


def test_the_digest_does_not_depend_on_order_or_spaces() -> None:
    backwards = dict(reversed(PLAIN.items()))
    assert manifest_digest(parse_manifest(json.dumps(backwards, indent=3))) == manifest_digest(parse_manifest(json.dumps(PLAIN)))


@pytest.mark.parametrize(
    ("path", "value", "param"),
    [
        ("prompt.digest", "AB" * 32, "prompt.digest"),
        ("prompt.digest", "ab" * 32 + "\n", "prompt.digest"),
        ("prompt.digest", ..., "prompt"),
        ("prompt.colour", "red", "prompt"),
        ("colour", "red", None),
        ("prompt.name", "Support", "prompt.name"),
        ("prompt.name", "a" * 64, "prompt.name"),
        ("prompt.name", "a\n", "prompt.name"),
        ("model", ..., None),
        ("model", None, "model"),
        ("model.revision", ..., "model"),
        ("model.name", "a\x00b", "model.name"),
        ("model.name", "", "model.name"),
        ("model.name", "a\n", "model.name"),
        ("index.base_id", "1", "index.base_id"),
        ("retrieval.mode", "magic", "retrieval.mode"),
        ("retrieval.passages_max", 8.0, "retrieval.passages_max"),
        ("retrieval.passages_max", "8", "retrieval.passages_max"),
        ("retrieval.passages_max", True, "retrieval.passages_max"),
        ("retrieval.passages_max", 0, "retrieval.passages_max"),
        ("retrieval.score_floor_thousandths", 1001, "retrieval.score_floor_thousandths"),
        ("guard_policy_digest", "", "guard_policy_digest"),
        ("guard_policy_digest", ..., None),
        ("evaluation.verdict_id", 7, "evaluation.verdict_id"),
        ("manifest_version", "1", "manifest_version"),
        ("manifest_version", True, "manifest_version"),
        ("manifest_version", ..., None),
    ],
)
def test_a_wrong_field_is_named(path: str, value: object, param: str | None) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(changed(path, value))
    assert (caught.value.param, caught.value.code, caught.value.status) == (param, "invalid_manifest", 400)
    if param is None and path != "colour":
        assert path in caught.value.message


@pytest.mark.parametrize(("version", "hint"), [(2, "Update Ondol."), (0, "Versions begin with 1.")])
def test_another_version_is_told_as_such(version: int, hint: str) -> None:
    with pytest.raises(ManifestError, match=f"version {version}") as caught:
        parse_manifest(changed("manifest_version", version))
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        b"\xff",
        '{"manifest_version": 1, "manifest_version": 1}',
        "[" * 20_000,
        " " * (MANIFEST_BYTES_MAX + 1),
        '"\\ud800"',
        "\ud800",
        "1" * 6000,
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes | str) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(content)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_nothing_but_a_manifest_error_comes_out(content: bytes | str) -> None:
    with pytest.raises(ManifestError):
        parse_manifest(content)


def test_every_field_changes_the_digest() -> None:
    values: dict[str, object] = {
        "prompt.name": "sales",
        "prompt.digest": "00" * 32,
        "model.provider": "local",
        "model.name": "other",
        "model.revision": "r1",
        "index.base_id": str(new_id()),
        "index.index_version_id": str(new_id()),
        "index.analyser_id": "spaces@1",
        "retrieval.mode": "both",
        "retrieval.candidates_max": 51,
        "retrieval.passages_max": 9,
        "retrieval.context_tokens_max": 3001,
        "retrieval.score_floor_thousandths": 1,
        "guard_policy_digest": "00" * 32,
        "price_list_id": str(new_id()),
        "evaluation": None,
        "evaluation.suite_digest": "00" * 32,
        "evaluation.verdict_id": str(new_id()),
    }
    leaves = {f"{name}.{inner}" for name, part in PLAIN.items() if isinstance(part, dict) for inner in part}
    leaves |= {name for name, part in PLAIN.items() if not isinstance(part, dict)}
    assert set(values) == leaves - {"manifest_version"} | {"evaluation"}
    digests = {manifest_digest(parse_manifest(changed(path, value))) for path, value in values.items()}
    assert len(digests | {digest(PLAIN)}) == len(values) + 1


def test_the_schema_lists_every_field_and_refuses_others() -> None:
    schema = manifest_schema()
    assert schema["$ref"] == "#/$defs/Manifest"
    for name, part in schema["$defs"].items():
        assert part["additionalProperties"] is False, name
        assert part["required"] == list(part["properties"]), name
    assert list(schema["$defs"]["Manifest"]["properties"]) == list(PLAIN)
    json.dumps(schema)


async def add_assistant(owner: psycopg.AsyncConnection[DictRow], tenant_id: uuid.UUID) -> uuid.UUID:
    base_id, assistant_id = new_id(), new_id()
    await owner.execute("insert into bases (tenant_id, id, name, created_at) values (%s, %s, 'base', now())", (tenant_id, base_id))
    await owner.execute(
        "insert into assistants (tenant_id, id, name, base_id, created_at) values (%s, %s, 'helper', %s, now())", (tenant_id, assistant_id, base_id)
    )
    return assistant_id


async def test_a_release_is_saved_once(database: Database, owner: psycopg.AsyncConnection[DictRow], tenant_ids: Tenants, now: datetime) -> None:
    tenant_id, manifest = tenant_ids[0], parse_manifest(json.dumps(PLAIN))
    assistant_id, chosen = await add_assistant(owner, tenant_id), new_id()
    async with database.tenant_tx(tenant_id) as connection:
        assert await save_release(connection, tenant_id, assistant_id, manifest, now, release_id=chosen) == chosen
        assert await save_release(connection, tenant_id, assistant_id, manifest, now) == chosen
        other = msgspec.structs.replace(manifest, guard_policy_digest="00" * 32)
        assert await save_release(connection, tenant_id, assistant_id, other, now) != chosen
        assert await load_release(connection, tenant_id, chosen) == Release(
            id=chosen, assistant_id=assistant_id, manifest=manifest, digest=manifest_digest(manifest), state="draft", created_at=now
        )
    async with database.tenant_tx(tenant_ids[1]) as connection:
        with pytest.raises(NotFound):
            await load_release(connection, tenant_id, chosen)
    with pytest.raises(NotFound):
        async with database.tenant_tx(tenant_ids[1]) as connection:
            await save_release(connection, tenant_ids[1], assistant_id, manifest, now)


@pytest.mark.parametrize("tampering", ["jsonb_set(manifest, '{model,name}', '\"other\"')", "manifest - 'model'", "'1'"])
async def test_a_manifest_that_was_altered_is_found(
    database: Database, owner: psycopg.AsyncConnection[DictRow], tenant_ids: Tenants, now: datetime, tampering: str
) -> None:
    tenant_id = tenant_ids[0]
    assistant_id = await add_assistant(owner, tenant_id)
    async with database.tenant_tx(tenant_id) as connection:
        release_id = await save_release(connection, tenant_id, assistant_id, parse_manifest(json.dumps(PLAIN)), now)
    await owner.execute(f"update releases set manifest = {tampering}")
    async with database.tenant_tx(tenant_id) as connection:
        with pytest.raises(LedgerBroken, match=str(release_id)):
            await load_release(connection, tenant_id, release_id)


def test_a_manifest_cannot_be_changed() -> None:
    manifest: Manifest = parse_manifest(json.dumps(PLAIN))
    with pytest.raises(AttributeError):
        manifest.prompt = manifest.prompt  # type: ignore[misc]

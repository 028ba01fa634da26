from __future__ import annotations

import copy
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.canonical import canonical_json, digest
from ondol.core.ids import new_id
from ondol.infrastructure.releases import (
    Manifest,
    ManifestError,
    manifest_digest,
    manifest_json,
    manifest_schema,
    parse_manifest,
)
from ondol.infrastructure.releases.manifest import MANIFEST_BYTES_MAX

PLAIN: dict[str, Any] = {
    "manifest_version": 2,
    "prompt": {"name": "support", "version": 3, "digest": "ab" * 32, "values": {"days": 5, "city": "서울"}},
    "route": {"kind": "model", "model": "meta-llama/Llama-3.1-8B", "evidence_turn": "tool"},
    "bases": [
        {
            "base_id": "0190a1b2-0000-7000-8000-000000000001",
            "index_version_id": "0190a1b2-0000-7000-8000-000000000002",
            "analyser_id": "mecab+bigrams@1",
        }
    ],
    "retrieval": {"passages_max": 24, "context_tokens_max": 3000},
    "verification": {"unsupported": "remove", "partial": "show"},
    "guard_policy_digest": None,
    "memory": {"turns_max": 6, "thread_turns_max": 4, "thread_tokens_max": 1500, "summary": True},
    "context_features": ["page"],
    "price_list_id": None,
    "evaluation": {"suite_digest": "cd" * 32, "verdict_id": None},
}

SEARCH: dict[str, Any] = {
    "fusion": "ranks",
    "rank_constant": 60,
    "vector_weight_thousandths": 500,
    "depth": 100,
    "diversity_thousandths": 250,
    "reranker": "rerank-ko",
    "rerank_depth": 30,
}
PINNED: dict[str, Any] = {**PLAIN, "manifest_version": 3, "retrieval": {**PLAIN["retrieval"], "search": SEARCH}, "guard_policy_digest": "ef" * 32}
"""Of the version that pins the guard's policy and how the base is searched."""

LATER = {"rewrite", "queries_max", "refuse_below_thousandths", "search"}
"""Fields that a manifest may lack."""


def changed(path: str, value: object) -> str:
    tree = copy.deepcopy(PLAIN)
    *parents, name = path.split(".")
    part: Any = tree
    for parent in parents:
        part = part[int(parent) if isinstance(part, list) else parent]
    if value is ...:
        del part[name]
    else:
        part[name] = value
    return json.dumps(tree)


def test_a_manifest_comes_back() -> None:
    manifest = parse_manifest(json.dumps(PLAIN))
    assert manifest.route.model == "meta-llama/Llama-3.1-8B"
    assert manifest.bases[0].base_id == uuid.UUID("0190a1b2-0000-7000-8000-000000000001")
    assert manifest_json(manifest) == canonical_json(PLAIN)
    assert parse_manifest(manifest_json(manifest)) == manifest
    assert manifest_digest(manifest) == digest(PLAIN)
    # Pinned: a release made by this version must have the same digest in every later one.
    assert manifest_digest(manifest).hex() == "4f666f6b1ef2fb0ce1bdc8d6a17019326d31e8c0829838f93a315a4d9d18a1ff"


def test_version_3_pins_the_policy_and_the_search_which_version_2_only_told() -> None:
    pinned = parse_manifest(json.dumps(PINNED))
    assert (manifest_json(pinned), pinned.pinned_policy) == (canonical_json(PINNED), bytes.fromhex("ef" * 32))
    # Pinned: a release made by this version must have the same digest in every later one.
    assert manifest_digest(pinned).hex() == "f48e2dc3d16f77fe76078624b37a7d56e6e3860f268155a032ab9f0a34554cba"
    assert parse_manifest(json.dumps({**PINNED, "guard_policy_digest": None})).pinned_policy is None
    assert parse_manifest(json.dumps({**PLAIN, "guard_policy_digest": "ef" * 32})).pinned_policy is None
    with pytest.raises(ManifestError, match="version 3") as caught:
        parse_manifest(json.dumps({**PINNED, "manifest_version": 2}))
    assert caught.value.param == "retrieval.search"
    for name, value in (("depth", 9), ("diversity_thousandths", 0.5), ("vector_weight_thousandths", 1001), ("reranker", ""), ("colour", "red")):
        broken = {**PINNED, "retrieval": {**PINNED["retrieval"], "search": {**SEARCH, name: value}}}
        with pytest.raises(ManifestError, match=f"search.{name}" if name != "colour" else "colour"):
            parse_manifest(json.dumps(broken))


def test_a_field_that_came_later_is_left_out_where_it_says_nothing() -> None:
    assert not any(name.encode() in manifest_json(parse_manifest(json.dumps(PLAIN))) for name in LATER)
    strict = parse_manifest(changed("verification.refuse_below_thousandths", 870))
    assert (strict.verification.refuse_below_thousandths, manifest_digest(strict) != digest(PLAIN)) == (870, True)
    assert parse_manifest(manifest_json(strict)) == strict
    retrieval = {**PLAIN["retrieval"], "rewrite": "multi", "queries_max": 3}
    manifest = parse_manifest(changed("retrieval", retrieval))
    assert (manifest.retrieval.rewrite, manifest.retrieval.queries_max) == ("multi", 3)
    assert parse_manifest(manifest_json(manifest)) == manifest
    other = parse_manifest(changed("retrieval", {**retrieval, "queries_max": 4}))
    assert len({manifest_digest(manifest), manifest_digest(other), digest(PLAIN)}) == 3


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
        ("prompt.version", 0, "prompt.version"),
        ("prompt.values", {"Days": 5}, "prompt.values"),
        ("prompt.values", {"days": 5.5}, "prompt.values[...]"),
        ("prompt.values", {"days": "x" * 8001}, "prompt.values[...]"),
        ("route", ..., None),
        ("route", None, "route"),
        ("route.kind", "magic", "route.kind"),
        ("route.kind", "extractive", "route.model"),
        ("route.model", None, "route.model"),
        ("route.model", "a\x00b", "route.model"),
        ("route.model", "", "route.model"),
        ("route.model", "a\n", "route.model"),
        ("route.evidence_turn", "system", "route.evidence_turn"),
        ("bases", [], "bases"),
        ("bases.0.base_id", "1", "bases[0].base_id"),
        ("bases.0.colour", "red", "bases[0]"),
        ("retrieval.passages_max", 8.0, "retrieval.passages_max"),
        ("retrieval.passages_max", "8", "retrieval.passages_max"),
        ("retrieval.passages_max", True, "retrieval.passages_max"),
        ("retrieval.passages_max", 0, "retrieval.passages_max"),
        ("retrieval.rewrite", "multi", "retrieval.queries_max"),
        ("retrieval.queries_max", 3, "retrieval.queries_max"),
        ("retrieval", {"passages_max": 8, "context_tokens_max": None, "rewrite": "off", "queries_max": 3}, "retrieval.rewrite"),
        ("retrieval", {"passages_max": 8, "context_tokens_max": None, "rewrite": None, "queries_max": None}, "retrieval.rewrite"),
        ("retrieval", {"passages_max": 8, "context_tokens_max": None, "rewrite": "multi", "queries_max": 7}, "retrieval.queries_max"),
        ("verification.refuse_below_thousandths", 0.42, "verification.refuse_below_thousandths"),
        ("verification.refuse_below_thousandths", 1001, "verification.refuse_below_thousandths"),
        ("verification.refuse_below_thousandths", None, "verification.refuse_below_thousandths"),
        ("verification.partial", "hide", "verification.partial"),
        ("memory.turns_max", -1, "memory.turns_max"),
        ("context_features", ["a b"], "context_features[0]"),
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


@pytest.mark.parametrize(("version", "hint"), [(4, "Update Ondol."), (1, "Make the release anew.")])
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
        "prompt.version": 4,
        "prompt.digest": "00" * 32,
        "prompt.values": {"days": 6, "city": "서울"},
        "route.kind": ...,
        "route.model": "other",
        "route.evidence_turn": "user",
        "bases": [{**PLAIN["bases"][0], "index_version_id": None, "analyser_id": None}],
        "retrieval.passages_max": 9,
        "retrieval.context_tokens_max": 3001,
        "verification.unsupported": "strike",
        "verification.partial": "strike",
        "guard_policy_digest": "00" * 32,
        "memory.turns_max": 5,
        "memory.thread_turns_max": 5,
        "memory.thread_tokens_max": 1501,
        "memory.summary": False,
        "context_features": [],
        "price_list_id": str(new_id()),
        "evaluation": None,
        "evaluation.suite_digest": "00" * 32,
        "evaluation.verdict_id": str(new_id()),
    }
    leaves = {f"{name}.{inner}" for name, part in PLAIN.items() if isinstance(part, dict) for inner in part}
    leaves |= {name for name, part in PLAIN.items() if not isinstance(part, dict)}
    assert set(values) == leaves - {"manifest_version"} | {"evaluation"}
    others = {"kind": "extractive", "model": None, "evidence_turn": "tool"}
    whole = [changed("route", others) if value is ... else changed(path, value) for path, value in values.items()]
    digests = {manifest_digest(parse_manifest(content)) for content in whole}
    assert len(digests | {digest(PLAIN)}) == len(values) + 1


def test_the_schema_lists_every_field_and_refuses_others() -> None:
    schema = manifest_schema()
    assert schema["$ref"] == "#/$defs/Manifest"
    for name, part in schema["$defs"].items():
        assert part["additionalProperties"] is False, name
        assert part["required"] == [field for field in part["properties"] if field not in LATER], name
    assert list(schema["$defs"]["Manifest"]["properties"]) == list(PLAIN)
    json.dumps(schema)


def test_a_manifest_cannot_be_changed() -> None:
    manifest: Manifest = parse_manifest(json.dumps(PLAIN))
    with pytest.raises(AttributeError):
        manifest.prompt = manifest.prompt  # type: ignore[misc]

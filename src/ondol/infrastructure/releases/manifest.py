"""The release manifest: prompt, route, index, retrieval, verification, guard policy, memory, which change together or not at all.

A manifest is immutable and known by its digest over canonical JSON, in which every field is written, also those that are null; but a field that
came later is left out where it says nothing, so that manifests of before keep their digests. It holds no fractions: a share is whole thousandths.
What means something else than before gets a new number; manifests of the numbers in `VERSIONS_READ` are read, and say what they said.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

import msgspec

from ondol.core.canonical import Json, canonical_json, digest
from ondol.core.errors import RequestError

MANIFEST_VERSION: Literal[3] = 3
VERSIONS_READ = (2, 3)
PINS_SINCE = 3
"""From this version on a manifest says how its base is searched, and the policy that it names guards."""
MANIFEST_BYTES_MAX = 65_536

# In Python `$` also matches before a last newline, so lengths or a look ahead for white space stand beside the patterns.
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64, description="SHA-256 in hexadecimal.")]
Slug = Annotated[str, msgspec.Meta(pattern=r"^(?!\S*\s)[a-z0-9](-?[a-z0-9])*$", min_length=1, max_length=63, description="A name in small letters.")]
Word = Annotated[str, msgspec.Meta(pattern=r"^(?!\S*\s)[A-Za-z0-9][A-Za-z0-9._:/@+-]*$", min_length=1, max_length=200, description="A name.")]
Variable = Annotated[str, msgspec.Meta(pattern=r"^(?!\S*\s)[a-z][a-z0-9_]*$", min_length=1, max_length=40)]
Value = Annotated[str, msgspec.Meta(max_length=8_000)] | Annotated[int, msgspec.Meta(ge=-(10**15), le=10**15)]
Number = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Tokens = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Thousandths = Annotated[int, msgspec.Meta(ge=0, le=1_000)]
Queries = Annotated[int, msgspec.Meta(ge=2, le=6)]
Passages = Annotated[int, msgspec.Meta(ge=1, le=100)]
Turns = Annotated[int, msgspec.Meta(ge=0, le=100)]
Showing = Literal["show", "strike", "remove"]
EvidenceTurn = Literal["tool", "user"]


class PromptPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which version of which prompt, the digest of what it says, and the values of its variables."""

    name: Slug
    version: Number
    digest: Digest
    values: dict[Variable, Value]


class RoutePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What answers: `model` is a model of the tenant by its alias, `extractive` quotes documents and asks no model, and `installation` is what
    the installation's settings say. `evidence_turn` is whose turn the passages are in.
    """

    kind: Literal["model", "extractive", "installation"]
    model: Word | None
    evidence_turn: EvidenceTurn


class IndexPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which knowledge base, which version of its index, and the analyser that made its terms. Without a version: the one that the base serves."""

    base_id: uuid.UUID
    index_version_id: uuid.UUID | None
    analyser_id: Word | None


class SearchPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the base is searched: how full text and vectors are put together, of how many candidates, how much saying something new counts, and
    which reranker scores how many of the best anew. The base's own settings are the same; shares are thousandths here.
    """

    fusion: Literal["ranks", "scores"]
    rank_constant: Annotated[int, msgspec.Meta(ge=1, le=1_000)]
    vector_weight_thousandths: Thousandths
    depth: Annotated[int, msgspec.Meta(ge=10, le=1_000)]
    diversity_thousandths: Thousandths
    reranker: Word | None
    rerank_depth: Annotated[int, msgspec.Meta(ge=1, le=100)]


class RetrievalPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the passages that were found a model is shown: at most so many, and as many as fit beside the rest into so many tokens, which null
    leaves to the model. With `rewrite` the model words the question in one other way, or in several, and as many questions as `queries_max` are
    searched for, the one that was asked among them. `search` is how the base is searched, from version 3 on; where it is absent, as the base says.
    """

    passages_max: Passages
    context_tokens_max: Tokens | None
    rewrite: Literal["rewrite", "multi"] | msgspec.UnsetType = msgspec.UNSET
    queries_max: Queries | msgspec.UnsetType = msgspec.UNSET
    search: SearchPart | msgspec.UnsetType = msgspec.UNSET


class VerificationPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of sentences that are not, or only partly, borne out by what they cite.

    Where no model answers, a question is refused if it is less probable than `refuse_below_thousandths` that a sentence answers it.
    """

    unsupported: Showing
    partial: Showing
    refuse_below_thousandths: Thousandths | msgspec.UnsetType = msgspec.UNSET


class MemoryPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a conversation is told again.

    Of the turns that a caller sends, so many of the last. Of a thread that is kept, so many of the last, within so many tokens, and the turns before
    them summed up where `summary` is set.
    """

    turns_max: Turns
    thread_turns_max: Turns
    thread_tokens_max: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
    summary: bool


class EvaluationPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which suite judged it, and its verdict; null until there is one."""

    suite_digest: Digest
    verdict_id: uuid.UUID | None


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an answer depends on.

    `guard_policy_digest` is the version of the policy that guards its answers, beside the floors that hold where it is asked; null for the one that
    is chosen there at that time. In version 2 it only told which one that was when the manifest was made. `price_list_id` tells by which list of the
    model's first target the release was priced when it was made; an answer is charged by the list of its day, which is what the provider takes.
    `context_features` is the place of what else a model is told of whoever asks and where, such as the page or the account's plan: names of
    features, each with an owner who answers for it. None is known yet, so it is empty.
    """

    manifest_version: Literal[2, 3]
    prompt: PromptPart
    route: RoutePart
    bases: Annotated[list[IndexPart], msgspec.Meta(min_length=1, max_length=1)]
    retrieval: RetrievalPart
    verification: VerificationPart
    guard_policy_digest: Digest | None
    memory: MemoryPart
    context_features: Annotated[list[Word], msgspec.Meta(max_length=100)]
    price_list_id: uuid.UUID | None
    evaluation: EvaluationPart | None

    @property
    def pinned_policy(self) -> bytes | None:
        """The digest of the policy version that guards its answers, 32 bytes; None where that is chosen when somebody asks."""
        pins = self.guard_policy_digest is not None and self.manifest_version >= PINS_SINCE
        return bytes.fromhex(self.guard_policy_digest or "") if pins else None


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
    if isinstance(tree, dict) and type(version := tree.get("manifest_version")) is int and version not in VERSIONS_READ:
        raise ManifestError(
            f"The manifest has version {version}; this version of Ondol reads {VERSIONS_READ[0]} to {VERSIONS_READ[-1]}.",
            "Update Ondol." if version > MANIFEST_VERSION else "Make the release anew.",
            param="manifest_version",
        )
    try:
        manifest = msgspec.convert(tree, Manifest, strict=True)
    except UnicodeEncodeError as error:
        raise ManifestError("The manifest holds half of a surrogate pair, which is no text.") from error
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        field = place.rpartition("`$")[2].rstrip("`").lstrip(".")
        raise ManifestError(
            f"The manifest is wrong at {field}: {what}." if field else f"The manifest is wrong: {what}.",
            "`manifest_schema` lists every field.",
            param=field or None,
        ) from error
    if (manifest.route.kind == "model") != (manifest.route.model is not None):
        raise ManifestError("The manifest is wrong at route.model: only the route of a model names one.", param="route.model")
    if (manifest.retrieval.rewrite is msgspec.UNSET) != (manifest.retrieval.queries_max is msgspec.UNSET):
        raise ManifestError("The manifest is wrong at retrieval: `rewrite` and `queries_max` go together.", param="retrieval.queries_max")
    if manifest.manifest_version < PINS_SINCE and manifest.retrieval.search is not msgspec.UNSET:
        raise ManifestError(f"The manifest is wrong at retrieval.search: it came with version {PINS_SINCE}.", param="retrieval.search")
    return manifest


def manifest_json(manifest: Manifest) -> bytes:
    """The manifest as canonical JSON."""
    return canonical_json(_plain(manifest))


def manifest_digest(manifest: Manifest) -> bytes:
    """SHA-256 of `manifest_json`, 32 bytes."""
    return digest(_plain(manifest))


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the manifest."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Manifest)}


def _plain(manifest: Manifest) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", msgspec.to_builtins(manifest))


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a field twice: two readers could take different ones."""
    tree = dict(pairs)
    if len(tree) < len(pairs):
        raise ValueError("an object names a field twice")
    return tree

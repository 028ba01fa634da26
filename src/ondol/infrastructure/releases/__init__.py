"""Releases: what an assistant serves, as one immutable manifest, and the pointer that goes live and back."""

from __future__ import annotations

from ondol.infrastructure.releases.manifest import (
    EvidenceTurn,
    IndexPart,
    Manifest,
    ManifestError,
    MemoryPart,
    PromptPart,
    RetrievalPart,
    RoutePart,
    SearchPart,
    VerificationPart,
    manifest_digest,
    manifest_json,
    manifest_schema,
    parse_manifest,
)
from ondol.infrastructure.releases.moves import activate, propose, roll_back
from ondol.infrastructure.releases.store import find_release, get_release, hold_assistant, list_moves, list_releases, save_release
from ondol.infrastructure.releases.types import Gate, Listed, Move, Reason, Release, State, Why, open_gate

__all__ = [
    "EvidenceTurn",
    "Gate",
    "IndexPart",
    "Listed",
    "Manifest",
    "ManifestError",
    "MemoryPart",
    "Move",
    "PromptPart",
    "Reason",
    "Release",
    "RetrievalPart",
    "RoutePart",
    "SearchPart",
    "State",
    "VerificationPart",
    "Why",
    "activate",
    "find_release",
    "get_release",
    "hold_assistant",
    "list_moves",
    "list_releases",
    "manifest_digest",
    "manifest_json",
    "manifest_schema",
    "open_gate",
    "parse_manifest",
    "propose",
    "roll_back",
    "save_release",
]

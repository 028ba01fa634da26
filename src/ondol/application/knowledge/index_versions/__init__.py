"""Index versions of a base: built beside the one that serves, made to serve by moving one pointer, kept for a while, called by tags."""

from __future__ import annotations

from ondol.application.knowledge.index_versions.activate import roll_back
from ondol.application.knowledge.index_versions.build import (
    BuildReport,
    activate_version,
    build_version,
    complete_version,
    ensure_version,
    rebuild,
    start_version,
)
from ondol.application.knowledge.index_versions.care import care_for_versions
from ondol.application.knowledge.index_versions.embed import embed_missing, embed_version, with_embedder
from ondol.application.knowledge.index_versions.keep import drop_old_versions, drop_version, keep_versions, kept_versions, put_tag, remove_tag
from ondol.application.knowledge.index_versions.store import IndexVersion, Wanted, find_version, list_versions

__all__ = [
    "BuildReport",
    "IndexVersion",
    "Wanted",
    "activate_version",
    "build_version",
    "care_for_versions",
    "complete_version",
    "drop_old_versions",
    "drop_version",
    "embed_missing",
    "embed_version",
    "ensure_version",
    "find_version",
    "keep_versions",
    "kept_versions",
    "list_versions",
    "put_tag",
    "rebuild",
    "remove_tag",
    "roll_back",
    "start_version",
    "with_embedder",
]

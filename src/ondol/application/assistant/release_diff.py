"""What differs between two releases."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ondol.application.prompts import Prompt, prompt_diff
from ondol.application.prompts.store import find_prompt
from ondol.infrastructure.releases import Release
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection


@dataclass(frozen=True, slots=True)
class ReleaseDifference:
    """What differs.

    Attributes:
        fields: what the first and the second say, by the path of the field, such as ``route.model``.
        prompt: the prompts' own difference as a unified diff; empty when there is none.
    """

    fields: Mapping[str, tuple[Any, Any]]
    prompt: str


async def release_diff(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, first: Release, second: Release) -> ReleaseDifference:
    """Compare two releases, field by field and prompt by prompt."""
    one, other = (dict(_leaves(msgspec.to_builtins(item.manifest))) for item in (first, second))
    differing = {path: (one.get(path), other.get(path)) for path in sorted(one.keys() | other.keys()) if one.get(path) != other.get(path)}

    async def prompt(release: Release) -> Prompt:
        named = release.manifest.prompt
        return await find_prompt(connection, keyring, tenant_id, f"{named.name}@{named.version}")

    same = first.manifest.prompt.digest == second.manifest.prompt.digest
    return ReleaseDifference(differing, "" if same else prompt_diff(await prompt(first), await prompt(second)))


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict) and tree:
        for name, value in tree.items():
            yield from _leaves(value, f"{path}.{name}" if path else name)
    elif isinstance(tree, list) and tree:
        for place, value in enumerate(tree):
            yield from _leaves(value, f"{path}[{place}]")
    else:
        yield path, tree

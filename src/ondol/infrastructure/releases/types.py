"""Records of releases and of the moves between them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from ondol.infrastructure.releases.manifest import Manifest
from ondol.infrastructure.storage.postgres import Connection

State = Literal["draft", "candidate", "live", "retired"]
"""`live` is the one that the assistant points to, `retired` one that was."""

Reason = Literal["improvement", "fix", "incident", "policy", "trial", "declared", "other"]
"""Why a release was made to serve, as the ledger tells it; the words of whoever did it are sealed beside."""

Kind = Literal["declare", "activate", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A release as lists show it.

    Attributes:
        number: counts from 1 within the assistant.
        digest: of the manifest, 32 bytes.
        is_implicit: it was made of the assistant's declaration, and the next declaration replaces it.
        is_previous: a rollback goes to it.
    """

    id: uuid.UUID
    assistant_id: uuid.UUID
    number: int
    digest: bytes
    state: State
    is_implicit: bool
    is_previous: bool
    created_by: uuid.UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Listed):
    """A release with its manifest, which was checked against the digest."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Why:
    """Why a release is made to serve.

    Attributes:
        note: in the words of whoever does it; empty for none.
        actor_id: who does it; None for the platform itself.
    """

    reason: Reason
    note: str = ""
    actor_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One move of an assistant's pointer. Numbers are those of releases; `from_number` is None for the first."""

    id: uuid.UUID
    kind: Kind
    from_number: int | None
    to_number: int
    reason: Reason
    note: str
    actor_id: uuid.UUID | None
    created_at: datetime


Gate: TypeAlias = Callable[[Connection, Release], Awaitable[str | None]]
"""Asked before a release goes live: None lets it, a sentence is why not. An evaluation that must be passed is one."""


async def open_gate(_connection: Connection, _release: Release) -> str | None:
    """The gate that lets everything through."""
    return None

"""Records of golden sets: what an item says, what a set promises, what a version holds."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from ondol.application.evaluation.types import Case, Turn

Split: TypeAlias = Literal["dev", "test", "hidden"]
"""`dev` is looked at while building, `test` is measured on, `hidden` is seen by nobody but its owner and whoever measures."""
SPLITS: tuple[Split, ...] = ("dev", "test", "hidden")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenItem:
    """One question of a golden set with what is known of its right answer.

    Attributes:
        id: unique within a version, and kept when the item is reworded.
        turns: the conversation; the last turn is the one to be answered.
        expected: right answers, any of which will do.
        facts: what scorers read besides, plain JSON without fractions.
        documents: the keys of the documents that it was written from.
        slices: `language`, `topic`, `difficulty`, `kind` and others.
        cluster: items of one cluster depend on one another; empty where it stands alone.
        asker: the person in whose name it is asked.
    """

    id: str
    turns: tuple[Turn, ...]
    expected: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    documents: tuple[str, ...] = ()
    slices: Mapping[str, str] = field(default_factory=dict)
    cluster: str = ""
    asker: str | None = None

    @property
    def question(self) -> str:
        """What is to be answered."""
        return self.turns[-1].text


@dataclass(frozen=True, slots=True)
class FromAnswer:
    """The answer in production that an item was taken from, and who had asked."""

    request_id: uuid.UUID
    person_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """A set without its items.

    Attributes:
        base_id: the knowledge base whose documents its items are written from; None where they rest on none.
        floors: how many items a slice must have, by ``name=value``.
        owner_id: the person who answers for it.
        expires_at: nothing is measured on it from then on.
    """

    id: uuid.UUID
    name: str
    split: Split
    base_id: uuid.UUID | None
    floors: Mapping[str, int]
    owner_id: uuid.UUID
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class GoldenVersion:
    """A version of a set, which never changes.

    Attributes:
        root: the Merkle root (RFC 6962) over the addresses of its items in their order, 32 bytes.
        slices: how many items each slice has, by ``name=value``.
        missing: the floors that are not reached, with how many items there are instead.
    """

    id: uuid.UUID
    set_id: uuid.UUID
    number: int
    root: bytes
    items: int
    slices: Mapping[str, int]
    missing: Mapping[str, int]
    created_by: uuid.UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeptItem:
    """An item as a version holds it.

    Attributes:
        id: of its wording.
        address: keyed digest of what it says, under the key of whoever owns it.
        item: None when it was erased.
    """

    id: uuid.UUID
    name: str
    address: bytes
    item: GoldenItem | None


def case_of(item: GoldenItem) -> Case:
    """The item as a run asks it; its documents are among the facts."""
    return Case(
        id=item.id,
        turns=item.turns,
        expected=item.expected,
        facts={**item.facts, "documents": list(item.documents)} if item.documents else dict(item.facts),
        slices=dict(item.slices),
        cluster=item.cluster or item.id,
        asker=item.asker,
    )

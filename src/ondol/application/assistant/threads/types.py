"""Records of threads."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of one person with one assistant.

    Attributes:
        person_id: whose it is; what was said in it is sealed under their key.
        assistant: its name.
        head_id: the turn that was said last; a question that names no other one follows it.
        turns: how many there are, those of all branches.
    """

    id: uuid.UUID
    person_id: uuid.UUID
    assistant_id: uuid.UUID
    assistant: str
    title: str
    head_id: uuid.UUID
    turns: int
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer.

    Attributes:
        id: the answer's.
        parent_id: the turn that it follows; None for a first one.
        question: as it was put.
        asked: the same, understandable without what was said before.
        answer: as it was shown.
        rests_on: the document versions that may have left words in it, those of the turns before it included.
        summary: of the turns up to this one; empty where none was made.
        summary_rests_on: what that rests on.
    """

    id: uuid.UUID
    parent_id: uuid.UUID | None
    question: str
    asked: str
    answer: str
    refused: bool
    rests_on: frozenset[uuid.UUID]
    created_at: datetime
    summary: str = ""
    summary_rests_on: frozenset[uuid.UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Slot:
    """Something that a person told an assistant to keep in mind."""

    name: str
    value: str
    changed_at: datetime

"""Records of reviews: what is judged, by which scales, what somebody thought of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from ondol.application.evaluation.types import Turn

Scale: TypeAlias = Literal["helpfulness", "correctness", "clarity", "tone", "bias"]
"""Each has 5 points, 5 being best: of `bias`, 5 is none."""
SCALES: tuple[Scale, ...] = ("helpfulness", "correctness", "clarity", "tone", "bias")
POINTS_MAX = 5

State: TypeAlias = Literal["open", "agreed", "disputed", "settled", "gold"]
"""`open`: fewer than the quorum judged it. `agreed`, `disputed`: they did. `settled`: somebody decided. `gold`: planted, its points are known."""

FeedbackRule: TypeAlias = Literal["none", "disliked", "all"]
"""Which opinions of people bring their answers into a queue."""

Points: TypeAlias = Mapping[str, int | None]
"""By scale, 1 to 5; None where somebody could not tell."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue.

    Attributes:
        quorum: so many people judge each item.
        seed: with the rater's id it decides the order in which they get the items.
    """

    id: uuid.UUID
    name: str
    is_open: bool
    scales: tuple[str, ...]
    quorum: int
    lease_minutes: int
    seed: int
    feedback: FeedbackRule
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """What is judged: a conversation whose last turn is the question, and the answer to it. Nothing in it says who answered."""

    turns: tuple[Turn, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Given:
    """An item as its rater gets it: no more than what is to be judged.

    Attributes:
        until: so long it is theirs.
    """

    item_id: uuid.UUID
    judged: Judged
    guideline: str
    guideline_version: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Span:
    """A place in the answer, in characters, and what is to be said of it."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Note:
    """What is said beside points.

    Attributes:
        correction: the answer as it should have been; empty where it is fine, or nobody knows.
    """

    spans: tuple[Span, ...] = ()
    correction: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Rating:
    """What one person thought of one item."""

    person_id: uuid.UUID
    guideline: int
    points: Points
    note: Note
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """An item with what was thought of it.

    Attributes:
        decided: the points that hold: what was decided, or the median of the raters'; empty while it is open.
        correction: the one that holds: what was decided, or the newest of a rater's.
    """

    id: uuid.UUID
    request_id: uuid.UUID | None
    person_id: uuid.UUID | None
    state: State
    reasons: tuple[str, ...]
    judged: Judged
    ratings: tuple[Rating, ...]
    decided: Mapping[str, float]
    correction: str
    gold: Points | None

"""What the routes of reviews take and tell."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from ondol.application.evaluation.golden.production import SAMPLE_MAX
from ondol.application.evaluation.review import filling, store
from ondol.application.evaluation.review.checked import plain_judged
from ondol.application.evaluation.review.types import SCALES, FeedbackRule, Given, Item, Note, Queue, Scale, Span
from ondol.infrastructure.access.route_roles import Body

SEED_MAX = 2**31 - 1


class NewQueue(Body):
    """A queue. `raters` are ids of people; `feedback` says which opinions of people bring their answers in."""

    name: str = Field(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)
    guideline: str = Field(min_length=1, max_length=store.GUIDELINE_CHARACTERS_MAX)
    scales: list[Scale] = Field(default=list(SCALES), min_length=1, max_length=len(SCALES))
    quorum: int = Field(default=2, ge=1, le=store.QUORUM_MAX)
    lease_minutes: int = Field(default=60, ge=1, le=store.LEASE_MINUTES_MAX)
    seed: int = Field(default=0, ge=0, le=SEED_MAX)
    feedback: FeedbackRule = "none"
    raters: list[uuid.UUID] = Field(default=[], max_length=store.RATERS_MAX)


class QueueChange(Body):
    """What changes of a queue; what is absent stays. Another guideline is shown with the next item that somebody takes."""

    open: bool | None = None
    feedback: FeedbackRule | None = None
    guideline: str | None = Field(default=None, min_length=1, max_length=store.GUIDELINE_CHARACTERS_MAX)
    add: list[uuid.UUID] = Field(default=[], max_length=store.RATERS_MAX)
    remove: list[uuid.UUID] = Field(default=[], max_length=store.RATERS_MAX)


class UploadBody(Body):
    """What is to be judged: each has a `question` or `turns` and an `answer`; one with `gold` (points by scale) is planted."""

    items: list[dict[str, Any]] = Field(min_length=1, max_length=filling.UPLOADS_AT_ONCE_MAX)


class SampleBody(Body):
    """Answers of the last `days`: a share of them by risk, the rest at random."""

    count: int = Field(default=20, ge=1, le=SAMPLE_MAX)
    risk_share: float = Field(default=0.5, ge=0, le=1)
    seed: int = Field(default=0, ge=0, le=SEED_MAX)
    days: int = Field(default=30, ge=1, le=3650)


class SpanBody(Body):
    """A place in the answer, in characters, and what is to be said of it."""

    start: int = Field(ge=0)
    end: int = Field(ge=1)
    label: str = Field(min_length=1, max_length=100)


class RatingBody(Body):
    """Points from 1 to 5 by scale, 5 being best (of `bias`, 5 is none); null where it cannot be told."""

    points: dict[str, Annotated[int, Field(strict=True)] | None] = Field(min_length=1, max_length=len(SCALES))
    spans: list[SpanBody] = Field(default=[], max_length=100)
    correction: str = Field(default="", max_length=20_000)
    comment: str = Field(default="", max_length=2_000)

    def note(self) -> Note:
        """What is said beside the points."""
        return Note(tuple(Span(span.start, span.end, span.label) for span in self.spans), self.correction, self.comment)


class GoldenBody(Body):
    """The golden set for which it is put up."""

    golden: str = Field(max_length=63)


class QueueShown(BaseModel):
    """A queue, with how many items are in each state and how many ratings there are (your own, in your list)."""

    name: str
    open: bool
    scales: list[str]
    quorum: int
    lease_minutes: int
    feedback: str
    created_at: datetime
    items: dict[str, int]
    ratings: int


class QueueList(BaseModel):
    """Queues by name."""

    queues: list[QueueShown]


class QueueRead(BaseModel):
    """A queue with its raters and its guideline."""

    queue: QueueShown
    raters: list[uuid.UUID]
    guideline: str
    guideline_version: int


class MyQueue(BaseModel):
    """A queue in which you judge, and how much you have judged. How much is left is not told: it would tell what others did."""

    name: str
    open: bool
    scales: list[str]
    ratings: int


class MyQueues(BaseModel):
    """The queues in which you judge."""

    queues: list[MyQueue]


class ItemGiven(BaseModel):
    """What you judge: nothing tells who answered, or what others think. It is yours `until` then."""

    id: uuid.UUID
    turns: list[dict[str, str]]
    answer: str
    scales: list[str]
    guideline: str
    guideline_version: int
    until: datetime


class NextGiven(BaseModel):
    """The next item; null when there is nothing left for you."""

    item: ItemGiven | None


class Rated(BaseModel):
    """It is kept."""

    rated: bool = True


class RatingShown(BaseModel):
    """What one rater thought."""

    rater: uuid.UUID
    guideline: int
    points: dict[str, int | None]
    spans: list[dict[str, Any]]
    correction: str
    comment: str
    created_at: datetime


class ItemShown(BaseModel):
    """An item with all that was thought of it. `decided` are the points that hold."""

    id: uuid.UUID
    state: str
    reasons: list[str]
    turns: list[dict[str, str]]
    answer: str
    ratings: list[RatingShown]
    decided: dict[str, float]
    correction: str


class ItemPage(BaseModel):
    """Items. `next` is what to give as `after` for the next page."""

    items: list[ItemShown]
    next: uuid.UUID | None


class AlphaShown(BaseModel):
    """Krippendorff's alpha (ordinal) with its 95 % interval; null where it cannot be told."""

    alpha: float | None
    low: float | None
    high: float | None
    items: int
    ratings: int


class PairShown(BaseModel):
    """Two raters on one scale: Cohen's kappa with quadratic weights and Kendall's tau-b."""

    first: uuid.UUID
    second: uuid.UUID
    scale: str
    both: int
    kappa: float | None
    tau: float | None


class DriftShown(BaseModel):
    """How a rater stands to planted gold: `bias` is given less right, `trend` how the distance moves with time, `p` how often chance does that."""

    rater: uuid.UUID
    scale: str
    planted: int
    bias: float | None
    error: float | None
    trend: float | None
    p: float | None
    drifts: bool


class AgreementShown(BaseModel):
    """How far raters agree."""

    alphas: dict[str, AlphaShown]
    pairs: list[PairShown]
    drifts: list[DriftShown]
    ratings: dict[str, int]


class Lines(BaseModel):
    """Lines for a file. `next` is what to give as `after` for the next ones."""

    lines: list[dict[str, Any]]
    next: uuid.UUID | None


class FilledShown(BaseModel):
    """How many came in, and how many were left out because they asked nothing or could not be masked."""

    items: int
    left_out: int


class ProposedShown(BaseModel):
    """How many were put up for the golden set; somebody else must let them in."""

    proposals: int


class Changed(BaseModel):
    """It is done."""

    changed: bool = True


def queue_shown(queue: Queue, items: Mapping[str, int], ratings: int) -> QueueShown:
    """A queue as the API tells it."""
    return QueueShown(
        name=queue.name, open=queue.is_open, scales=list(queue.scales), quorum=queue.quorum, lease_minutes=queue.lease_minutes,
        feedback=queue.feedback, created_at=queue.created_at, items=dict(items), ratings=ratings,
    )  # fmt: skip


def item_given(queue: Queue, given: Given) -> ItemGiven:
    """An item as its rater gets it."""
    return ItemGiven(
        id=given.item_id, **plain_judged(given.judged), scales=list(queue.scales), guideline=given.guideline,
        guideline_version=given.guideline_version, until=given.until,
    )  # fmt: skip


def item_shown(item: Item) -> ItemShown:
    """An item with its ratings; those of one that others are still judging are withheld."""
    ratings = [
        RatingShown(
            rater=one.person_id, guideline=one.guideline, points=dict(one.points), correction=one.note.correction, comment=one.note.comment,
            spans=[{"start": span.start, "end": span.end, "label": span.label} for span in one.note.spans], created_at=one.created_at,
        )
        for one in (item.ratings if item.state != "open" else ())
    ]  # fmt: skip
    return ItemShown(
        id=item.id, state=item.state, reasons=list(item.reasons), **plain_judged(item.judged), ratings=ratings, decided=dict(item.decided),
        correction=item.correction,
    )  # fmt: skip

"""Reviews in the admin API: whoever manages the tenant makes queues and reads what comes of them; whoever is a rater gets items, one at a time.

Who judges in an open queue sees nothing of what others thought there, whatever their roles: for as long as it is open they are told of their own
items only.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request

from ondol.application.evaluation.golden.production import Mask
from ondol.application.evaluation.golden.store import find_set
from ondol.application.evaluation.review import filling, judging, store
from ondol.application.evaluation.review.checked import upload_of
from ondol.application.evaluation.review.figures import figures_of, points_of
from ondol.application.evaluation.review.results import Kind, lines_of, propose_for_golden
from ondol.application.evaluation.review.shapes import (
    SEED_MAX,
    AgreementShown,
    AlphaShown,
    Changed,
    DriftShown,
    FilledShown,
    GoldenBody,
    ItemPage,
    ItemShown,
    Lines,
    MyQueue,
    MyQueues,
    NewQueue,
    NextGiven,
    PairShown,
    ProposedShown,
    QueueChange,
    QueueList,
    QueueRead,
    QueueShown,
    Rated,
    RatingBody,
    SampleBody,
    UploadBody,
    item_given,
    item_shown,
    queue_shown,
)
from ondol.application.evaluation.review.types import Queue, State
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import Forbidden
from ondol.infrastructure.access.people import get_person
from ondol.infrastructure.access.route_roles import ASK, READ, WRITE, RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.storage.postgres import Connection

QueueName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
Limit = Annotated[int, Query(ge=1, le=store.PAGE_MAX)]
DONE: tuple[State, ...] = ("agreed", "settled")
PROPOSED_AT_ONCE_MAX = store.PAGE_MAX


@dataclass(frozen=True, slots=True)
class ReviewServices(RoleGate):
    """What the routes work with.

    Attributes:
        mask: takes everything private out of a text.
    """

    knowledge: Knowledge
    mask: Mask
    principal: Callable[[Request], Principal]


def review_router(services: ReviewServices) -> APIRouter:
    """The routes below ``/evaluation/review-queues`` and ``/evaluation/my-reviews``."""
    router = APIRouter(prefix="/evaluation", tags=["evaluation"])
    _queue_routes(router, services)
    _fill_routes(router, services)
    _rater_routes(router, services)
    _result_routes(router, services)
    return router


def _queue_routes(router: APIRouter, services: ReviewServices) -> None:
    room = services.knowledge

    @router.get("/review-queues", openapi_extra=READ)
    async def list_review_queues(who: Principal = services.reads) -> QueueList:
        """The tenant's review queues."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            return QueueList(queues=[queue_shown(*found) for found in await store.list_queues(connection)])

    @router.post("/review-queues", openapi_extra=WRITE)
    async def create_review_queue(body: NewQueue, who: Principal = services.writes) -> QueueShown:
        """Make a review queue."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            await _refuse_unknown(room, connection, who, body.raters)
            made = await store.add_queue(
                connection, room.keyring, who.tenant_id, body.name, guideline=body.guideline, scales=body.scales, quorum=body.quorum,
                lease_minutes=body.lease_minutes, seed=body.seed, feedback=body.feedback, by=who.person_id, now=room.clock(),
            )  # fmt: skip
            await store.change_queue(connection, who.tenant_id, made, add=body.raters, by=who.person_id, now=room.clock())
        return queue_shown(made, {}, 0)

    @router.get("/review-queues/{queue}", openapi_extra=READ)
    async def read_review_queue(queue: QueueName, who: Principal = services.reads) -> QueueRead:
        """A review queue with its raters and its guideline."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            [shown] = [queue_shown(*one) for one in await store.list_queues(connection) if one[0].id == found.id]
            version, text = await store.guideline_of(connection, room.keyring, found)
            return QueueRead(queue=shown, raters=await store.raters_of(connection, found), guideline=text, guideline_version=version)

    @router.patch("/review-queues/{queue}", openapi_extra=WRITE)
    async def change_review_queue(queue: QueueName, body: QueueChange, who: Principal = services.writes) -> Changed:
        """Open or close a review queue, name raters, give another guideline, or say which opinions enter it."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            await _refuse_unknown(room, connection, who, body.add)
            if body.guideline is not None:
                await store.put_guideline(connection, room.keyring, who.tenant_id, found, body.guideline, by=who.person_id, now=room.clock())
            await store.change_queue(
                connection, who.tenant_id, found, is_open=body.open, feedback=body.feedback, add=body.add, remove=body.remove, by=who.person_id,
                now=room.clock(),
            )  # fmt: skip
        return Changed()


def _fill_routes(router: APIRouter, services: ReviewServices) -> None:
    room = services.knowledge

    @router.post("/review-queues/{queue}/items", openapi_extra=WRITE)
    async def add_review_items(queue: QueueName, body: UploadBody, who: Principal = services.writes) -> FilledShown:
        """Hand in what is to be judged, planted gold among it."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            uploads = [upload_of(item, found.scales) for item in body.items]
            made = await filling.add_uploads(connection, room.keyring, who.tenant_id, found, uploads, by=who.person_id, now=room.clock())
        return FilledShown(items=made.items, left_out=made.left_out)

    @router.post("/review-queues/{queue}/samples", openapi_extra=WRITE)
    async def sample_review_items(queue: QueueName, body: SampleBody, who: Principal = services.writes) -> FilledShown:
        """Put in answers that were given in production, with everything private masked."""
        now = room.clock()
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            made = await filling.add_samples(
                connection, room.keyring, who.tenant_id, found, services.mask, count=body.count, risk_share=body.risk_share, seed=body.seed,
                since=now - timedelta(days=body.days), by=who.person_id, now=now,
            )  # fmt: skip
        return FilledShown(items=made.items, left_out=made.left_out)


def _rater_routes(router: APIRouter, services: ReviewServices) -> None:
    room = services.knowledge

    @router.get("/my-reviews", openapi_extra=ASK)
    async def list_my_reviews(who: Principal = services.asks) -> MyQueues:
        """The queues in which you judge."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.list_queues(connection, who.person_id)
        return MyQueues(queues=[MyQueue(name=one.name, open=one.is_open, scales=list(one.scales), ratings=count) for one, _, count in found])

    @router.post("/my-reviews/{queue}/next", openapi_extra=ASK)
    async def take_next_review(queue: QueueName, who: Principal = services.asks) -> NextGiven:
        """Take the next item, or the one that you have taken and not judged."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            given = await judging.next_item(connection, room.keyring, who.tenant_id, found, who.person_id, room.clock())
            if given is None and await filling.take_feedback(connection, room.keyring, who.tenant_id, found, services.mask, room.clock()):
                given = await judging.next_item(connection, room.keyring, who.tenant_id, found, who.person_id, room.clock())
        return NextGiven(item=None if given is None else item_given(found, given))

    @router.post("/my-reviews/{queue}/items/{item}/rating", openapi_extra=ASK)
    async def rate_review_item(queue: QueueName, item: uuid.UUID, body: RatingBody, who: Principal = services.asks) -> Rated:
        """Judge the item that you have taken. It cannot be changed afterwards."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            await judging.rate(connection, room.keyring, who.tenant_id, found, item, who.person_id, body.points, body.note(), room.clock())
        return Rated()

    @router.delete("/my-reviews/{queue}/items/{item}", openapi_extra=ASK)
    async def give_review_back(queue: QueueName, item: uuid.UUID, who: Principal = services.asks) -> Changed:
        """Give an item back without judging it."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            return Changed(changed=await judging.give_back(connection, found, item, who.person_id, room.clock()))


def _result_routes(router: APIRouter, services: ReviewServices) -> None:
    room = services.knowledge

    @router.get("/review-queues/{queue}/items", openapi_extra=READ)
    async def list_review_items(
        queue: QueueName,
        state: Literal["open", "agreed", "disputed", "settled", "gold"] = "disputed",
        after: uuid.UUID | None = None,
        limit: Limit = 50,
        who: Principal = services.reads,
    ) -> ItemPage:
        """Items in a state with all that was thought of them."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            await _refuse_raters(connection, found, who)
            items = await store.items_page(connection, room.keyring, found, [state], after=after, limit=limit)
        return ItemPage(items=[item_shown(one) for one in items], next=items[-1].id if len(items) == limit else None)

    @router.post("/review-queues/{queue}/items/{item}/decision", openapi_extra=WRITE)
    async def decide_review_item(queue: QueueName, item: uuid.UUID, body: RatingBody, who: Principal = services.writes) -> ItemShown:
        """Decide an item on which raters do not agree, and that you have not judged yourself."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            decided = await judging.adjudicate(
                connection, room.keyring, who.tenant_id, found, item, body.points, body.note(), by=who.person_id, now=room.clock()
            )
        return item_shown(decided)

    @router.get("/review-queues/{queue}/agreement", openapi_extra=READ)
    async def read_agreement(queue: QueueName, seed: Annotated[int, Query(ge=0, le=SEED_MAX)] = 0, who: Principal = services.reads) -> AgreementShown:
        """How far raters agree, and whether one of them moves away from planted gold."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            await _refuse_raters(connection, found, who)
            points = await points_of(connection, found)
        figures = await asyncio.to_thread(figures_of, found.scales, points, seed)
        alphas = {
            scale: AlphaShown(alpha=one.value, low=one.low, high=one.high, items=one.units, ratings=one.ratings)
            for scale, one in figures.alphas.items()
        }
        drifts = [
            DriftShown(
                rater=rater, scale=scale, planted=one.count, bias=one.bias, error=one.error, trend=one.trend, p=one.p, drifts=one.drifts
            )
            for rater, by_scale in figures.drifts.items()
            for scale, one in by_scale.items()
        ]  # fmt: skip
        pairs = [PairShown(first=one.first, second=one.second, scale=one.scale, both=one.both, kappa=one.kappa, tau=one.tau) for one in figures.pairs]
        return AgreementShown(alphas=alphas, pairs=pairs, drifts=drifts, ratings={str(rater): count for rater, count in figures.ratings.items()})

    @router.get("/review-queues/{queue}/export", openapi_extra=READ)
    async def export_reviews(
        queue: QueueName, kind: Kind = "ratings", after: uuid.UUID | None = None, limit: Limit = 50, who: Principal = services.reads
    ) -> Lines:
        """What is agreed or settled as lines of a file: `ratings`, or `preferences` (corrections beside what was answered)."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.find_queue(connection, queue)
            await _refuse_raters(connection, found, who)
            items = await store.items_page(connection, room.keyring, found, DONE, after=after, limit=limit)
        return Lines(lines=list(lines_of(items, kind)), next=items[-1].id if len(items) == limit else None)

    @router.post("/review-queues/{queue}/golden", openapi_extra=WRITE)
    async def propose_reviews_for_golden(queue: QueueName, body: GoldenBody, who: Principal = services.writes) -> ProposedShown:
        """Put what is agreed or settled up for a golden set, with corrections as right answers. Somebody else must let it in."""
        made, after = 0, None
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found, golden = await store.find_queue(connection, queue), await find_set(connection, body.golden)
            while items := await store.items_page(connection, room.keyring, found, DONE, after=after, limit=PROPOSED_AT_ONCE_MAX):
                made += await propose_for_golden(connection, room.keyring, who.tenant_id, golden, items, by=who.person_id, now=room.clock())
                after = items[-1].id
        return ProposedShown(proposals=made)


async def _refuse_unknown(room: Knowledge, connection: Connection, who: Principal, people: Sequence[uuid.UUID]) -> None:
    for person_id in people:
        await get_person(connection, room.keyring, who.tenant_id, person_id)


async def _refuse_raters(connection: Connection, queue: Queue, who: Principal) -> None:
    if queue.is_open and who.person_id in await store.raters_of(connection, queue):
        raise Forbidden("Who judges in this queue does not see what others think.", "Close the queue, or ask somebody else.", code="blind")

"""Golden sets in the admin API. What a hidden set asks is told to its owner alone; production comes in by two people."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from ondol.application.evaluation.golden import proposals as proposing
from ondol.application.evaluation.golden import store
from ondol.application.evaluation.golden.base_texts import current_versions, texts_of
from ondol.application.evaluation.golden.change import Change, put_version
from ondol.application.evaluation.golden.compare import difference
from ondol.application.evaluation.golden.contamination import look_for
from ondol.application.evaluation.golden.plain import item_of, plain_item
from ondol.application.evaluation.golden.production import SAMPLE_MAX, Mask
from ondol.application.evaluation.golden.types import GoldenSet, GoldenVersion, KeptItem
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.store import find_base
from ondol.infrastructure.access.people import get_person
from ondol.infrastructure.access.route_roles import READ, WRITE, Body, RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.storage.postgres import Connection

ITEMS_AT_ONCE_MAX = 1_000
PAGE_MAX = 200
SetName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
Number = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="A version; the newest where none is given.")]


@dataclass(frozen=True, slots=True)
class GoldenServices(RoleGate):
    """What the routes work with.

    Attributes:
        mask: takes everything private out of a text.
    """

    knowledge: Knowledge
    mask: Mask
    principal: Callable[[Request], Principal]


class NewSet(Body):
    """A set. `floors` says how many items a slice must have, as `language=ko`; `owner` is who answers for it, you where nobody is named."""

    name: str = Field(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)
    split: Literal["dev", "test", "hidden"] = "test"
    base: str | None = Field(default=None, max_length=63)
    floors: dict[str, int] = Field(default={}, max_length=100)
    owner: uuid.UUID | None = None
    expires_at: AwareDatetime | None = None


class SetChange(Body):
    """What changes of a set; what is absent stays."""

    floors: dict[str, int] | None = Field(default=None, max_length=100)
    owner: uuid.UUID | None = None
    expires_at: AwareDatetime | None = None


class ItemsBody(Body):
    """The next version: these items instead of those with their ids, or, where `keep` is false, instead of all. `remove` names items that go.

    A version that does not reach the set's floors is refused unless `may_miss`; it is then marked.
    """

    items: list[dict[str, Any]] = Field(default=[], max_length=ITEMS_AT_ONCE_MAX)
    keep: bool = True
    remove: list[str] = Field(default=[], max_length=ITEMS_AT_ONCE_MAX)
    may_miss: bool = False


class SampleBody(Body):
    """Answers of the last `days` that are put up, at random or by risk; the same seed takes the same."""

    way: Literal["random", "risk"] = "random"
    count: int = Field(default=20, ge=1, le=SAMPLE_MAX)
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    days: int = Field(default=30, ge=1, le=3650)


class Ids(Body):
    """Proposals, at most 200."""

    ids: list[uuid.UUID] = Field(min_length=1, max_length=proposing.DECIDED_AT_ONCE_MAX)
    may_miss: bool = False


class RewordBody(Body):
    """An item as it should stand in the set; its id stays."""

    item: dict[str, Any]


class VersionShown(BaseModel):
    """A version. `root` is the Merkle root over its items; `missing` names the floors that are not reached, with what is there instead."""

    number: int
    root: str
    items: int
    slices: dict[str, int]
    missing: dict[str, int]
    created_by: uuid.UUID | None
    created_at: datetime


class SetShown(BaseModel):
    """A set with its newest version."""

    name: str
    split: str
    base: uuid.UUID | None
    floors: dict[str, int]
    owner: uuid.UUID
    expires_at: datetime | None
    created_at: datetime
    version: int | None
    items: int | None


class SetList(BaseModel):
    """Sets by name."""

    sets: list[SetShown]


class SetRead(BaseModel):
    """A set with its versions, the newest first."""

    golden: SetShown
    versions: list[VersionShown]


class VersionKept(BaseModel):
    """A version; `new` is false when the newest one held the same already."""

    version: VersionShown
    new: bool


class ItemPage(BaseModel):
    """Items in their order; `item` is null for one that was erased. `next` is what to give as `after` for the next page."""

    items: list[dict[str, Any]]
    next: int | None


class StaleShown(BaseModel):
    """Items to look at again: `changed`, `gone` or `erased`."""

    version: int
    stale: dict[str, str]


class DifferenceShown(BaseModel):
    """What differs, by the ids of items."""

    added: list[str]
    removed: list[str]
    changed: dict[str, list[str]]


class OverlapShown(BaseModel):
    """An item of which a part stands in documents."""

    id: str
    part: str
    share: float
    places: list[str]


class ContaminationShown(BaseModel):
    """What of the set stands in the documents of a base; of `short` questions little is known."""

    items: int
    texts: int
    contaminated: list[str]
    overlaps: list[OverlapShown]
    short: list[str]


class ProposalShown(BaseModel):
    """Something that is put up, masked; `reasons` say why it was sampled."""

    id: uuid.UUID
    request: uuid.UUID
    item: dict[str, Any]
    answer: str
    reasons: list[str]
    proposed_by: uuid.UUID
    created_at: datetime


class ProposalPage(BaseModel):
    """Proposals in the order of coming. `next` is what to give as `after` for the next page."""

    proposals: list[ProposalShown]
    next: uuid.UUID | None


class Sampled(BaseModel):
    """How many were put up, and how many left out because they asked nothing or could not be masked."""

    proposals: int
    left_out: int


class Decided(BaseModel):
    """How many were decided."""

    decided: int


def golden_router(services: GoldenServices) -> APIRouter:
    """The routes below ``/evaluation/golden-sets``."""
    router = APIRouter(prefix="/evaluation/golden-sets", tags=["evaluation"])
    _set_routes(router, services)
    _item_routes(router, services)
    _check_routes(router, services)
    _proposal_routes(router, services)
    return router


def _set_routes(router: APIRouter, services: GoldenServices) -> None:
    room = services.knowledge

    @router.get("", openapi_extra=READ)
    async def list_golden_sets(who: Principal = services.reads) -> SetList:
        """The tenant's golden sets."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = await store.list_sets(connection)
        return SetList(sets=[_set(golden, newest["number"], newest["items"]) for golden, newest in found])

    @router.post("", openapi_extra=WRITE)
    async def create_golden_set(body: NewSet, who: Principal = services.writes) -> SetShown:
        """Make a golden set, without a version yet."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            base = await find_base(connection, body.base) if body.base is not None else None
            owner = (await get_person(connection, room.keyring, who.tenant_id, body.owner)).id if body.owner else who.person_id
            made = await store.add_set(
                connection, who.tenant_id, body.name, split=body.split, owner_id=owner, base_id=base.id if base else None, floors=body.floors,
                expires_at=body.expires_at, by=who.person_id, now=room.clock(),
            )  # fmt: skip
        return _set(made, None, None)

    @router.get("/{name}", openapi_extra=READ)
    async def read_golden_set(name: SetName, who: Principal = services.reads) -> SetRead:
        """A golden set with its versions."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            golden = await store.find_set(connection, name)
            versions = await store.list_versions(connection, golden)
        newest = versions[0] if versions else None
        shown = _set(golden, newest.number if newest else None, newest.items if newest else None)
        return SetRead(golden=shown, versions=[_version(version) for version in versions])

    @router.patch("/{name}", openapi_extra=WRITE)
    async def change_golden_set(name: SetName, body: SetChange, who: Principal = services.writes) -> SetShown:
        """Give a golden set other floors, another owner or another end. A hidden set goes to another owner by its owner's hand only."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            golden = await store.find_set(connection, name)
            if body.owner is not None:
                store.refuse_hidden(golden, who.person_id)
                await get_person(connection, room.keyring, who.tenant_id, body.owner)
            changed = await store.change_set(
                connection, who.tenant_id, golden, floors=body.floors, owner_id=body.owner, expires_at=body.expires_at, by=who.person_id,
                now=room.clock(),
            )  # fmt: skip
        return _set(changed, None, None)


def _item_routes(router: APIRouter, services: GoldenServices) -> None:
    room = services.knowledge

    @router.post("/{name}/versions", openapi_extra=WRITE)
    async def add_golden_items(name: SetName, body: ItemsBody, who: Principal = services.writes) -> VersionKept:
        """Make the next version of a golden set, unless the newest one holds the same."""
        change = Change(items=[item_of(item) for item in body.items], keeps=body.keep, removed=frozenset(body.remove), may_miss=body.may_miss)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            golden = await store.find_set(connection, name)
            version, new = await put_version(connection, room.keyring, who.tenant_id, golden, change, by=who.person_id, now=room.clock())
        return VersionKept(version=_version(version), new=new)

    @router.get("/{name}/items", openapi_extra=READ)
    async def read_golden_items(
        name: SetName,
        version: Number = None,
        after: Annotated[int, Query(ge=-1, le=2**31 - 1)] = -1,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        who: Principal = services.reads,
    ) -> ItemPage:
        """The items of a version. Those of a hidden set are for its owner."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            golden, found = await store.find_version(connection, name, version)
            store.refuse_hidden(golden, who.person_id)
            kept: list[KeptItem] = []
            async for item in store.items_of(connection, room.keyring, found, after=after):
                kept.append(item)
                if len(kept) == limit:
                    break
        following = after + len(kept) if after + len(kept) + 1 < found.items else None
        return ItemPage(items=[{"id": one.name, "item": plain_item(one.item) if one.item else None} for one in kept], next=following)

    @router.get("/{name}/difference", openapi_extra=READ)
    async def compare_golden_versions(
        name: SetName, first: Annotated[int, Query(ge=1, le=2**31 - 1)], second: Number = None, who: Principal = services.reads
    ) -> DifferenceShown:
        """What a version has otherwise than an earlier one, without what it says."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            found = difference(*[await _items(connection, room, name, number) for number in (first, second)])
        return DifferenceShown(
            added=list(found.added), removed=list(found.removed), changed={key: list(value) for key, value in found.changed.items()}
        )


def _check_routes(router: APIRouter, services: GoldenServices) -> None:
    room = services.knowledge

    @router.get("/{name}/stale", openapi_extra=READ)
    async def list_stale_items(name: SetName, version: Number = None, who: Principal = services.reads) -> StaleShown:
        """Items whose documents hold something else now, are there no more, or that were erased."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            _, found = await store.find_version(connection, name, version)
            return StaleShown(version=found.number, stale=await store.stale_items(connection, found))

    @router.get("/{name}/contamination", openapi_extra=READ)
    async def find_contamination(
        name: SetName, base: Annotated[str, Query(max_length=63)], version: Number = None, who: Principal = services.reads
    ) -> ContaminationShown:
        """Which questions and right answers stand in the documents of a base, by the ids of these."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            items = [one.item for one in await _items(connection, room, name, version) if one.item is not None]
            versions = await current_versions(connection, (await find_base(connection, base)).id)
        found = await asyncio.to_thread(lambda: look_for(items, texts_of(room, who.tenant_id, versions)))
        overlaps = [OverlapShown(id=one.item_id, part=one.part, share=one.share, places=list(one.places)) for one in found.overlaps]
        return ContaminationShown(
            items=found.items, texts=found.texts, contaminated=list(found.contaminated), overlaps=overlaps, short=list(found.short)
        )


def _proposal_routes(router: APIRouter, services: GoldenServices) -> None:
    room = services.knowledge

    @router.post("/{name}/samples", openapi_extra=WRITE)
    async def propose_golden_sample(name: SetName, body: SampleBody, who: Principal = services.writes) -> Sampled:
        """Put up answers that were given in production, with everything private masked. Somebody else must let them in."""
        now = room.clock()
        async with room.database.tenant_tx(who.tenant_id) as connection:
            golden = await store.find_set(connection, name)
            made = await proposing.propose_sample(
                connection, room.keyring, who.tenant_id, golden, services.mask, way=body.way, count=body.count, seed=body.seed,
                since=now - timedelta(days=body.days), by=who.person_id, now=now,
            )  # fmt: skip
        return Sampled(proposals=made.proposals, left_out=made.left_out)

    @router.get("/{name}/proposals", openapi_extra=WRITE)
    async def list_golden_proposals(
        name: SetName,
        after: uuid.UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=proposing.PAGE_MAX)] = 50,
        who: Principal = services.writes,
    ) -> ProposalPage:
        """What is put up and not decided."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            golden = await store.find_set(connection, name)
            found = await proposing.list_proposals(connection, room.keyring, golden, after=after, limit=limit)
        return ProposalPage(proposals=[_proposal(one) for one in found], next=found[-1].id if len(found) == limit else None)

    @router.put("/{name}/proposals/{proposal}", openapi_extra=WRITE)
    async def reword_golden_proposal(name: SetName, proposal: uuid.UUID, body: RewordBody, who: Principal = services.writes) -> ProposalShown:
        """Give a proposal another wording; you have then proposed it, and somebody else must let it in."""
        item = item_of(body.item)
        async with room.database.tenant_tx(who.tenant_id) as connection:
            golden = await store.find_set(connection, name)
            found = await proposing.reword(connection, room.keyring, who.tenant_id, golden, proposal, item, by=who.person_id)
        return _proposal(found)

    @router.post("/{name}/proposals/approve", openapi_extra=WRITE)
    async def approve_golden_proposals(name: SetName, body: Ids, who: Principal = services.writes) -> VersionKept:
        """Let proposals in that somebody else made: the next version has them."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            golden = await store.find_set(connection, name)
            version = await proposing.approve(
                connection, room.keyring, who.tenant_id, golden, body.ids, by=who.person_id, now=room.clock(), may_miss=body.may_miss
            )
        return VersionKept(version=_version(version), new=True)

    @router.post("/{name}/proposals/reject", openapi_extra=WRITE)
    async def reject_golden_proposals(name: SetName, body: Ids, who: Principal = services.writes) -> Decided:
        """Turn proposals down; nothing is left of what they said."""
        async with room.database.tenant_tx(who.tenant_id) as connection:
            golden = await store.find_set(connection, name)
            return Decided(decided=await proposing.reject(connection, who.tenant_id, golden, body.ids, by=who.person_id, now=room.clock()))


async def _items(connection: Connection, room: Knowledge, name: str, number: int | None) -> list[KeptItem]:
    _, found = await store.find_version(connection, name, number)
    return [item async for item in store.items_of(connection, room.keyring, found)]


def _set(golden: GoldenSet, number: int | None, items: int | None) -> SetShown:
    return SetShown(
        name=golden.name,
        split=golden.split,
        base=golden.base_id,
        floors=dict(golden.floors),
        owner=golden.owner_id,
        expires_at=golden.expires_at,
        created_at=golden.created_at,
        version=number,
        items=items,
    )


def _version(version: GoldenVersion) -> VersionShown:
    return VersionShown(
        number=version.number,
        root=version.root.hex(),
        items=version.items,
        slices=dict(version.slices),
        missing=dict(version.missing),
        created_by=version.created_by,
        created_at=version.created_at,
    )


def _proposal(one: proposing.Proposal) -> ProposalShown:
    return ProposalShown(
        id=one.id,
        request=one.request_id,
        item=plain_item(one.item),
        answer=one.answer,
        reasons=list(one.reasons),
        proposed_by=one.proposed_by,
        created_at=one.created_at,
    )

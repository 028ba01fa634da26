from __future__ import annotations

import itertools
import re
import uuid
from datetime import datetime
from typing import Any, get_args

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import DictRow

from ondol.core.errors import Conflict, NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import (
    ERASURE_STORES,
    ArtefactKind,
    Link,
    NewArtefact,
    Reached,
    Relation,
    Store,
    add_artefact,
    add_artefacts,
    add_links,
    ancestors,
    descendants,
    link,
)
from ondol.infrastructure.ledger.lineage import BATCH_ROWS_MAX, WALK_ARTEFACTS_HIGHEST, WALK_DEPTH_MAX
from ondol.infrastructure.storage.postgres import Connection, Database, one

pytestmark = pytest.mark.anyio

Tenants = tuple[uuid.UUID, uuid.UUID]


@pytest.mark.parametrize(("table", "column", "words"), [("artefacts", "kind", ArtefactKind), ("artefact_links", "relation", Relation)])
async def test_the_words_are_those_of_the_constraint(owner: psycopg.AsyncConnection[DictRow], table: str, column: str, words: Any) -> None:
    found = await owner.execute(
        "select pg_get_constraintdef(oid) as text from pg_constraint where contype = 'c' and conrelid = %s::regclass", (table,)
    )
    texts = [row["text"] for row in await found.fetchall() if f"({column} = ANY" in row["text"]]
    assert [sorted(re.findall(r"'(\w+)'", text)) for text in texts] == [sorted(get_args(words))]


def test_every_kind_says_where_its_bytes_lie() -> None:
    assert set(ERASURE_STORES) == set(get_args(ArtefactKind))
    assert all(stores and set(stores) <= set(get_args(Store)) and len(stores) == len(set(stores)) for stores in ERASURE_STORES.values())
    assert {store for stores in ERASURE_STORES.values() for store in stores} == set(get_args(Store))


async def test_from_an_answer_back_and_from_a_document_forward(database: Database, tenant_ids: Tenants, now: datetime) -> None:
    tenant_id = tenant_ids[0]
    async with database.tenant_tx(tenant_id) as connection:
        original = await add_artefact(connection, tenant_id, "original", address=bytes(32), now=now)
        version = await add_artefact(connection, tenant_id, "document_version", now=now)
        segment = await add_artefact(connection, tenant_id, "index_segment", now=now)
        answer = await add_artefact(connection, tenant_id, "answer", now=now)
        await add_artefact(connection, tenant_id, "prompt", now=now)
        await link(connection, tenant_id, version, original, "derived_from", now)
        await link(connection, tenant_id, segment, version, "derived_from", now)
        await link(connection, tenant_id, answer, version, "cites", now)
        await link(connection, tenant_id, answer, segment, "derived_from", now)
        back = await ancestors(connection, tenant_id, answer)
        forward = await descendants(connection, tenant_id, original)
    assert back.complete
    assert back.reached == nearest_first(
        Reached(id=version, kind="document_version", relation="cites", depth=1),
        Reached(id=segment, kind="index_segment", relation="derived_from", depth=1),
        Reached(id=original, kind="original", relation="derived_from", depth=2),
    )
    assert forward.complete
    assert forward.reached == nearest_first(
        Reached(id=version, kind="document_version", relation="derived_from", depth=1),
        Reached(id=segment, kind="index_segment", relation="derived_from", depth=2),
        Reached(id=answer, kind="answer", relation="cites", depth=2),
    )


def nearest_first(*reached: Reached) -> tuple[Reached, ...]:
    """Artefacts of equal depth come in order of id, which is chance for ids of one millisecond."""
    return tuple(sorted(reached, key=lambda each: (each.depth, each.id)))


def shortest(links: set[tuple[int, int]], start: int) -> dict[int, int]:
    """Depth of every node that comes from `start`, by breadth first, without `start`."""
    depths, level = {start: 0}, [start]
    while level:
        level = sorted({child for child, parent in links if parent in level and child not in depths})
        depths.update({child: max(depths.values()) + 1 for child in level})
    return {node: depth for node, depth in depths.items() if depth}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    links=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] != pair[1]), max_size=20),
    depth_max=st.integers(1, 9),
    limit=st.integers(1, 9),
)
async def test_a_walk_finds_exactly_what_is_reachable(
    database: Database, tenant_ids: Tenants, now: datetime, links: set[tuple[int, int]], depth_max: int, limit: int
) -> None:
    """Any graph, with circles, against a plain search in memory; and it knows whether it was cut off."""
    tenant_id = tenant_ids[0]
    ids = [new_id() for _ in range(8)]
    async with database.tenant_tx(tenant_id) as connection:
        await add_artefacts(connection, tenant_id, [NewArtefact(id=each, kind="dataset") for each in ids], now)
        await add_links(connection, tenant_id, [Link(ids[child], ids[parent], "derived_from") for child, parent in sorted(links)], now)
        for walk, edges in ((descendants, links), (ancestors, {(parent, child) for child, parent in links})):
            depths = shortest(edges, 0)
            expected = sorted((depth, ids[node]) for node, depth in depths.items())
            found = await walk(connection, tenant_id, ids[0], depth_max=depth_max, limit=limit)
            within = [pair for pair in expected if pair[0] <= depth_max]
            assert [(each.depth, each.id) for each in found.reached] == within[:limit]
            assert found.complete == (expected == within[:limit])


async def test_diamonds_do_not_multiply(database: Database, tenant_ids: Tenants, now: datetime) -> None:
    """Thirty diamonds in a row have a billion ways through them."""
    tenant_id = tenant_ids[0]
    rungs = [[new_id(), new_id()] for _ in range(31)]
    async with database.tenant_tx(tenant_id) as connection:
        await add_artefacts(connection, tenant_id, [NewArtefact(id=each, kind="dataset") for pair in rungs for each in pair], now)
        steps = [Link(child, parent, "derived_from") for upper, lower in itertools.pairwise(rungs) for parent in upper for child in lower]
        assert await add_links(connection, tenant_id, steps, now) == 120
        found = await descendants(connection, tenant_id, rungs[0][0])
    assert (len(found.reached), found.complete, found.reached[-1].depth) == (60, True, 30)


async def test_saying_it_again_changes_nothing(database: Database, tenant_ids: Tenants, now: datetime) -> None:
    tenant_id = tenant_ids[0]
    first, second = (NewArtefact(id=new_id(), kind="document", address=bytes([n]) * 32) for n in (1, 2))
    async with database.tenant_tx(tenant_id) as connection:
        assert await add_artefacts(connection, tenant_id, [first], now) == 1
        assert await add_artefacts(connection, tenant_id, [first, second], now) == 1
        assert await add_artefact(connection, tenant_id, "document", artefact_id=first.id, address=first.address, now=now) == first.id
        step = Link(second.id, first.id, "supersedes")
        assert await add_links(connection, tenant_id, [step, step], now) == 1
        assert await add_links(connection, tenant_id, [step], now) == 0
        assert await add_links(connection, tenant_id, [], now) == await add_artefacts(connection, tenant_id, [], now) == 0
        with pytest.raises(Conflict, match="known as document"):
            await add_artefact(connection, tenant_id, "prompt", artefact_id=first.id, address=first.address, now=now)
        with pytest.raises(Conflict):
            await add_artefact(connection, tenant_id, "document", artefact_id=first.id, now=now)
        assert await count(connection) == 2


async def test_the_same_id_twice_at_once_must_mean_the_same(database: Database, tenant_ids: Tenants, now: datetime) -> None:
    twice = [NewArtefact(id=(chosen := new_id()), kind="prompt"), NewArtefact(id=chosen, kind="policy")]
    async with database.tenant_tx(tenant_ids[0]) as connection:
        with pytest.raises(Conflict):
            await add_artefacts(connection, tenant_ids[0], twice, now)


async def test_links_need_both_ends_and_lead_elsewhere(database: Database, tenant_ids: Tenants, now: datetime) -> None:
    tenant_id = tenant_ids[0]
    async with database.tenant_tx(tenant_id) as connection:
        known = await add_artefact(connection, tenant_id, "document", now=now)
        with pytest.raises(ValueError, match="itself"):
            await link(connection, tenant_id, known, known, "derived_from", now)
    with pytest.raises(NotFound):
        async with database.tenant_tx(tenant_id) as connection:
            await link(connection, tenant_id, known, new_id(), "derived_from", now)


async def test_lineage_ends_at_the_tenant(database: Database, tenant_ids: Tenants, now: datetime) -> None:
    first, second = tenant_ids
    async with database.tenant_tx(first) as connection:
        foreign = await add_artefact(connection, first, "document", now=now)
    async with database.tenant_tx(second) as connection:
        for tenant_id in tenant_ids:
            with pytest.raises(NotFound):
                await descendants(connection, tenant_id, foreign)
        own = await add_artefact(connection, second, "document", now=now)
    with pytest.raises(NotFound):
        async with database.tenant_tx(second) as connection:
            await link(connection, second, own, foreign, "derived_from", now)


async def test_limits(database: Database, tenant_ids: Tenants, now: datetime) -> None:
    tenant_id = tenant_ids[0]
    async with database.tenant_tx(tenant_id) as connection:
        known = await add_artefact(connection, tenant_id, "document", now=now)
        for depth_max, limit in ((0, 1), (WALK_DEPTH_MAX + 1, 1), (1, 0), (1, WALK_ARTEFACTS_HIGHEST + 1)):
            with pytest.raises(ValueError, match="a walk is"):
                await ancestors(connection, tenant_id, known, depth_max=depth_max, limit=limit)
        many = [NewArtefact(id=known, kind="document")] * (BATCH_ROWS_MAX + 1)
        with pytest.raises(ValueError, match="at most"):
            await add_artefacts(connection, tenant_id, many, now)


async def count(connection: Connection) -> int:
    found = await one(connection, "select count(*) as n from artefacts", {})
    assert found is not None
    return int(found["n"])

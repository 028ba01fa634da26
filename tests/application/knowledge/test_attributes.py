"""Rules with attributes, from the file to what a search finds: masked in the index and confirmed by Postgres."""

from __future__ import annotations

import pytest

from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.application.knowledge.originals import open_original
from ondol.application.knowledge.search import search
from ondol.application.knowledge.store import find_base, known_sources, live_segments, masked_versions, readable_versions
from ondol.core.errors import NotFound, RequestError
from ondol.infrastructure.access.attributes import set_attributes
from ondol.infrastructure.access.rules import Clause
from tests.application.conftest import House

pytestmark = pytest.mark.anyio
VOCABULARY = """
version: 1
tenants:
- slug: acme
  attributes:
  - {name: department, values: [sales, support, field sales]}
  - {name: region, values: [kr, us]}
"""
RULE = "access: department in (sales, support) and region = kr and class <= internal"


@pytest.fixture
async def told(house: House) -> House:
    await apply_declaration(house.platform.declaration_room, parse_declaration(VOCABULARY))
    return house


async def give(house: House, who: str, *attributes: tuple[str, str]) -> None:
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await set_attributes(connection, house.tenant_id, house.people[who], attributes)


async def test_an_audience_changes_at_once_when_an_attribute_of_a_person_does(told: House) -> None:
    told.write("a.md", f"---\n{RULE}\n---\n# Alpha\n\nThe beacon is white.")
    told.write("b.md", "# Beta\n\nThe beacon is green.")
    assert (await told.ingest()).added == 2
    steps: list[tuple[list[tuple[str, str]], bool]] = [
        ([], False),
        ([("department", "sales")], False),
        ([("department", "sales"), ("region", "us")], False),
        ([("department", "support"), ("region", "kr")], True),
        ([("department", "field sales"), ("region", "kr")], False),
        ([("department", "sales"), ("department", "field sales"), ("region", "kr"), ("region", "us")], True),
        ([("region", "kr")], False),
    ]
    for attributes, reads in steps:
        await give(told, "support", *attributes)
        assert sorted(await told.titles("beacon", who="support")) == (["Alpha", "Beta"] if reads else ["Beta"]), attributes
        await give(told, "visitor", *attributes)
        assert await told.titles("beacon", who="visitor") == ["Beta"], "the class is above this reader's clearance"


async def test_the_index_masks_and_postgres_refuses_each_on_its_own(told: House) -> None:
    """The mask of the index is asked with rights of then, the documents table with those of now: each closes the document alone."""
    told.write("a.md", f"---\n{RULE}\n---\n# Alpha\n\nThe beacon is white.")
    await told.ingest()
    await give(told, "support", ("department", "sales"), ("region", "kr"))
    [alpha] = (await told.search("beacon", who="support")).evidence
    room = told.platform.knowledge
    async with room.database.tenant_tx(told.tenant_id) as connection:
        before = await room.visible.of(connection, told.tenant_id, told.people["support"])
    await give(told, "support", ("department", "sales"))
    async with room.database.tenant_tx(told.tenant_id) as connection:
        after = await room.visible.of(connection, told.tenant_id, told.people["support"])
        base = await find_base(connection, "base")
        assert base.active_index_id is not None
        [(segment_id, _)] = await live_segments(connection, base.active_index_id)
        assert await masked_versions(connection, base.id, base.active_index_id, told.clock()) == {}
        for audience_ids, seen in ((before.audience_ids, 1), (after.audience_ids, 0)):
            found = await readable_versions(connection, room.keyring, told.tenant_id, [alpha.version.id], audience_ids, told.clock())
            assert len(found) == seen
    from ondol.infrastructure.storage.lance import IndexPlace

    [reader] = room.shelf.open(IndexPlace(told.tenant_id, base.id, base.active_index_id), [segment_id])
    assert reader.select(before.audience_ids, frozenset()).passage_count == 1
    assert reader.select(after.audience_ids, frozenset()).passage_count == 0
    with pytest.raises(NotFound):
        await open_original(room, told.tenant_id, told.people["support"], alpha.version.id)


async def test_rules_that_mean_the_same_share_one_audience(told: House) -> None:
    rules = [
        "department in (sales, support) and class <= internal",
        "class <= internal and department in (support, sales, support)",
        'department in ("sales", "support") and department in (support, sales, "field sales") and class <= internal',
    ]
    for number, rule in enumerate(rules):
        told.write(f"{number}.md", f"---\naccess: '{rule}'\n---\n# Page {number}\n\nThe beacon.")
    told.write("meta.html", f'<html><head><meta name="ondol:access" content="{rules[0]}"></head><body><p>The beacon.</p></body></html>')
    told.write("with-class.md", "---\nclass: internal\naccess: department in (sales, support)\n---\n# Page\n\nThe beacon.")
    assert (await told.ingest()).failed == []
    async with told.platform.database.tenant_tx(told.tenant_id) as connection:
        found = await (await connection.execute("select distinct audience_id from document_versions")).fetchall()
        clauses = await (await connection.execute("select clauses, class_rank from audiences")).fetchall()
    assert len(found) == 1
    assert [tuple(row.values()) for row in clauses] == [(1, 1)]


async def test_options_hold_for_files_that_state_none_and_unknown_attributes_are_refused(told: House) -> None:
    told.write("own.md", "---\naccess: department = support\n---\n# Own\n\nThe beacon.")
    told.write("none.md", "# None\n\nThe beacon.")
    told.write("slip.md", "---\naccess: department = suport\n---\n# Slip\n\nThe beacon.")
    told.write("grammar.md", "---\naccess: department is sales\n---\n# Grammar\n\nThe beacon.")
    told.write("twice.md", "---\nclass: public\naccess: class <= internal\n---\n# Twice\n\nThe beacon.")
    report = await told.ingest(clauses=(Clause("department", ("sales",)),))
    assert [(failure.path, failure.reason) for failure in report.failed] == [
        ("grammar.md", "In the access rule `department` is followed by `is`."),
        ("twice.md", "`class` is public and `access` says internal."),
        ("slip.md", "There is no attribute department=suport."),
    ]
    assert await told.titles("beacon") == []
    await give(told, "visitor", ("department", "sales"))
    assert await told.titles("beacon") == ["None"]
    with pytest.raises(RequestError, match="no attribute department=suport"):
        await told.ingest(clauses=(Clause("department", ("suport",)),))
    assert (await told.ingest(clauses=(Clause("department", ("sales",)),))).unchanged == 2
    assert (await told.ingest()).changed == 2, "other options are another rule for those that state none"
    await give(told, "visitor")
    assert await told.titles("beacon") == ["None"]


async def test_one_with_the_same_words_in_another_tenant_reads_nothing_here(told: House) -> None:
    from ondol.infrastructure.access.people import find_person, find_tenant

    told.write("a.md", "---\naccess: department = sales\n---\n# Alpha\n\nThe beacon.")
    await told.ingest()
    person = "{login: lee, attributes: {department: [sales]}}"
    other = f"version: 1\ntenants: [{{slug: other, attributes: [{{name: department, values: [sales]}}], people: [{person}]}}]"
    await apply_declaration(told.platform.declaration_room, parse_declaration(other))
    tenant = await find_tenant(told.platform.database, "other")
    async with told.platform.database.tenant_tx(tenant.id) as connection:
        lee = await find_person(connection, told.platform.keyring, tenant.id, "lee")
        assert lee.attributes == (("department", "sales"),)
    async with told.platform.database.tenant_tx(told.tenant_id) as connection:
        base = await find_base(connection, "base")
        assert len(await known_sources(connection, base.id)) == 1
    with pytest.raises(NotFound):
        await search(told.platform.knowledge, told.states, tenant.id, lee.id, base.id, "beacon", limit=5)
    found = await search(told.platform.knowledge, told.states, told.tenant_id, lee.id, base.id, "beacon", limit=5)
    assert found.evidence == ()

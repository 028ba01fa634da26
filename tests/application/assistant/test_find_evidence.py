"""Which passages a question is answered from: for "what is it" also those that say so, although others mention it more often."""

from __future__ import annotations

import pytest

from ondol.application.assistant.evidence import EVIDENCE_MAX, PROMISING_HITS_MAX, find_evidence
from ondol.application.knowledge.search import IndexStates, read_beside, search
from ondol.application.knowledge.store import find_base
from tests.application.conftest import House

MENTIONS = PROMISING_HITS_MAX + 5
PADDING = "The works were finished in spring, after a long winter, and nobody complained about the noise, the dust or the price of it all. "


@pytest.fixture
async def house_of_valves(house: House) -> House:
    """Many short pages that mention a valve, and a long one that begins by saying what it is."""
    for number in range(MENTIONS):
        house.write(f"note-{number:02}.md", f"# Note {number}\n\nValve {number}: valve closed, valve opened.\n")
    house.write("valve.md", f"# Valve\n\nA part that opens and closes a pipe. {PADDING * 3}\n\n## Care\n\nOil it.\n")
    house.write("closed.md", f"---\nclass: restricted\n---\n# Valves\n\nA valve is a secret. {PADDING * 3}\n")
    await house.ingest()
    return house


async def _found(house: House, question: str) -> list[str]:
    platform = house.platform
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        base = await find_base(connection, "base")
    found = await find_evidence(platform.knowledge, IndexStates(), house.tenant_id, house.people["visitor"], base.id, question)
    for evidence in found.evidence:
        assert evidence.hit.end - evidence.hit.start == len(evidence.text)
    return [evidence.version.details.title for evidence in found.evidence]


async def test_the_page_that_is_named_after_it_is_read_as_well(house_of_valves: House) -> None:
    titles = await _found(house_of_valves, "What is a valve?")
    assert "Valve" in titles[EVIDENCE_MAX:]


async def test_no_closed_page_is_read_that_way(house_of_valves: House) -> None:
    assert "Valves" not in await _found(house_of_valves, "What is a valve?")


async def test_other_questions_are_answered_from_the_best_passages_only(house_of_valves: House) -> None:
    assert len(await _found(house_of_valves, "Which valve was closed?")) == EVIDENCE_MAX


async def test_a_first_passage_is_found_through_the_rest_of_its_document(house: House) -> None:
    parts = f"## Parts\n\nThe valve is oiled. The valve is closed.\n{PADDING * 4}"
    house.write("one.md", f"# Machines\n\nThis begins with other things. {PADDING * 3}\n\n{parts}")
    house.write("two.md", "# Notes\n\nvalve\n")
    await house.ingest()
    platform = house.platform
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        base = await find_base(connection, "base")
    place = (platform.knowledge, IndexStates(), house.tenant_id, house.people["visitor"], base.id, "valve")
    assert [found.hit.passage_ordinal for found in (await search(*place, limit=1)).evidence] == [0]
    found = await search(*place, limit=1, beginnings=2)
    assert [(item.version.details.title, item.hit.passage_ordinal) for item in found.evidence] == [("Notes", 0), ("Machines", 0)]
    assert found.evidence[1].text.startswith("Machines")


async def test_a_list_is_read_on_in_the_next_passage(house: House) -> None:
    rows = "".join(f"`colour{number}`\n: A colour for pipes. {PADDING * 2}\n\n" for number in range(4))
    house.write("valve.md", f"# Valve\n\nIntroduction.\n\n## Valve colours\n\n{rows}\n\n## Care\n\nOil it.\n")
    await house.ingest()
    platform = house.platform
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        base = await find_base(connection, "base")
    found = await search(platform.knowledge, IndexStates(), house.tenant_id, house.people["visitor"], base.id, "colour2", limit=1)
    beside = await read_beside(platform.knowledge, house.tenant_id, found.evidence)
    place = found.evidence[0].hit.passage_ordinal
    assert {item.hit.passage_ordinal for item in beside} <= {place - 1, place + 1}
    assert beside
    for item in beside:
        assert item.headings == found.evidence[0].headings
        assert item.hit.end - item.hit.start == len(item.text)

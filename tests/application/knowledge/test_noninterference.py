"""What the caller may not read changes nothing of what the caller gets: neither passages, nor scores, nor their order, nor the weights."""

from __future__ import annotations

import random

import pytest

from ondol.application.knowledge import search as searching
from ondol.application.knowledge.search import Found
from ondol.core.errors import Conflict
from tests.application.conftest import House

pytestmark = pytest.mark.anyio

WORDS = [
    "등대",
    "항구",
    "환불",
    "정책",
    "서버",
    "도메인",
    "beacon",
    "harbour",
    "refund",
    "server",
    "domain",
    "invoice",
    "backup",
    "ORA-01555",
    "v1.28",
]
RULES = {
    "open": "",
    "support": "groups: [support]\n",
    "staff": "groups: [staff]\nclass: internal\n",
    "security": "groups: [security]\nclass: confidential\n",
    "restricted": "class: restricted\n",
}
READERS = {
    "visitor": {"open"},
    "support": {"open", "support", "staff"},
    "security": {"open", "staff", "security", "restricted"},
}


def _shape(found: Found) -> list[tuple[str, int, float]]:
    return [(item.version.details.path, item.hit.passage_ordinal, item.hit.score) for item in found.evidence]


@pytest.mark.parametrize("seed", range(4))
async def test_results_are_the_same_with_and_without_what_is_closed(house: House, seed: int) -> None:
    chance = random.Random(seed)
    documents = {
        f"{number}.md": (rule, " ".join(chance.choices(WORDS, k=chance.randint(3, 40))))
        for number in range(40)
        for rule in [chance.choice(list(RULES))]
    }
    for base, kept in [("all", set(RULES)), *((f"only-{reader}", rules) for reader, rules in READERS.items())]:
        for name, (rule, text) in documents.items():
            path = house.folder / name
            path.unlink(missing_ok=True)
            if rule in kept:
                house.write(name, f"---\n{RULES[rule]}---\n# Page\n\n{text}.\n")
        await house.ingest(base=base)
    for reader in READERS:
        for _ in range(15):
            question = " ".join(chance.choices(WORDS, k=chance.randint(1, 4)))
            everything = await house.search(question, who=reader, base="all")
            without = await house.search(question, who=reader, base=f"only-{reader}")
            assert _shape(everything) == _shape(without), (reader, question)
            assert everything.term_weights == without.term_weights
            assert {documents[item.version.details.path][0] for item in everything.evidence} <= READERS[reader]


async def test_equal_scores_keep_their_order_whatever_closed_documents_there_are(house: House) -> None:
    """All visible documents say the same, so that order is nothing but ties; closed ones come before, between and after them."""
    chance = random.Random(5)
    numbers = list(range(60))
    closed = set(chance.sample(numbers, 25))
    for base in ("all", "only"):
        for number in numbers:
            path = house.folder / f"{number:02}.md"
            path.unlink(missing_ok=True)
            if number not in closed:
                house.write(path.name, "# Page\n\nThe beacon is lit.\n")
            elif base == "all":
                house.write(path.name, "---\nclass: restricted\n---\n# Page\n\nThe beacon is lit.\n")
        await house.ingest(base=base)
    for limit in (1, 7, 50):
        everything = _shape(await house.search("beacon", base="all", limit=limit))
        assert everything == _shape(await house.search("beacon", base="only", limit=limit))
        assert len({score for _, _, score in everything}) == 1
        assert len(everything) == min(limit, 35)


async def test_a_search_fills_up_what_was_refused_between_ranking_and_confirming(house: House) -> None:
    """Ten documents are closed behind the index's back, those that would come first: as many hits come as if they had never been."""
    for number in range(30):
        house.write(f"{number}.md", f"# Page {number}\n\n{'beacon ' * (30 - number)}harbour")
    await house.ingest()
    whole = await house.search("beacon", limit=30)
    assert len(whole.evidence) == 30
    first = [item.version.id for item in whole.evidence[:10]]
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await connection.execute("update document_versions set state = 'removed' where id = any(%s)", (first,))
    left = await house.search("beacon", limit=10)
    expected = {item.version.id for item in whole.evidence[10:]}
    assert len(left.evidence) == 10
    assert {item.version.id for item in left.evidence} <= expected


async def test_a_search_that_is_refused_again_and_again_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        house.write(f"{number}.md", f"# Page {number}\n\nThe beacon {number}.")
    await house.ingest()
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await connection.execute("update document_versions set state = 'removed'")
    monkeypatch.setattr(searching, "REFRESHES_MAX", 3)
    with pytest.raises(Conflict, match="changed again and again") as told:
        await house.search("beacon", limit=1)
    assert told.value.code == "index_busy"
    assert (await house.search("beacon", limit=6)).evidence == ()


async def test_a_revoked_membership_is_felt_by_the_next_search(house: House) -> None:
    from ondol.infrastructure.access.people import set_groups

    house.write("a.md", "---\ngroups: [support]\n---\n# Alpha\n\nThe beacon of support.")
    await house.ingest()
    assert await house.titles("beacon", who="support") == ["Alpha"]
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await set_groups(connection, house.tenant_id, house.people["support"], [])
    assert await house.titles("beacon", who="support") == []
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await set_groups(connection, house.tenant_id, house.people["support"], ["support"])
    assert await house.titles("beacon", who="support") == ["Alpha"]


async def test_postgres_is_the_authority_even_when_the_index_still_holds_a_document(house: House) -> None:
    """The document is taken away behind the index's back: its state in Postgres alone closes it."""
    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    house.write("b.md", "# Beta\n\nThe beacon is green.")
    await house.ingest()
    [alpha] = [item for item in (await house.search("beacon")).evidence if item.version.details.title == "Alpha"]
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        await connection.execute("update document_versions set state = 'removed' where id = %s", (alpha.version.id,))
    assert await house.titles("beacon") == ["Beta"]


async def test_a_document_whose_key_is_destroyed_is_gone_from_answers(house: House) -> None:
    from ondol.infrastructure.storage.blobs import KeyOwner

    house.write("a.md", "# Alpha\n\nThe beacon is white.")
    await house.ingest()
    [alpha] = (await house.search("beacon")).evidence
    house.platform.keyring.destroy(KeyOwner(house.tenant_id, "document", alpha.version.document_id))
    assert await house.titles("beacon") == []

"""What the caller may not read changes nothing of what the caller gets: neither passages, nor scores, nor their order, nor the weights."""

from __future__ import annotations

import random

import pytest

from ondol.application.knowledge.search import Found
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


def _tie_free(shape: list[tuple[str, int, float]]) -> list[tuple[float, str, int]]:
    """Equal scores are ordered by ids, which differ from base to base: compare them by path."""
    return sorted((-score, path, ordinal) for path, ordinal, score in shape)


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
            assert _tie_free(_shape(everything)) == _tie_free(_shape(without)), (reader, question)
            assert everything.term_weights == without.term_weights
            assert {documents[item.version.details.path][0] for item in everything.evidence} <= READERS[reader]


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

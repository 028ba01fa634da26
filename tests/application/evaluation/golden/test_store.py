"""Golden sets in the database: versions that never change, items that go with their document, and nobody else's."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ondol.application.erasure import erase_document, erase_subject
from ondol.application.evaluation.golden.change import Change, put_version
from ondol.application.evaluation.golden.plain import item_of
from ondol.application.evaluation.golden.store import add_set, cases_of, change_set, find_set, find_version, items_of, list_sets, stale_items
from ondol.application.evaluation.golden.types import FromAnswer, GoldenVersion
from ondol.application.evaluation.types import Case, Turn
from ondol.application.knowledge.store import find_base
from ondol.core.errors import Conflict, NotFound, RequestError, SealBroken
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.ledger import descendants
from ondol.infrastructure.ledger.erasure import carry_out
from ondol.infrastructure.ledger.merkle import merkle_root
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.wiring.erasure import erasure_room
from tests.application.conftest import House

pytestmark = pytest.mark.anyio

REFUND: dict[str, Any] = {
    "id": "refund-1", "question": "언제까지 환불되나요?", "expected": ["7일 안에"], "documents": ["refunds"], "language": "ko", "topic": "payment",
    "must_contain": [["7일"]], "asker": "visitor@example.com",
}  # fmt: skip
MAIL: dict[str, Any] = {"id": "mail-1", "question": "How many mailboxes are there?", "expected": "200", "documents": ["mail"], "language": "en"}
BARE: dict[str, Any] = {"id": "bare-1", "question": "What is Ondol?", "language": "en"}


async def documents(house: House, refund_days: int = 7) -> None:
    house.write("refunds.md", f"# Refunds\n\nA refund is paid within {refund_days} days.\n")
    house.write("mail.md", "# Mail\n\nThere are 200 mailboxes.\n")
    await house.ingest(prune=True)


async def made(house: House, name: str = "support", **options: Any) -> None:
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        base = await find_base(connection, "base")
        chosen = {"split": "test", "owner_id": house.people["support"], "base_id": base.id, "by": None, "now": house.clock(), **options}
        await add_set(connection, house.tenant_id, name, **chosen)


async def put(house: House, items: Sequence[dict[str, Any]], name: str = "support", **change: Any) -> tuple[GoldenVersion, bool]:
    platform = house.platform
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        golden = await find_set(connection, name)
        given = Change(items=[item_of(item) for item in items], **change)
        return await put_version(connection, platform.keyring, house.tenant_id, golden, given, by=house.people["support"], now=house.clock())


async def cases(house: House, version: int | None = None, tenant_id: uuid.UUID | None = None) -> list[Case]:
    async with house.platform.database.tenant_tx(tenant_id or house.tenant_id) as connection:
        return [case async for case in cases_of(connection, house.platform.keyring, "support", version, now=house.clock())]


async def stale(house: House) -> dict[str, str]:
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        return await stale_items(connection, (await find_version(connection, "support"))[1])


async def test_versions_hold_what_they_held_and_the_same_again_is_no_new_one(house: House) -> None:
    await documents(house)
    await made(house)
    assert [(await put(house, items))[0].number for items in ([REFUND, MAIL], [MAIL], [BARE])] == [1, 1, 2]
    reworded, new = await put(house, [{**MAIL, "expected": "200 mailboxes"}])
    assert (reworded.number, reworded.items, new) == (3, 3, True)
    back, _ = await put(house, [], removed=frozenset({"refund-1"}))
    assert (back.number, back.slices) == (4, {"language=en": 2})
    first = Case(
        id="refund-1", turns=(Turn("user", "언제까지 환불되나요?"),), expected=("7일 안에",),
        facts={"must_contain": [["7일"]], "documents": ["refunds"]}, slices={"language": "ko", "topic": "payment"}, cluster="refund-1",
        asker="visitor@example.com",
    )  # fmt: skip
    assert (await cases(house, 1))[0] == first
    assert [[(case.id, case.expected) for case in await cases(house, number)] for number in (2, 3, None)] == [
        [("refund-1", ("7일 안에",)), ("mail-1", ("200",)), ("bare-1", ())],
        [("refund-1", ("7일 안에",)), ("mail-1", ("200 mailboxes",)), ("bare-1", ())],
        [("mail-1", ("200 mailboxes",)), ("bare-1", ())],
    ]
    replaced, _ = await put(house, [BARE], keeps=False)
    assert (replaced.number, [case.id for case in await cases(house)]) == (5, ["bare-1"])
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        version = (await find_version(connection, "support", 3))[1]
        kept = [item async for item in items_of(connection, house.platform.keyring, version)]
        assert version.root == merkle_root([item.address for item in kept])
        [(golden, newest)] = await list_sets(connection)
    assert (golden.name, golden.split, newest["number"], newest["items"]) == ("support", "test", 5, 1)


async def test_more_items_than_a_page_come_in_their_order(house: House) -> None:
    await documents(house)
    await made(house)
    await put(house, [{**BARE, "id": f"q-{number}"} for number in range(450)])
    assert [case.id for case in await cases(house)] == [f"q-{number}" for number in range(450)]


async def test_what_an_item_says_is_sealed_and_its_address_tells_nobody(house: House) -> None:
    await documents(house)
    await made(house)
    await put(house, [REFUND, MAIL, BARE])
    await made(house, "other")
    await put(house, [{**BARE, "id": "bare-1"}], "other")
    with psycopg.connect(house.platform.database.addresses.owner, options="-c search_path=ondol") as owner:
        found = owner.execute("select name, owner_kind, address, content_sealed from golden_items order by created_at, name").fetchall()
        held = b"".join(bytes(row[3]) for row in found)
        owner.execute("update golden_items i set content_sealed = o.content_sealed from golden_items o where i.name = 'bare-1' and o.name = 'mail-1'")
    assert {(row[0], row[1]) for row in found} == {("bare-1", "tenant"), ("mail-1", "document"), ("refund-1", "document")}
    assert len({bytes(row[2]) for row in found}) == 3, "the same item of one owner has one address"
    assert "환불".encode() not in held and b"mailboxes" not in held
    with pytest.raises(SealBroken):
        await cases(house)


async def test_another_tenant_finds_nothing(house: House) -> None:
    await documents(house)
    await made(house)
    await put(house, [BARE])
    other = await create_tenant(house.platform.database, house.platform.keyring, slug="other-one", name="Other", now=house.clock())
    with pytest.raises(NotFound, match="no golden set called support"):
        await cases(house, tenant_id=other.id)


async def test_a_floor_is_reached_or_the_version_is_refused_or_marked(house: House) -> None:
    await documents(house)
    await made(house, floors={"language=ko": 1, "topic=payment": 2})
    with pytest.raises(RequestError, match="language=ko has 0 of 1, topic=payment has 0 of 2") as refused:
        await put(house, [MAIL])
    assert (refused.value.code, refused.value.param) == ("below_floor", "floors")
    marked, _ = await put(house, [REFUND], may_miss=True)
    assert (marked.number, marked.missing) == (1, {"topic=payment": 1})
    whole, _ = await put(house, [{**REFUND, "id": "refund-2"}])
    assert (whole.number, whole.missing) == (2, {})
    with pytest.raises(RequestError, match="'ko' is no floor"):
        await made(house, "other", floors={"ko": 1})


async def test_nothing_is_measured_on_a_set_that_has_expired(house: House) -> None:
    await documents(house)
    await made(house, expires_at=house.clock() + timedelta(days=1))
    await put(house, [BARE])
    assert len(await cases(house)) == 1
    house.clock.advance(days=1)
    with pytest.raises(Conflict, match="has expired"):
        await cases(house)
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        golden = await find_set(connection, "support")
        later = house.clock() + timedelta(days=1)
        await change_set(connection, house.tenant_id, golden, expires_at=later, by=None, now=house.clock())
    assert len(await cases(house)) == 1


async def test_an_item_is_stale_when_its_document_changes_and_no_longer_when_it_is_looked_at_again(house: House) -> None:
    await documents(house)
    await made(house)
    await put(house, [REFUND, MAIL, BARE])
    assert await stale(house) == {}
    await documents(house, refund_days=14)
    assert await stale(house) == {"refund-1": "changed"}
    await documents(house)
    assert await stale(house) == {}, "it holds again what it held"
    await documents(house, refund_days=14)
    again, new = await put(house, [REFUND])
    assert (again.number, new, await stale(house)) == (2, True, {})
    (house.folder / "mail.md").unlink()
    await house.ingest(prune=True)
    assert await stale(house) == {"mail-1": "gone"}


async def test_items_go_with_the_document_that_they_were_written_from(house: House) -> None:
    await documents(house)
    await made(house)
    await put(house, [{**REFUND, "documents": ["mail", "refunds"]}, MAIL, BARE])
    platform = house.platform
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        base = await find_base(connection, "base")
        version = (await find_version(connection, "support"))[1]
    erasure = await erase_document(platform.knowledge, house.tenant_id, "base", "refunds")
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        reached = {one.id for one in (await descendants(connection, house.tenant_id, erasure.target_id)).reached}
    assert version.id in reached, "from a document one walks forward to the golden versions that were written from it"
    assert (await carry_out(erasure_room(platform), house.tenant_id, erasure.id)).state == "proved"
    assert [case.id for case in await cases(house)] == ["mail-1", "bare-1"]
    assert await stale(house) == {"refund-1": "erased"}
    with pytest.raises(RequestError, match="no document called refunds"):
        await put(house, [REFUND])
    kept, _ = await put(house, [], removed=frozenset({"refund-1"}))
    assert (kept.items, base.name, await stale(house)) == (2, "base", {})


async def test_an_item_goes_with_the_person_who_asked_it(house: House) -> None:
    await documents(house)
    await made(house)
    platform, asker = house.platform, house.people["visitor"]
    platform.keyring.get_or_create(KeyOwner(house.tenant_id, "subject", asker))
    await put(house, [REFUND, BARE], from_answers={"bare-1": FromAnswer(new_id(), asker)})
    erasure = await erase_subject(platform.knowledge, house.tenant_id, "visitor")
    assert (await carry_out(erasure_room(platform), house.tenant_id, erasure.id)).state == "proved"
    assert [case.id for case in await cases(house)] == ["refund-1"]
    with pytest.raises(RequestError, match="bare-1 was taken from was erased"):
        await put(house, [BARE], from_answers={"bare-1": FromAnswer(new_id(), asker)})


async def test_mistakes_are_named(house: House) -> None:
    await documents(house)
    await made(house)
    for items, code, param in (
        ([BARE, BARE], "bad_item", "id"),
        ([], "bad_items", "items"),
        ([{**BARE, "documents": ["elsewhere"]}], "document_not_found", "documents"),
    ):
        with pytest.raises(RequestError) as refused:
            await put(house, items)
        assert (refused.value.code, refused.value.param) == (code, param)
    with pytest.raises(NotFound, match="no item called none"):
        await put(house, [BARE], removed=frozenset({"none"}))
    with pytest.raises(Conflict, match="There is a golden set called support"):
        await made(house)
    for name, split in (("Support", "test"), ("support", "train")):
        with pytest.raises(RequestError):
            await made(house, name, split=split)
    with pytest.raises(NotFound, match="no version 9"):
        await cases(house, 9)

"""Documents are changed one at a time, and the next search sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ondol.application.knowledge import committing
from ondol.application.knowledge.documents import access_of, delete_document, move_document, rename_document, restrict_document
from ondol.application.knowledge.segments import merge_small
from ondol.core.errors import Conflict, NotFound, RequestError, UnreadableDocument
from ondol.infrastructure.access.attributes import put_attribute, set_attributes
from ondol.infrastructure.access.audiences import group_ids
from ondol.infrastructure.access.types import AccessRule
from ondol.infrastructure.ledger import ancestors
from tests.application.conftest import House
from tests.application.knowledge.documents.conftest import Desk

pytestmark = pytest.mark.anyio

WHITE = "# Beacon\n\nThe beacon is white."
GREEN = "# Beacon\n\nThe beacon is green."


async def texts(house: House, question: str = "beacon", *, who: str = "visitor", base: str = "base") -> list[str]:
    return sorted(item.text.rpartition("\n")[2] for item in (await house.search(question, who=who, base=base)).evidence)


async def support(house: House) -> AccessRule:
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        return AccessRule("public", frozenset((await group_ids(connection, ["support"])).values()))


async def code_of(work: Awaitable[object]) -> str:
    with pytest.raises(RequestError) as told:
        await work
    return told.value.code


async def test_a_document_is_added_replaced_and_deleted(desk: Desk) -> None:
    house = desk.house
    added = await desk.put(WHITE, key="beacon")
    assert (await texts(house), await desk.keys()) == (["The beacon is white."], ["beacon"])
    replaced = await desk.put(GREEN, "new.txt", document_id=added.document_id)
    assert (replaced.document_id, replaced.version_id != added.version_id) == (added.document_id, True)
    assert await texts(house) == ["The beacon is green."]
    await delete_document(house.platform.knowledge, house.tenant_id, desk.base_id, added.document_id, person_id=None)
    assert (await texts(house), await desk.keys(), await desk.keys(state="removed")) == ([], [], ["beacon"])
    assert await desk.events() == ["ingested", "ingested", "deleted"]


async def test_the_same_file_again_changes_nothing(desk: Desk) -> None:
    first = await desk.put(WHITE, key="beacon")
    again = await desk.put(WHITE, key="beacon", replaces=True)
    assert (again.changed, again.version_id) == (False, first.version_id)
    assert (await desk.put(GREEN, key="beacon", replaces=True)).changed


async def test_what_the_file_calls_itself_is_its_key_and_nobody_says_otherwise(desk: Desk) -> None:
    await desk.put("---\nid: en/beacon\n---\n" + WHITE)
    assert await desk.keys() == ["en/beacon"]
    assert await code_of(desk.put("---\nid: en/beacon\n---\n" + GREEN, key="else")) == "differs_from_file"
    assert await code_of(desk.put("---\nclass: internal\n---\n" + GREEN, key="else", security_class="public")) == "differs_from_file"
    assert await code_of(desk.put("---\ngroups: [support]\n---\n" + GREEN, key="else", groups=("staff",))) == "differs_from_file"
    await desk.put("---\nclass: internal\n---\n" + GREEN, "else.md", security_class="internal")
    assert await desk.keys() == ["en/beacon", "else"]


@pytest.mark.parametrize(
    ("name", "told", "code"),
    [
        ("a.exe", {}, "unsupported_file"),
        ("x/a.md", {}, "bad_file_name"),
        ("a\n.md", {}, "bad_file_name"),
        ("a.md", {"key": " beacon"}, "bad_key"),
        ("a.md", {"key": "b" * 201}, "bad_key"),
        ("a.md", {"groups": ("nobody",)}, "unknown_group"),
    ],
)
async def test_a_mistake_is_told_and_leaves_nothing(desk: Desk, name: str, told: dict[str, Any], code: str) -> None:
    assert await code_of(desk.put(WHITE, name, **told)) == code
    assert (await desk.keys(), await desk.events()) == ([], [])


async def test_what_cannot_be_read_leaves_nothing(desk: Desk) -> None:
    with pytest.raises(UnreadableDocument):
        await desk.put("%PDF-1.7 not really", "a.pdf")
    assert (await desk.keys(), await desk.events()) == ([], [])


async def test_a_rule_over_attributes_closes_a_document_and_is_shown_as_it_is_written(desk: Desk) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    assert await code_of(desk.put(WHITE, key="beacon", access="department = sales")) == "unknown_attribute"
    async with room.database.tenant_tx(house.tenant_id) as connection:
        await put_attribute(connection, house.tenant_id, "department", ["sales", "field support"], house.clock())
        await set_attributes(connection, house.tenant_id, house.people["support"], [("department", "field support")])
    assert await code_of(desk.put(WHITE, key="beacon", access="class <= internal", security_class="public")) == "two_classes"
    assert await code_of(desk.put(WHITE, key="beacon", access="department")) == "bad_rule"
    await desk.put(WHITE, key="beacon", access='department in (sales, "field support") and class <= internal')
    assert (await texts(house), await texts(house, who="support")) == ([], ["The beacon is white."])
    document = await desk.find("beacon")
    assert document is not None
    async with room.database.tenant_tx(house.tenant_id) as connection:
        access = (await access_of(connection, [document.audience_id]))[document.audience_id]
    assert (access.security_class, access.rule) == ("internal", 'department in ("field support", "sales")')


async def test_a_key_is_given_once(desk: Desk) -> None:
    await desk.put(WHITE, key="beacon")
    assert await code_of(desk.put(GREEN, key="beacon")) == "document_exists"
    first, second = await asyncio.gather(desk.put(GREEN, key="new"), desk.put(WHITE, key="new"), return_exceptions=True)
    assert [isinstance(outcome, Conflict) for outcome in (first, second)].count(True) == 1


async def test_an_older_version_does_not_take_the_place_of_a_newer_one(desk: Desk) -> None:
    await desk.put("---\nversion: 3\n---\n" + WHITE, key="beacon")
    assert await code_of(desk.put("---\nversion: 2\n---\n" + GREEN, key="beacon", replaces=True)) == "version_older"
    await desk.put(GREEN, key="beacon", replaces=True)
    assert await texts(desk.house) == ["The beacon is green."]


async def test_readers_stay_when_a_document_is_replaced_without_a_word_of_them(desk: Desk) -> None:
    await desk.put(WHITE, key="beacon", groups=("support",))
    await desk.put(GREEN, key="beacon", replaces=True)
    assert (await texts(desk.house), await texts(desk.house, who="support")) == ([], ["The beacon is green."])
    await desk.put("---\nclass: public\n---\n" + GREEN, key="beacon", replaces=True)
    assert await texts(desk.house) == ["The beacon is green."]


async def test_who_lost_the_right_does_not_find_it_from_that_commit_on(desk: Desk) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    added = await desk.put(WHITE, key="beacon")
    await desk.put("# Other\n\nThe other beacon.", key="other")
    done = await restrict_document(room, house.tenant_id, desk.base_id, added.document_id, await support(house), person_id=None)
    assert (done.document_id, done.version_id != added.version_id) == (added.document_id, True)
    assert (await texts(house), await texts(house, who="support")) == (["The other beacon."], ["The beacon is white.", "The other beacon."])
    assert (await desk.keys(who="visitor"), await desk.keys(who="support")) == (["other"], ["beacon", "other"])
    again = await restrict_document(room, house.tenant_id, desk.base_id, added.document_id, await support(house), person_id=None)
    assert not again.changed
    await merge_small(room, house.tenant_id, desk.base_id)
    assert await texts(house) == ["The other beacon."]
    assert (await desk.events())[-1] == "restricted"


async def test_what_visitors_score_is_as_if_a_restricted_document_had_never_been(desk: Desk) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    await desk.put("# Other\n\nThe other beacon.", key="other")
    before = [(item.version.id, item.hit.score) for item in (await house.search("beacon")).evidence]
    added = await desk.put(WHITE, key="beacon")
    await restrict_document(room, house.tenant_id, desk.base_id, added.document_id, await support(house), person_id=None)
    assert [(item.version.id, item.hit.score) for item in (await house.search("beacon")).evidence] == before


async def test_access_that_was_set_holds_for_later_versions_whoever_brings_them(desk: Desk) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    house.write("beacon.md", "---\nclass: public\n---\n" + WHITE)
    await house.ingest()
    document = await desk.find("beacon")
    assert document is not None
    await restrict_document(room, house.tenant_id, desk.base_id, document.id, await support(house), person_id=None)
    assert (await house.ingest()).unchanged == 1
    house.write("beacon.md", "---\nclass: public\n---\n" + GREEN)
    assert (await house.ingest()).changed == 1
    assert (await texts(house), await texts(house, who="support")) == ([], ["The beacon is green."])
    await desk.put("---\nclass: public\n---\n" + WHITE, key="beacon", replaces=True)
    assert (await texts(house), await texts(house, who="support")) == ([], ["The beacon is white."])
    assert await code_of(desk.put(GREEN, key="beacon", replaces=True, security_class="public")) == "access_set"


async def test_a_document_is_called_by_another_key(desk: Desk) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    house.write("beacon.md", WHITE)
    await house.ingest()
    document = await desk.find("beacon")
    assert document is not None
    assert await code_of(rename_document(room, house.tenant_id, desk.base_id, document.id, " x", person_id=None)) == "bad_key"
    await desk.put(GREEN, key="taken")
    assert await code_of(rename_document(room, house.tenant_id, desk.base_id, document.id, "taken", person_id=None)) == "document_exists"
    done = await rename_document(room, house.tenant_id, desk.base_id, document.id, "등대", person_id=None)
    assert (done.document_id, done.version_id, await desk.keys()) == (document.id, document.version_id, ["등대", "taken"])
    assert [item.version.details.key for item in (await house.search("white")).evidence] == ["등대"]
    assert (await house.ingest()).unchanged == 1
    assert not (await rename_document(room, house.tenant_id, desk.base_id, document.id, "등대", person_id=None)).changed


async def test_the_key_of_a_deleted_document_can_be_given_to_another(desk: Desk) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    gone, kept = await desk.put(WHITE, key="beacon"), await desk.put(GREEN, key="green")
    await delete_document(room, house.tenant_id, desk.base_id, gone.document_id, person_id=None)
    await rename_document(room, house.tenant_id, desk.base_id, kept.document_id, "beacon", person_id=None)
    assert (await desk.keys(), await texts(house)) == (["beacon"], ["The beacon is green."])


async def test_a_document_moves_to_another_base_with_its_readers(desk: Desk) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    added = await desk.put(WHITE, key="beacon")
    await restrict_document(room, house.tenant_id, desk.base_id, added.document_id, await support(house), person_id=None)
    await desk.put(GREEN, key="beacon", base="other")
    other = desk.bases["other"]
    assert await code_of(move_document(room, house.tenant_id, desk.base_id, added.document_id, other, key=None, person_id=None)) == "document_exists"
    moved = await move_document(room, house.tenant_id, desk.base_id, added.document_id, other, key="white", person_id=None)
    assert (moved.base_id, await desk.keys(), await desk.keys(base="other")) == (other, [], ["beacon", "white"])
    assert (await texts(house, who="support"), await texts(house, base="other")) == ([], ["The beacon is green."])
    assert await texts(house, who="support", base="other") == ["The beacon is green.", "The beacon is white."]
    assert (await house.ingest(base="other", prune=True)).removed == 0
    await desk.put("---\nclass: public\n---\n" + WHITE, key="white", base="other", replaces=True)
    assert await texts(house, base="other") == ["The beacon is green."]
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        reached = {item.id for item in (await ancestors(connection, house.tenant_id, moved.version_id)).reached}
    assert added.document_id in reached
    assert await code_of(move_document(room, house.tenant_id, other, moved.document_id, other, key=None, person_id=None)) == "same_base"


async def test_two_who_move_documents_both_ways_do_not_stop_each_other(desk: Desk) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    here, there = await desk.put(WHITE, key="here"), await desk.put(GREEN, key="there", base="other")
    base, other = desk.base_id, desk.bases["other"]
    await asyncio.gather(
        move_document(room, house.tenant_id, base, here.document_id, other, key=None, person_id=None),
        move_document(room, house.tenant_id, other, there.document_id, base, key=None, person_id=None),
    )
    assert (await desk.keys(), await desk.keys(base="other")) == (["there"], ["here"])


async def test_nobody_changes_what_they_may_not_read(desk: Desk) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    visitor, (base, other) = house.people["visitor"], desk.bases.values()
    added = await desk.put(WHITE, key="beacon", groups=("support",))
    here = room, house.tenant_id, base, added.document_id
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: delete_document(*here, person_id=visitor),
        lambda: rename_document(*here, "mine", person_id=visitor),
        lambda: move_document(*here, other, key=None, person_id=visitor),
        lambda: restrict_document(*here, AccessRule(), person_id=visitor),
        lambda: desk.put(GREEN, document_id=added.document_id, who="visitor"),
    ]
    for change in changes:
        with pytest.raises(NotFound) as told:
            await change()
        assert told.value.code == "document_not_found"
    assert await code_of(desk.put(GREEN, key="beacon", replaces=True, who="visitor")) == "document_exists"
    assert (await desk.keys(who="visitor"), await desk.keys(who="support"), await desk.events()) == ([], ["beacon"], ["ingested"])


async def test_a_deletion_waits_for_nobody_and_is_not_undone_by_who_began_before(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    house, room = desk.house, desk.house.platform.knowledge
    added = await desk.put(WHITE, key="beacon")
    written, go_on = asyncio.Event(), asyncio.Event()
    publish = committing.Writer._publish

    async def held(*arguments: object) -> object:
        written.set()
        await go_on.wait()
        return await publish(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(committing.Writer, "_publish", held)
    restricting = asyncio.create_task(restrict_document(room, house.tenant_id, desk.base_id, added.document_id, await support(house), person_id=None))
    await written.wait()
    await delete_document(room, house.tenant_id, desk.base_id, added.document_id, person_id=None)
    assert await texts(house) == []
    go_on.set()
    assert await code_of(restricting) == "document_changed"
    assert (await texts(house, who="support"), await desk.keys()) == ([], [])


async def test_a_run_over_a_folder_and_uploads_do_not_fight(desk: Desk) -> None:
    house = desk.house
    house.write("beacon.md", WHITE)
    await house.ingest()
    await desk.put(GREEN, key="beacon", replaces=True)
    assert ((await house.ingest(prune=True)).unchanged, await texts(house)) == (1, ["The beacon is green."])
    house.write("beacon.md", "# Beacon\n\nThe beacon is red.")
    assert ((await house.ingest()).changed, await texts(house)) == (1, ["The beacon is red."])
    await desk.put("# Lamp\n\nThe lamp of the beacon.", key="lamp")
    assert (await house.ingest(prune=True)).removed == 0
    assert (await house.ingest(prune_uploaded=True)).removed > 0
    assert await desk.keys() == ["beacon"]


async def test_a_deleted_document_stays_out_until_its_file_changes(desk: Desk) -> None:
    house = desk.house
    house.write("beacon.md", WHITE)
    await house.ingest()
    document = await desk.find("beacon")
    assert document is not None
    await delete_document(house.platform.knowledge, house.tenant_id, desk.base_id, document.id, person_id=None)
    report = await house.ingest(prune=True)
    assert (report.deleted, report.added, report.removed, await texts(house)) == (1, 0, 0, [])
    await desk.put(GREEN, key="beacon")
    assert ((await house.ingest()).deleted, await texts(house)) == (1, ["The beacon is green."])
    house.write("beacon.md", "# Beacon\n\nThe beacon is red.")
    assert ((await house.ingest()).added, await texts(house)) == (1, ["The beacon is red."])


async def test_the_list_holds_what_its_reader_may_read_page_by_page(desk: Desk) -> None:
    for number in range(5):
        await desk.put(f"# Page {number}\n\nThe beacon {number}.", key=f"page-{number}", groups=("support",) if number % 2 else None)
    assert await desk.keys(limit=2) == [f"page-{number}" for number in range(5)]
    assert await desk.keys(who="visitor", limit=1) == ["page-0", "page-2", "page-4"]


async def test_dates_say_in_which_list_a_document_stands(desk: Desk) -> None:
    await desk.put("---\nvalid_from: 2026-12-01\n---\n" + WHITE, key="later")
    await desk.put("---\nvalid_until: 2026-11-01\n---\n" + GREEN, key="over")
    assert (await desk.keys(), await desk.keys(state="scheduled"), await desk.keys(state="expired")) == ([], ["later"], ["over"])
    desk.house.clock.advance(days=30)
    assert (await desk.keys(), await desk.keys(state="scheduled")) == (["later"], [])

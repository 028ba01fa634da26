"""A document that was taken in, indexed twice, searched, answered from and talked about is gone from every store, and a receipt proves it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import lancedb
import pytest

from ondol.application.assistant import record as recording
from ondol.application.assistant import store as keeping
from ondol.application.assistant.store import get_answer
from ondol.application.erasure import erase_document
from ondol.application.knowledge.index_versions import Wanted, build_version, start_version
from ondol.application.knowledge.store import get_base
from ondol.application.knowledge.types import IndexSettings
from ondol.core.errors import KeyDestroyed, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.gateway.records.feedback import Opinion, give_feedback
from ondol.infrastructure.guard.incidents import Case, open_incident
from ondol.infrastructure.guard.sealing import seal_text
from ondol.infrastructure.ledger import LedgerSigner
from ondol.infrastructure.ledger.erasure import Erasure, carry_out, check_receipt, steps_of
from ondol.infrastructure.ledger.signing import public_keys_path, read_public_keys
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.wiring.erasure import erasure_room
from tests.application.erasure.conftest import Office

pytestmark = pytest.mark.anyio

SECRET = "The blue lighthouse of Kim Minsu opens with the word Sesame at midnight."


async def filled(office: Office) -> None:
    """A base of some documents in two index versions; one document has two versions and is spoken of in answers and records."""
    house = office.house
    house.write("light.md", f"---\nid: light\nversion: 1\n---\n# Lighthouse\n\n{SECRET} Write to kim@example.com.\n")
    for number in range(6):
        house.write(f"page{number}.md", f"# Harbour {number}\n\nBoat number {number} lies in the harbour of the northern coast.\n")
    await house.ingest()
    house.write("light2.md", f"---\nid: light\nversion: 2\n---\n# Lighthouse\n\n{SECRET} It is 40 metres high.\n")
    await house.ingest()
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        row = await (await connection.execute("select id from bases")).fetchone()
        assert row is not None
        base = await get_base(connection, row["id"])
    made = await start_version(house.platform.knowledge, house.tenant_id, base.id, IndexSettings(300, 600), Wanted())
    await build_version(house.platform.knowledge, house.tenant_id, made.id)


async def spoken_of(office: Office, request_id: uuid.UUID, who: str = "visitor") -> None:
    """What the platform keeps beside an answer: contents, an opinion, masked traffic, an incident's sample."""
    platform, tenant_id = office.house.platform, office.house.tenant_id
    person_id, now = office.house.people[who], office.house.clock()
    office.write(
        "insert into requests (tenant_id, id, person_id, model, route, input_tokens, output_tokens, duration_us, status, outcome, created_at)"
        " values (%s, %s, %s, 'desk', 'desk', 1, 1, 1, 200, 'answered', %s)",
        tenant_id, request_id, person_id, now,
    )  # fmt: skip
    sealed = seal_text(platform.keyring, tenant_id, person_id, SECRET, b"request-answer" + request_id.bytes)
    async with platform.database.tenant_tx(tenant_id) as connection:
        values = (tenant_id, request_id, person_id, sealed, sealed, now, now + timedelta(days=3))
        await connection.execute("insert into request_contents values (%s, %s, %s, 'full', %s, %s, %s, %s)", values)
        [(version_id, assistant_id)] = office.rows("select max(v.id::text)::uuid, max(a.id::text)::uuid from document_versions v, assistants a")
        evidence = office.rows("select provenance -> 'evidence' -> 0 ->> 'version' from answers where id = %s", request_id)
        rests_on = [uuid.UUID(row[0]) for row in evidence if row[0]] or [version_id]
        thread_id = new_id()
        thread = (tenant_id, thread_id, assistant_id, person_id, sealed, request_id, now, now)
        await connection.execute("insert into threads values (%s, %s, %s, %s, %s, %s, 1, %s, %s)", thread)
        turn = (tenant_id, request_id, thread_id, person_id, sealed, rests_on, now)
        await connection.execute("insert into turns values (%s, %s, %s, null, %s, false, %s, %s, null, null, %s)", turn)
        await connection.execute(
            "insert into answer_streams (tenant_id, id, person_id, worker_id, request_sealed, lease_until, followed_at)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            (tenant_id, request_id, person_id, new_id(), sealed, now, now),
        )
        await connection.execute("insert into answer_events values (%s, %s, 1, 1, 1, %s)", (tenant_id, request_id, sealed))
        opinion = Opinion(thumb="down", comment=f"Is it true that {SECRET}")
        await give_feedback(connection, platform.keyring, tenant_id, request_id, opinion, person_id=person_id, api_key_id=None, now=now)
        traffic = (tenant_id, new_id(), request_id, person_id, bytes(32), sealed, now, now + timedelta(days=3))
        await connection.execute("insert into guard_traffic values (%s, %s, %s, %s, 'output', %s, 'pass', '[]', %s, %s, %s)", traffic)
        case = Case(tenant_id, "leaked", "output", bytes(32), ("personal.email",), SECRET, now, None, person_id, request_id)
        await open_incident(connection, platform.keyring, case)


async def test_a_document_is_gone_from_every_store_and_the_receipt_says_so(office: Office) -> None:
    await filled(office)
    house = office.house
    cited, unrelated = await office.ask("With which word does the blue lighthouse open?"), await office.ask("Where does boat number 3 lie?")
    await spoken_of(office, cited)
    [(document_id,)] = office.rows("select document_id from document_versions group by 1 having count(*) = 2")
    assert len(office.files("blobs", str(document_id))) >= 4
    assert office.files("keyring", str(document_id))
    key_before = office.rows("select key_hash from documents where id = %s", document_id)

    hidden = await office.hide("light")
    assert hidden.state == "hidden"
    assert "Lighthouse" not in await house.titles("blue lighthouse Sesame")
    proved = await office.prove(hidden)

    assert (proved.state, proved.failure) == ("proved", "")
    assert proved.receipt is not None
    counted = {store["name"]: (store["found"] > 0, store["probe_before"] > 0, store["probe_after"]) for store in proved.receipt["stores"]}
    assert counted == {
        "index": (True, True, 0),
        "answers": (True, True, 0),
        "access_notes": (False, False, 0),
        "turns": (True, True, 0),
        "golden_items": (False, False, 0),
        "golden_proposals": (False, False, 0),
        "evaluation_results": (False, False, 0),
        "judgements": (False, False, 0),
        "review_items": (False, False, 0),
        "answer_streams": (True, True, 0),
        "request_contents": (True, True, 0),
        "feedback": (True, True, 0),
        "guard_traffic": (True, True, 0),
        "guard_samples": (True, True, 0),
        "guard_approvals": (False, False, 0),
        "blobs": (True, True, 0),
        "identifiers": (True, True, 0),
        "documents": (True, True, 0),
        "uploads": (False, False, 0),
        "key": (True, True, 0),
    }
    assert not office.files("blobs", str(document_id))
    assert {path.parent.parent.parent.name for path in office.files("keyring", str(document_id))} == {"tombstones"}
    assert office.rows("select key_hash from documents where id = %s", document_id) != key_before
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        with pytest.raises(KeyDestroyed):
            await get_answer(connection, house.platform.keyring, house.tenant_id, cited)
        assert (await get_answer(connection, house.platform.keyring, house.tenant_id, unrelated))["answer"]
    assert await house.titles("boat northern harbour") != []
    assert office.rows("select thumb, said_sealed from feedback") == [("down", None)]
    check = await check_receipt(erasure_room(house.platform), read_public_keys(public_keys_path(house.platform.folder.ledger_key)), proved)
    assert check.holds


async def test_no_folder_of_any_index_version_holds_it_and_others_keep_what_they_found(office: Office) -> None:
    await filled(office)
    house = office.house
    before = [(item.version.details.title, item.text) for item in (await house.search("boat harbour coast")).evidence]
    [(document_id,)] = office.rows("select document_id from document_versions group by 1 having count(*) = 2")
    versions = [row[0].bytes for row in office.rows("select id from document_versions where document_id = %s", document_id)]
    folders = {path.parent for path in office.files("lance", "passages.lance")}
    await office.erase("light")
    left = office.files("lance")
    assert folders - {path.parent for path in left}, "nothing was rewritten"
    assert before == [(item.version.details.title, item.text) for item in (await house.search("boat harbour coast")).evidence]
    for index in (house.platform.folder.lance / str(house.tenant_id)).glob("*/*/*"):
        held = await (await lancedb.connect_async(str(index))).open_table("passages")
        column = (await held.query().to_arrow()).column("document_version_id").to_pylist()
        assert not set(column) & set(versions)


async def test_asking_again_changes_nothing_and_an_erased_document_taken_in_again_is_a_new_one(office: Office) -> None:
    await filled(office)
    [(old,)] = office.rows("select document_id from document_versions group by 1 having count(*) = 2")
    first = await office.erase("light")
    assert await office.erase(str(old)) == first
    with pytest.raises(NotFound):
        await office.hide("light")
    report = await office.house.ingest()
    assert (report.failed, report.added) == ([], 2)
    assert "Lighthouse" in await office.house.titles("blue lighthouse Sesame")
    assert office.rows("select count(*) from documents where id = %s", old) == [(1,)]
    assert not office.house.platform.keyring.exists(KeyOwner(office.house.tenant_id, "document", old))


async def test_a_probe_that_sees_nothing_beforehand_fails_the_erasure(office: Office) -> None:
    await filled(office)
    room = erasure_room(office.house.platform)

    async def blind(_: object) -> int:
        return 0

    blinded = replace(room, erasers=tuple(replace(eraser, probe=blind) if eraser.name == "blobs" else eraser for eraser in room.erasers))
    hidden = await office.hide("light")
    failed = await carry_out(blinded, office.house.tenant_id, hidden.id)
    assert (failed.state, failed.failure, failed.receipt) == ("failed", "blind.blobs", None)


async def test_what_a_probe_still_finds_fails_the_erasure(office: Office) -> None:
    await filled(office)
    room = erasure_room(office.house.platform)

    async def nothing(_: object) -> None:
        return None

    lazy = replace(room, erasers=tuple(replace(eraser, erase=nothing) if eraser.name == "blobs" else eraser for eraser in room.erasers))
    hidden = await office.hide("light")
    assert (await carry_out(lazy, office.house.tenant_id, hidden.id)).failure == "remains.blobs"
    again = await office.hide(str(hidden.target_id))
    assert again.state == "hidden"
    assert (await office.prove(again)).state == "proved"


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, and nothing is cleaned up."""


@pytest.mark.parametrize("place", ["index", "answers", "blobs", "documents", "key"])
async def test_an_erasure_that_was_killed_goes_on_and_still_knows_what_there_was(office: Office, place: str) -> None:
    await filled(office)
    await spoken_of(office, await office.ask("With which word does the blue lighthouse open?"))
    room = erasure_room(office.house.platform)
    hidden = await office.hide("light")

    async def die_after(erase: Any, erasure: Erasure) -> None:
        await erase(erasure)
        raise Killed

    def deadly(erase: Any) -> Any:
        return lambda erasure: die_after(erase, erasure)

    killing = replace(
        room,
        erasers=tuple(replace(eraser, erase=deadly(eraser.erase)) if eraser.name == place else eraser for eraser in room.erasers),
    )
    with pytest.raises(Killed):
        await carry_out(killing, office.house.tenant_id, hidden.id)
    proved = await office.prove(hidden)
    assert (proved.state, proved.failure) == ("proved", "")
    async with office.house.platform.database.tenant_tx(office.house.tenant_id) as connection:
        steps = {step.name: step for step in await steps_of(connection, hidden.id)}
    assert all(steps[name].found and steps[name].before for name in ("index", "answers", "request_contents", "feedback", "blobs", "documents", "key"))


async def test_a_forged_receipt_and_a_returned_document_are_noticed(office: Office) -> None:
    await filled(office)
    proved = await office.erase("light")
    room, folder = erasure_room(office.house.platform), office.house.platform.folder
    keys = read_public_keys(public_keys_path(folder.ledger_key))
    assert proved.receipt is not None
    forged = replace(proved, receipt={**proved.receipt, "target": str(new_id())})
    check = await check_receipt(room, keys, forged)
    assert (check.signature, check.holds) == (False, False)
    other = LedgerSigner.open_or_create(folder.root / "other.key")
    assert not (await check_receipt(room, {other.key_id: other.public_key}, proved)).holds
    returned = folder.blobs / str(office.house.tenant_id) / "documents" / str(proved.target_id) / "x" / "original"
    returned.parent.mkdir(parents=True)
    returned.write_bytes(b"back")
    assert (await check_receipt(room, keys, proved)).found_again["blobs"] == 1


async def test_an_answer_that_was_being_written_is_kept_without_its_words(office: Office) -> None:
    """The document is erased between the search of an answer and its record."""
    await filled(office)
    proved: list[Erasure] = []
    kept = keeping.add_answer

    async def late(*arguments: Any, **named: Any) -> None:
        proved.append(await office.erase("light"))
        await kept(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "add_answer", late)
        request_id = await office.ask("With which word does the blue lighthouse open?")
    assert office.rows("select content_sealed from answers where id = %s", request_id) == [(b"",)]
    assert office.rows("select state from erasures") == [("hidden",)], "what the answer left elsewhere has to be looked for"
    assert (await office.prove(proved[0])).state == "proved"


async def test_wrong_wishes_are_refused(office: Office) -> None:
    await filled(office)
    knowledge, tenant_id = office.house.platform.knowledge, office.house.tenant_id
    with pytest.raises(NotFound):
        await office.hide("no such document")
    with pytest.raises(NotFound):
        await office.hide(str(new_id()))
    with pytest.raises(NotFound):
        await erase_document(knowledge, tenant_id, "nowhere", "light")
    for reason in ("Kim asked for it", "", "a" * 64, "김"):
        with pytest.raises(RequestError) as raised:
            await erase_document(knowledge, tenant_id, "base", "light", reason=reason)
        assert raised.value.code == "bad_reason"
    assert office.rows("select count(*) from erasures") == [(0,)]

"""A person is shut out at once and gone from every store; documents that speak of them are found by what they hold."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from ondol.application.erasure import erase_subject
from ondol.application.knowledge.identifiers import identifiers_in, plain_identifier
from ondol.core.errors import KeyDestroyed, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.keys import KeyDirectory, create_key
from ondol.infrastructure.access.people import NewPerson, add_person
from ondol.infrastructure.access.sign_in import open_session, principal_of
from ondol.infrastructure.gateway.records import RequestRecord
from ondol.infrastructure.gateway.records.lines import FORM, line_of
from ondol.infrastructure.ledger.erasure import carry_out, list_erasures
from ondol.infrastructure.storage.blobs import KeyOwner, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import rows
from ondol.infrastructure.storage.spool import Spool
from ondol.infrastructure.storage.spool.segments import ASIDE_NAME, keep_aside
from ondol.wiring.erasure import erasure_room
from tests.application.erasure.conftest import Office
from tests.application.erasure.test_documents import spoken_of

pytestmark = pytest.mark.anyio
LOGIN = "kim@example.com"


async def moved_in(office: Office) -> uuid.UUID:
    """A person who asked, was answered, has a key and a session, and of whom two of three documents speak."""
    house, platform = office.house, office.house.platform
    house.write("mail.md", "---\nid: mail\n---\n# Complaint\n\nThe customer (KIM@Example.com) was called back about the lighthouse.\n")
    house.write("call.md", "---\nid: call\n---\n# Call\n\nCall 010-1234-5678 about the lighthouse and say who you are.\n")
    house.write("none.md", "---\nid: none\n---\n# Lighthouse\n\nThe lighthouse opens at midnight. Write to lee@example.com.\n")
    await house.ingest()
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        person = await add_person(connection, platform.keyring, house.tenant_id, NewPerson(LOGIN, "Kim Minsu", groups=("support",)), house.clock())
        await create_key(connection, house.tenant_id, person.id, "laptop", house.clock())
    office.house.people = {**house.people, "kim": person.id}
    return person.id


def spooled(office: Office, person_id: uuid.UUID) -> Path:
    """A record of theirs that a killed worker left on the disk, and a damaged line; the file of damaged lines."""
    house = office.house
    made = RequestRecord(
        tenant_id=house.tenant_id, id=new_id(), person_id=person_id, api_key_id=None, model="desk", route="desk", outcome="answered",
        status=200, duration_us=1, created_at=house.clock(), input_tokens=1, output_tokens=1, cost_nano=None, currency=None,
    )  # fmt: skip
    folder = house.platform.folder.spool / FORM
    spool = Spool(folder)
    spool.append(line_of(made))
    spool.close()
    keep_aside(folder, [b"damaged " + person_id.hex.encode(), b"of somebody else"])
    return folder / ASIDE_NAME


async def test_a_person_is_shut_out_at_once_and_gone_from_every_store(office: Office) -> None:
    person_id = await moved_in(office)
    house, platform = office.house, office.house.platform
    asked = await office.ask("When does the lighthouse open?", who="kim")
    await spoken_of(office, asked, who="kim")
    owner = KeyOwner(house.tenant_id, "subject", person_id)
    sealed = seal_bytes(platform.keyring.get(owner), b"Kim Minsu", b"test")
    token_values = (house.tenant_id, new_id(), "[PHONE_Tabcdefghijkl]", "PHONE", b"x", person_id, house.clock(), house.clock() + timedelta(days=1))
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        await connection.execute("insert into guard_tokens values (%s, %s, %s, %s, %s, %s, %s, %s)", token_values)
        token = await open_session(connection, platform.settings.sign_in, house.tenant_id, person_id, house.clock())
    assert await principal_of(platform.sign_in, token) is not None

    aside = spooled(office, person_id)
    hidden = await erase_subject(platform.knowledge, house.tenant_id, " Kim@EXAMPLE.com ", identifiers=["+82 10-1234-5678"])
    keys = KeyDirectory(platform.database, house.clock)
    await keys.refresh()
    assert await principal_of(platform.sign_in, token) is None
    proved = await carry_out(erasure_room(platform), house.tenant_id, hidden.id)

    assert (proved.state, proved.failure) == ("proved", "")
    assert proved.receipt is not None
    counted = {store["name"]: (store["found"] > 0, store["probe_before"] > 0, store["probe_after"]) for store in proved.receipt["stores"]}
    evaluated = {"golden_items", "golden_proposals", "evaluation_results", "evaluation_suites", "judgements", "review_items", "review_raters"}
    attached = {"attachments", "attachment_blobs", "attachment_keys"}
    nothing = {"access_notes", "guard_approvals", "guard_registrars", "widgets", "bots", "recommendations", *attached, *evaluated}
    assert counted == {name: (name not in nothing, name not in nothing, 0) for name in counted}
    assert aside.read_bytes() == b"of somebody else\n"
    assert len(office.rows("select 1 from requests where person_id = %s", person_id)) == 2, "the account of what was used stays"
    assert set(counted) == {
        "answers", "answer_streams", "request_contents", "feedback", "guard_traffic", "guard_samples", "guard_approvals", "guard_tokens",
        "guard_registrars", "person", "key", "access_notes", "memory", "spool", "widgets", "bots", "recommendations",
        *attached, *evaluated,
    }  # fmt: skip
    named = {
        row[0]
        for row in office.rows(
            "select document_id from document_versions v where exists (select from document_identifiers i where i.document_version_id = v.id)"
        )
    }
    assert proved.receipt["documents"]["count"] == 2
    assert {uuid.UUID(each) for each in proved.receipt["documents"]["ids"]} < named
    assert proved.receipt["documents"]["erased"] is False
    assert office.rows("select count(*) from api_keys where person_id = %s", person_id) == [(0,)]
    assert office.rows("select count(*) from people where id = %s", person_id) == [(0,)]
    for path in office.files("keyring", str(person_id)):
        assert "tombstones" in path.parts
    with pytest.raises(KeyDestroyed):
        open_bytes(platform.keyring.get(owner), sealed, b"test")
    with pytest.raises(KeyDestroyed):
        platform.keyring.get_or_create(owner)
    assert await house.titles("lighthouse customer") != []
    with pytest.raises(NotFound):
        await erase_subject(platform.knowledge, house.tenant_id, LOGIN)


async def test_documents_that_speak_of_them_go_when_that_is_asked(office: Office) -> None:
    await moved_in(office)
    house, platform = office.house, office.house.platform
    hidden = await erase_subject(platform.knowledge, house.tenant_id, LOGIN, identifiers=["01012345678"], with_documents=True)
    assert await house.titles("lighthouse") == ["Lighthouse"]
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        every = await list_erasures(connection)
    assert sorted(erasure.kind for erasure in every) == ["document", "document", "subject"]
    states = [(await carry_out(erasure_room(platform), house.tenant_id, erasure.id)).state for erasure in every]
    assert states == ["proved"] * 3
    assert hidden.id in {erasure.id for erasure in every}
    async with platform.database.tenant_tx(house.tenant_id) as connection:
        assert len(await rows(connection, "select 1 from document_versions where state = 'current'", {})) == 1


async def test_a_value_that_is_no_identifier_hides_nobody(office: Office) -> None:
    person_id = await moved_in(office)
    for wrong in (["x"], ["a" * 400], ["1-2"], ["0101234567" for _ in range(101)]):
        with pytest.raises(RequestError) as raised:
            await erase_subject(office.house.platform.knowledge, office.house.tenant_id, LOGIN, identifiers=wrong)
        assert raised.value.code == "bad_identifier"
    assert office.rows("select disabled_at from people where id = %s", person_id) == [(None,)]


def test_spellings_of_one_identifier_are_one() -> None:
    assert {plain_identifier(text) for text in ("010-1234-5678", "010 1234 5678", "01012345678", "+82 10-1234-5678", "０１０-1234-5678")} == {
        "01012345678"
    }
    assert plain_identifier(" Kim@EXAMPLE.com") == "kim@example.com"
    assert plain_identifier("900101-1234567") == "9001011234567"


def test_identifiers_are_keyed_found_across_a_cut_and_of_people_only() -> None:
    key, other = bytes(32), bytes([1] * 32)
    text = "See https://example.com/page on 2026-11-21. " + "word " * 39_990 + "mail kim@example.com or call 010-1234-5678 now. " * 4
    found = identifiers_in(text, key)
    assert [entity for entity, _ in found] == ["EMAIL", "PHONE"]
    assert set(found) == set(identifiers_in("call 010 1234 5678, kim@example.com", key))
    assert not set(found) & set(identifiers_in(text, other))
    assert identifiers_in("", key) == ()

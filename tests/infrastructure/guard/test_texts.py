"""Registered texts: only hashes are kept, each tenant's are its own, and what is registered is in force one reload later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.guard import policies as policies_module
from ondol.infrastructure.guard import texts as module
from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.erasure import erase_person
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.guard.policy import Policy
from ondol.infrastructure.guard.registry import Resources, build_checks
from ondol.infrastructure.guard.store import Binding, put_binding, put_policy
from ondol.infrastructure.guard.texts import RegisteredText, add_text, list_texts, prepare_text, remove_text
from ondol.infrastructure.guard.types import Check
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database, rows
from tests.infrastructure.guard.words import policy_of

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
WORK = " ".join(f"{number}번째 구절의 낱말들이 이어진다 verse{number}" for number in range(40))
ANSWER = f"원문은 이렇습니다: {WORK[100:600]} 여기까지입니다."


def overlap_alone(policies: Sequence[Policy], resources: Resources) -> dict[str, Check]:
    """Without patterns and models, so that nothing is compiled."""
    return build_checks({}, resources, {"overlap"})


async def add(database: Database, keyring: KeyRing, tenant: Tenant, text: str = WORK, name: str = "시집", by: object = None) -> RegisteredText:
    prepared = prepare_text(keyring, tenant.id, name, "저작권자: 아무개", text)
    async with database.tenant_tx(tenant.id) as connection:
        return await add_text(connection, keyring, tenant.id, prepared, by=by, now=NOW)  # type: ignore[arg-type]


async def bind(database: Database, tenant: Tenant, action: str) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        policy = policy_of("works", stage="output", overlap=action)
        await put_policy(connection, tenant.id, policy, by=None, now=NOW, known=None)
        await put_binding(connection, tenant.id, Binding("tenant", "", "works"), by=None, now=NOW)


async def test_what_is_registered_is_listed_once_and_removed_with_its_hashes(database: Database, tenant: Tenant, keyring: KeyRing) -> None:
    added = await add(database, keyring, tenant)
    with pytest.raises(Conflict):
        await add(database, keyring, tenant)
    other = await add(database, keyring, tenant, WORK[::-1], "거꾸로")
    async with database.tenant_tx(tenant.id) as connection:
        assert await list_texts(connection, keyring, tenant.id) == [other, added]
        assert await list_texts(connection, keyring, tenant.id, before=other.id, limit=1) == [added]
        await remove_text(connection, tenant.id, added.id, by=None, now=NOW)
        with pytest.raises(NotFound):
            await remove_text(connection, tenant.id, added.id, by=None, now=NOW)
        lengths = "select length(hashes_sealed) as hashes, length(note_sealed) as note from guard_texts where id = %(id)s::uuid"
        kept = await rows(connection, lengths, {"id": added.id})
        assert kept == [{"hashes": 0, "note": 0}]
        events = await rows(connection, "select kind from ledger_events where kind like 'guard.text%%' order by id", {})
        assert [row["kind"] for row in events] == ["guard.text_added", "guard.text_added", "guard.text_removed"]
    assert (await add(database, keyring, tenant)).id != added.id


async def test_nothing_of_a_text_stands_in_the_database(database: Database, tenant: Tenant, keyring: KeyRing) -> None:
    other = await create_tenant(database, keyring, slug="other", name="Other", now=NOW)
    for each in (tenant, other):
        await add(database, keyring, each)
    async with database.system_tx() as connection:
        seen = await rows(connection, "select hashes_sealed from guard_texts", {})
    dumped = [bytes(row["hashes_sealed"]) for row in seen]
    assert len(dumped) == 2
    assert dumped[0][48:] != dumped[1][48:]
    for piece in ("낱말들이", "verse12", "아무개"):
        assert not any(piece.encode() in part for part in dumped)
    hashes = [prepare_text(keyring, each.id, "x", "", WORK).digest for each in (tenant, other)]
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize(("action", "decision", "out"), [("block", "block", ""), ("observe", "allow", ANSWER), ("mask", "mask", None)])
async def test_a_rule_on_overlap_holds_for_the_tenant_that_registered(
    database: Database, tenant: Tenant, keyring: KeyRing, action: str, decision: str, out: str | None
) -> None:
    other = await create_tenant(database, keyring, slug="other", name="Other", now=NOW)
    for each in (tenant, other):
        await bind(database, each, action)
    added = await add(database, keyring, tenant)
    directory = PolicyDirectory(database, keyring, checks=overlap_alone)
    await directory.refresh()
    assert directory.failing == {}
    verdict = directory.guards_for(tenant.id).stages["output"].inspect(ANSWER, Marks(bytes(32)))
    assert verdict.decision == decision
    assert verdict.rules == ("overlap.run",)
    if out is None:
        assert "[PROTECTED_TEXT_1]" in verdict.text
        assert len(verdict.text) < 80
    else:
        assert verdict.text == out
    assert directory.guards_for(other.id).stages["output"].inspect(ANSWER, Marks(bytes(32))).rules == ()
    async with database.tenant_tx(tenant.id) as connection:
        await remove_text(connection, tenant.id, added.id, by=None, now=NOW)
    await directory.refresh()
    assert directory.guards_for(tenant.id).stages["output"].inspect(ANSWER, Marks(bytes(32))).text == ANSWER


async def test_texts_that_cannot_be_opened_or_find_no_room_let_nothing_pass(
    database: Database, tenant: Tenant, keyring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bind(database, tenant, "block")
    await add(database, keyring, tenant)
    monkeypatch.setattr(policies_module, "CORPORA_BYTES_MAX", 100)
    directory = PolicyDirectory(database, keyring, checks=overlap_alone)
    await directory.refresh()
    assert directory.guards_for(tenant.id).stages["output"].inspect("hello", Marks(bytes(32))).decision == "block"
    assert "find no room" in directory.failing["guard"]


@pytest.mark.parametrize(("text", "code"), [("짧은 글", "text_too_short"), ("", "text_too_short"), ("가" * 1_700_000, "text_too_large")])
def test_texts_that_cannot_be_kept(keyring: KeyRing, tenant: Tenant, text: str, code: str) -> None:
    with pytest.raises(RequestError) as refused:
        prepare_text(keyring, tenant.id, "a work", "", text)
    assert refused.value.code == code


async def test_bounds_of_names_notes_and_all_texts_together(
    database: Database, tenant: Tenant, keyring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, note, code in (("", "", "bad_name"), ("x" * 201, "", "bad_name"), ("x", "x" * 2_001, "bad_note")):
        with pytest.raises(RequestError) as refused:
            prepare_text(keyring, tenant.id, name, note, WORK)
        assert refused.value.code == code
    first = await add(database, keyring, tenant)
    monkeypatch.setattr(module, "WORDS_MAX", first.words)
    with pytest.raises(RequestError) as many:
        await add(database, keyring, tenant, WORK[::-1])
    assert many.value.code == "too_many_texts"


async def test_who_registered_a_text_is_forgotten_with_them(database: Database, tenant: Tenant, keyring: KeyRing) -> None:
    person_id = new_id()
    added = await add(database, keyring, tenant, by=person_id)
    assert added.created_by == person_id
    async with database.tenant_tx(tenant.id) as connection:
        assert (await erase_person(connection, person_id))["registered_texts"] == 1
        assert [item.created_by for item in await list_texts(connection, keyring, tenant.id)] == [None]

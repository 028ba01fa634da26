"""Somebody asks, somebody else in the role says yes, and exactly that call runs, once, in time."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ondol.core.errors import Conflict, Forbidden, NotFound, RequestError, TooManyRequests
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant, ensure_group
from ondol.infrastructure.access.types import Person, Tenant
from ondol.infrastructure.guard import approvals
from ondol.infrastructure.guard.approvals import (
    KEPT,
    Question,
    Viewer,
    answer,
    ask,
    expire_approvals,
    find_unused,
    get_approval,
    list_approvals,
    roles_of,
    use_approval,
)
from ondol.infrastructure.guard.erasure import erase_person
from ondol.infrastructure.guard.incidents import list_incidents
from ondol.infrastructure.guard.tools import ToolCall, digest_of
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database, rows

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
CALL = ToolCall("orders.refund", '{"amount":5000,"order":"o-17"}')
OTHER = ToolCall("orders.refund", '{"amount":5001,"order":"o-17"}')


@dataclass
class Room:
    """One tenant's approvals, each step in a transaction of its own."""

    database: Database
    keyring: KeyRing
    tenant: Tenant
    asker: uuid.UUID
    lead: uuid.UUID

    @asynccontextmanager
    async def within(self) -> AsyncIterator[Connection]:
        async with self.database.tenant_tx(self.tenant.id) as connection:
            yield connection

    def question(self, call: ToolCall = CALL, **changed: Any) -> Question:
        asked = Question(
            self.tenant.id, call.name, call.arguments, digest_of(call), ("destructive",), "support-lead", bytes(32), self.asker, NOW,
            NOW + timedelta(hours=1), new_id(), new_id(),
        )  # fmt: skip
        return replace(asked, **changed)

    async def ask(self, call: ToolCall = CALL, **changed: Any) -> uuid.UUID:
        async with self.within() as connection:
            return (await ask(connection, self.keyring, self.question(call, **changed)))[0]

    async def answer(self, approval_id: uuid.UUID, *, approved: bool = True, at: datetime = LATER, **changed: Any) -> None:
        says: dict[str, Any] = {"note": "", "by": self.lead, "roles": {"support-lead"}, **changed}
        async with self.within() as connection:
            await answer(connection, self.keyring, self.tenant.id, approval_id, approved=approved, now=at, **says)

    async def use(self, approval_id: uuid.UUID, call: ToolCall = CALL, *, at: datetime = LATER, **changed: Any) -> Any:
        says: dict[str, Any] = {"role": "support-lead", "by": self.asker, **changed}
        async with self.within() as connection:
            return await use_approval(connection, self.keyring, self.tenant.id, approval_id, digest=digest_of(call), now=at, **says)

    async def state(self, approval_id: uuid.UUID, at: datetime = LATER) -> str:
        async with self.within() as connection:
            return (await get_approval(connection, self.keyring, self.tenant.id, approval_id, at)).state


@pytest.fixture
def room(database: Database, keyring: KeyRing, tenant: Tenant) -> Room:
    return Room(database, keyring, tenant, new_id(), new_id())


async def test_a_yes_lets_the_call_run_once(room: Room) -> None:
    approval_id = await room.ask()
    assert await room.state(approval_id) == "pending"
    with pytest.raises(Conflict, match="pending"):
        await room.use(approval_id)
    await room.answer(approval_id, note="고객 확인함")
    assert await room.state(approval_id) == "approved"
    used = await room.use(approval_id)
    assert (used.role, used.approver_id, used.digest, used.expires_at) == ("support-lead", room.lead, digest_of(CALL), NOW + timedelta(hours=1))
    with pytest.raises(Conflict, match="used") as caught:
        await room.use(approval_id)
    assert caught.value.code == "approval_used"
    async with room.within() as connection:
        kept = await get_approval(connection, room.keyring, room.tenant.id, approval_id, LATER)
        assert (kept.state, kept.arguments, kept.note, kept.decided_by, kept.used_at) == ("used", CALL.arguments, "고객 확인함", room.lead, LATER)
        events = await rows(connection, "select kind, actor_id, body::text as body from ledger_events where kind like 'guard.%%' limit 100", {})
        stored = str(await rows(connection, "select a::text as a, i::text as i from guard_approvals a, guard_incidents i limit 9", {}))
    assert sorted((row["kind"], row["actor_id"]) for row in events if row["actor_id"]) == sorted([
        ("guard.approval_asked", room.asker), ("guard.approval_approved", room.lead), ("guard.approval_used", room.asker),
        ("guard.incident_closed", room.lead),
    ])  # fmt: skip
    assert not re.search(rf"amount\W+5000|{b'5000,'.hex()}", stored + str(events)), "arguments are sealed"
    assert digest_of(CALL).hex() not in stored, "a bare digest could be guessed"


async def test_of_many_uses_at_once_one_succeeds(room: Room) -> None:
    approval_id = await room.ask()
    await room.answer(approval_id)
    outcomes = await asyncio.gather(*(room.use(approval_id) for _ in range(4)), return_exceptions=True)
    assert sum(1 for outcome in outcomes if not isinstance(outcome, BaseException)) == 1
    assert all(isinstance(outcome, Conflict) for outcome in outcomes if isinstance(outcome, BaseException))


async def test_an_approval_is_of_one_call_one_asker_one_role_and_one_time(room: Room) -> None:
    approval_id = await room.ask()
    await room.answer(approval_id)
    for changed, code in (
        ({"call": OTHER}, "approval_of_another_call"),
        ({"call": ToolCall("orders.drop", CALL.arguments)}, "approval_of_another_call"),
        ({"role": "admin"}, "approval_in_another_role"),
        ({"at": NOW + timedelta(hours=1)}, "approval_expired"),
    ):
        with pytest.raises(Conflict) as caught:
            await room.use(approval_id, **changed)
        assert caught.value.code == code
    for approval, by in ((approval_id, room.lead), (new_id(), room.asker)):
        with pytest.raises(NotFound):
            await room.use(approval, by=by)
    assert (await room.use(approval_id)).approver_id == room.lead


async def test_nobody_approves_their_own_and_nobody_without_the_role(room: Room) -> None:
    approval_id = await room.ask()
    with pytest.raises(Forbidden, match="themselves") as caught:
        await room.answer(approval_id, by=room.asker, roles={"support-lead", "owner"})
    assert caught.value.code == "own_approval"
    for roles in (set(), {"owner", "admin"}):
        with pytest.raises(Forbidden) as caught:
            await room.answer(approval_id, roles=roles)
        assert "support-lead" in caught.value.hint
    for at in (NOW + timedelta(hours=1), NOW + timedelta(days=1)):
        with pytest.raises(Conflict, match="expired"):
            await room.answer(approval_id, at=at)
    with pytest.raises(RequestError):
        await room.answer(approval_id, note="x" * 4_001)
    await room.answer(approval_id, approved=False, note="no")
    assert await room.state(approval_id) == "denied"
    for call in (room.answer(approval_id), room.use(approval_id)):
        with pytest.raises(Conflict, match="denied"):
            await call


async def test_the_same_question_is_asked_once_and_not_too_many_are(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await room.ask()
    assert await room.ask(at=NOW + timedelta(minutes=1)) == first
    assert len({first, await room.ask(OTHER), await room.ask(role="admin"), await room.ask(asked_by=new_id())}) == 4
    # Once it is answered or over, it is a new question.
    await room.answer(first, approved=False)
    again = await room.ask(at=LATER)
    assert again != first
    assert await room.ask(at=NOW + timedelta(hours=2), expires_at=NOW + timedelta(hours=3)) != again
    monkeypatch.setattr(approvals, "WAITING_PERSON_MAX", 3)
    with pytest.raises(TooManyRequests):
        await room.ask(ToolCall("t", '{"n":2}'))
    await room.ask(ToolCall("t", '{"n":2}'), asked_by=new_id())
    monkeypatch.setattr(approvals, "WAITING_MAX", 2)
    with pytest.raises(TooManyRequests):
        await room.ask(ToolCall("t", '{"n":3}'), asked_by=new_id())


async def test_each_question_is_told_of_and_its_incident_closed_with_the_answer(room: Room) -> None:
    approval_id, other = await room.ask(), await room.ask(OTHER)
    async with room.within() as connection:
        found = await list_incidents(connection, room.keyring, room.tenant.id, kind="approval")
        due = await rows(connection, "select alarm_at from guard_incidents limit 9", {})
    assert {item.rules for item in found} == {("tools.destructive", f"approval.{asked}") for asked in (approval_id, other)}
    assert {item.sample for item in found} == {"orders.refund"}
    assert all(row["alarm_at"] == NOW for row in due)
    await room.answer(approval_id)
    async with room.within() as connection:
        states = {item.rules[1]: (item.state, item.note) for item in await list_incidents(connection, room.keyring, room.tenant.id)}
    assert states == {f"approval.{approval_id}": ("closed", "approved"), f"approval.{other}": ("open", "")}


async def test_pages_show_what_may_be_seen(room: Room) -> None:
    ids = [await room.ask(ToolCall("t", f'{{"n":{number}}}')) for number in range(3)]
    foreign = await room.ask(ToolCall("t", "{}"), asked_by=new_id(), role="admin")
    await room.answer(ids[0])
    async with room.within() as connection:

        async def seen(viewer: Viewer, **asked: Any) -> list[uuid.UUID]:
            return [item.id for item in await list_approvals(connection, room.keyring, room.tenant.id, viewer, LATER, **asked)]

        everything = Viewer(new_id(), frozenset(), sees_all=True)
        assert await seen(everything) == [foreign, *ids[::-1]]
        assert await seen(everything, limit=2) == [foreign, ids[2]]
        assert await seen(everything, before=ids[2]) == [ids[1], ids[0]]
        assert await seen(everything, state="approved") == [ids[0]]
        assert await seen(everything, state="pending") == [foreign, ids[2], ids[1]]
        assert await seen(everything, state="expired") == []
        assert await seen(Viewer(room.asker, frozenset())) == ids[::-1]
        assert await seen(Viewer(new_id(), frozenset({"admin"}))) == [foreign]
        assert await seen(Viewer(new_id(), frozenset({"owner"}))) == []
        for limit in (0, 201):
            with pytest.raises(RequestError):
                await seen(everything, limit=limit)


async def test_another_tenant_sees_and_changes_nothing(room: Room) -> None:
    approval_id = await room.ask()
    other = await create_tenant(room.database, room.keyring, slug="other", name="Other", now=NOW)
    stranger = replace(room, tenant=other)
    for step in (stranger.state(approval_id), stranger.answer(approval_id), stranger.use(approval_id)):
        with pytest.raises(NotFound):
            await step
    async with stranger.within() as connection:
        assert await list_approvals(connection, room.keyring, other.id, Viewer(room.asker, frozenset(), sees_all=True), LATER) == []
    await room.answer(approval_id)
    with pytest.raises(NotFound):
        await stranger.use(approval_id)


async def test_a_caller_who_cannot_name_it_finds_what_holds(room: Room) -> None:
    approval_id = await room.ask()

    async def found(call: ToolCall = CALL, at: datetime = LATER) -> uuid.UUID | None:
        async with room.within() as connection:
            return await find_unused(connection, room.keyring, room.tenant.id, role="support-lead", digest=digest_of(call), by=room.asker, now=at)

    assert await found() is None
    await room.answer(approval_id)
    assert (await found(), await found(OTHER), await found(at=NOW + timedelta(hours=1))) == (approval_id, None, None)
    await room.use(approval_id)
    assert await found() is None


async def test_erasing_who_asked_takes_the_arguments_and_what_could_run(room: Room) -> None:
    pending, approved = await room.ask(), await room.ask(OTHER)
    await room.answer(approved)
    async with room.within() as connection:
        assert (await erase_person(connection, room.asker))["approvals"] == 2
        kept = await get_approval(connection, room.keyring, room.tenant.id, pending, LATER)
        assert (kept.arguments, kept.role) == ("", "support-lead")
    with pytest.raises(Conflict, match="erased"):
        await room.answer(pending)
    with pytest.raises(Conflict, match="erased"):
        await room.use(approved, OTHER)
    third = await room.ask(asked_by=(asker := new_id()))
    room.keyring.destroy(KeyOwner(room.tenant.id, "subject", asker))
    async with room.within() as connection:
        assert (await get_approval(connection, room.keyring, room.tenant.id, third, LATER)).arguments == ""


async def test_what_ended_long_ago_goes(room: Room) -> None:
    approval_id = await room.ask()
    end = NOW + timedelta(hours=1)
    assert await expire_approvals(room.database, end + KEPT - timedelta(seconds=1)) == 0
    assert await expire_approvals(room.database, end + KEPT) == 1
    with pytest.raises(NotFound):
        await room.state(approval_id)


async def test_postgres_itself_refuses_an_approval_of_ones_own(room: Room) -> None:
    await room.ask()
    with pytest.raises(psycopg.errors.CheckViolation):
        async with room.within() as connection:
            await connection.execute("update guard_approvals set decision = 'approved', decided_by = asked_by, decided_at = now()")


async def test_roles_are_those_of_access_and_groups(room: Room) -> None:
    async with room.within() as connection:
        for name in ("support-lead", "owner"):
            await ensure_group(connection, room.tenant.id, name, NOW)
        new = NewPerson("kim@acme.example", "Kim", roles=frozenset({"admin"}), groups=("support-lead", "owner"))
        person = await add_person(connection, room.keyring, room.tenant.id, new, NOW)
    assert isinstance(person, Person)
    assert roles_of(person) == {"admin", "support-lead"}, "a group called owner makes nobody an owner"

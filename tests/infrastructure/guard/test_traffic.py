"""What passed is kept masked, for as long as the policy says, and what was blocked opens an incident."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.conversation import Guards, prepare_guards
from ondol.infrastructure.guard.erasure import erase_person
from ondol.infrastructure.guard.incidents import list_incidents
from ondol.infrastructure.guard.policy import Policy, policy_from
from ondol.infrastructure.guard.registry import Resources
from ondol.infrastructure.guard.traffic import Asker, GuardRecorder, expire_traffic, kept_since
from ondol.infrastructure.guard.types import Stage
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database, rows
from tests.infrastructure.guard.words import word_checks

pytestmark = pytest.mark.anyio
KEY = bytes(32)
POLICY = policy_from(
    {
        "version": 1,
        "name": "careful",
        "stages": {
            "input": [{"find": "secrets", "do": "block"}, {"find": "personal", "do": "mask"}, {"find": "injection", "do": "observe"}],
            "output": [{"find": "canary", "do": "observe"}, {"find": "secrets", "do": "block"}],
        },
    }
)


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(database: Database, keyring: KeyRing, clock: Clock) -> GuardRecorder:
    return GuardRecorder(database, keyring, clock, write_every_s=3_600)


@pytest.fixture
def asker(tenant: Tenant) -> Asker:
    return Asker(tenant.id, new_id(), new_id(), new_id())


def guards_of(policy: Policy) -> Guards:
    return prepare_guards([policy], word_checks([policy], Resources(canaries=("canarybird",))))


def pass_by(recorder: GuardRecorder, asker: Asker, text: str, *, stage: Stage = "input", policy: Policy = POLICY) -> None:
    guards = guards_of(policy)
    recorder.watcher(asker, guards.policies, KEY)(stage, text, guards.stages[stage].inspect(text, Marks(KEY)))


async def test_texts_are_kept_masked_and_sealed(recorder: GuardRecorder, asker: Asker, database: Database, keyring: KeyRing, clock: Clock) -> None:
    async with recorder.writing:
        pass_by(recorder, asker, "call 010-1234-5678, ignore all")
        pass_by(recorder, asker, "the password is hunter2")
    async with database.tenant_tx(asker.tenant_id) as connection:
        kept = await kept_since(connection, keyring, asker.tenant_id, clock.now - timedelta(minutes=1), clock.now, 100)
        assert await kept_since(connection, keyring, asker.tenant_id, clock.now + timedelta(minutes=1), clock.now, 100) == []
        stored = str(await rows(connection, "select t::text from guard_traffic t limit 10", {}))
    assert sorted((item.text, item.decision, [(f.check, f.entity, action) for f, action in item.findings]) for item in kept) == [
        ("call [PHONE_1], ignore all", "mask", [("personal", "PHONE", "mask"), ("injection", "OVERRIDE", "observe")]),
        ("the password is [PASSWORD_1]", "block", [("secrets", "PASSWORD", "block")]),
    ]
    assert {item.policy for item in kept} == {POLICY.digest}
    assert not any(word in stored for word in ("010-1234", "hunter2", "password is"))


async def test_what_was_blocked_or_leaked_or_held_a_canary_is_an_incident(
    recorder: GuardRecorder, asker: Asker, database: Database, keyring: KeyRing
) -> None:
    blocking = replace_rule(POLICY, "canary")
    async with recorder.writing:
        pass_by(recorder, asker, "call 010-1234-5678")
        pass_by(recorder, asker, "hunter2 and hunter2")
        pass_by(recorder, asker, "hunter2", stage="output")
        pass_by(recorder, asker, "a canarybird", stage="output")
        pass_by(recorder, asker, "a canarybird", stage="output", policy=blocking)
        pass_by(recorder, asker, "a canarybird again", stage="output", policy=blocking)
    async with database.tenant_tx(asker.tenant_id) as connection:
        found = await list_incidents(connection, keyring, asker.tenant_id)
    assert sorted((item.kind, item.stage, item.rules, item.count, item.sample) for item in found) == [
        ("blocked", "input", ("secrets.password",), 1, "[PASSWORD_1] and [PASSWORD_1]"),
        ("canary", "output", ("canary.canary",), 2, "a [CANARY_1]"),
        ("leaked", "output", ("secrets.password",), 1, "[PASSWORD_1]"),
    ]
    assert {(item.api_key_id, item.person_id, item.request_id) for item in found} == {(asker.api_key_id, asker.person_id, asker.request_id)}


def replace_rule(policy: Policy, check: str) -> Policy:
    tree = {"version": 1, "name": policy.name, "stages": {"output": [{"find": check, "do": "block"}]}}
    return policy_from(tree)


async def test_nothing_is_kept_where_the_policy_keeps_nothing(recorder: GuardRecorder, asker: Asker, database: Database) -> None:
    import msgspec

    silent = msgspec.structs.replace(POLICY, keep_traffic_days=0)
    pass_by(recorder, asker, "hello", policy=silent)
    assert recorder.writing.waiting == 0
    pass_by(recorder, asker, "hunter2", policy=silent)
    assert await recorder.writing.flush()
    async with database.tenant_tx(asker.tenant_id) as connection:
        assert await rows(connection, "select id from guard_traffic limit 10", {}) == []
        assert len(await rows(connection, "select id from guard_incidents limit 10", {})) == 1


async def test_time_and_erasure_take_texts_away(recorder: GuardRecorder, asker: Asker, database: Database, keyring: KeyRing, clock: Clock) -> None:
    other = replace(asker, person_id=new_id())
    pass_by(recorder, asker, "hello")
    pass_by(recorder, other, "good day")
    assert await recorder.writing.flush()
    async with database.tenant_tx(asker.tenant_id) as connection:
        assert await erase_person(connection, asker.person_id) == {
            "tokens": 0,
            "texts": 1,
            "samples": 0,
            "approvals": 0,
            "registered_texts": 0,
        }
        assert [item.text for item in await kept_since(connection, keyring, asker.tenant_id, clock.now - timedelta(hours=1), clock.now, 9)] == [
            "good day"
        ]
    assert await expire_traffic(database, clock.now) == 0
    assert await expire_traffic(database, clock.now + timedelta(days=2)) == 1


async def test_records_of_tenants_that_are_gone_do_not_hold_up_the_others(recorder: GuardRecorder, asker: Asker, database: Database) -> None:
    pass_by(recorder, replace(asker, tenant_id=new_id()), "hunter2")
    pass_by(recorder, asker, "hello")
    assert await recorder.writing.flush()
    assert (recorder.writing.waiting, recorder.writing.dropped) == (0, 1)
    async with database.tenant_tx(asker.tenant_id) as connection:
        assert len(await rows(connection, "select id from guard_traffic limit 10", {})) == 1

"""Which policy guards what, and how soon a change is in force."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import psycopg
import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.guard import policies as module
from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.canaries import add_canary, list_canaries, retire_canary
from ondol.infrastructure.guard.conversation import Guards
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.incidents import kind_of
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.guard.policy import STAGES, Policy
from ondol.infrastructure.guard.registry import Resources
from ondol.infrastructure.guard.store import Binding, keep_built_in, list_policies, list_versions, put_binding, put_policy, remove_binding
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.texts import add_text, load_corpus, prepare_text
from ondol.infrastructure.guard.types import Check, Finding
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database
from tests.infrastructure.guard.words import WordCheck, policy_of, word_checks

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def directory(database: Database, keyring: KeyRing) -> PolicyDirectory:
    return PolicyDirectory(database, keyring, checks=word_checks)


async def put(database: Database, tenant: Tenant, policy: Policy, *places: tuple[Any, str]) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        await put_policy(connection, tenant.id, policy, by=None, now=NOW, known=None)
        for scope, target in places:
            await put_binding(connection, tenant.id, Binding(scope, target, policy.name), by=None, now=NOW)


def names(guards: Guards) -> list[str]:
    return [policy.name for policy in guards.policies]


async def test_nothing_passes_before_the_first_refresh(directory: PolicyDirectory) -> None:
    guards = directory.guards_for(new_id())
    assert [guards.stages[stage].inspect("hello", Marks(bytes(32))).decision for stage in guards.stages] == ["block"] * 4
    assert directory.failing
    await directory.refresh()
    assert directory.failing == {}
    assert directory.guards_for(new_id()).policies == (default_policy(),)


async def test_the_most_specific_policy_decides(directory: PolicyDirectory, database: Database, tenant: Tenant) -> None:
    await put(database, tenant, policy_of("house", personal="mask"), ("tenant", ""))
    await put(database, tenant, policy_of("manuals", personal="mask"), ("base", "manuals"))
    await put(database, tenant, policy_of("helper", personal="mask"), ("assistant", "helper"))
    await put(database, tenant, policy_of("large", personal="mask"), ("model", "large"))
    await directory.refresh()
    wanted: dict[str, Any] = {"base": "manuals", "assistant": "helper", "model": "large"}
    for count in range(4):
        for chosen in itertools.combinations(wanted, count):
            places: dict[str, Any] = {place: wanted[place] for place in chosen}
            expected = {"model": "large", "assistant": "helper", "base": "manuals"}
            first = next((expected[place] for place in ("model", "assistant", "base") if place in chosen), "house")
            assert names(directory.guards_for(tenant.id, **places)) == [first], chosen
    assert names(directory.guards_for(new_id(), **wanted)) == ["default"]


async def test_floors_that_are_bound_where_the_request_stands_apply_as_well(directory: PolicyDirectory, database: Database, tenant: Tenant) -> None:
    floor = msgspec.structs.replace(policy_of("house", secrets="block"), floor=True)
    elsewhere = msgspec.structs.replace(policy_of("elsewhere", secrets="block"), floor=True)
    await put(database, tenant, floor, ("tenant", ""))
    await put(database, tenant, policy_of("manuals", personal="mask"), ("base", "manuals"))
    await put(database, tenant, policy_of("helper", personal="mask"), ("assistant", "helper"))
    await put(database, tenant, elsewhere, ("base", "contracts"))
    await directory.refresh()
    assert names(directory.guards_for(tenant.id, base="manuals", assistant="helper")) == ["helper", "house"]
    assert names(directory.guards_for(tenant.id, base="contracts")) == ["elsewhere", "house"]
    assert names(directory.guards_for(tenant.id)) == ["house"]
    guards = directory.guards_for(tenant.id, base="manuals", assistant="helper")
    verdict = guards.stages["input"].inspect("hunter2 010-1234-5678", Marks(bytes(32)))
    assert verdict.decision == "block"


async def test_a_pinned_version_guards_whatever_is_bound_since_and_floors_and_the_keys_policy_beside_it(
    directory: PolicyDirectory, database: Database, tenant: Tenant
) -> None:
    key_id = new_id()
    strict = policy_of("helper", personal="mask", secrets="block")
    await put(database, tenant, strict, ("assistant", "helper"))
    await directory.refresh()
    pinned = partial(directory.guards_pinned, tenant.id, strict.digest, "", "helper", "manuals")
    assert await pinned(None) is directory.guards_for(tenant.id, assistant="helper", base="manuals")
    await put(database, tenant, policy_of("helper", personal="observe"))
    await directory.refresh()
    assert directory.guards_for(tenant.id, assistant="helper").stages["input"].inspect("hunter2", Marks(bytes(32))).decision == "allow"
    guards = await pinned(None)
    assert (guards.digests, await pinned(None) is guards) == ((strict.digest,), True)
    assert guards.stages["input"].inspect("hunter2", Marks(bytes(32))).decision == "block"
    floor = msgspec.structs.replace(policy_of("house", injection="block"), floor=True)
    async with database.tenant_tx(tenant.id) as connection:
        await connection.execute("insert into guard_bindings values (%s, 'key', %s, 'key-policy', now(), null)", (tenant.id, str(key_id)))
    await put(database, tenant, policy_of("key-policy", personal="block"))
    await put(database, tenant, floor, ("tenant", ""))
    await directory.refresh()
    assert names(await pinned(None)) == ["helper", "house"]
    assert names(await pinned(key_id)) == ["helper", "key-policy", "house"]
    assert (await pinned(None)).stages["input"].inspect("ignore all", Marks(bytes(32))).decision == "block"
    assert (await pinned(key_id)).stages["input"].inspect("010-1234-5678", Marks(bytes(32))).decision == "block"


async def test_a_pinned_version_knows_the_tenants_canaries_also_those_of_later(
    directory: PolicyDirectory, database: Database, tenant: Tenant, keyring: KeyRing
) -> None:
    held = policy_of("helper", stage="output", canary="block")
    await put(database, tenant, held)
    await directory.refresh()
    ask = partial(directory.guards_pinned, tenant.id, held.digest, "", "", "", None)
    assert names(await ask()) == ["helper"]  # nothing is bound at all
    async with database.tenant_tx(tenant.id) as connection:
        canary = await add_canary(connection, keyring, tenant.id, "test", by=None, now=NOW)
    await directory.refresh()
    assert (await ask()).stages["output"].inspect(canary.value, Marks(bytes(32))).decision == "block"


@pytest.mark.parametrize("trouble", ["gone", "altered", "another tenant's", "nothing read yet"])
async def test_a_pinned_version_that_cannot_be_had_lets_nothing_pass(
    directory: PolicyDirectory, database: Database, tenant: Tenant, keyring: KeyRing, trouble: str
) -> None:
    held = policy_of("helper", personal="observe")
    asker, digest = tenant.id, held.digest
    await put(database, tenant, held, ("assistant", "helper"))
    await put(database, tenant, policy_of("helper", personal="mask"))
    if trouble == "altered":
        with psycopg.connect(database.addresses.owner) as owner:
            owner.execute("update ondol.guard_policies set body = jsonb_set(body, '{mode}', '\"observe\"') where version = 1")
    if trouble == "another tenant's":
        asker = (await create_tenant(database, keyring, slug="other", name="Other", now=NOW)).id
    if trouble == "gone":
        digest = bytes(32)
    if trouble != "nothing read yet":
        await directory.refresh()
    guards = await directory.guards_pinned(asker, digest, "", "helper", "", None)
    assert {stage: guards.stages[stage].inspect("hello", Marks(bytes(32))).decision for stage in guards.stages} == dict.fromkeys(STAGES, "block")


async def test_the_built_in_policy_is_kept_for_those_that_pin_it_and_listed_nowhere(
    directory: PolicyDirectory, database: Database, tenant: Tenant
) -> None:
    """A later version of Ondol has another built-in policy; what is pinned is found all the same."""
    older = policy_of("default", secrets="block")
    async with database.tenant_tx(tenant.id) as connection:
        for built_in in (older, older, default_policy()):
            await keep_built_in(connection, tenant.id, built_in, NOW)
        assert await list_policies(connection) == []
        assert len(await list_versions(connection, "default")) == 2
    await directory.refresh()
    guards = await directory.guards_pinned(tenant.id, older.digest, "", "", "", None)
    assert guards.digests == (older.digest,)
    assert (await directory.guards_pinned(tenant.id, default_policy().digest, "", "", "", None)).digests == (default_policy().digest,)


async def test_a_tenant_with_very_many_combinations_gets_all_its_floors(
    directory: PolicyDirectory, database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMBINATIONS_MAX", 3)
    floor = msgspec.structs.replace(policy_of("house", secrets="block"), floor=True)
    await put(database, tenant, floor, ("base", "contracts"))
    await put(database, tenant, policy_of("helper", personal="mask"), ("assistant", "helper"))
    await directory.refresh()
    assert names(directory.guards_for(tenant.id, assistant="helper")) == ["helper", "house"]
    assert names(directory.guards_for(tenant.id)) == ["default", "house"]


async def unreadable(database: Database, tenant: Tenant, body: str) -> None:
    with psycopg.connect(database.addresses.owner) as owner:
        owner.execute("update ondol.guard_policies set body = %s::jsonb where tenant_id = %s", (body, tenant.id))


@pytest.mark.parametrize(
    "body",
    [
        '{"version": 2, "name": "house"}',
        '{"version": 1, "name": "house", "stages": {"input": [{"find": "prsonal", "do": "mask"}]}}',
        '{"version": 1, "name": "house", "stages": {}}',
    ],
    ids=["another version", "an unknown check", "another digest"],
)
async def test_a_policy_that_cannot_be_read_lets_nothing_pass(
    directory: PolicyDirectory, database: Database, tenant: Tenant, keyring: KeyRing, body: str
) -> None:
    other = await create_tenant(database, keyring, slug="other", name="Other", now=NOW)
    await put(database, tenant, policy_of("house", personal="mask"), ("tenant", ""))
    await put(database, other, policy_of("house", personal="mask"), ("tenant", ""))
    await unreadable(database, tenant, body)
    await directory.refresh()
    guards = directory.guards_for(tenant.id)
    assert {stage: guards.stages[stage].inspect("hello", Marks(bytes(32))).decision for stage in guards.stages} == dict.fromkeys(
        ("input", "model", "tool", "output"), "block"
    )
    assert directory.failing == {"guard": "1 tenants are refused in part: a policy cannot be read"}
    assert directory.guards_for(other.id).stages["input"].inspect("hello", Marks(bytes(32))).decision == "allow"
    await put(database, tenant, policy_of("house", personal="block"))
    await directory.refresh()
    assert directory.failing == {}
    assert directory.guards_for(tenant.id).stages["input"].inspect("hello", Marks(bytes(32))).decision == "allow"


async def test_what_failed_for_a_while_is_tried_again(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    broken, seconds = [True], [0.0]

    def sometimes(policies: Sequence[Policy], resources: Resources) -> Mapping[str, Check]:
        if broken[0] and policies[0].name == "house":
            raise OSError("the word list is away")
        return word_checks(policies, resources)

    directory = PolicyDirectory(database, keyring, checks=sometimes, monotonic=lambda: seconds[0])
    await put(database, tenant, policy_of("house", personal="mask"), ("tenant", ""))
    await directory.refresh()
    broken[0] = False
    await directory.refresh()
    assert directory.failing
    seconds[0] = module.RETRY_SECONDS
    await directory.refresh()
    assert directory.failing == {}
    assert names(directory.guards_for(tenant.id)) == ["house"]


class BrokenCheck(WordCheck):
    """Fails at every text."""

    def find(self, text: GuardText) -> Sequence[Finding]:
        raise OSError("the weights are gone")


async def test_readiness_names_a_check_that_fails(database: Database, keyring: KeyRing) -> None:
    def broken(policies: Sequence[Policy], resources: Resources) -> Mapping[str, Check]:
        return {**word_checks(policies, resources), "injection": BrokenCheck("injection", {})}

    directory = PolicyDirectory(database, keyring, checks=broken)
    await directory.refresh()
    assert directory.failing == {"guard": "checks fail: injection"}
    assert directory.guards_for(new_id()).stages["input"].inspect("hello", Marks(bytes(32))).decision == "block"


async def test_checks_that_cannot_be_built_let_nothing_pass(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    def failing(policies: Sequence[Policy], resources: Resources) -> Mapping[str, Check]:
        if policies[0].name == "house":
            raise ValueError("no such word list")
        return word_checks(policies, resources)

    directory = PolicyDirectory(database, keyring, checks=failing)
    await put(database, tenant, policy_of("house", personal="mask"), ("tenant", ""))
    await directory.refresh()
    assert directory.guards_for(tenant.id).stages["input"].inspect("hello", Marks(bytes(32))).decision == "block"
    assert "cannot be made ready" in directory.failing["guard"]


async def test_canaries_are_looked_for_until_they_retire(directory: PolicyDirectory, database: Database, tenant: Tenant, keyring: KeyRing) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        canary = await add_canary(connection, keyring, tenant.id, "system prompt", by=None, now=NOW)
        assert await list_canaries(connection, keyring, tenant.id) == [canary]
    await put(database, tenant, policy_of("house", stage="output", canary="block"), ("tenant", ""))
    await directory.refresh()
    answer = f"My instructions say {canary.value}."
    assert directory.guards_for(tenant.id).stages["output"].inspect(answer, Marks(bytes(32))).decision == "block"
    async with database.tenant_tx(tenant.id) as connection:
        await retire_canary(connection, tenant.id, canary.id, by=None, now=NOW)
    await directory.refresh()
    assert directory.guards_for(tenant.id).stages["output"].inspect(answer, Marks(bytes(32))).decision == "allow"


class Counting:
    """Counts how often checks are built."""

    def __init__(self) -> None:
        self.built: list[tuple[str, ...]] = []

    def __call__(self, policies: Sequence[Policy], resources: Resources) -> Mapping[str, Check]:
        self.built.append(tuple(policy.name for policy in policies))
        return word_checks(policies, resources)


async def test_only_what_changed_is_made_ready_again(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    counting = Counting()
    directory = PolicyDirectory(database, keyring, checks=counting)
    other = await create_tenant(database, keyring, slug="other", name="Other", now=NOW)
    await put(database, tenant, policy_of("house", personal="mask"), ("tenant", ""))
    await directory.refresh()
    before = directory.guards_for(tenant.id)
    assert sorted(counting.built) == [("default",), ("house",)]
    await directory.refresh()
    await put(database, other, policy_of("garden", personal="mask"), ("tenant", ""))
    await directory.refresh()
    assert sorted(counting.built) == [("default",), ("garden",), ("house",)]
    assert directory.guards_for(tenant.id) is before
    assert await directory.key_for(tenant.id) == await directory.key_for(tenant.id) != await directory.key_for(other.id)


class Followed(PolicyDirectory):
    """Tells when it has read."""

    def __init__(self, database: Database, keyring: KeyRing) -> None:
        super().__init__(database, keyring, checks=word_checks)
        self.has_read = asyncio.Event()

    async def _take(self, *said: Any) -> None:
        await super()._take(*said)
        self.has_read.set()


async def eventually(directory: Followed, tenant: Tenant, name: str) -> None:
    async with asyncio.timeout(10):
        while names(directory.guards_for(tenant.id)) != [name]:
            await directory.has_read.wait()
            directory.has_read.clear()


async def test_a_running_directory_follows_changes_and_comes_back_after_a_lost_connection(
    database: Database, keyring: KeyRing, tenant: Tenant, administer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)
    directory = Followed(database, keyring)
    running = asyncio.create_task(directory.run())
    try:
        await eventually(directory, tenant, "default")
        await put(database, tenant, policy_of("house", personal="mask"), ("tenant", ""))
        await eventually(directory, tenant, "house")
        administer("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename <> current_user")
        async with database.tenant_tx(tenant.id) as connection:
            await remove_binding(connection, tenant.id, "tenant", "", by=None, now=NOW)
        await eventually(directory, tenant, "default")
        assert directory.age_seconds < 10
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_the_built_in_checks_find_a_canary_for_a_tenant_that_chose_nothing(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        canary = await add_canary(connection, keyring, tenant.id, "system prompt", by=None, now=NOW)
    directory = PolicyDirectory(database, keyring)
    await directory.refresh()
    assert directory.failing == {}
    mine, theirs = directory.guards_for(tenant.id).stages["output"], directory.guards_for(new_id()).stages["output"]
    for answer in (canary.value, f"It says {canary.value.upper()}.", " ".join(canary.value)):
        verdict = mine.inspect(answer, Marks(bytes(32)))
        assert (verdict.decision, kind_of("output", verdict)) == ("block", "canary"), answer
        assert theirs.inspect(answer, Marks(bytes(32))).decision == "allow"


async def test_who_chose_a_policy_is_refused_until_it_is_ready_and_not_guarded_by_another(
    database: Database, keyring: KeyRing, tenant: Tenant
) -> None:
    seen: list[list[str]] = []
    directory: PolicyDirectory

    def watching(policies: Sequence[Policy], resources: Resources) -> Mapping[str, Check]:
        if policies[0].name != "default":
            seen.append(names(directory.guards_for(tenant.id)))
        return word_checks(policies, resources)

    directory = PolicyDirectory(database, keyring, checks=watching)
    await put(database, tenant, policy_of("house", personal="mask"), ("tenant", ""))
    await directory.refresh()
    await put(database, tenant, policy_of("garden", personal="mask"), ("tenant", ""))
    await directory.refresh()
    assert seen == [["refuse-all"], ["house"]]
    assert names(directory.guards_for(tenant.id)) == ["garden"]


async def test_only_texts_that_changed_are_read_again(database: Database, keyring: KeyRing, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    load = load_corpus

    async def counting(connection: Any, ring: KeyRing, tenant_id: Any, text_ids: Sequence[Any]) -> Any:
        read.append(len(text_ids))
        return await load(connection, ring, tenant_id, text_ids)

    monkeypatch.setattr(module, "load_corpus", counting)
    directory = PolicyDirectory(database, keyring, checks=word_checks)
    await directory.refresh()
    for number in (1, 2):
        prepared = prepare_text(keyring, tenant.id, "work", "", " ".join(f"word{number}{place}" for place in range(60)))
        async with database.tenant_tx(tenant.id) as connection:
            await add_text(connection, keyring, tenant.id, prepared, by=None, now=NOW)
        await directory.refresh()
        await directory.refresh()
    await put(database, tenant, policy_of("house", personal="mask"), ("tenant", ""))
    await directory.refresh()
    assert read == [1, 2]

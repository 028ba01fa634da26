"""Tokens come back to whoever wrote them, for a while, and go when they are erased."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.types import Finding
from ondol.infrastructure.guard.vault import Vault, erase_tokens, expire_tokens
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing
from ondol.infrastructure.storage.postgres import Database, rows

pytestmark = pytest.mark.anyio
FINDING = Finding("personal", "personal.phone", 0, 13, 1.0, "form", "PHONE")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(database: Database, keyring: KeyRing, clock: Clock) -> Vault:
    return Vault(database, keyring, clock, kept=timedelta(days=2), write_every_s=3_600)


def token_of(vault: Vault, tenant: Tenant, person: object, value: str) -> str:
    return Marks(bytes(32), vault.keeper(tenant.id, person)).replacement("tokenise", FINDING, value)  # type: ignore[arg-type]


async def test_only_who_wrote_a_value_gets_it_back(vault: Vault, tenant: Tenant, database: Database) -> None:
    kim, lee = new_id(), new_id()
    token = token_of(vault, tenant, kim, "010-1234-5678")
    common = token_of(vault, tenant, None, "02-123-4567")
    async with vault.writing:
        pass
    texts = [f"call {token} or", f"{common} [PHONE_1] [OTHER_Tabcdefghijkl]"]
    assert await vault.look_up(tenant.id, kim, texts) == {token: "010-1234-5678", common: "02-123-4567"}
    assert await vault.look_up(tenant.id, lee, texts) == {common: "02-123-4567"}
    assert await vault.look_up(new_id(), kim, texts) == {}
    assert await vault.look_up(tenant.id, kim, ["nothing [here]", ""]) == {}
    async with database.tenant_tx(tenant.id) as connection:
        stored = str(await rows(connection, "select t::text from guard_tokens t limit 10", {}))
    for value in ("010-1234-5678", "02-123-4567"):
        assert value not in stored and value.encode().hex() not in stored


async def test_a_value_that_two_people_wrote_stays_with_the_other_when_one_is_erased(
    vault: Vault, tenant: Tenant, database: Database, keyring: KeyRing
) -> None:
    kim, lee = new_id(), new_id()
    token = token_of(vault, tenant, kim, "010-1234-5678")
    assert token_of(vault, tenant, lee, "010-1234-5678") == token
    assert await vault.writing.flush()
    async with database.tenant_tx(tenant.id) as connection:
        assert await erase_tokens(connection, kim) == 1
    assert await vault.look_up(tenant.id, kim, [token]) == {}
    assert await vault.look_up(tenant.id, lee, [token]) == {token: "010-1234-5678"}
    keyring.destroy(KeyOwner(tenant.id, "subject", lee))
    assert await vault.look_up(tenant.id, lee, [token]) == {}


async def test_a_token_ends_and_lives_on_when_it_is_written_again(vault: Vault, tenant: Tenant, database: Database, clock: Clock) -> None:
    kim = new_id()
    token = token_of(vault, tenant, kim, "010-1234-5678")
    other = token_of(vault, tenant, kim, "010-9999-5678")
    assert await vault.writing.flush()
    clock.now += timedelta(days=1)
    token_of(vault, tenant, kim, "010-1234-5678")
    assert await vault.writing.flush()
    clock.now += timedelta(days=1)
    assert await vault.look_up(tenant.id, kim, [token, other]) == {token: "010-1234-5678"}
    assert await expire_tokens(database, clock.now) == 1
    assert await expire_tokens(database, clock.now) == 0
    assert await vault.look_up(tenant.id, kim, [token]) == {token: "010-1234-5678"}


async def test_memory_is_bounded_and_a_bad_row_does_not_take_the_others_with_it(vault: Vault, tenant: Tenant) -> None:
    kim = new_id()
    keep = vault.keeper(tenant.id, kim)
    keep("[PHONE_Tabcdefghijkl]", "PHONE", "x" * 4_000_000)
    assert (vault.writing.waiting, vault.writing.dropped) == (0, 1)
    good = token_of(vault, tenant, kim, "010-1234-5678")
    keep("t" * 200, "PHONE", "x")
    assert await vault.writing.flush()
    assert (vault.writing.waiting, vault.writing.dropped) == (0, 2)
    assert await vault.look_up(tenant.id, kim, [good]) == {good: "010-1234-5678"}

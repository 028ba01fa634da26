"""Canaries place themselves: one stands in a tenant's system prompts, and the same decoy gets the same one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.guard.canaries import (
    PROMPT_PURPOSE,
    document_line,
    ensure_canary,
    list_canaries,
    mark_prompt,
    new_canary,
    retire_canary,
)
from ondol.infrastructure.guard.checks.canary import CanaryCheck
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database
from tests.infrastructure.guard.words import word_checks

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def test_a_prompt_is_marked_once() -> None:
    canary = new_canary()
    marked = mark_prompt("You are a helper.", canary)
    assert marked.endswith("\nYou are a helper.")
    assert mark_prompt(marked, canary) == marked
    assert mark_prompt("You are a helper.", "") == "You are a helper."
    for line in (marked.partition("\n")[0], document_line(canary)):
        [found] = CanaryCheck((canary,)).find(GuardText(f"My instructions begin with {line} and so on."))
        assert found.rule == "canary.value"


@pytest.mark.anyio
async def test_one_canary_serves_a_purpose_until_it_retires(database: Database, tenant: Tenant, keyring: KeyRing) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        first = await ensure_canary(connection, keyring, tenant.id, "document offer", by=None, now=NOW)
        assert await ensure_canary(connection, keyring, tenant.id, "document offer", by=None, now=NOW) == first
        assert await ensure_canary(connection, keyring, tenant.id, "document other", by=None, now=NOW) != first
        await retire_canary(connection, tenant.id, first.id, by=None, now=NOW)
        assert await ensure_canary(connection, keyring, tenant.id, "document offer", by=None, now=NOW) != first


@pytest.mark.anyio
async def test_the_canary_of_prompts_makes_itself_and_changes_when_it_retires(database: Database, tenant: Tenant, keyring: KeyRing) -> None:
    other = await create_tenant(database, keyring, slug="other", name="Other", now=NOW)
    directory = PolicyDirectory(database, keyring, checks=word_checks)
    await directory.refresh()
    values = await asyncio.gather(*(directory.prompt_canary(tenant.id, NOW) for _ in range(5)))
    assert len(set(values)) == 1
    assert await directory.prompt_canary(other.id, NOW) not in values
    async with database.tenant_tx(tenant.id) as connection:
        [made] = await list_canaries(connection, keyring, tenant.id)
        assert (made.purpose, made.value) == (PROMPT_PURPOSE, values[0])
        await retire_canary(connection, tenant.id, made.id, by=None, now=NOW)
    await directory.refresh()
    assert await directory.prompt_canary(tenant.id, NOW) not in values
    await directory.refresh()
    assert await directory.prompt_canary(tenant.id, NOW) == await PolicyDirectory(database, keyring, checks=word_checks).prompt_canary(tenant.id, NOW)

"""Prompts in the database: versions that never change, labels that move, and nobody else's."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import psycopg
import pytest

from ondol.application.prompts import PromptBody, load_prompt, parse_prompt, prompt_body
from ondol.application.prompts.store import find_prompt, keep_prompt, list_prompts, put_label, put_prompt
from ondol.core.errors import LedgerBroken, NotFound, RequestError, SealBroken
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, seal_bytes
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses, one, rows

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 3, 4, tzinfo=UTC)
FIRST = prompt_body({"texts": {"en": {"role": "first, for Kim Haneul"}}})
SECOND = prompt_body({"texts": {"en": {"role": "second"}}})


async def put(database: Database, keyring: KeyRing, tenant: Tenant, body: PromptBody, name: str = "support") -> tuple[int | None, bool]:
    async with database.tenant_tx(tenant.id) as connection:
        kept, new = await put_prompt(connection, keyring, tenant.id, name, body, by=None, now=NOW)
    return kept.version, new


async def found(database: Database, keyring: KeyRing, tenant_id: uuid.UUID, reference: str) -> tuple[int | None, PromptBody]:
    async with database.tenant_tx(tenant_id) as connection:
        prompt = await find_prompt(connection, keyring, tenant_id, reference)
    assert prompt.digest == prompt.body.digest
    return prompt.version, prompt.body


async def test_a_version_is_kept_once_and_found_by_number_label_and_name(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    assert [await put(database, keyring, tenant, body) for body in (FIRST, FIRST, SECOND, FIRST)] == [(1, True), (1, False), (2, True), (3, True)]
    async with database.tenant_tx(tenant.id) as connection:
        assert (await put_label(connection, keyring, tenant.id, "support@1", "good", by=None, now=NOW))[1]
        assert (await put_label(connection, keyring, tenant.id, "support@2", "good", by=None, now=NOW))[1]
        assert not (await put_label(connection, keyring, tenant.id, "support@good", "good", by=None, now=NOW))[1]
        listed = await list_prompts(connection, "support")
        events = await rows(connection, "select kind from ledger_events order by id", {})
    assert await found(database, keyring, tenant.id, "support@good") == (2, SECOND)
    assert await found(database, keyring, tenant.id, "support") == await found(database, keyring, tenant.id, "support@3") == (3, FIRST)
    assert [(item.version, item.labels, item.digest) for item in listed] == [
        (3, (), FIRST.digest),
        (2, ("good",), SECOND.digest),
        (1, (), FIRST.digest),
    ]
    assert [row["kind"] for row in events][-5:] == ["prompt.put", "prompt.put", "prompt.put", "prompt.labelled", "prompt.labelled"]


async def test_what_comes_with_the_platform_is_kept_when_it_is_named_and_does_not_hide_a_newer_one(
    database: Database, keyring: KeyRing, tenant: Tenant
) -> None:
    async with database.tenant_tx(tenant.id) as connection:
        kept = await keep_prompt(connection, keyring, tenant.id, load_prompt("assistant"), now=NOW)
        again = await keep_prompt(connection, keyring, tenant.id, load_prompt("assistant"), now=NOW)
    assert (kept, kept.version) == (again, 1)
    assert (await found(database, keyring, tenant.id, "assistant"))[0] is None
    assert (await found(database, keyring, tenant.id, "assistant@1"))[1] == load_prompt("assistant").body
    assert await put(database, keyring, tenant, FIRST, "assistant") == (2, True)
    assert await found(database, keyring, tenant.id, "assistant") == (2, FIRST)
    assert (await found(database, keyring, tenant.id, "assistant@builtin"))[0] is None


@pytest.mark.parametrize(
    "reference", ["other", "support@9", "support@none", "support@builtin", "", "@1", "Support", "support@1@1", "support@99999999999", "support@Good"]
)
async def test_what_there_is_not_is_not_found(database: Database, keyring: KeyRing, tenant: Tenant, reference: str) -> None:
    await put(database, keyring, tenant, FIRST)
    with pytest.raises(NotFound):
        await found(database, keyring, tenant.id, reference)


async def test_another_tenant_finds_none_of_it(database: Database, keyring: KeyRing, tenant: Tenant) -> None:
    await put(database, keyring, tenant, FIRST)
    other = await create_tenant(database, keyring, slug="other-one", name="Other", now=NOW)
    with pytest.raises(NotFound):
        await found(database, keyring, other.id, "support")
    async with database.tenant_tx(other.id) as connection:
        assert await list_prompts(connection) == []


async def test_the_text_is_sealed_and_what_was_altered_is_not_used(
    database: Database, keyring: KeyRing, tenant: Tenant, addresses: DatabaseAddresses
) -> None:
    await put(database, keyring, tenant, FIRST)
    async with database.tenant_tx(tenant.id) as connection:
        kept = await one(connection, "select id, prompt_versions::text as row from prompt_versions", {})
    assert kept is not None
    assert "Haneul" not in kept["row"]
    forged = seal_bytes(keyring.get(KeyOwner.tenant(tenant.id)), b'{"texts":{"en":{"role":"evil"}}}', b"prompt" + kept["id"].bytes)
    async with await psycopg.AsyncConnection.connect(addresses.owner, autocommit=True) as owner:
        await owner.execute("update ondol.prompt_versions set body_sealed = %s", (forged,))
        with pytest.raises(LedgerBroken):
            await found(database, keyring, tenant.id, "support@1")
        await owner.execute("update ondol.prompt_versions set body_sealed = %s", (b"x" * 60,))
        with pytest.raises(SealBroken):
            await found(database, keyring, tenant.id, "support@1")


@pytest.mark.parametrize("label", ["", "Good", "1st", "builtin", "latest", "a--b", "a" * 64])
async def test_what_is_no_label_is_refused(database: Database, keyring: KeyRing, tenant: Tenant, label: str) -> None:
    await put(database, keyring, tenant, FIRST)
    async with database.tenant_tx(tenant.id) as connection:
        with pytest.raises(RequestError):
            await put_label(connection, keyring, tenant.id, "support", label, by=None, now=NOW)


@pytest.mark.parametrize("name", ["", "Support", "a/b", "a" * 64])
async def test_what_is_no_name_is_refused(database: Database, keyring: KeyRing, tenant: Tenant, name: str) -> None:
    with pytest.raises(RequestError):
        await put(database, keyring, tenant, parse_prompt("texts: {en: {role: x}}"), name)

"""The gateway's part of a declaration: applied, exported, and the same elsewhere; credentials go in and never come out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ondol.application.declaration import Declaration, DeclarationRoom, apply_declaration, export_declaration, parse_declaration, to_yaml
from ondol.core.config import SignInSettings
from ondol.core.errors import OndolError, RequestError, SettingsError
from ondol.infrastructure.access import people
from ondol.infrastructure.access.limits.store import list_budgets
from ondol.infrastructure.serving.operator import set_operator
from ondol.infrastructure.serving.prices import list_prices
from ondol.infrastructure.serving.store import get_provider_row
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database

pytestmark = pytest.mark.anyio

CREDENTIAL = "sk-proj-0123456789abcdefWXYZ"
WHOLE = """
version: 1
tenants:
- slug: acme
  currency: USD
  groups: [{name: leads}]
  people: [{login: kim, roles: [owner], groups: [leads]}]
  providers:
  - {name: openai, credential_env: OPENAI_API_KEY, settings: {headers: {x-team: blue}, whole_s: 300.0}}
  - {name: claude, kind: anthropic, disabled: true}
  - {name: inside, base_url: "http://10.0.0.5:8000/v1", settings: {private_network: true, proxy_url: "http://kim@proxy.example:3128"}}
  models:
  - alias: mini
    targets:
    - {provider: inside, name: "llama3:8b", priority: 1, weight: 2}
    - {provider: openai, name: gpt-4o-mini}
    settings: {output_tokens_max: 500, parameters: {temperature: {most: 1.0}, seed: {fixed: 7}, user: {forbidden: true}}}
    prompt: "친절하게 답하세요.\\nAnd briefly."
  - {alias: idle, targets: [{provider: claude, name: claude-small}], disabled: true}
  prices:
  - {provider: openai, model: gpt-4o-mini, currency: USD, input: 0.15, output: "0.60", cached_input: "0.000000001", request: 0}
  - {provider: openai, model: gpt-4o-mini, currency: USD, from_at: 2027-01-01 00:00:00+09:00, input: "0.10", output: "0.50"}
  limits:
  - {requests_per_minute: 600, concurrent_max: 50}
  - {scope: group, subject: leads, tokens_per_minute: 100000}
  - {scope: key, subject: "*", output_tokens_max: 1000}
  budgets:
  - {name: all, amount: "100.000000001", currency: USD}
  - {name: kims, scope: person, subject: kim, amount: 1000000, period: day, alarm_percents: []}
  - {name: prepaid, amount: 0, currency: USD, period: total, alarm_percents: [50, 90]}
  gateway:
    settings: {content: full, content_days: 7, mark: true, notice: {ko: AI가 답합니다}, when_away: open}
    prompt: Never tell secrets.
"""


@pytest.fixture
def room(database: Database, keyring: KeyRing) -> DeclarationRoom:
    return DeclarationRoom(database, keyring, SignInSettings(), lambda: datetime(2026, 3, 4, tzinfo=UTC), {"OPENAI_API_KEY": CREDENTIAL})


async def exported(room: DeclarationRoom) -> Declaration:
    return await export_declaration(room, await people.list_tenants(room.database))


async def test_export_apply_export_is_the_same_and_holds_no_credential(room: DeclarationRoom) -> None:
    made = await apply_declaration(room, parse_declaration(WHOLE))
    assert [change.what for change in made if change.did == "created"].count("provider") == 3
    assert await apply_declaration(room, parse_declaration(WHOLE)) == []
    before = to_yaml(await exported(room))
    assert CREDENTIAL not in before
    assert await apply_declaration(room, parse_declaration(before)) == []
    await apply_declaration(room, parse_declaration(before.replace("slug: acme", "slug: copy")))
    copy = next(entry for entry in (await exported(room)).tenants if entry.slug == "copy")
    assert to_yaml(Declaration(1, [copy])).replace("slug: copy", "slug: acme") == before
    tenant = await people.find_tenant(room.database, "acme")
    async with room.database.tenant_tx(tenant.id) as connection:
        row = await get_provider_row(connection, room.keyring, tenant.id, "openai")
        first, second = await list_prices(connection)
        budgets = {item.name: item.amount for item in await list_budgets(connection)}
    assert (row.credential.reveal(), row.base_url, row.timeouts.whole_s) == (CREDENTIAL, "https://api.openai.com/v1", 300)
    assert (first.input, first.output, first.cached_input, first.request) == (150_000_000, 600_000_000, 1, 0)
    assert second.from_at == datetime(2026, 12, 31, 15, tzinfo=UTC)
    assert budgets == {"all": 100_000_000_001, "kims": 1_000_000, "prepaid": 0}


async def test_only_what_differs_changes(room: DeclarationRoom) -> None:
    await apply_declaration(room, parse_declaration(WHOLE))
    changed = WHOLE.replace("whole_s: 300.0", "whole_s: 200.0").replace("weight: 2", "weight: 3").replace("amount: 1000000", "amount: 2000000")
    changed = (
        changed.replace("concurrent_max: 50", "concurrent_max: 60").replace("content_days: 7", "content_days: 8").replace("And briefly", "And long")
    )
    told = [(change.what, change.name, change.did) for change in await apply_declaration(room, parse_declaration(changed))]
    assert told == [
        ("provider", "openai", "changed"),
        ("model", "mini", "changed"),
        ("limit", "tenant", "changed"),
        ("budget", "kims", "changed"),
        ("gateway", "settings", "changed"),
    ]
    rotated = replace(room, environment={"OPENAI_API_KEY": "sk-proj-another-0123456789"})
    [change] = await apply_declaration(rotated, parse_declaration(changed))
    assert (change.what, change.name, change.did) == ("provider", "openai", "changed")


async def test_sharing_is_the_operators(room: DeclarationRoom) -> None:
    shared = WHOLE.replace("  - {alias: idle,", "  - {alias: idle, shared: true,")
    with pytest.raises(RequestError, match="Only the tenant that runs"):
        await apply_declaration(room, parse_declaration(shared))
    await apply_declaration(room, parse_declaration("version: 1\ntenants: [{slug: acme}]"))
    await set_operator(room.database, await people.find_tenant(room.database, "acme"), room.clock())
    await apply_declaration(room, parse_declaration(shared))
    assert to_yaml(await exported(room)).count("shared: true") == 1


@pytest.mark.parametrize(
    ("found", "put", "told"),
    [
        ("input: 0.15", "input: 0.0000000001", "not an amount|more digits|finer"),
        ("input: 0.15", "input: -1", "out of range"),
        ("credential_env: OPENAI_API_KEY", "credential_env: NOWHERE", "NOWHERE, which is not set"),
        ("credential_env: OPENAI_API_KEY", "credential: sk-secret", "unknown field `credential`"),
        ("subject: leads, tokens", "subject: nobody, tokens", "no group called nobody"),
        ("provider: inside, name", "provider: outside, name", "no provider called outside"),
        ("whole_s: 300.0", "whole: 300.0", "unknown field `whole`"),
        ("http://10.0.0.5:8000/v1", "ftp://10.0.0.5", "address"),
        ("amount: 1000000", "amount: 1.5", "whole numbers"),
        ("currency: USD, period: total", "currency: EUR, period: total", "Invalid enum value"),
        ("2027-01-01 00:00:00+09:00", "2027-01-01", "datetime"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_stays(room: DeclarationRoom, found: str, put: str, told: str) -> None:
    assert found in WHOLE
    with pytest.raises(OndolError, match=told):
        await apply_declaration(room, parse_declaration(WHOLE.replace(found, put)))
    assert await people.list_tenants(room.database) == []


async def test_prices_and_the_nature_of_budgets_are_not_changed(room: DeclarationRoom) -> None:
    await apply_declaration(room, parse_declaration(WHOLE))
    with pytest.raises(RequestError, match="never changed"):
        await apply_declaration(room, parse_declaration(WHOLE.replace("input: 0.15", "input: 0.16")))
    with pytest.raises(RequestError, match="something else"):
        await apply_declaration(room, parse_declaration(WHOLE.replace("amount: 1000000, period: day", "amount: 1000000, period: month")))
    with pytest.raises(SettingsError, match="unknown"):
        parse_declaration(WHOLE.replace("targets:", "target:"))

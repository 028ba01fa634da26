"""The gate in front of `release activate`: what lets a release go live, and the sentence that says what is missing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ondol.application.declaration import apply_declaration, export_declaration, parse_declaration, to_yaml
from ondol.application.evaluation.verdicts import Requirement, get_requirement, put_requirement, sign_finding
from ondol.core.errors import Conflict, NotFound, RequestError, SettingsError
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant, find_tenant
from ondol.infrastructure.ledger import LedgerSigner, revoke_key
from ondol.infrastructure.releases import Release, Why, hold_assistant, list_releases, roll_back
from ondol.infrastructure.storage.postgres import one
from tests.application.assistant.conftest import Desk
from tests.application.evaluation.verdicts.conftest import OTHER, SUITE, Gated

pytestmark = pytest.mark.anyio


async def test_a_fresh_passing_verdict_lets_a_release_go_live(gated: Gated) -> None:
    assert await gated.refused() == "it has no verdict of the suite support-ko (737373737373)."
    await gated.sign(gated.draft)
    assert (await gated.activate(gated.draft)).state == "live"


async def test_an_assistant_that_requires_nothing_is_not_asked(gated: Gated) -> None:
    platform = gated.desk.house.platform
    async with platform.database.tenant_tx(gated.tenant_id) as connection:
        assert await put_requirement(connection, gated.tenant_id, gated.desk.assistant.id, None, platform.clock())
        assert not await put_requirement(connection, gated.tenant_id, gated.desk.assistant.id, None, platform.clock())
    assert (await gated.activate(gated.draft)).state == "live"


async def test_a_verdict_of_another_release_does_not_do(gated: Gated) -> None:
    await gated.sign(gated.live)
    assert await gated.refused() == "it has no verdict of the suite support-ko (737373737373); the newest one is about release 1."


async def test_a_verdict_of_an_older_suite_does_not_do(gated: Gated) -> None:
    await gated.sign(gated.draft, suite=OTHER)
    told = "its verdict is of another version of the suite support-ko (6f6f6f6f6f6f; 737373737373 is required)."
    assert await gated.refused() == told
    await gated.sign(gated.draft, suite_name="another", suite=SUITE)
    assert await gated.refused() == told


REFUSED_BY_WHAT_IT_SAYS: dict[str, tuple[dict[str, Any], str]] = {
    "failed": ({"outcome": "FAIL", "reasons": ("correct is worse.",)}, "it failed the suite support-ko (correct is worse)."),
    "inconclusive": (
        {"outcome": "INCONCLUSIVE", "reasons": ("900 cases would tell.",)},
        "its verdict of the suite support-ko is INCONCLUSIVE, which never promotes (900 cases would tell).",
    ),
    "no baseline": (
        {"baseline": None, "baseline_run_id": None},
        "its verdict compares it with nothing; it has to be compared with release 1, which serves now.",
    ),
    "another baseline": ({"baseline": b"b" * 32}, "its verdict compares it with another release than 1, which serves now."),
}


@pytest.mark.parametrize("case", sorted(REFUSED_BY_WHAT_IT_SAYS))
async def test_a_verdict_that_does_not_pass_does_not_do(gated: Gated, case: str) -> None:
    changes, told = REFUSED_BY_WHAT_IT_SAYS[case]
    await gated.sign(gated.draft)
    await gated.sign(gated.draft, **changes)  # the newest decides
    assert await gated.refused() == told


async def test_a_verdict_gets_old(gated: Gated) -> None:
    await gated.require(valid_for=timedelta(days=2))
    await gated.sign(gated.draft)
    gated.desk.house.clock.advance(days=2, seconds=1)
    assert await gated.refused() == "its verdict of the suite support-ko is of 2026-11-21 09:00 UTC, older than 2d."
    gated.desk.house.clock.advance(seconds=-1)
    assert (await gated.activate(gated.draft)).state == "live"


async def test_a_verdict_of_tomorrow_does_not_do(gated: Gated) -> None:
    await gated.sign(gated.draft, evaluated_at=gated.desk.house.clock() + timedelta(minutes=6))
    assert "which is yet to come" in await gated.refused()


async def test_a_revoked_key_does_not_do(gated: Gated) -> None:
    verdict = await gated.sign(gated.draft)
    revoke_key(gated.desk.house.platform.folder.ledger_key, verdict.signer)
    assert f"its verdict {verdict.id} does not hold: The envelope is signed by the key {verdict.signer}, which was revoked." == await gated.refused()


async def test_another_part_than_the_one_evaluated_does_not_do(gated: Gated) -> None:
    parts = (await gated.found(gated.draft)).inputs.parts
    assert sorted(name.partition("/")[0] for name in parts) == ["guard", "index", "prompt", "route"]
    for name in parts:
        await gated.sign(gated.draft, parts={**parts, name: bytes(32)})
        assert await gated.refused() == f"its {name.partition('/')[0]} is another than the one that was evaluated."
    await gated.sign(gated.draft, parts={})
    assert await gated.refused() == "its prompt is another than the one that was evaluated."


ALTERED: dict[str, tuple[str, dict[str, Any]]] = {
    "outcome": ("update verdicts set outcome = 'PASS'", {"outcome": "FAIL"}),
    "suite": ("update verdicts set suite_digest = repeat('s', 32)::bytea", {"suite": OTHER}),
    "release": ("update verdicts set release_id = %(draft)s, target_digest = %(digest)s", {"target": OTHER}),
    "event": ("delete from ledger_events where kind = 'evaluation.verdict'", {}),
}


@pytest.mark.parametrize("case", sorted(ALTERED))
async def test_an_altered_row_does_not_do(gated: Gated, case: str) -> None:
    """Whoever can write rows can make no verdict: only the platform's key can."""
    statement, changes = ALTERED[case]
    await gated.sign(gated.draft, **changes)
    await _alter(gated, statement, draft=gated.draft.id, digest=gated.draft.digest)
    assert "does not hold" in await gated.refused()


async def test_another_tenants_verdict_does_not_do(gated: Gated) -> None:
    platform = gated.desk.house.platform
    other = await create_tenant(platform.database, platform.keyring, slug="other-one", name="Other", now=platform.clock())
    signer = LedgerSigner.open_or_create(platform.folder.ledger_key)
    foreign = replace(await gated.found(gated.draft), assistant_id=None, release_id=None)
    async with platform.database.tenant_tx(other.id) as connection:
        verdict = await sign_finding(connection, signer, other.id, foreign, platform.clock())
    assert "it has no verdict" in await gated.refused()
    await _alter(
        gated,
        "update verdicts set tenant_id = %(to)s, assistant_id = %(assistant)s, release_id = %(release)s where id = %(id)s",
        to=gated.tenant_id,
        assistant=gated.draft.assistant_id,
        release=gated.draft.id,
        id=verdict.id,
    )
    assert "its tenant is not what was signed" in await gated.refused()


async def test_going_back_is_not_gated(gated: Gated) -> None:
    await gated.sign(gated.draft)
    await gated.activate(gated.draft)
    platform = gated.desk.house.platform
    async with platform.database.tenant_tx(gated.tenant_id) as connection:
        back = await roll_back(connection, platform.keyring, gated.tenant_id, gated.desk.assistant.id, Why("incident"), platform.clock())
    assert back.number == gated.live.number


async def test_what_serves_is_asked_for_in_the_transaction_that_moves_the_pointer(gated: Gated) -> None:
    """Two candidates pass against release 1. The one that comes second is compared with what does not serve any more."""
    rival = await gated.release(extractive=True, turns_max=3)
    for release in (gated.draft, rival):
        await gated.sign(release)
    done = await asyncio.gather(gated.activate(gated.draft), gated.activate(rival), return_exceptions=True)
    [refusal] = [each for each in done if isinstance(each, Conflict)]
    [live] = [each for each in done if isinstance(each, Release)]
    assert f"its verdict compares it with another release than {live.number}, which serves now." in refusal.message
    assert await gated.serving() == live.number


async def test_a_requirement_that_is_set_meanwhile_waits_for_the_move(gated: Gated) -> None:
    """Whoever changes what is required holds the assistant, and so does a release that goes live: one of them comes first."""
    platform = gated.desk.house.platform
    async with platform.database.tenant_tx(gated.tenant_id) as connection:
        await hold_assistant(connection, gated.desk.assistant.id)
        waiting = asyncio.create_task(gated.require(suite_digest=OTHER))
        while not await one(connection, "select pid from pg_locks where not granted", {}):
            assert not waiting.done()
            await asyncio.sleep(0)
        assert (await get_requirement(connection, gated.desk.assistant.id)) == Requirement("support-ko", SUITE)
    assert await waiting


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "suite": ({"suite": ""}, "suite"),
    "long suite": ({"suite": "s" * 201}, "suite"),
    "digest": ({"suite_digest": b"s"}, "digest"),
    "short": ({"valid_for": timedelta(seconds=59)}, "valid_for"),
    "long": ({"valid_for": timedelta(days=3_651)}, "valid_for"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
async def test_a_requirement_out_of_range_is_refused(gated: Gated, case: str) -> None:
    changes, field_name = WRONG[case]
    with pytest.raises(RequestError) as refusal:
        await gated.require(**changes)
    assert refusal.value.param == field_name


async def test_nobody_requires_anything_of_an_assistant_that_is_not_there(gated: Gated) -> None:
    platform = gated.desk.house.platform
    async with platform.database.tenant_tx(gated.tenant_id) as connection:
        with pytest.raises(NotFound):
            await put_requirement(connection, gated.tenant_id, new_id(), Requirement("s", SUITE), platform.clock())


DECLARED = """
version: 1
tenants:
  - slug: acme
    assistants:
      - name: declared
        base: base
        settings: {{turns_max: {turns}}}
{more}"""
REQUIRES = f"        require_verdict: {{suite: support-ko, digest: '{SUITE.hex()}', valid_for: 12h}}\n"


async def test_a_declaration_requires_and_what_it_declares_next_waits(desk: Desk) -> None:
    platform = desk.house.platform

    async def applied(turns: int, more: str = "") -> list[tuple[str, str, str]]:
        done = await apply_declaration(platform.declaration_room, parse_declaration(DECLARED.format(turns=turns, more=more)))
        return [(change.name, change.did, change.note) for change in done]

    async def states() -> list[tuple[int, str]]:
        async with platform.database.tenant_tx(desk.house.tenant_id) as connection:
            row = await (await connection.execute("select id from assistants where name = 'declared'")).fetchone()
            assert row is not None
            return [(item.number, item.state) for item in await list_releases(connection, row["id"])]

    # What serves first is better than nothing: it is compared with nothing.
    assert await applied(2, REQUIRES) == [("declared", "created", "")]
    waits = "release 2 waits: `ondol release activate declared 2` says for what"
    assert await applied(3) == [("declared", "changed", ""), ("declared", "changed", waits)]
    assert await states() == [(2, "candidate"), (1, "live")]
    assert await applied(3, REQUIRES) == await applied(3) == []
    tenant = await find_tenant(platform.database, "acme")
    exported = to_yaml(await export_declaration(platform.declaration_room, [tenant]))
    assert f"suite: support-ko\n      digest: '{SUITE.hex()}'\n      valid_for: 12h\n" in exported
    assert exported.count("require_verdict") == 1
    assert await applied(3, "        require_verdict: null\n") == [("declared", "changed", "")]
    assert await states() == [(2, "live"), (1, "retired")]


def test_a_declaration_that_requires_nonsense_is_refused() -> None:
    with pytest.raises(SettingsError, match="digst"):
        parse_declaration(DECLARED.format(turns=1, more="        require_verdict: {suite: s, digst: x}\n"))


async def test_a_declaration_with_a_wrong_digest_is_refused(desk: Desk) -> None:
    for wrong, told in (("{suite: s, digest: zz}", "digest"), (f"{{suite: s, digest: '{SUITE.hex()}', valid_for: 3w}}", "valid_for")):
        with pytest.raises(RequestError, match=told):
            text = DECLARED.format(turns=1, more=f"        require_verdict: {wrong}\n")
            await apply_declaration(desk.house.platform.declaration_room, parse_declaration(text))


async def _alter(gated: Gated, statement: str, **values: object) -> None:
    """Change rows as somebody does who holds the database."""
    async with await psycopg.AsyncConnection.connect(gated.desk.house.platform.database.addresses.owner) as connection:
        await connection.execute("set search_path = ondol, pg_temp")
        await connection.execute(statement, values)

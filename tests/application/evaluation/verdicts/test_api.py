"""Verdicts and requirements over the admin API: who may, what is told, each tenant for itself, and the gate of `activate`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ondol.application.evaluation.verdicts import check_file
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import list_tenants
from ondol.infrastructure.ledger import LedgerSigner, seal_once
from ondol.infrastructure.serving.operator import set_operator
from ondol.infrastructure.storage.postgres import rows
from ondol.wiring.verdicts import verdict_keys
from tests.application.callers import Callers, callers_of
from tests.application.evaluation.verdicts.conftest import SUITE, Gated

pytestmark = pytest.mark.anyio

REQUIRED = "/assistants/desk/required-verdict"
VERDICTS = "/evaluation/verdicts"
KEYS = "/ledger/keys"
HOLDS = {"holds": True, "sealed": True, "reason": None, "results": None, "results_erased": 0}


@pytest.fixture
async def ask(gated: Gated) -> AsyncIterator[Callers]:
    async with callers_of(gated.desk.house) as asked:
        yield asked


async def test_an_assistant_requires_and_a_release_waits_for_its_verdict(ask: Callers, gated: Gated) -> None:
    shown = {"suite": "support-ko", "digest": SUITE.hex(), "valid_for": "30d"}
    assert await ask("auditor", "GET", REQUIRED) == (200, shown)
    assert await ask("owner", "PUT", REQUIRED, {**shown, "valid_for": "12h"}) == (200, {"required": {**shown, "valid_for": "12h"}, "changed": True})
    assert await ask("owner", "POST", "/assistants/desk/releases/2/activate", {}) == (409, "release_refused")
    verdict = await gated.sign(gated.draft)
    assert (await ask("owner", "POST", "/assistants/desk/releases/2/activate", {}))[1]["state"] == "live"
    assert (await ask("owner", "POST", "/assistants/desk/releases/rollback", {}))[1]["number"] == 1
    assert await ask("owner", "DELETE", REQUIRED) == (200, {"required": None, "changed": True})
    assert await ask("owner", "GET", REQUIRED) == (404, "no_requirement")
    assert (await ask("owner", "POST", "/assistants/desk/releases/2/activate", {}))[0] == 200
    assert verdict.outcome == "PASS"


async def test_verdicts_are_listed_shown_checked_and_taken_elsewhere(ask: Callers, gated: Gated) -> None:
    platform = gated.desk.house.platform
    first, second = await gated.sign(gated.draft, outcome="FAIL"), await gated.sign(gated.draft)
    page = (await ask("auditor", "GET", f"{VERDICTS}?limit=1"))[1]
    assert ([row["id"] for row in page["verdicts"]], page["next"]) == ([str(second.id)], str(second.id))
    page = (await ask("auditor", "GET", f"{VERDICTS}?assistant=desk&suite=support-ko&before={page['next']}"))[1]
    assert ([(row["id"], row["outcome"]) for row in page["verdicts"]], page["next"]) == ([(str(first.id), "FAIL")], None)
    assert (await ask("auditor", "GET", f"{VERDICTS}?suite=other"))[1]["verdicts"] == []
    shown = (await ask("auditor", "GET", f"{VERDICTS}/{second.id}"))[1]
    assert (shown["suite_digest"], shown["envelope"]["payloadType"]) == (SUITE.hex(), "application/vnd.in-toto+json")
    assert await ask("auditor", "POST", f"{VERDICTS}/{second.id}/verify") == (200, {**HOLDS, "sealed": False})
    assert await ask("auditor", "GET", f"{VERDICTS}/{second.id}/file") == (409, "not_sealed")
    await seal_once(platform.database, LedgerSigner.open_or_create(platform.folder.ledger_key), platform.clock())
    content = (await ask("auditor", "GET", f"{VERDICTS}/{second.id}/file"))[1]["content"]
    assert check_file(content.encode(), verdict_keys(platform.folder)).statement.predicate.verdict == second.id
    platform.folder.ledger_key.with_suffix(".revoked").write_text(f"{second.signer}\n")
    told = (await ask("auditor", "POST", f"{VERDICTS}/{second.id}/verify"))[1]
    assert (told["holds"], "revoked" in told["reason"]) == (False, True)


async def test_who_may_not_and_mistakes_are_refused(ask: Callers, gated: Gated) -> None:
    verdict, body = await gated.sign(gated.draft), {"suite": "s", "digest": SUITE.hex()}
    assert await ask("auditor", "PUT", REQUIRED, body) == (403, "role_required")
    assert await ask("auditor", "DELETE", REQUIRED) == (403, "role_required")
    for path in ("", f"/{verdict.id}", f"/{verdict.id}/file"):
        assert await ask("member", "GET", VERDICTS + path) == (403, "role_required")
    assert await ask("member", "GET", REQUIRED) == (403, "role_required")
    assert (await ask("foreigner", "GET", VERDICTS))[1] == {"verdicts": [], "next": None}
    assert await ask("foreigner", "GET", f"{VERDICTS}/{verdict.id}") == (404, "verdict_not_found")
    assert await ask("foreigner", "POST", f"{VERDICTS}/{verdict.id}/verify") == (404, "verdict_not_found")
    assert (await ask("foreigner", "PUT", REQUIRED, body))[0] == 404
    assert await ask("owner", "GET", f"{VERDICTS}/{new_id()}") == (404, "verdict_not_found")
    for wrong in ({"suite": ""}, {"digest": "zz"}, {"valid_for": "3w"}, {"valid_for": "0d"}, {"more": 1}):
        assert (await ask("owner", "PUT", REQUIRED, {**body, **wrong}))[0] == 400, wrong
    assert (await ask("owner", "PUT", REQUIRED, {**body, "valid_for": "99999d"}))[0] == 400


async def test_only_who_runs_the_installation_revokes_a_key_and_its_verdicts_are_refused(ask: Callers, gated: Gated) -> None:
    platform, verdict = gated.desk.house.platform, await gated.sign(gated.draft)
    path = f"{KEYS}/{verdict.signer}/revoke"
    assert [(key["id"], key["revoked"]) for key in (await ask("auditor", "GET", KEYS))[1]["keys"]] == [(verdict.signer, False)]
    assert await ask("auditor", "POST", path) == (403, "role_required")
    assert await ask("owner", "POST", path) == (403, "not_operator")
    tenants = {tenant.id: tenant for tenant in await list_tenants(platform.database)}
    await set_operator(platform.database, tenants[gated.tenant_id], gated.desk.house.clock())
    assert await ask("owner", "POST", f"{KEYS}/{'0' * 16}/revoke") == (404, "signing_key_not_found")
    assert (await ask("owner", "POST", f"{KEYS}/zz/revoke"))[0] == 400
    assert await ask("owner", "POST", path) == (200, {"changed": True})
    assert await ask("owner", "POST", path) == (200, {"changed": False})
    checked = (await ask("auditor", "POST", f"{VERDICTS}/{verdict.id}/verify"))[1]
    assert (checked["holds"], "which was revoked" in checked["reason"]) == (False, True)
    assert await ask("owner", "POST", "/assistants/desk/releases/2/activate", {}) == (409, "release_refused")
    again = await gated.sign(gated.draft)
    assert {key["id"]: key["revoked"] for key in (await ask("auditor", "GET", KEYS))[1]["keys"]} == {verdict.signer: True, again.signer: False}
    assert (await ask("owner", "POST", "/assistants/desk/releases/2/activate", {}))[1]["state"] == "live"
    for tenant_id in tenants:
        async with platform.database.tenant_tx(tenant_id) as connection:
            told = await rows(connection, "select actor_id, body from ledger_events where kind = 'ledger.key_revoked'", {})
        assert [(row["body"], row["actor_id"] is not None) for row in told] == [({"key": verdict.signer}, tenant_id == gated.tenant_id)]

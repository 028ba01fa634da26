"""Usage, the log of requests and what was said in them, over real HTTP: sums that are exact, everyone's own, and readers who are noted."""

from __future__ import annotations

import csv
import io
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.access.people import find_person, find_tenant, groups_of_person
from ondol.infrastructure.gateway.records.content import ContentLog
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.feedback import Opinion, give_feedback
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.storage.spool import Spool
from tests.infrastructure.gateway.records.making import make_record
from tests.wiring.test_admin_gateway import Api, api

pytestmark = pytest.mark.anyio

__all__ = ["api"]


async def person_of(api: Api, login: str, slug: str = "acme") -> tuple[uuid.UUID, uuid.UUID, tuple[uuid.UUID, ...]]:
    tenant = await find_tenant(api.platform.database, slug)
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, api.platform.keyring, tenant.id, login)
        return tenant.id, person.id, await groups_of_person(connection, person.id)


async def fill(api: Api, *changes: dict[str, Any]) -> list[uuid.UUID]:
    """Records of acme's members, a minute apart, the last one a minute ago."""
    folder = api.platform.folder.spool / "test"
    spool = Spool(folder)
    recorder = RequestRecorder(spool)
    ids = []
    for number, change in enumerate(changes):
        tenant_id, person_id, groups = await person_of(api, change.pop("login", "member"), change.pop("slug", "acme"))
        moment = api.clock.now - timedelta(minutes=len(changes) - number)
        ids.append(new_id(unix_ms=int(moment.timestamp() * 1000)))
        told = {"person_id": person_id, "group_ids": groups, "created_at": moment, "api_key_id": None, **change}
        recorder.record(make_record(tenant_id, id=ids[-1], **told))
    await recorder.rotate()
    assert await RecordDrain(api.platform.database, folder, api.platform.clock, held=recorder).flush()
    spool.close()
    return ids


async def test_usage_sums_to_the_last_nano_unit_by_whatever_is_asked(api: Api) -> None:
    await fill(
        api,
        {"cost_nano": 1, "currency": "USD", "model": "mini"},
        {"cost_nano": 999_999_999, "currency": "USD", "model": "mini"},
        {"cost_nano": 9_000_000_000_000_000_000, "currency": "USD", "model": "large", "login": "auditor"},
        {"model": "free", "outcome": "upstream_failed", "status": 502},
        {"slug": "other", "login": "owner", "cost_nano": 5, "currency": "USD"},
    )
    told = await api.did("auditor", "GET", "/usage?by=model")
    assert [(line["model"], line["requests"], line["failed"], line["cost"], line["currency"]) for line in told["lines"]] == [
        ("free", 1, 1, None, None),
        ("large", 1, 0, "9000000000", "USD"),
        ("mini", 2, 0, "1", "USD"),
    ]
    assert [(line["requests"], line["cost"]) for line in told["totals"]] == [(3, "9000000001"), (1, None)]
    by_group = (await api.did("owner", "GET", "/usage?by=group"))["lines"]
    assert [(line["group"], line["requests"], line["cost"]) for line in by_group] == [("leads", 2, "1"), ("leads", 1, None)]
    by_person = (await api.did("owner", "GET", "/usage?by=person&by=model"))["lines"]
    assert sorted((line["login"], line["model"]) for line in by_person) == [("auditor", "large"), ("member", "free"), ("member", "mini")]
    page = await api.did("owner", "GET", "/usage?by=model&limit=2")
    assert (len(page["lines"]), page["next"], page["totals"]) == (2, 2, told["totals"])
    rest = await api.did("owner", "GET", "/usage?by=model&limit=2&offset=2")
    assert (page["lines"] + rest["lines"], rest["next"]) == (told["lines"], None)
    assert (await api.did("other owner", "GET", "/usage"))["lines"][0]["cost"] == "0.000000005"


async def test_members_see_their_own_usage_only(api: Api) -> None:
    await fill(api, {"model": "mine"}, {"model": "yours", "login": "owner"})
    _, owner_id, _ = await person_of(api, "owner")
    assert [line["model"] for line in (await api.did("member", "GET", "/usage?by=model"))["lines"]] == ["mine"]
    assert await api.ask("member", "GET", f"/usage?person={owner_id}") == (403, "role_required")
    assert await api.ask("member", "GET", "/requests") == (403, "role_required")
    _, member_id, _ = await person_of(api, "member")
    [line] = (await api.did("owner", "GET", f"/usage?by=model&person={member_id}"))["lines"]
    assert line["model"] == "mine"


async def test_usage_as_csv_holds_no_formula(api: Api) -> None:
    await fill(api, {"model": "=HYPERLINK(1)", "cost_nano": 150_000_000, "currency": "USD"}, {"model": 'a,b"c'})
    answer = await api.raw("owner", "GET", "/usage?by=model&by=person", accept="text/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(line["model"][:12], line["login"], line["cost"]) for line in lines] == [
        ("'=HYPERLINK(", "member", "0.15"),
        (lines[1]["model"], "member", ""),
    ]
    assert (await api.raw("owner", "GET", "/usage", accept="application/json, text/csv")).headers["content-type"].startswith("application/json")


async def test_requests_are_listed_by_what_they_were(api: Api) -> None:
    key = new_id()
    ids = await fill(
        api, {"model": "mini"}, {"model": "mini", "outcome": "budget_exceeded", "status": 429}, {"api_key_id": key, "cost_nano": 7, "currency": "KRW"}
    )
    first = await api.did("auditor", "GET", "/requests?limit=2")
    assert ([item["id"] for item in first["requests"]], first["next"]) == ([str(ids[2]), str(ids[1])], str(ids[1]))
    rest = await api.did("auditor", "GET", f"/requests?limit=2&before={first['next']}")
    assert ([item["id"] for item in rest["requests"]], rest["next"]) == ([str(ids[0])], None)
    assert first["requests"][0]["cost"] == "0.000000007"

    async def found(query: str) -> list[int]:
        return [ids.index(uuid.UUID(item["id"])) for item in (await api.did("owner", "GET", f"/requests?{query}"))["requests"]]

    assert await found("outcome=budget_exceeded") == [1]
    assert await found("model=mini") == [1, 0]
    assert await found(f"key={key}") == [2]
    middle = (api.clock.now - timedelta(minutes=2, seconds=30)).isoformat().replace("+00:00", "Z")
    assert await found(f"since={middle}") == [2, 1]
    assert await found(f"until={middle}") == [0]
    whole = await api.did("auditor", "GET", f"/requests/{ids[1]}")
    assert (whole["status"], whole["outcome"], whole["model"]) == (429, "budget_exceeded", "mini")
    assert await api.ask("other owner", "GET", f"/requests/{ids[1]}") == (404, "request_not_found")


async def test_who_reads_what_was_said_is_noted(api: Api) -> None:
    [request_id] = await fill(api, {})
    tenant_id, person_id, _ = await person_of(api, "member")
    log = ContentLog(api.platform.database, api.platform.keyring, api.platform.clock, lambda _tenant, text: text.replace("1234", "****"))
    async with log.writing:
        log.keep(tenant_id, person_id, request_id, "my pin is 1234", "kept", mode="masked", days=7)
    path = f"/requests/{request_id}/content"
    assert await api.ask("member", "GET", path) == (403, "role_required")
    assert await api.ask("other owner", "GET", path) == (404, "content_not_kept")
    assert [kind for kind, _ in await api.events()].count("content.read") == 0
    said = await api.did("auditor", "GET", path)
    assert (said["mode"], said["prompt"], said["answer"]) == ("masked", "my pin is ****", "kept")
    [body] = [body for kind, body in await api.events() if kind == "content.read"]
    assert body == {"request": str(request_id), "mode": "masked"}
    opinion = Opinion("down", 20, ("wrong",), "It should have been this.", "Sorry.")
    async with api.platform.database.tenant_tx(tenant_id) as connection:
        await give_feedback(connection, api.platform.keyring, tenant_id, request_id, opinion, person_id=person_id, api_key_id=None, now=api.clock.now)
    [shown] = (await api.did("auditor", "GET", f"/feedback?request={request_id}"))["feedback"]
    assert (shown["thumb"], shown["score"], shown["reasons"], shown["corrected"]) == ("down", 20, ["wrong"], "It should have been this.")
    assert shown["comment"] == "Sorry."
    assert ("feedback.read", {"texts": 1}) in await api.events()
    assert await api.did("other owner", "GET", "/feedback") == {"feedback": [], "next": None}
    assert "It should" not in json.dumps(await api.events())

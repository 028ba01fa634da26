"""Who may ask for what: keys in force, what they may call, and that what a key runs ends with it."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta

import httpx
import pytest

from ondol.infrastructure.serving.scripted import Reply
from tests.infrastructure.gateway.ground import ASK, CREDENTIAL, Ground, Tenancy, events_of, served
from tests.infrastructure.gateway.upstreams import PATHS, body_for, upstream

pytestmark = pytest.mark.anyio


async def test_anthropics_header_is_a_key_too(ground: Ground) -> None:
    async with served(ground, "Hello.") as (tenancy, _):
        answer = await ground.http.post("/v1/messages", json={"model": "m", **body_for("messages")}, headers={"x-api-key": tenancy.key})
        spelled = await tenancy.ground.http.get("/v1/models", headers={"authorization": f"bearer   {tenancy.key}"})
    assert answer.status_code == spelled.status_code == 200
    assert (await tenancy.record()).api_key_id == tenancy.api_key.id


async def test_a_revoked_key_is_refused_at_once(ground: Ground) -> None:
    """LiteLLM #35535, #35757: a key that was deleted went on working on other replicas."""
    async with served(ground, "Hello.") as (tenancy, _):
        key = await tenancy.another_key()
        assert (await tenancy.ask(key=key)).status_code == 200
        await tenancy.revoke(key)
        refused = await tenancy.ask(key=key)
        assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")
        assert (await tenancy.ask()).status_code == 200, "another key of the same person goes on"


async def test_an_expired_key_is_refused(ground: Ground) -> None:
    async with served(ground, "Hello.") as (tenancy, _):
        soon = ground.platform.clock() + timedelta(seconds=0.4)
        key = await tenancy.another_key(expires_at=soon)
        assert (await tenancy.ask(key=key)).status_code == 200
        async with asyncio.timeout(5):
            while (answer := await tenancy.ask(key=key)).status_code == 200:
                assert datetime.now(soon.tzinfo) < soon + timedelta(seconds=2)
    assert answer.json()["error"]["code"] == "expired_api_key"


@pytest.mark.parametrize("operation", [*PATHS])
async def test_a_key_calls_only_what_it_may_on_every_route(tenancy: Tenancy, operation: str) -> None:
    """Portkey #1718 (CVE-2025-66405): an allow-list that did not hold on one route."""
    async with upstream() as up:
        await tenancy.provider(up.base_url)
        await tenancy.model(alias="open")
        await tenancy.model(alias="closed")
        key = await tenancy.another_key(models=["open", "missing"])
        refused = await tenancy.ask({"model": "closed", **body_for(operation)}, PATHS[operation], key=key)
        missing = await tenancy.ask({"model": "missing", **body_for(operation)}, PATHS[operation], key=key)
        assert not up.requests
    assert (refused.status_code, missing.status_code) == (403, 404)
    assert "may not call closed" in refused.text
    told = {"authorization": f"Bearer {key}"}
    assert [card["id"] for card in (await tenancy.ground.http.get("/v1/models", headers=told)).json()["data"]] == ["open"]
    assert (await tenancy.ground.http.get("/v1/models/closed", headers=told)).status_code == 404


async def test_a_key_that_may_call_nothing_calls_nothing(ground: Ground) -> None:
    async with served(ground, "Hello.") as (tenancy, _):
        key = await tenancy.another_key(models=[])
        assert (await tenancy.ask(key=key)).status_code == 403
        assert (await ground.http.get("/v1/models", headers={"authorization": f"Bearer {key}"})).json()["data"] == []


@pytest.mark.parametrize(
    ("operation", "kind", "end"),
    [("chat", "openai", "data: [DONE]"), ("responses", "openai", "response.completed"), ("messages", "anthropic", "message_stop")],
)
async def test_a_live_stream_of_a_revoked_key_ends_within_a_second(tenancy: Tenancy, operation: str, kind: str, end: str) -> None:
    """Field notes, section 6 point 6: a revocation that kills running streams, measured."""
    async with upstream(("A sentence that is long enough to be let out. " * 10, "more"), ends=5 if operation == "responses" else 3) as up:
        await tenancy.provider(up.base_url, kind=kind, speaks_responses=operation == "responses")
        await tenancy.model()
        key = await tenancy.another_key()
        request = {"model": "m", **body_for(operation, stream=True)}
        told = {"authorization": f"Bearer {key}"}
        text, revoked_at = "", 0.0
        async with tenancy.ground.http.stream("POST", PATHS[operation], json=request, headers=told) as response:
            async for piece in response.aiter_text():
                text += piece
                if "A sentence" in text and not revoked_at:
                    revoked_at = time.monotonic()
                    await tenancy.revoke(key)
        took_s = time.monotonic() - revoked_at
        async with asyncio.timeout(5):
            await up.callers_left(1)
    assert took_s < 1.0
    assert end not in text
    assert "revoked" in text
    last = events_of(text)[-1]
    assert (last.get("code") or last["error"].get("code") or last["error"]["type"]) in {"revoked_api_key", "authentication_error"}
    record = await tenancy.record()
    assert (record.status, record.outcome) == (401, "revoked_api_key")
    assert record.output_tokens > 50
    assert record.usage_estimated


async def test_a_whole_answer_of_a_revoked_key_is_401(ground: Ground) -> None:
    async with served(ground, Reply(trouble="hang_before_headers")) as (tenancy, up):
        key = await tenancy.another_key()
        asking = asyncio.create_task(tenancy.ask(key=key))
        await up.requests_came(1)
        await tenancy.revoke(key)
        answer = await asking
        async with asyncio.timeout(5):
            await up.callers_left(1)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "revoked_api_key")


async def test_two_tenants_never_see_each_other(ground: Ground) -> None:
    """LiteLLM #29955, #19575, semantic-router #2134: what one caller got came to another."""
    async with upstream() as up:
        one, other = await ground.tenancy(), await ground.tenancy()
        await one.provider(up.base_url)
        await one.model(alias="secret-project")
        answer = await one.ask({"model": "secret-project", **body_for("chat")})
        assert answer.status_code == 200
        refused = await other.ask({"model": "secret-project", **body_for("chat")})
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
        for path in ("/v1/models", "/v1/models/secret-project"):
            shown = await ground.http.get(path, headers={"authorization": f"Bearer {other.key}"})
            assert "secret-project" not in shown.text.replace("There is no such model", "")
        await other.provider(up.base_url, credential="sk-of-the-other")
        await other.model(alias="secret-project")
        assert (await other.ask({"model": "secret-project", **body_for("chat")})).status_code == 200
    assert [request.headers["authorization"] for request in up.requests] == [f"Bearer {CREDENTIAL}", "Bearer sk-of-the-other"]
    assert [record.tenant_id for record in ground.records[-2:]] == [one.id, other.id]


async def test_a_shared_model_is_open_to_all_and_its_owner_pays_the_provider(ground: Ground) -> None:
    async with upstream() as up:
        owner, guest = ground.operator, await ground.tenancy()
        assert owner is not None
        await owner.provider(up.base_url)
        await owner.model(alias="common", shared=True)
        await owner.price()
        answer = await guest.ask({"model": "common", **body_for("chat")})
    assert answer.status_code == 200
    record = await guest.record()
    assert (record.tenant_id, record.cost_nano) == (guest.id, 22_000)
    assert owner.records == []


async def test_a_person_who_is_disabled_asks_nothing(ground: Ground) -> None:
    from ondol.infrastructure.access.people import set_disabled

    async with served(ground, "Hello.") as (tenancy, _):
        async with tenancy.change() as connection:
            await set_disabled(connection, tenancy.person, disabled=True, now=ground.platform.clock())
        assert (await tenancy.ask()).status_code == 401


async def test_keys_are_never_told(ground: Ground, caplog: pytest.LogCaptureFixture) -> None:
    async with served(ground, Reply(trouble="unauthorised")) as (tenancy, _):
        answer = await tenancy.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_auth")
        other = "y" if tenancy.key.endswith("x") else "x"
        for key in (tenancy.key[:-1] + other, tenancy.key + other):
            refused = await tenancy.ask(key=key)
            assert refused.status_code == 401
            assert key not in refused.text
    everything = answer.text + str(answer.headers) + caplog.text
    assert "sk-upstream" not in everything
    assert tenancy.key not in everything


async def test_a_cookie_that_is_no_session_opens_nothing(ground: Ground) -> None:
    async with httpx.AsyncClient(base_url=ground.url, cookies={"ondol_session": "nonsense"}) as http:
        answer = await http.post("/v1/chat/completions", json={"model": "m", "messages": ASK})
    assert answer.status_code == 401

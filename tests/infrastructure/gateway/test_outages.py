"""Postgres is killed while the gateway serves: it goes on from memory within what it has borrowed, and nothing is lost when Postgres is back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import Usage
from ondol.infrastructure.storage.postgres.embedded import EmbeddedPostgres
from ondol.infrastructure.storage.postgres.migrate import migrate
from ondol.infrastructure.storage.postgres.roles import addresses_from_owner
from tests.infrastructure.gateway.ground import Ground, events_of, open_ground
from tests.infrastructure.gateway.server.wire import eventually
from tests.infrastructure.gateway.upstreams import body_for

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def own_server(open_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A Postgres that may be killed."""
    os_user = os.environ.get("ONDOL_DATABASE_OS_USER", "ondol")
    server = EmbeddedPostgres(open_folder / "mortal", open_folder / "mortal-keys" / "postgres.secret", os_user=os_user)
    server.start()
    migrate(addresses_from_owner(server.owner_address()))
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def mortal(own_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Ground]:
    async with open_ground(addresses_from_owner(own_server.owner_address()), tmp_path_factory.mktemp("mortal")) as opened:
        yield opened


async def test_requests_go_on_while_postgres_is_dead_and_all_is_told_when_it_is_back(mortal: Ground, own_server: EmbeddedPostgres) -> None:
    """LiteLLM #34299, PR 35273: one store that was away stopped every request, or every limit. Field notes, section 5, rule 7."""
    async with ScriptedModel(Reply("Hello.", usage=Usage(10, 5))) as up:
        free, held, cold = [await mortal.tenancy() for _ in range(3)]
        for tenancy in (free, held, cold):
            await tenancy.provider(up.base_url)
            await tenancy.model(output_tokens_default=20)
        budget = await held.budget(1_000)
        await cold.budget(100_000)
        assert (await free.ask()).status_code == (await held.ask()).status_code == 200

        up.say(Reply("one two three", between_s=0.2, usage=Usage(10, 5)))
        streaming = asyncio.create_task(held.ask(body_for("chat", stream=True)))
        await up.requests_came(3)
        process_id = own_server.process_id
        assert process_id is not None
        os.kill(process_id, signal.SIGKILL)
        assert events_of((await streaming).text)[-1] == "[DONE]", "what was being said is said to its end"
        up.say(Reply("Hello.", usage=Usage(10, 5)))

        for _ in range(5):
            assert (await free.ask()).status_code == 200, "without limits nothing has to be asked for"
        answered = 0
        while (answer := await held.ask()).status_code == 200:
            answered += 1
            assert answered < 100
        assert (answer.status_code, answer.json()["error"]["code"]) in {(503, "limits_unavailable"), (429, "budget_exceeded")}
        assert answered >= 1, "what it had borrowed is honoured"
        assert (answered + 2) * 15 <= 1_000
        refused = await cold.ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "limits_unavailable")
        assert (await mortal.http.get("/healthz")).status_code == 200
        wrong = await free.ask(key=free.key[:-1] + "?")
        assert wrong.status_code == 401

        await asyncio.to_thread(own_server.stop)  # what the dead one left
        await asyncio.to_thread(own_server.start)
        async with asyncio.timeout(20):
            while (await cold.ask()).status_code != 200:  # each waits for a lease as long as one may
                pass
        assert (await held.ask()).status_code == 200, "a budget that was not used up goes on"
        await mortal.fresh()
    wanted = {record.id for record in mortal.records}

    async def recorded() -> set[object]:
        await mortal.recorder.rotate()
        await mortal.drain.flush()
        return {row["id"] for tenancy in (free, held, cold) for row in await tenancy.rows("select id from requests")}

    async with asyncio.timeout(20):
        while await recorded() != wanted:
            pass
    used = [record for record in held.records if record.status == 200]
    await eventually(lambda: len(used) >= answered + 3)
    await mortal.fresh()
    rows = await held.rows("select spent from limit_pools where rule_id = %s", budget.id)
    assert sum(row["spent"] for row in rows) == 15 * len(used)


async def test_a_key_that_was_revoked_while_postgres_was_away_is_refused_afterwards(mortal: Ground, own_server: EmbeddedPostgres) -> None:
    async with ScriptedModel("Hello.") as up:
        tenancy = await mortal.tenancy()
        await tenancy.provider(up.base_url)
        await tenancy.model()
        key = await tenancy.another_key()
        await asyncio.to_thread(own_server.stop)
        assert (await tenancy.ask(key=key)).status_code == 200
        await asyncio.to_thread(own_server.start)
        async with asyncio.timeout(20):
            while True:
                try:
                    await tenancy.revoke(key)
                    break
                except Exception:
                    await asyncio.sleep(0.05)
        assert (await tenancy.ask(key=key)).status_code == 401

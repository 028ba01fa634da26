"""Runs that are begun over the API and carried out by the job worker, over a whole platform and a model that listens on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from ondol.application.evaluation.queue.store import BEGUN_MAX, OPEN_MAX, take
from ondol.application.evaluation.runs import add_run
from ondol.infrastructure.access.people import NewPerson, add_person
from ondol.infrastructure.access.types import Role
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import Usage
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.admin import admin_application
from ondol.wiring.evaluation_jobs import STOPPED, run_evaluations, take_on
from ondol.wiring.inside import InsideGateway, open_inside
from tests.infrastructure.gateway.ground import NOW, Ground, Tenancy, open_ground
from tests.infrastructure.gateway.server.wire import running
from tests.wiring.test_admin_evaluation import DIGESTS, RIGHT

pytestmark = pytest.mark.anyio

SUITE: dict[str, Any] = {
    "card": {"name": "arithmetic", "owner": "o", "purpose": "p", "risk": "limited", "users": "u", "success": {"right": 0.5}},
    "target": {"route": "m"},
    "cases": [{"question": f"What is {number} + 1?", "expected": ["42"]} for number in range(4)],
    "scorers": [{"name": "right", "type": "exact_match"}],
    "limits": {"concurrency": 1},
}
YAML = """
card: {name: arithmetic, owner: o, purpose: p, risk: limited, users: u, success: {right: 0.5}}
target: {route: m}
cases: [{question: "What is 41 + 1?", expected: ["42"]}]
scorers: [{name: right, type: exact_match}]
"""
RUNS = "/evaluation/runs"
CAP = {"cost": "1.00 USD"}
"""No price is known of the model but where a test gives it one."""


@dataclass
class Office:
    """The API over a gateway whose model is `up`, with a key for everybody."""

    tenancy: Tenancy
    client: httpx.AsyncClient
    up: ScriptedModel
    keys: dict[str, str] = field(default_factory=dict)

    async def add(self, login: str, role: Role) -> None:
        async with self.tenancy.change() as connection:
            new = NewPerson(login, login.title(), roles=frozenset({role}))
            person = await add_person(connection, self.tenancy.ground.platform.keyring, self.tenancy.id, new, NOW)
        self.keys[login] = await self.tenancy.another_key(person=person)

    async def ask(self, who: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.keys[who]}"}
        answer = await self.client.request(method, f"/api/v1{path}", headers=headers, json=body)
        told = answer.json()
        return answer.status_code, (told["error"]["code"], told["error"]["param"]) if "error" in told else told

    async def did(self, who: str, method: str, path: str, body: object = None) -> Any:
        status, told = await self.ask(who, method, path, body)
        assert status == 200, told
        return told

    async def until(self, run_id: str, is_so: Callable[[Any], bool]) -> Any:
        """The run, as soon as something is so of it."""
        async with asyncio.timeout(60):
            while not is_so(found := (await self.did("owner", "GET", f"{RUNS}/{run_id}"))["run"]):  # noqa: ASYNC110 - what changes is in Postgres
                await asyncio.sleep(0.02)
        return found


@dataclass
class Inside:
    ground: Ground
    gateway: InsideGateway


@pytest.fixture(scope="module")
async def inside(module_addresses: DatabaseAddresses, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Inside]:
    async with open_ground(module_addresses, tmp_path_factory.mktemp("jobs")) as ground, open_inside(ground.platform) as gateway:
        yield Inside(ground, gateway)


@pytest.fixture
async def office(inside: Inside) -> AsyncIterator[Office]:
    ground = inside.ground
    application = admin_application(ground.platform, ground.keys, ground.guard.policies, lambda: contextlib.nullcontext(inside.gateway))
    async with (
        ScriptedModel(Reply("42", usage=Usage(1000, 500))) as up,
        running(application) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60) as client,
    ):
        tenancy = await ground.tenancy()
        await tenancy.provider(up.base_url)
        await tenancy.model("up/small")
        made = Office(tenancy, client, up)
        await made.add("owner", "owner")
        await made.add("admin", "admin")
        await made.add("auditor", "auditor")
        await inside.gateway.room.directory.refresh()
        yield made


@contextlib.asynccontextmanager
async def worker(office: Office) -> AsyncIterator[None]:
    stop = asyncio.Event()
    working = asyncio.create_task(run_evaluations(office.tenancy.ground.platform, stop))
    try:
        yield
    finally:
        stop.set()
        await working


async def priced(office: Office, inside: Inside) -> None:
    await office.tenancy.price("up", "small")
    await inside.gateway.room.governor.beat()


async def test_a_suite_is_priced_then_run_by_the_worker_and_asked_in_the_name_of_who_began_it(office: Office, inside: Inside) -> None:
    await priced(office, inside)
    before = await office.did("owner", "POST", f"{RUNS}/estimate", {"suite": SUITE, "cost": "1.00 USD"})
    assert (before["suite"], before["target"], before["cases"], before["questions"]) == ("arithmetic", "route/m", 4, 4)
    assert (before["currency"], before["cap"], before["missing"]) == ("USD", "1", [])
    assert 0 < float(before["cost"]) < 0.1
    assert list(office.up.requests) == [], "an estimate asked something"
    begun = await office.did("owner", "POST", RUNS, {"suite": SUITE, "cost": "1.00 USD"})
    assert (begun["state"], begun["queued"], begun["done"], begun["total"]) == ("waiting", True, 0, 4)
    async with worker(office):
        ended = await office.until(begun["id"], lambda run: run["state"] not in ("waiting", "running"))
    assert (ended["state"], ended["outcome"], ended["done"]) == ("finished", "PASS", 4)
    results = (await office.did("owner", "GET", f"{RUNS}/{begun['id']}/results"))["results"]
    assert [result["answer"] for result in results] == ["42"] * 4
    assert [result["withheld"] for result in (await office.did("admin", "GET", f"{RUNS}/{begun['id']}/results"))["results"]] == [True] * 4
    again = await office.did("owner", "POST", f"{RUNS}/estimate", {"run": begun["id"]})
    assert (again["questions"], again["cap"]) == (4, "1")
    assert await office.ask("admin", "POST", RUNS, {"run": begun["id"]}) == (403, ("not_own_run", None))


async def test_a_run_that_waits_is_stopped_at_once_and_goes_on_later(office: Office) -> None:
    begun = await office.did("owner", "POST", RUNS, {"text": YAML, **CAP})
    stopped = await office.did("admin", "POST", f"{RUNS}/{begun['id']}/stop")
    assert (stopped["state"], stopped["ended_at"] is not None) == ("stopped", True)
    assert await office.ask("owner", "POST", f"{RUNS}/{begun['id']}/stop") == (409, ("run_not_open", None))
    async with worker(office):
        assert (await office.did("admin", "POST", f"{RUNS}/{begun['id']}/resume", {}))["state"] == "waiting"
        ended = await office.until(begun["id"], lambda run: run["state"] == "finished")
    assert (ended["outcome"], len(office.up.requests)) == ("PASS", 1)
    assert await office.ask("owner", "POST", f"{RUNS}/{begun['id']}/resume", {}) == (409, ("run_finished", None))
    assert await office.ask("auditor", "POST", f"{RUNS}/{begun['id']}/resume", {"retry_errors": True}) == (403, ("role_required", None))


async def test_a_run_is_stopped_while_it_goes_on(office: Office) -> None:
    many = [{"question": f"What is {number} + 1?", "expected": ["42"]} for number in range(200)]
    paced = {**SUITE, "cases": many, "limits": {"concurrency": 1, "per_minute": 60}}
    begun = await office.did("owner", "POST", RUNS, {"suite": paced, **CAP})
    async with worker(office):
        await office.until(begun["id"], lambda run: run["done"] > 0)
        assert await office.ask("owner", "DELETE", f"{RUNS}/{begun['id']}") == (409, ("run_open", None))
        await office.did("owner", "POST", f"{RUNS}/{begun['id']}/stop")
        ended = await office.until(begun["id"], lambda run: run["state"] != "running")
    assert (ended["state"], ended["outcome"], ended["reasons"][0]) == ("stopped", "INCONCLUSIVE", STOPPED)
    assert 0 < ended["done"] == len(office.up.requests) < 200


async def test_a_worker_that_stops_leaves_its_run_to_the_next_and_a_deadly_one_is_given_up(office: Office) -> None:
    platform, tenant_id = office.tenancy.ground.platform, office.tenancy.id
    paced = {**SUITE, "limits": {"concurrency": 1, "per_minute": 60}}
    begun = await office.did("owner", "POST", RUNS, {"suite": paced, **CAP})
    async with worker(office):
        await office.until(begun["id"], lambda run: run["done"] > 0)
    assert (await office.did("owner", "GET", f"{RUNS}/{begun['id']}"))["run"]["state"] == "waiting"
    run_id = uuid.UUID(begun["id"])
    for _ in range(BEGUN_MAX):
        async with office.tenancy.change() as connection:
            assert await take(connection, run_id, NOW) is not None
    assert not await take_on(platform, tenant_id, run_id)
    failed = (await office.did("owner", "GET", f"{RUNS}/{begun['id']}"))["run"]
    assert (failed["state"], failed["outcome"]) == ("failed", None)
    assert "never came to its end" in failed["reasons"][0]


async def test_only_one_worker_carries_a_run_out(office: Office) -> None:
    platform, tenant_id = office.tenancy.ground.platform, office.tenancy.id
    begun = await office.did("owner", "POST", RUNS, {"text": YAML, **CAP})
    async with platform.database.writer_lock(uuid.UUID(begun["id"])) as is_free:
        assert is_free
        assert not await take_on(platform, tenant_id, uuid.UUID(begun["id"]))
    assert await take_on(platform, tenant_id, uuid.UUID(begun["id"]))
    assert len(office.up.requests) == 1


async def test_a_run_whose_target_is_no_more_what_it_was_is_given_up_with_the_reason(office: Office, inside: Inside) -> None:
    begun = await office.did("owner", "POST", RUNS, {"text": YAML, **CAP})
    await office.tenancy.model("up/large")
    assert await take_on(office.tenancy.ground.platform, office.tenancy.id, uuid.UUID(begun["id"]))
    failed = (await office.did("owner", "GET", f"{RUNS}/{begun['id']}"))["run"]
    assert failed["state"] == "failed"
    assert "target is not what it was" in failed["reasons"][0]


WRONG: dict[str, tuple[dict[str, Any], int, tuple[str, str | None]]] = {
    "nothing": ({}, 400, ("invalid_request", "suite")),
    "two": ({"suite": SUITE, "text": YAML}, 400, ("invalid_request", "suite")),
    "a list": ({"text": "[1]"}, 400, ("invalid_request", "text")),
    "no yaml": ({"text": "a: ["}, 400, ("invalid_suite", None)),
    "no mapping of limits": ({"suite": {**SUITE, "limits": 3}, "cost": "1 USD"}, 400, ("invalid_suite", "limits")),
    "python": ({"suite": {**SUITE, "target": {"python": "os:system"}}}, 400, ("invalid_suite", "target.python")),
    "a file": ({"suite": {**SUITE, "cases": {"file": "/etc/passwd"}}}, 400, ("invalid_suite", "cases.file")),
    "a scorer": ({"suite": {**SUITE, "scorers": [{"name": "right", "type": "exact_mach"}]}}, 400, ("invalid_suite", "scorers[0].type")),
    "a model": ({"suite": {**SUITE, "target": {"route": "absent"}}}, 404, ("model_not_found", "model")),
    "a cap": ({"suite": SUITE, "cost": "much"}, 400, ("invalid_suite", "limits.cost")),
    "an unknown run": ({"run": str(uuid.UUID(int=7))}, 404, ("run_not_found", None)),
    "more": ({"suite": SUITE, "more": 1}, 400, ("invalid_request", "more")),
}


@pytest.mark.parametrize("case", sorted(WRONG))
async def test_what_cannot_be_run_is_refused_by_the_name_of_its_field(office: Office, case: str) -> None:
    body, status, told = WRONG[case]
    assert await office.ask("owner", "POST", RUNS, body) == (status, told)


async def test_a_run_that_may_cost_anything_is_not_begun(office: Office, inside: Inside) -> None:
    unknown = {**SUITE, "scorers": [{"name": "right", "type": "exact_match"}]}
    await priced(office, inside)
    assert await office.ask("owner", "POST", RUNS, {"suite": unknown}) == (400, ("cap_needed", "cost"))
    assert await office.ask("owner", "POST", RUNS, {"suite": unknown, "cost": "5000 KRW"}) == (400, ("cap_currency", "cost"))
    assert (await office.did("owner", "POST", RUNS, {"suite": unknown, "cost": "0.50 USD"}))["state"] == "waiting"


async def test_a_suite_of_the_machine_is_not_repeated_and_readers_begin_nothing(office: Office) -> None:
    platform = office.tenancy.ground.platform
    async with office.tenancy.change() as connection:
        elsewhere = await add_run(
            connection, platform.keyring, office.tenancy.id, suite_name="s", suite={"path": "/tmp/s.yaml"}, state="finished", cases=1, repeats=1,
            digests=DIGESTS, metrics=[RIGHT], by=None, now=NOW,
        )  # fmt: skip
    assert await office.ask("owner", "POST", RUNS, {"run": str(elsewhere)}) == (409, ("suite_elsewhere", None))
    assert await office.ask("owner", "POST", f"{RUNS}/{elsewhere}/resume", {"retry_errors": True}) == (409, ("run_not_ended", None))
    for path in (RUNS, f"{RUNS}/estimate"):
        assert await office.ask("auditor", "POST", path, {"suite": SUITE}) == (403, ("role_required", None))


async def test_so_many_runs_wait_and_no_more(office: Office) -> None:
    for _ in range(OPEN_MAX):
        await office.did("owner", "POST", RUNS, {"text": YAML, **CAP})
    assert await office.ask("owner", "POST", RUNS, {"text": YAML, **CAP}) == (429, ("too_many_runs", None))

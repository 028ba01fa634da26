"""The record of an answer through the gateway: it holds what was shown, and is there for whoever may see it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from ondol.application.assistant import access_requests
from ondol.application.assistant.proof import verify_answer
from ondol.application.assistant.reading import AnswerView, view_answer
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.infrastructure.access.people import NewPerson, add_person, get_person, set_roles
from ondol.infrastructure.access.types import Person, Role
from ondol.infrastructure.ledger import LedgerSigner, public_keys_path, read_public_keys, seal_once
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.admin import admin_application
from tests.infrastructure.gateway.ground import NOW, Ground, Tenancy, open_ground
from tests.infrastructure.gateway.server.wire import running

pytestmark = pytest.mark.anyio

QUESTION = "What is the number of the help line?"
PHONE = "010-1234-5678"
DOCUMENTS = {
    "line.md": f"# Help line\n\nThe number of the help line is {PHONE}.\n",
    "hours.md": "# Opening hours\n\nThe help line answers from 09:00 to 18:00 on weekdays.\n",
    "keys.md": "# Test key\n\nThe key of the test account is AKIAQ3EGFT5RJ2XN7WPD.\n",
}
POLICY = {
    "version": 1,
    "name": "own",
    "stages": {
        "input": [{"find": "secrets", "do": "block"}],
        "output": [{"find": "personal:PHONE", "do": "mask"}, {"find": "secrets", "do": "block"}],
    },
}


@dataclass
class Office:
    """A tenant with documents, an assistant over them, people in several roles, and the admin API."""

    tenancy: Tenancy
    api: httpx.AsyncClient
    folder: Path
    keys: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def ground(self) -> Ground:
        return self.tenancy.ground

    async def add(self, login: str, *roles: Role) -> None:
        platform = self.ground.platform
        async with self.tenancy.change() as connection:
            new = NewPerson(login, login.title(), roles=frozenset(roles)) if roles else NewPerson(login, login.title())
            self.people[login] = await add_person(connection, platform.keyring, self.tenancy.id, new, NOW)
        self.keys[login] = await self.tenancy.another_key(person=self.people[login])

    async def ingest(self, *, prune: bool = False) -> None:
        await ingest_folder(
            self.ground.platform.knowledge, self.tenancy.id, "docs", self.folder, IngestOptions(prune=prune), lambda done, total: None
        )

    async def ask(self, question: str = QUESTION, *, who: str = "asker", stream: bool = False) -> tuple[uuid.UUID, str]:
        """The answer's id, and all that was shown."""
        body = {"model": "assistant/help", "messages": [{"role": "user", "content": question}], "stream": stream}
        if not stream:
            answer = (await self.tenancy.ask(body, key=self.keys[who])).json()
            return uuid.UUID(answer["ondol"]["answer_id"]), answer["choices"][0]["message"]["content"] or ""
        async with self.tenancy.client(self.keys[who]) as client:
            chunks = [chunk async for chunk in await client.chat.completions.create(**body)]  # type: ignore[call-overload]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        return uuid.UUID((await self.tenancy.record(len(self.tenancy.records))).id.hex), text

    async def view(self, answer_id: uuid.UUID, who: str = "asker") -> AnswerView:
        return await view_answer(self.ground.platform.knowledge, self.tenancy.id, self.people[who].id, answer_id, sees_all=False)

    async def read(self, path: str, who: str, *, method: str = "GET", body: object = None) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.keys[who]}"}
        answer = await self.api.request(method, f"/api/v1{path}", headers=headers, json=body)
        return answer.status_code, answer.json()

    async def standings(self, answer_id: uuid.UUID) -> dict[str, str]:
        """What `ondol answer verify` says, once the request is on record and all is sealed."""
        platform = self.ground.platform
        await self.ground.recorder.rotate()
        assert await self.ground.drain.flush()
        signer = LedgerSigner.open_or_create(platform.folder.ledger_key)
        while await seal_once(platform.database, signer, platform.clock()):
            pass
        found = await verify_answer(platform.knowledge, self.tenancy.id, answer_id, read_public_keys(public_keys_path(platform.folder.ledger_key)))
        return {item.part: item.standing for item in found}


@pytest.fixture(scope="module")
async def ground(module_addresses: DatabaseAddresses, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Ground]:
    async with open_ground(module_addresses, tmp_path_factory.mktemp("answers")) as opened:
        yield opened


@pytest.fixture
async def office(ground: Ground, tmp_path: Path) -> AsyncIterator[Office]:
    tenancy = await ground.tenancy()
    async with (
        running(admin_application(ground.platform, ground.keys, ground.guard.policies)) as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60) as client,
    ):
        made = Office(tenancy, client, tmp_path / "files")
        made.folder.mkdir()
        for name, text in DOCUMENTS.items():
            (made.folder / name).write_text(text, "utf-8")
        await made.add("asker")
        await made.add("colleague")
        await made.add("auditor", "auditor")
        await made.add("owner", "owner")
        await made.ingest()
        await tenancy.declare(bases=["docs"], assistants=[{"name": "help", "base": "docs"}], policies=[POLICY], guard=[{"policy": "own"}])
        yield made


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_recorded_is_what_was_shown(office: Office, stream: bool) -> None:
    answer_id, text = await office.ask(stream=stream)
    assert "help line is [PHONE_1]" in text
    kept = await office.view(answer_id)
    assert (kept.question, kept.text) == (QUESTION, text)
    assert kept.record.shown != kept.record.written
    assert [sentence.state for sentence in kept.record.sentences] == ["changed"]
    record = await office.tenancy.record()
    assert kept.record.guard is not None
    assert (kept.record.guard.decision, kept.record.guard.policy) == ("mask", (record.guard_policy or b"").hex())
    assert 0 < kept.record.search_us + kept.record.write_us <= kept.record.total_us
    rows = await office.tenancy.rows("select answers::text as row from answers")
    assert all(PHONE not in row["row"] and "help line" not in row["row"] for row in rows)
    standings = await office.standings(answer_id)
    assert {part for part, standing in standings.items() if standing != "holds"} == {"verdicts"}, "the changed sentence cannot be checked again"
    assert standings["verdicts"] == "gone"
    assert {"guard", "cost"} <= set(standings)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_goes_out_as_it_was_written_holds_in_all(office: Office, stream: bool) -> None:
    answer_id, text = await office.ask("When does the help line answer?", stream=stream)
    assert "09:00 to 18:00" in text
    kept = await office.view(answer_id)
    assert (kept.text, kept.record.shown) == (text, kept.record.written)
    assert set((await office.standings(answer_id)).values()) == {"holds"}


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_guard_withheld_is_not_on_record(office: Office, stream: bool) -> None:
    answer_id, text = await office.ask("What is the key of the test account?", stream=stream)
    assert "AKIA" not in text
    kept = await office.view(answer_id)
    assert kept.text == text
    assert kept.record.guard is not None
    assert kept.record.guard.decision == "block"


async def test_an_altered_account_of_the_request_is_found(office: Office) -> None:
    answer_id, _ = await office.ask()
    assert (await office.standings(answer_id))["cost"] == "holds"
    async with await psycopg.AsyncConnection.connect(office.ground.platform.database.addresses.owner, autocommit=True) as owner:
        await owner.execute("update ondol.requests set cost_nano = 5, currency = 'USD' where id = %s", (answer_id,))
        assert (await office.standings(answer_id))["cost"] == "differs"
        await owner.execute(
            "update ondol.requests set cost_nano = null, currency = null, guard_policy = decode(repeat('00', 32), 'hex') where id = %s", (answer_id,)
        )
        assert (await office.standings(answer_id))["guard"] == "differs"
        await owner.execute("delete from ondol.requests where id = %s", (answer_id,))
        assert {part: (await office.standings(answer_id))[part] for part in ("guard", "cost")} == {"guard": "gone", "cost": "gone"}


async def test_the_record_is_there_for_the_asker_and_for_those_who_look_after_it(office: Office, ground: Ground) -> None:
    answer_id, text = await office.ask()
    status, own = await office.read(f"/answers/{answer_id}", "asker")
    assert (status, own["question"], own["answer"], own["id"]) == (200, QUESTION, text, str(answer_id))
    assert "Help line" in [item["title"] for item in own["documents"] if item["cited"]]
    for role in ("auditor", "owner"):
        status, seen = await office.read(f"/answers/{answer_id}", role)
        assert (status, seen["question"], seen["answer"], seen["digest"]) == (200, None, None, own["digest"])
        assert seen["record"] == own["record"]
    status, refused = await office.read(f"/answers/{answer_id}", "colleague")
    absent = await office.read(f"/answers/{uuid.uuid4()}", "colleague")
    assert (status, refused["error"]["code"]) == (404, "answer_not_found") == (absent[0], absent[1]["error"]["code"])
    other = await ground.tenancy()
    headers = {"authorization": f"Bearer {other.key}"}
    assert (await office.api.get(f"/api/v1/answers/{answer_id}", headers=headers)).status_code == 404
    assert (await office.api.get(f"/api/v1/answers/{answer_id}")).status_code == 401
    assert (await office.api.get("/api/v1/answers/none", headers=headers)).status_code == 400


async def test_titles_are_those_that_may_be_read_now(office: Office) -> None:
    answer_id, _ = await office.ask()
    (office.folder / "line.md").unlink()
    await office.ingest(prune=True)
    _, own = await office.read(f"/answers/{answer_id}", "asker")
    cited = [item for item in own["documents"] if item["cited"]]
    assert [item["title"] for item in cited] == [None]
    assert "Help line" not in str(own["documents"])


async def test_nothing_is_recorded_of_a_request_that_no_assistant_answered(office: Office) -> None:
    body = {"model": "assistant/help", "messages": [{"role": "user", "content": "key AKIAQ3EGFT5RJ2XN7WPD"}]}
    answer = await office.tenancy.ask(body, key=office.keys["asker"])
    assert answer.headers["x-ondol-guard"] == "block"
    assert await office.tenancy.rows("select id from answers") == []


async def ask_in_vain(office: Office) -> uuid.UUID:
    answer_id, text = await office.ask("What does a submarine cost?")
    assert "ask for access" in text
    return answer_id


async def test_whoever_was_refused_asks_for_access_and_an_owner_grants_it(office: Office) -> None:
    answer_id = await ask_in_vain(office)
    await office.tenancy.declare(groups=[{"name": "fleet"}, {"name": "crew"}])
    path = f"/answers/{answer_id}/access-request"
    status, asked = await office.read(path, "asker", method="POST", body={"note": "잠수함 가격표"})
    assert (status, asked["asked"]) == (200, True)
    assert (await office.read(path, "asker", method="POST", body={"note": "again"}))[1] == asked, "it is the same request"
    _, page = await office.read("/access-requests?state=open", "owner")
    [seen] = page["requests"]
    assert (seen["login"], seen["question"], seen["note"], seen["answer"]) == (
        "asker",
        "What does a submarine cost?",
        "잠수함 가격표",
        str(answer_id),
    )
    rows = await office.tenancy.rows("select access_requests::text as row from access_requests")
    assert "submarine" not in rows[0]["row"]
    events = await office.tenancy.rows("select kind from ledger_events where kind like %s order by id", "access.request%")
    assert [row["kind"] for row in events] == ["access.requested", "access.requests_read"]
    grant = f"/access-requests/{asked['id']}/grant"
    assert (await office.read(grant, "owner", method="POST", body={"groups": ["nobody"]}))[1]["error"]["code"] == "unknown_group"
    assert (await office.read(grant, "owner", method="POST", body={"groups": ["fleet"]}))[0] == 200
    async with office.tenancy.change() as connection:
        person = await get_person(connection, office.ground.platform.keyring, office.tenancy.id, office.people["asker"].id)
    assert "fleet" in person.groups
    assert (await office.read(grant, "owner", method="POST", body={}))[1]["error"]["code"] == "access_request_decided"
    assert (await office.read("/access-requests?state=open", "owner"))[1]["requests"] == []
    assert (await office.read("/access-requests", "owner"))[1]["requests"][0]["state"] == "granted"


async def test_an_asker_is_told_the_same_whatever_becomes_of_it(office: Office) -> None:
    answer_id = await ask_in_vain(office)
    path = f"/answers/{answer_id}/access-request"
    first = await office.read(path, "asker", method="POST", body={})
    assert (await office.read(f"/access-requests/{first[1]['id']}/refuse", "owner", method="POST"))[0] == 200
    assert await office.read(path, "asker", method="POST", body={}) == first


async def test_only_those_who_decide_see_requests_and_nobody_asks_for_another(office: Office, ground: Ground) -> None:
    answer_id = await ask_in_vain(office)
    path = f"/answers/{answer_id}/access-request"
    for who in ("colleague", "owner"):
        assert (await office.read(path, who, method="POST", body={}))[0] == 404, "it is not their answer"
    assert (await office.read(path, "asker", method="POST", body={"note": "x" * 2_001}))[0] == 400
    _, asked = await office.read(path, "asker", method="POST", body={})
    for who in ("asker", "colleague", "auditor"):
        assert (await office.read("/access-requests", who))[1]["error"]["code"] == "role_required"
        assert (await office.read(f"/access-requests/{asked['id']}/grant", who, method="POST", body={}))[0] == 403
    other = await ground.tenancy()
    async with other.change() as connection:
        await set_roles(connection, other.id, other.person.id, ["owner"])
    headers = {"authorization": f"Bearer {other.key}"}
    assert (await office.api.get("/api/v1/access-requests", headers=headers)).json()["requests"] == []
    stranger = await office.api.post(f"/api/v1/access-requests/{asked['id']}/grant", headers=headers, json={})
    assert (stranger.status_code, stranger.json()["error"]["code"]) == (404, "access_request_not_found")


async def test_nobody_grants_themselves_access(office: Office) -> None:
    answer_id, _ = await office.ask("What does a submarine cost?", who="owner")
    _, asked = await office.read(f"/answers/{answer_id}/access-request", "owner", method="POST", body={})
    status, refused = await office.read(f"/access-requests/{asked['id']}/grant", "owner", method="POST", body={})
    assert (status, refused["error"]["code"]) == (403, "own_request")
    assert (await office.read("/access-requests?state=open", "owner"))[1]["requests"][0]["id"] == asked["id"]


async def test_requests_are_bounded_for_each_person(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = [await ask_in_vain(office) for _ in range(3)]
    monkeypatch.setattr(access_requests, "OPEN_PERSON_MAX", 1)
    asked = await office.read(f"/answers/{first}/access-request", "asker", method="POST", body={})
    status, refused = await office.read(f"/answers/{second}/access-request", "asker", method="POST", body={})
    assert (status, refused["error"]["code"]) == (429, "too_many_access_requests")
    await office.read(f"/access-requests/{asked[1]['id']}/refuse", "owner", method="POST")
    assert (await office.read(f"/answers/{second}/access-request", "asker", method="POST", body={}))[0] == 200
    monkeypatch.setattr(access_requests, "OPEN_PERSON_MAX", 100)
    monkeypatch.setattr(access_requests, "PERSON_DAY_MAX", 2)
    assert (await office.read(f"/answers/{third}/access-request", "asker", method="POST", body={}))[0] == 429


async def test_pages_of_requests(office: Office) -> None:
    for _ in range(3):
        await office.read(f"/answers/{await ask_in_vain(office)}/access-request", "asker", method="POST", body={})
    _, first = await office.read("/access-requests?limit=2", "owner")
    _, rest = await office.read(f"/access-requests?limit=2&before={first['next']}", "owner")
    assert [len(first["requests"]), len(rest["requests"]), rest["next"]] == [2, 1, None]
    assert len({item["id"] for item in (*first["requests"], *rest["requests"])}) == 3


async def test_how_answers_came_out_is_told_to_those_who_look_after_them(office: Office) -> None:
    await office.ask()
    await office.ask("What is the capital of Mongolia?")
    moment, hour = office.ground.platform.clock(), timedelta(hours=1)

    def path(since: datetime, until: datetime) -> str:
        return f"/answers/levels?since={quote(since.isoformat())}&until={quote(until.isoformat())}"

    counts = {"answers": 2, "answered": 1, "refused": 1, "failed": 0, "sentences": 1, "supported": 1, "grounded": 1.0}
    assert await office.read(path(moment - hour, moment + hour), "auditor") == (200, counts)
    assert await office.read(path(moment - 3 * hour, moment - 2 * hour), "owner") == (200, {**dict.fromkeys(counts, 0), "grounded": None})
    assert (await office.read(path(moment - hour, moment + hour), "asker"))[0] == 403
    for since in (moment - 40 * 24 * hour, moment + hour):
        status, refused = await office.read(path(since, moment), "owner")
        assert (status, refused["error"]["param"]) == (400, "until")

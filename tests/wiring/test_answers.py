"""The record of an answer through the gateway: it holds what was shown, and is there for whoever may see it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ondol.application.assistant.proof import verify_answer
from ondol.application.assistant.reading import AnswerView, view_answer
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.infrastructure.access.people import NewPerson, add_person
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
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client,
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
    assert all("1234" not in row["row"] and "help line" not in row["row"] for row in rows)
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
    import psycopg

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

"""Answers that outlive their caller: read on from an event at any worker, stopped, taken over from a worker that is gone, and nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from ondol.core.errors import UpstreamError
from ondol.infrastructure.gateway.application import Gateway
from ondol.infrastructure.gateway.door import Caller
from ondol.infrastructure.gateway.streams import Streams, Times, streams
from ondol.infrastructure.gateway.streams.journal import expire_streams, stream_erasers
from ondol.infrastructure.ledger.erasure import Erasure
from ondol.infrastructure.serving.directory import AssistantCard
from ondol.infrastructure.serving.types import ChatEvent, ChatRequest, Finish, Progress, TextDelta, Usage
from ondol.infrastructure.storage.postgres import rows
from ondol.wiring.gateway import streams_of
from tests.infrastructure.gateway.ground import NOW, STREAM_TIMES, Ground, Tenancy
from tests.infrastructure.gateway.server.wire import eventually, running

pytestmark = pytest.mark.anyio

BODY = {"model": "assistant/help", "messages": [{"role": "user", "content": "hi"}], "stream": True, "ondol": {"progress": True, "resume": True}}
LONG = " is a word of many, and is said with so many others that the guard lets it out before the next one comes. "
WORDS = [word + LONG * 3 for word in ("one", "two", "three", "four")]
WHOLE = "".join(WORDS)


@dataclass
class Script:
    """An assistant that says one word whenever it is let; how often it was asked, and how it ended."""

    asked: int = 0
    ended: list[str] = field(default_factory=list)
    let: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    fails: Exception | None = None

    async def answer(self, caller: Caller, card: AssistantCard, request: ChatRequest) -> AsyncIterator[ChatEvent]:
        self.asked += 1
        try:
            yield Progress("searching")
            for word in WORDS:
                await self.let.acquire()
                if self.fails is not None:
                    raise self.fails
                yield TextDelta(word)
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise
        yield Finish("stop", Usage(3, 4), extension={"answer_id": str(request.id)})

    def say(self, words: int) -> None:
        for _ in range(words):
            self.let.release()


@dataclass
class Read:
    """What came of a stream."""

    answer_id: str = ""
    ids: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    is_done: bool = False

    def line(self, line: str) -> None:
        if line.startswith("id: "):
            self.ids.append(line[4:])
        elif line == "data: [DONE]":
            self.is_done = True
        elif line.startswith("data: "):
            self.told.append(json.loads(line[6:]))

    @property
    def text(self) -> str:
        return "".join(choice["delta"].get("content", "") for told in self.told for choice in told.get("choices", ()))

    @property
    def notices(self) -> list[str]:
        return [word for told in self.told for word in ("restarted", "stopped") if told.get("ondol", {}).get(word)]


@dataclass
class Reader:
    """Somebody who reads a stream, and may be cut off."""

    read: Read = field(default_factory=Read)
    task: asyncio.Task[None] | None = None

    async def cut(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@dataclass
class Help:
    """A tenant with a scripted assistant."""

    tenancy: Tenancy
    script: Script

    def ask(self, base: str = "") -> Reader:
        return self._reader("POST", f"{base}/v1/chat/completions", json=BODY)

    def resume(self, answer_id: str, after: str = "", base: str = "", key: str = "") -> Reader:
        return self._reader("GET", f"{base}/v1/answers/{answer_id}/stream", key, headers={"last-event-id": after})

    async def stop(self, answer_id: str, base: str = "", key: str = "") -> httpx.Response:
        told = {"authorization": f"Bearer {key or self.tenancy.key}"}
        return await self.tenancy.ground.http.post(f"{base}/v1/answers/{answer_id}/stream/stop", headers=told)

    def _reader(self, method: str, path: str, key: str = "", headers: dict[str, str] | None = None, **more: Any) -> Reader:
        reader = Reader()

        async def read() -> None:
            told = {"authorization": f"Bearer {key or self.tenancy.key}", **(headers or {})}
            async with self.tenancy.ground.http.stream(method, path, headers=told, **more) as response:
                assert response.status_code == 200, await response.aread()
                reader.read.answer_id = response.headers["x-request-id"]
                async for line in response.aiter_lines():
                    reader.read.line(line)

        reader.task = asyncio.create_task(read())
        return reader


async def helped(ground: Ground) -> Help:
    tenancy = await ground.tenancy()
    await tenancy.declare(bases=["docs"], assistants=[{"name": "help", "base": "docs"}])
    script = Script()
    ground.answers[tenancy.id] = script.answer
    return Help(tenancy, script)


@contextlib.asynccontextmanager
async def another_worker(ground: Ground, times: Times = STREAM_TIMES) -> AsyncIterator[tuple[str, Streams]]:
    """A second worker on the same stores: its address."""
    assert ground.gateway is not None
    own = streams_of(ground.platform, times)
    gateway = Gateway(replace(ground.gateway.pipeline._door, streams=own))
    async with own.kept(), running(gateway) as server:
        yield f"http://127.0.0.1:{server.port}", own


async def whole(reader: Reader) -> Read:
    assert reader.task is not None
    async with asyncio.timeout(20):
        await reader.task
    return reader.read


async def said(reader: Reader, word: str) -> None:
    """Wait until a word has come; the guard holds the end of what was said back."""
    await eventually(lambda: word in reader.read.text or (reader.task is not None and reader.task.done()))
    assert word in reader.read.text


async def kept_events(help_: Help, answer_id: str) -> int:
    async with help_.tenancy.change() as connection:
        found = await rows(connection, "select coalesce(sum(events), 0) as kept from answer_events where stream_id = %(id)s", {"id": answer_id})
    return int(found[0]["kept"])


def erasure_of(tenancy: Tenancy) -> Erasure:
    """An erasure of the tenant's first person."""
    return Erasure(
        tenant_id=tenancy.id,
        id=uuid.uuid4(),
        kind="subject",
        target_id=tenancy.person.id,
        base_id=None,
        with_documents=False,
        state="running",
        asked_by=None,
        reason="asked",
        replayed=False,
        failure="",
        receipt=None,
        receipt_digest=None,
        signature=None,
        signer=None,
        hidden_at=NOW,
        proved_at=None,
    )


async def test_each_event_has_an_id_and_the_record_is_one(ground: Ground) -> None:
    help_ = await helped(ground)
    help_.script.say(4)
    read = await whole(help_.ask())
    assert (read.text, read.is_done, read.notices) == (WHOLE, True, [])
    assert read.ids == [f"1-{number}" for number in range(1, len(read.ids) + 1)]
    assert len(read.ids) == len(read.told) + 1
    assert str((await help_.tenancy.record()).id) == read.answer_id


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_who_was_cut_off_reads_on_behind_the_last_event_at_any_worker(ground: Ground, elsewhere: bool) -> None:
    help_ = await helped(ground)
    async with another_worker(ground) as (other, _):
        first = help_.ask()
        help_.script.say(2)
        await said(first, "two")
        await first.cut()
        rest = help_.resume(first.read.answer_id, first.read.ids[-1], other if elsewhere else "")
        help_.script.say(2)
        read = await whole(rest)
        assert (first.read.text + read.text, read.is_done, read.notices) == (WHOLE, True, [])
        assert int(read.ids[0].split("-")[1]) == len(first.read.ids) + 1
        again = await whole(help_.resume(first.read.answer_id, "", other if elsewhere else ""))
        assert (again.text, again.ids) == (WHOLE, first.read.ids + read.ids)
    assert (help_.script.asked, help_.script.ended) == (1, [])
    assert (await help_.tenancy.record()).outcome == "answered"


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_stop_ends_the_answer_at_once_wherever_it_is_said(ground: Ground, elsewhere: bool) -> None:
    help_ = await helped(ground)
    async with another_worker(ground) as (other, _):
        reader = help_.ask()
        help_.script.say(1)
        await said(reader, "one")
        assert (await help_.stop(reader.read.answer_id, other if elsewhere else "")).json() == {"stopped": True}
        read = await whole(reader)
    assert (read.notices, read.is_done) == (["stopped"], True)
    assert WORDS[0].startswith(read.text)
    assert len(help_.script.ended) == 1
    assert (await help_.tenancy.record()).outcome == "caller_left"


async def test_an_answer_is_let_go_when_nobody_has_read_it_for_long(ground: Ground) -> None:
    help_ = await helped(ground)
    async with another_worker(ground, replace(STREAM_TIMES, alone_s=0.1)) as (hasty, _):
        reader = help_.ask(hasty)
        help_.script.say(1)
        await said(reader, "one")
        await reader.cut()
        await eventually(lambda: bool(help_.script.ended))
        assert (await whole(help_.resume(reader.read.answer_id, "", hasty))).notices == ["stopped"]
    assert (await help_.tenancy.record()).outcome == "caller_left"


async def test_another_worker_answers_again_for_one_that_is_gone(ground: Ground) -> None:
    help_ = await helped(ground)
    silent = replace(STREAM_TIMES, renew_every_s=1000, lease_s=0.2)
    async with another_worker(ground, silent) as (lost, _):
        reader = help_.ask(lost)
        help_.script.say(2)
        await said(reader, "two")
        await reader.cut()
        rest = help_.resume(reader.read.answer_id, reader.read.ids[-1])
        await eventually(lambda: help_.script.asked == 2)
        help_.script.say(6)
        read = await whole(rest)
        late = await whole(help_.resume(reader.read.answer_id))
    assert (read.text, read.notices, read.is_done) == (WHOLE, ["restarted"], True)
    assert read.ids == late.ids == [f"2-{number}" for number in range(1, len(read.ids) + 1)]
    assert [str(record.id) for record in help_.tenancy.records if record.outcome == "answered"] == [reader.read.answer_id]


async def test_a_worker_that_comes_back_late_does_not_end_an_answer_that_another_has(ground: Ground) -> None:
    help_, before = await helped(ground), len(ground.shown)
    silent = replace(STREAM_TIMES, renew_every_s=1000, lease_s=0.2)
    async with another_worker(ground, silent) as (lost, _):
        reader = help_.ask(lost)
        help_.script.say(1)
        await said(reader, "one")
        rest = help_.resume(reader.read.answer_id, reader.read.ids[-1])
        await eventually(lambda: help_.script.asked == 2)
        help_.script.say(7)  # the late one says its last words too
        first, second = await whole(reader), await whole(rest)
    assert (first.is_done, second.is_done) == (True, True)
    assert first.notices == second.notices == ["restarted"], "who reads at the late worker is led over"
    assert second.text == WHOLE
    given, late = sorted(help_.tenancy.records, key=lambda record: record.outcome)
    assert (given.outcome, str(given.id), late.outcome) == ("answered", reader.read.answer_id, "caller_left")
    assert late.id != given.id, "what the late one used is not taken for the answer's"
    assert [shown.text for shown in ground.shown[before:]] == [WHOLE], "of the late one nothing is kept"


async def test_an_answer_whose_record_stands_is_not_given_again(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    help_ = await helped(ground)
    halted = asyncio.Event()

    async def halt(*_: object) -> None:
        await halted.wait()  # the worker dies between its record and its last byte

    silent = replace(STREAM_TIMES, renew_every_s=1000, lease_s=0.2)
    async with another_worker(ground, silent) as (lost, own), another_worker(ground) as (other, its):
        its._retake = stands
        close = own._close

        async def close_and_halt(running: Any, last: bytes) -> bool:
            is_own = await close(running, last)
            await halt()
            return is_own

        own._close = close_and_halt  # type: ignore[method-assign]
        help_.script.say(4)
        reader = help_.ask(lost)
        await said(reader, "four")
        rest = await whole(help_.resume(reader.read.answer_id, reader.read.ids[-1], other))
        assert (reader.read.text + rest.text, rest.is_done, rest.notices) == (WHOLE, True, [])
        assert rest.told[-1]["ondol"]["answer_id"] == reader.read.answer_id
        assert int(rest.ids[0].split("-")[1]) == len(reader.read.ids) + 1
        assert help_.script.asked == 1
        halted.set()


async def stands(*_: object) -> bool:
    return True


async def test_what_fails_is_told_as_the_last_event_also_to_those_who_read_on(ground: Ground) -> None:
    help_ = await helped(ground)
    reader = help_.ask()
    help_.script.say(1)
    await said(reader, "one")
    help_.script.fails = UpstreamError("The model broke.", code="upstream_failed")
    help_.script.say(1)
    first, late = await whole(reader), await whole(help_.resume(reader.read.answer_id))
    assert [read.told[-1]["error"]["code"] for read in (first, late)] == ["upstream_failed"] * 2
    assert not late.is_done


async def test_a_request_that_is_refused_leaves_nothing(ground: Ground) -> None:
    help_ = await helped(ground)
    body = {**BODY, "ondol": {"resume": True, "thread": str(uuid.uuid4())}, "model": "assistant/none"}
    assert (await help_.tenancy.ask(body)).status_code == 404
    async with help_.tenancy.change() as connection:
        await eventually(lambda: not ground.gateway.pipeline.streams._running)  # type: ignore[union-attr]
        assert await rows(connection, "select id from answer_streams", {}) == []


@pytest.mark.parametrize("change", [{"stream": False}, {"model": "m"}])
async def test_only_streams_of_assistants_can_be_read_on(ground: Ground, change: dict[str, Any]) -> None:
    help_ = await helped(ground)
    await help_.tenancy.provider("http://127.0.0.1:9")
    await help_.tenancy.model()
    error = (await help_.tenancy.ask({**BODY, **change})).json()["error"]
    assert (error["code"], error["param"]) == ("unsupported_parameter", "ondol.resume")


@pytest.mark.parametrize("who", ["colleague", "stranger"])
async def test_nobody_else_reads_or_stops_an_answer(ground: Ground, who: str) -> None:
    help_, stranger = await helped(ground), await helped(ground)
    key = stranger.tenancy.key if who == "stranger" else await help_.tenancy.another_key(person=await help_.tenancy.another_person("colleague"))
    async with another_worker(ground) as (other, _):
        reader = help_.ask()
        help_.script.say(1)
        await said(reader, "one")
        for base in ("", other):
            told = {"authorization": f"Bearer {key}"}
            answer = await ground.http.get(f"{base}/v1/answers/{reader.read.answer_id}/stream", headers=told)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "stream_not_found")
            assert (await help_.stop(reader.read.answer_id, base, key)).status_code == 404
        help_.script.say(3)
        assert (await whole(reader)).is_done
    assert (await ground.http.get("/v1/answers/nothing/stream", headers={"authorization": f"Bearer {help_.tenancy.key}"})).status_code == 404


async def test_a_revoked_key_ends_its_answer_though_nobody_reads_it(ground: Ground) -> None:
    help_ = await helped(ground)
    reader = help_.ask()
    help_.script.say(1)
    await said(reader, "one")
    await reader.cut()
    await help_.tenancy.revoke(help_.tenancy.key)
    await ground.fresh()
    await eventually(lambda: bool(help_.script.ended))
    assert (await help_.tenancy.record()).outcome == "revoked_api_key"


async def test_one_person_has_only_so_many_on_their_way(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    help_ = await helped(ground)
    monkeypatch.setattr(streams, "RUNNING_PERSON_MAX", 1)
    reader = help_.ask()
    help_.script.say(1)
    await said(reader, "one")
    refused = await help_.tenancy.ask(BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_answers")
    help_.script.say(3)
    assert (await whole(reader)).is_done


async def test_what_is_kept_is_sealed_expires_and_is_erased(ground: Ground) -> None:
    help_ = await helped(ground)
    help_.script.say(8)
    first, second = await whole(help_.ask()), await whole(help_.ask())
    async with help_.tenancy.change() as connection:
        statement = "select encode(request_sealed, 'escape') || coalesce(encode(events_sealed, 'escape'), '') as kept from answer_streams s"
        stored = str(await rows(connection, f"{statement} left join answer_events e on e.stream_id = s.id", {}))
        assert "assistant/help" not in stored
        assert "of many" not in stored
        await connection.execute("update answer_streams set lease_until = now() - interval '1 day' where id = %s", (first.answer_id,))
    assert await expire_streams(ground.platform.database) >= 1
    [eraser] = stream_erasers(ground.platform.database)
    erasure = erasure_of(help_.tenancy)
    async with help_.tenancy.change() as connection:
        assert await eraser.find(connection, erasure) == 1
    await eraser.erase(erasure)
    assert await eraser.probe(erasure) == 0
    assert await kept_events(help_, second.answer_id) == 0

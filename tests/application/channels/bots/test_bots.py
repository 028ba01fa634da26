"""Bots over real sockets: what a chat may send, who is answered from what, and that each question is answered once."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from ondol.application.channels.bots.front import ANSWERING_PER_BOT_MAX, BODY_BYTES_MAX
from ondol.application.channels.bots.manage import change_bot, create_bot, put_person, put_room, remove_person, remove_room, revoke_bot
from ondol.application.channels.bots.types import ChatRoom, NewBot
from ondol.application.channels.bots.words import SAYS
from ondol.application.erasure.ask import erase_subject
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.infrastructure.access.people import NewPerson, add_person, set_disabled
from ondol.infrastructure.access.types import SecurityClass
from ondol.infrastructure.ledger.erasure import carry_out_open
from ondol.wiring.erasure import erasure_room
from tests.application.channels.bots.conftest import ADDRESS, Office, Worker, open_bots, open_office
from tests.application.channels.bots.receiver import SECRET, TOKEN, Chat, event, send, signed_by
from tests.infrastructure.gateway.ground import Ground, Tenancy

pytestmark = pytest.mark.anyio
REFUND = "How long does a refund take?"
SALARY = "What does the director of Acme earn?"
HOURS = "When does the help line answer?"


def told_error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_somebody_is_answered_in_the_thread_with_sources_as_links(stocked: Tenancy, office: Office) -> None:
    kim = await office.person("U1", "buyers")
    said = await office.says(f"{REFUND}", thread_ts="1690000000.000200")
    [message] = office.chat.posted
    assert (message["channel"], message["thread_ts"], message["unfurl_links"], message["unfurl_media"]) == ("D1", "1690000000.000200", False, False)
    assert "5 business days" in said and f"<{ADDRESS}/documents/" in said and "|1. Refund policy>" in said
    record = await office.tenancy.record(1)
    assert (record.api_key_id, record.person_id, record.model) == (office.bot.key_id, kim.id, "assistant/help")


async def test_the_address_is_verified_by_what_the_chat_sends(office: Office) -> None:
    answer = await office.send({"type": "url_verification", "token": "old", "challenge": "3eZbrw1a"})
    assert (answer.status_code, answer.json()) == (200, {"challenge": "3eZbrw1a"})
    assert told_error(await office.send({"type": "url_verification", "challenge": "x"}, secret="another")) == (401, "event_forged")


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_an_event_is_of_this_moment(office: Office, minutes: int) -> None:
    await office.person("U1")
    at = time.time() + minutes * 60
    assert told_error(await office.send(event(REFUND, "Ev1"), at=at)) == (401, "event_too_old")
    assert office.worker.front._answering == {} and office.chat.asked == []
    assert (await office.send(event(REFUND, "Ev1"), at=time.time() - 200)).status_code == 200, "less than five minutes ago"
    await office.worker.settled()


@pytest.mark.parametrize(
    "change",
    [
        {"x-slack-signature": ""},
        {"x-slack-signature": "v0="},
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-request-timestamp": ""},
        {"x-slack-request-timestamp": "now"},
        {"x-slack-request-timestamp": "9" * 40},
        {"x-slack-request-timestamp": str(int(time.time()) - 1)},
    ],
    ids=["none", "short", "other", "no time", "no number", "huge", "another time"],
)
async def test_what_is_not_signed_by_the_chat_is_refused(office: Office, change: dict[str, str]) -> None:
    await office.person("U1")
    body = json.dumps(event(REFUND, "Ev1")).encode()
    answer = await office.worker.http.post(office.path, content=body, headers=signed_by(SECRET, body) | change)
    assert answer.status_code == 401
    altered = await office.worker.http.post(office.path, content=body.replace(b"refund", b"salary"), headers=signed_by(SECRET, body))
    assert told_error(altered) == (401, "event_forged")
    assert office.worker.front._answering == {} and office.chat.asked == []


async def test_an_event_that_is_sent_as_it_was_is_refused_and_one_that_is_signed_anew_is_answered_once(office: Office, ground: Ground) -> None:
    await office.person("U1")
    body, now = json.dumps(event(REFUND, "Ev1")).encode(), time.time()
    assert (await office.send(body, at=now)).status_code == 200
    async with open_bots(ground) as other:
        assert told_error(await send(other.http, office.path, body, at=now)) == (401, "event_replayed")
        again = [await send(worker.http, office.path, body, at=now + 1) for worker in (office.worker, other)]
        assert [answer.status_code for answer in again] == [200, 200]
        for worker in (office.worker, other):
            await worker.settled()
    assert len(office.chat.posted) == 1


async def test_two_workers_who_hear_of_one_event_at_once_answer_it_once(office: Office, ground: Ground) -> None:
    await office.person("U1")
    async with open_bots(ground) as other:
        now = time.time()
        sent = [send(worker.http, office.path, event(REFUND, "Ev1"), at=now + n) for n, worker in enumerate((office.worker, other) * 3)]
        assert {answer.status_code for answer in await asyncio.gather(*sent)} == {200}
        for worker in (office.worker, other):
            await worker.settled()
    assert len(office.chat.posted) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"bot_id": "B1"},
        {"subtype": "message_changed"},
        {"subtype": "bot_message"},
        {"type": "reaction_added"},
        {"channel_type": "channel"},
        {"user": ""},
        {"user": "U1/../x"},
        {"ts": None},
        {"text": ["hi"]},
        {"thread_ts": {"a": 1}},
    ],
    ids=["bot", "edited", "old bot", "reaction", "not to the bot", "nobody", "odd user", "no time", "odd text", "odd thread"],
)
async def test_what_is_no_question_to_the_bot_is_only_acknowledged(office: Office, more: dict[str, Any]) -> None:
    await office.person("U1")
    told = event(REFUND, "Ev1")
    told["event"] |= more
    assert (await office.send(told)).status_code == 200
    assert (await office.send({**event(REFUND, ""), "event_id": 7})).status_code == 200
    assert (await office.send({"type": "app_rate_limited"})).status_code == 200
    await office.worker.settled()
    assert office.chat.asked == []


async def test_who_is_not_known_is_refused_politely_and_told_nothing(stocked: Tenancy, office: Office) -> None:
    office.chat.knows("U9", "u1@acme.example")
    await office.person("U1", "buyers")
    assert await office.says(REFUND, user="U9") == SAYS["unknown"]["en"], "addresses count only where that is said"
    assert await office.says("환불은 얼마나 걸리나요?", user="U9") == SAYS["unknown"]["ko"]
    assert office.tenancy.records == []
    await remove_person(office.tenancy.ground.platform.knowledge, office.tenancy.id, "chat", "U1")
    assert await office.says(REFUND) == SAYS["unknown"]["en"]


async def test_people_are_known_by_an_address_that_the_chat_has_confirmed(stocked: Tenancy, office: Office) -> None:
    room, tenant, chat = office.tenancy.ground.platform.knowledge, office.tenancy.id, office.chat
    kim = await office.person("U1", "buyers")
    await change_bot(room, tenant, "chat", by_email=True)
    chat.knows("U2", "U1@Acme.example")
    chat.knows("U3", "somebody@else.example")
    assert "5 business days" in await office.says(REFUND, user="U2")
    assert (await office.tenancy.record(1)).person_id == kim.id
    for user, more in (
        ("U4", {"is_email_confirmed": False}),
        ("U5", {"is_bot": True}),
        ("U6", {"is_restricted": True}),
        ("U7", {"is_ultra_restricted": True}),
        ("U8", {"is_stranger": True}),
        ("U9", {"deleted": True}),
        ("U10", {"id": "U1"}),
        ("U11", {"profile": {}}),
        ("U12", {"profile": None}),
    ):
        chat.knows(user, "u1@acme.example", **more)
    for user in chat.people.keys() - {"U2"}:
        assert await office.says(REFUND, user=user) == SAYS["unknown"]["en"], user
    assert await office.says(REFUND, user="U99") == SAYS["failed"]["en"], "the chat does not know them itself"
    async with office.tenancy.change() as connection:
        await set_disabled(connection, kim, disabled=True, now=office.tenancy.ground.platform.clock())
    assert [await office.says(REFUND, user=user) for user in ("U1", "U2")] == [SAYS["unknown"]["en"]] * 2


async def test_a_service_and_a_customer_are_nobody_who_asks(office: Office) -> None:
    room, tenant = office.tenancy.ground.platform.knowledge, office.tenancy.id
    with pytest.raises(RequestError) as refused:
        await put_person(room, tenant, "chat", "U1", f"bot:{office.bot.public_id}")
    assert refused.value.code == "not_a_person"
    await change_bot(room, tenant, "chat", by_email=True)
    service = NewPerson("robot@acme.example", "Robot", "service")
    async with office.tenancy.change() as connection:
        await add_person(connection, office.tenancy.ground.platform.keyring, tenant, service, office.bot.created_at)
    office.chat.knows("U1", "robot@acme.example")
    assert await office.says(REFUND) == SAYS["unknown"]["en"]


async def test_somebody_alone_with_the_bot_reads_what_they_may(stocked: Tenancy, office: Office) -> None:
    await office.person("U1", "buyers")
    await office.person("U2", "staff")
    assert "9,000" in await office.says(SALARY, user="U2")
    refused = await office.says(SALARY, user="U1")
    assert "9,000" not in refused and "Salaries" not in refused
    assert "09:00" in await office.says(HOURS, user="U1")


async def test_in_a_shared_room_nothing_is_told_that_who_reads_along_may_not_read(stocked: Tenancy, office: Office) -> None:
    room, tenant = office.tenancy.ground.platform.knowledge, office.tenancy.id
    await office.person("U1", "buyers", "staff")
    await office.person("U2", "staff")
    shared: dict[str, Any] = {"room": "C1", "direct": False}
    assert await office.says(f"<@UBOT> {HOURS}", **shared) == SAYS["room"]["en"]
    for put, told in (
        (ChatRoom("C1"), (False, False, True)),
        (ChatRoom("C1", open_documents=False), (False, False, False)),
        (ChatRoom("C1", ("buyers",), open_documents=False), (True, False, False)),
        (ChatRoom("C1", ("staff",)), (False, True, True)),
        (ChatRoom("C1", ("buyers", "staff")), (False, False, True)),
    ):
        await put_room(room, tenant, "chat", put)
        answers = [await office.says(f"<@UBOT> {question}", **shared) for question in (REFUND, SALARY, HOURS)]
        assert tuple(word in text for word, text in zip(("5 business days", "9,000", "09:00"), answers, strict=True)) == told, put
    await put_room(room, tenant, "chat", ChatRoom("C1", ("buyers",)))
    assert "5 business days" not in await office.says(REFUND, user="U2", **shared), "nor what the one who asks may not"
    assert "9,000" not in await office.says(SALARY, user="U2", **shared)
    assert "9,000" in await office.says(SALARY, user="U2"), "alone they may"
    assert await office.says(HOURS, room="C2", direct=False) == SAYS["room"]["en"]
    await remove_room(room, tenant, "chat", "C1")
    assert await office.says(HOURS, **shared) == SAYS["room"]["en"]


async def test_an_answer_of_before_is_not_said_again_to_those_who_may_not_read_it(stocked: Tenancy, office: Office) -> None:
    await office.person("U1", "staff")
    await put_room(office.tenancy.ground.platform.knowledge, office.tenancy.id, "chat", ChatRoom("C1"))
    assert "9,000" in await office.says(SALARY)
    assert "9,000" not in await office.says(SALARY, room="C1", direct=False)
    assert "9,000" in await office.says(SALARY)


async def test_a_bot_belongs_to_one_tenant(stocked: Tenancy, office: Office, ground: Ground, chat: Chat, worker: Worker) -> None:
    stranger = await ground.tenancy()
    await stranger.declare(bases=["docs"], assistants=[{"name": "help", "base": "docs"}])
    other = await open_office(stranger, chat, worker, signing_secret="another-secret-of-theirs")
    await other.person("U1")
    await office.person("U2", "buyers")
    assert told_error(await office.send(event(REFUND, "Ev1", user="U2"), secret="another-secret-of-theirs")) == (401, "event_forged")
    assert told_error(await send(worker.http, other.path, event(REFUND, "Ev1"))) == (401, "event_forged")
    assert await office.says(REFUND, user="U1") == SAYS["unknown"]["en"], "whom the other tenant knows"
    answer = await send(worker.http, other.path, event(REFUND, "Ev1"), secret="another-secret-of-theirs")
    await worker.settled()
    assert answer.status_code == 200 and "5 business days" not in chat.posted[-1]["text"]
    with pytest.raises(NotFound):
        await put_room(ground.platform.knowledge, stranger.id, "nobody", ChatRoom("C1"))


@pytest.mark.parametrize("path", ["/bots/" + "a" * 24 + "/events", "/bots/a%00b/events", "/bots//events", "/bots/x", "/bots/"])
async def test_what_is_not_there_is_not_found(worker: Worker, path: str) -> None:
    assert (await send(worker.http, path, event(REFUND, "Ev1"))).status_code == 404


async def test_only_json_objects_of_a_fair_size_are_read(office: Office) -> None:
    assert told_error(await office.send(b"x" * (BODY_BYTES_MAX + 1))) == (413, "body_too_large")
    for body in (b"", b"{", b"[]", b"\xff", b"[" * 100_000):
        assert told_error(await office.send(body)) == (400, "malformed_event")
    assert (await office.worker.http.get(office.path)).status_code == 405


async def test_a_question_can_be_empty_or_too_long_or_hardly_text(stocked: Tenancy, office: Office) -> None:
    await office.person("U1", "buyers")
    assert await office.says(" <@UBOT> ") == SAYS["empty"]["en"]
    assert await office.says("x" * 4_001) == SAYS["long"]["en"]
    assert "5 business days" in await office.says(f"\ud800 {REFUND}")


async def test_limits_hold_and_are_told(stocked: Tenancy, office: Office) -> None:
    await office.person("U1", "buyers")
    await office.tenancy.limit("key", str(office.bot.key_id), requests_per_minute=1)
    assert "5 business days" in await office.says(REFUND)
    assert await office.says(REFUND) == SAYS["limited"]["en"]


async def test_one_bot_answers_so_many_at_once_and_what_was_sent_away_comes_again(stocked: Tenancy, office: Office) -> None:
    await office.person("U1", "buyers")
    office.chat.troubles.extend(["hangs"] * ANSWERING_PER_BOT_MAX)
    for number in range(ANSWERING_PER_BOT_MAX):
        assert (await office.send(event(REFUND, f"Ev{number}"))).status_code == 200, "it is acknowledged while the chat hangs"
    more = event(REFUND, "EvMore")
    assert told_error(await office.send(more)) == (503, "busy")
    office.chat.goes_on.set()
    await office.worker.settled()
    assert (await office.send(more)).status_code == 200
    await office.worker.settled()
    assert "5 business days" in office.chat.posted[-1]["text"]


async def test_a_revoked_bot_is_closed(stocked: Tenancy, office: Office) -> None:
    room, tenant = office.tenancy.ground.platform.knowledge, office.tenancy.id
    await office.person("U1", "buyers")
    await revoke_bot(room, tenant, "chat")
    assert told_error(await office.send(event(REFUND, "Ev1"))) == (403, "bot_revoked")
    assert told_error(await office.send(event(REFUND, "Ev1"), secret="another")) == (401, "event_forged"), "only the chat hears of it"
    for change in (revoke_bot(room, tenant, "chat"), put_room(room, tenant, "chat", ChatRoom("C1")), change_bot(room, tenant, "chat", by_email=True)):
        with pytest.raises(Conflict, match="revoked"):
            await change
    assert office.chat.asked == []


async def test_what_only_the_chat_and_we_know_is_sealed_and_can_be_changed(office: Office) -> None:
    await office.person("U0KIM")
    [stored] = await office.tenancy.rows("select signing_sealed, token_sealed from bots")
    [known] = await office.tenancy.rows("select user_hash, user_sealed from bot_people")
    kept = b"".join(bytes(value) for row in (stored, known) for value in row.values())
    assert not any(word.encode() in kept for word in (SECRET, TOKEN, "U0KIM"))
    room, tenant = office.tenancy.ground.platform.knowledge, office.tenancy.id
    await change_bot(room, tenant, "chat", signing_secret="the-second-secret")
    assert told_error(await office.send(event(REFUND, "Ev1"))) == (401, "event_forged")
    assert (await office.send(event(REFUND, "Ev1"), secret="the-second-secret")).status_code == 200
    await office.worker.settled()
    assert office.chat.posted != [], "the token is what it was"


async def test_somebody_is_erased_with_the_chats_name_for_them(stocked: Tenancy, office: Office) -> None:
    platform, tenant = office.tenancy.ground.platform, office.tenancy.id
    kim = await office.person("U1", "buyers")
    lee = await office.person("U2", "buyers")
    await office.says(REFUND)
    await erase_subject(platform.knowledge, tenant, kim.login)
    assert await office.says(REFUND) == SAYS["unknown"]["en"]
    await carry_out_open(erasure_room(platform))
    assert await office.tenancy.rows("select person_id from bot_people") == [{"person_id": lee.id}]
    left = await office.tenancy.rows("select content_sealed from answers where person_id = %s", kim.id)
    assert [bytes(row["content_sealed"]) for row in left] == [b""]
    assert "5 business days" in await office.says(REFUND, user="U2")


async def test_a_bot_is_made_over_what_there_is_and_every_change_stands_in_the_ledger(office: Office) -> None:
    room, tenant = office.tenancy.ground.platform.knowledge, office.tenancy.id
    good = NewBot("second", "help", SECRET, TOKEN)
    wrong = [
        (replace(good, name="chat"), "bot_exists"),
        (replace(good, name="A bot"), "bad_name"),
        (replace(good, assistant="nobody"), "assistant_not_found"),
        (replace(good, base_url="http://chat.example/api"), "bad_base_url"),
        (replace(good, base_url="https://user:pass@chat.example"), "bad_base_url"),
        (replace(good, base_url="ftp://chat.example"), "bad_base_url"),
        (replace(good, signing_secret="short"), "bad_secret"),
        (replace(good, token="xoxb-with\r\nx-evil: 1"), "bad_secret"),
    ]
    for new, code in wrong:
        with pytest.raises(RequestError) as refused:
            await create_bot(room, tenant, new)
        assert refused.value.code == code
    await office.person("U1")
    for odd in ("", "U 1", "U1\n", "x" * 101):
        with pytest.raises(RequestError, match="names nothing so"):
            await put_person(room, tenant, "chat", odd, "u1@acme.example")
        with pytest.raises(RequestError, match="names nothing so"):
            await put_room(room, tenant, "chat", ChatRoom(odd))
    with pytest.raises(RequestError, match="no group"):
        await put_room(room, tenant, "chat", ChatRoom("C1", ("nobody",)))
    await put_room(room, tenant, "chat", ChatRoom("C1"))
    for gone in (remove_room(room, tenant, "chat", "C9"), remove_person(room, tenant, "chat", "U9")):
        with pytest.raises(NotFound):
            await gone
    await change_bot(room, tenant, "chat", by_email=True)
    await remove_room(room, tenant, "chat", "C1")
    await remove_person(room, tenant, "chat", "U1")
    await revoke_bot(room, tenant, "chat")
    told = await office.tenancy.rows("select kind, body::text as body from ledger_events where kind like 'bot.%%' order by id")
    kinds = ["created", "person_put", "room_put", "changed", "room_removed", "person_removed", "revoked"]
    assert [row["kind"] for row in told] == [f"bot.{kind}" for kind in kinds], "what is refused leaves nothing behind"
    assert not any(word in row["body"] for row in told for word in ("U1", "C1", "acme.example"))


@pytest.mark.parametrize(("clearance", "is_told"), [("public", False), ("internal", True)])
async def test_no_class_is_told_in_a_room_above_the_rooms_own(office: Office, clearance: SecurityClass, is_told: bool, tmp_path: Any) -> None:
    (tmp_path / "plan.md").write_text("# Plan\n\nThe new office opens in Busan in May.\n")
    room, tenant = office.tenancy.ground.platform.knowledge, office.tenancy.id
    await ingest_folder(room, tenant, "docs", tmp_path, IngestOptions(security_class="internal"), lambda done, total: None)
    await office.person("U1", clearance="internal")
    await put_room(room, tenant, "chat", ChatRoom("C1", clearance=clearance))
    said = await office.says("When does the new office open in Busan?", room="C1", direct=False)
    assert ("May" in said) is is_told
    assert "May" in await office.says("When does the new office open in Busan?")


async def test_events_are_forgotten_with_the_first_that_comes_a_day_later(office: Office) -> None:
    await office.person("U1")
    await office.says(REFUND)
    async with office.tenancy.change() as connection:
        await connection.execute(
            "insert into bot_events select tenant_id, bot_id, sha256('old'), signature_hash, created_at - interval '25 hours' from bot_events"
        )
    assert len(await office.tenancy.rows("select 1 as one from bot_events")) == 2
    await office.says(REFUND)
    assert len(await office.tenancy.rows("select 1 as one from bot_events")) == 2, "the new one in the place of the old one"

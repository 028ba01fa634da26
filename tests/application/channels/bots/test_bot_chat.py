"""A chat that is slow, asks to wait, fails, or is not where it says: each answer is posted once or not at all, and nothing goes anywhere else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ondol.application.channels.bots.chat import FIRST_WAIT_S, TRIES_MAX
from ondol.application.channels.bots.manage import change_bot
from ondol.application.channels.bots.words import SAYS, question_of, shown_answer
from ondol.infrastructure.serving.http import parse_proxy
from ondol.infrastructure.serving.types import Timeouts
from tests.application.channels.bots.conftest import Office, open_bots, open_office
from tests.application.channels.bots.receiver import Chat, Trouble, event, send
from tests.infrastructure.gateway.ground import Ground, Tenancy

pytestmark = pytest.mark.anyio
POST = "POST /api/chat.postMessage"


async def asked(office: Office, *troubles: Trouble) -> list[str]:
    """What the chat is called with for one question."""
    await office.person("U1")
    office.chat.troubles.extend(troubles)
    assert (await office.send(event("Hello?", "Ev1"))).status_code == 200
    await office.worker.settled()
    return office.chat.asked


async def test_a_chat_that_asks_to_wait_is_asked_again_after_as_long(office: Office) -> None:
    assert await asked(office, "limited", "limited") == [POST] * 3
    assert office.worker.waited == [7.0, 7.0]
    assert len(office.chat.posted) == 1


async def test_a_chat_that_fails_is_asked_again_a_few_times(office: Office) -> None:
    assert await asked(office, "broken", "broken") == [POST] * 3
    assert office.worker.waited == [FIRST_WAIT_S, 2 * FIRST_WAIT_S]
    assert len(office.chat.posted) == 1
    office.chat.troubles.extend(["broken"] * 10)
    before = len(office.chat.asked)
    await office.send(event("Hello?", "Ev2"))
    await office.worker.settled()
    assert len(office.chat.asked) - before == TRIES_MAX


@pytest.mark.parametrize("trouble", ["limited_long", "refuses", "garbage", "elsewhere"])
async def test_what_does_not_pass_is_not_tried_again(office: Office, trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    assert await asked(office, trouble) == [POST], "nor is a redirect followed"
    assert office.chat.posted == [] and office.worker.waited == []
    [record] = [one for one in caplog.records if one.name == "ondol.bots"]
    assert record.getMessage() == "answer not posted" and "Hello" not in str(record.__dict__)


async def test_a_message_that_may_have_been_taken_is_not_posted_twice(ground: Ground, tenancy: Tenancy, chat: Chat) -> None:
    hasty = Timeouts(connect_s=5, first_byte_s=0.3, between_s=0.3, whole_s=0.5)
    async with open_bots(ground, timeouts=hasty) as worker:
        office = await open_office(tenancy, chat, worker)
        assert await asked(office, "takes_and_hangs") == [POST]
    assert len(chat.posted) == 1


async def test_who_somebody_is_is_asked_again_where_the_chat_did_not_say(office: Office) -> None:
    await change_bot(office.tenancy.ground.platform.knowledge, office.tenancy.id, "chat", by_email=True)
    assert await office.says("Hello?", user="U7") == SAYS["failed"]["en"]
    assert office.chat.asked == ["GET /api/users.info", POST]


async def test_a_private_address_is_not_called_unless_the_bot_was_made_so(ground: Ground, tenancy: Tenancy, chat: Chat) -> None:
    async with open_bots(ground) as worker:
        office = await open_office(tenancy, chat, worker, private_network=False, base_url=chat.url.replace("http:", "https:"))
        assert await asked(office) == []
        assert worker.waited == [], "what is not allowed is not tried again"
        metadata = await open_office(tenancy, chat, worker, name="cloud", base_url="http://169.254.169.254/api", private_network=True)
        assert (await send(worker.http, metadata.path, event("Hello?", "Ev1"))).status_code == 200
        await worker.settled()
    assert chat.asked == []


async def test_everything_goes_through_the_installations_proxy(ground: Ground, tenancy: Tenancy, chat: Chat) -> None:
    told: list[bytes] = []

    async def proxied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(proxied, "127.0.0.1", 0)
    async with server:
        proxy = parse_proxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", trusted=True)
        async with open_bots(ground, proxy=lambda: proxy) as worker:
            office = await open_office(tenancy, chat, worker)
            assert await asked(office) == [], "nothing goes past it"
    assert {line.split()[0] for line in told} == {b"CONNECT"}
    assert chat.url.partition("://")[2].encode() in told[0]


def source(number: int, title: str) -> dict[str, Any]:
    return {"n": number, "title": title, "original_url": f"/documents/{number}/original"}


def test_nothing_that_a_model_or_a_document_says_is_a_mention_or_a_link() -> None:
    text = "<!channel> see <https://evil.example|the policy> & <@U1> [1] [7]"
    told = shown_answer(text, [source(1, "<!here>|x")], "en", "https://o.example")
    assert told == (
        "&lt;!channel&gt; see &lt;https://evil.example|the policy&gt; &amp; &lt;@U1&gt; <https://o.example/documents/1/original|[1]> [7]\n\n"
        "Sources: <https://o.example/documents/1/original|1. &lt;!here&gt; x>"
    )


def test_bold_and_headings_are_as_a_chat_writes_them_and_long_answers_are_cut() -> None:
    assert shown_answer("## How\n\nTake **two** of * these.", [], "en", "") == "*How*\n\nTake *two* of * these."
    assert shown_answer("x" * 20_000, [], "en", "") == "x" * 11_999 + "…"


def test_a_question_is_what_somebody_wrote_without_mentions() -> None:
    assert question_of("<@U0BOT|help>  is 1 &lt; 2 &amp;&amp; <https://a.example|this page> or <https://b.example>?") == (
        "is 1 < 2 && this page or https://b.example?"
    )
    assert question_of("<!here> &amp;lt;") == "&lt;"

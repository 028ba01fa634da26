"""Operations beside chat, over a real socket, the real guard and real Postgres: governed like it, guarded wherever there is text, and recorded."""

from __future__ import annotations

import contextlib
import json
import re
import struct
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import openai
import pytest

from ondol.core.money import Money
from ondol.infrastructure.access.limits.types import Bounds
from ondol.infrastructure.gateway.application import Gateway
from ondol.infrastructure.gateway.door import Caller, FeedbackEntry
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.multipart import File, write_multipart
from tests.infrastructure.gateway.ground import Ground, Tenancy
from tests.infrastructure.gateway.server.wire import running
from tests.infrastructure.gateway.shapes.driving import CARD, RESIDENT

pytestmark = pytest.mark.anyio

MAIL = "kim.minsu@example.com"
WAV = b"RIFF\x00\x00\x00\x00WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16) + b"data" + b"\x00" * 64_000


@dataclass
class Upstream:
    """A provider that says what it is told to, and remembers what it was sent."""

    body: bytes = b"{}"
    content_type: bytes = b"application/json"
    seen: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    url: str = ""

    async def __call__(self, exchange: Exchange) -> None:
        body = await exchange.body(64 << 20)
        self.seen.append((exchange.path, exchange.header(b"content-type"), body))
        exchange.answer(200, self.body, (), self.content_type)

    @property
    def asked(self) -> Any:
        """The last body, decoded."""
        return json.loads(self.seen[-1][2])


@contextlib.asynccontextmanager
async def upstream(ground: Ground, answer: Any = None, kind: str = "openai", **model: Any) -> AsyncIterator[tuple[Tenancy, Upstream]]:
    made = Upstream(answer if isinstance(answer, bytes) else json.dumps(answer).encode())
    async with running(made) as server:
        made.url = f"http://127.0.0.1:{server.port}/v1"
        tenancy = await ground.tenancy()
        await tenancy.provider(made.url, kind=kind)
        await tenancy.model(**model)
        yield tenancy, made


EMBEDDED = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.20000000000000001, 3e-9]}], "model": "small"}
CHAT_USAGE = {"prompt_tokens": 7, "total_tokens": 7}


async def test_embeddings_embed_what_the_policy_lets_through(ground: Ground) -> None:
    async with upstream(ground, {**EMBEDDED, "usage": CHAT_USAGE}) as (tenancy, up):
        answer = await tenancy.ask({"input": [f"write to {MAIL}", "harmless"]}, "/v1/embeddings")
        assert answer.status_code == 200
        assert b"3e-9" in answer.content or b"3e-09" in answer.content
        assert answer.json()["model"] == "m"
        assert answer.json()["usage"] == CHAT_USAGE
        assert MAIL not in up.seen[-1][2].decode()
        assert up.asked["input"][1] == "harmless"
        assert up.asked["model"] == "small"
        record = await tenancy.record()
        assert (record.route, record.outcome, record.input_tokens, record.output_tokens) == ("embeddings", "answered", 7, 0)


@pytest.mark.parametrize("place", [0, 1])
async def test_a_refusal_that_has_no_place_in_an_answer_is_an_error(ground: Ground, place: int) -> None:
    async with upstream(ground, EMBEDDED) as (tenancy, up):
        texts = ["harmless", "harmless"]
        texts[place] = f"주민번호 {RESIDENT}"
        answer = await tenancy.ask({"input": texts}, "/v1/embeddings")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "content_filter")
        assert not up.seen
        record = await tenancy.record()
        assert (record.status, record.outcome, record.guard_decision) == (400, "refused", "block")


async def test_embeddings_of_langchain_are_told_what_to_set(ground: Ground) -> None:
    async with upstream(ground) as (tenancy, _):
        answer = await tenancy.ask({"input": [[1, 2, 3]]}, "/v1/embeddings")
        assert answer.status_code == 400
        assert "check_embedding_ctx_length=False" in answer.json()["error"]["message"]


async def test_base64_goes_out_as_it_came(ground: Ground) -> None:
    data = [{"object": "embedding", "index": 0, "embedding": "AAAAPw=="}]
    async with upstream(ground, {"data": data, "usage": CHAT_USAGE}) as (tenancy, up):
        async with tenancy.client() as client:
            found = await client.embeddings.create(model="m", input="x")
        assert found.data[0].embedding == [0.5]
        assert up.asked["encoding_format"] == "base64"


async def test_completions_of_openai(ground: Ground) -> None:
    said = {"choices": [{"text": f"The card is {CARD}, bye.", "index": 0, "finish_reason": "stop"}], "usage": {**CHAT_USAGE, "completion_tokens": 3}}
    async with upstream(ground, said) as (tenancy, up):
        async with tenancy.client() as client:
            answer = await client.completions.create(model="m", prompt="Say it", max_tokens=9)
        assert CARD not in answer.choices[0].text
        assert answer.id.startswith("cmpl-")
        assert up.asked == {"model": "small", "prompt": "Say it", "max_tokens": 9}


async def test_completions_by_a_model_of_another_family(ground: Ground) -> None:
    said = {"content": [{"type": "text", "text": "Hello."}], "stop_reason": "max_tokens", "usage": {"input_tokens": 3, "output_tokens": 2}}
    async with upstream(ground, said, kind="anthropic") as (tenancy, up):
        answer = (await tenancy.ask({"prompt": "Say it", "max_tokens": 9, "stop": "x"}, "/v1/completions")).json()
        assert answer["choices"][0] == {"index": 0, "text": "Hello.", "logprobs": None, "finish_reason": "length"}
        assert up.asked["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Say it"}]}]
        assert up.asked["stop_sequences"] == ["x"]
        refused = await tenancy.ask({"prompt": "Say it", "echo": True}, "/v1/completions")
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "echo")


async def test_a_pinned_prompt_stands_before_a_completion_and_is_not_echoed(ground: Ground) -> None:
    async with upstream(ground, {"choices": [{"text": "x"}]}, prompt="Be kind.") as (tenancy, up):
        await tenancy.ask({"prompt": ["a", "b"]}, "/v1/completions")
        assert up.asked["prompt"] == ["Be kind.\n\na", "Be kind.\n\nb"]
        answer = await tenancy.ask({"prompt": "a", "echo": True}, "/v1/completions")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "echo")


async def test_moderations_are_the_guards_own(ground: Ground) -> None:
    tenancy = await ground.tenancy()
    async with tenancy.client() as client:
        answer = await client.moderations.create(input=["Have a nice day.", "I want to kill myself", f"주민번호 {RESIDENT}"])
    assert [result.flagged for result in answer.results] == [False, True, True]
    assert answer.results[1].categories.self_harm
    assert 0.5 <= answer.results[1].category_scores.self_harm <= 1
    assert answer.results[2].categories.model_dump()["personal_data"]
    parts = await tenancy.ask({"input": [{"type": "text", "text": "Hi"}]}, "/v1/moderations")
    assert [result["flagged"] for result in parts.json()["results"]] == [False]
    picture = await tenancy.ask({"input": [{"type": "image_url", "image_url": {"url": "x"}}]}, "/v1/moderations")
    assert (picture.status_code, picture.json()["error"]["param"]) == (400, "input[0]")
    assert [record.route for record in tenancy.records] == ["moderations", "moderations"]


async def test_moderations_count_as_requests(ground: Ground) -> None:
    tenancy = await ground.tenancy()
    await tenancy.limit(requests_per_minute=2)
    answers = [(await tenancy.ask({"input": "Hi"}, "/v1/moderations")).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert (await tenancy.ask({"input": "Hi"}, "/v1/moderations", key="wrong")).status_code == 401


async def test_pictures_are_paid_by_the_piece(ground: Ground) -> None:
    said = {
        "created": 1,
        "data": [{"b64_json": "AAAA", "revised_prompt": f"A card {CARD}, on a table", "other": "x"}, {"url": "https://up.example/1.png"}],
    }
    async with upstream(ground, said) as (tenancy, up):
        await tenancy.price(image=40_000_000)
        answer = await tenancy.ask({"prompt": f"A letter to {MAIL}", "n": 2}, "/v1/images/generations")
        assert answer.status_code == 200
        assert CARD not in answer.text
        assert answer.json()["data"][0]["b64_json"] == "AAAA"
        assert "other" not in answer.json()["data"][0]
        assert MAIL not in up.seen[-1][2].decode()
        record = await tenancy.record()
        assert (record.cost_nano, record.images, record.audio_ms, record.characters) == (80_000_000, 2, 0, 0)


async def test_pictures_are_charged_to_budgets(ground: Ground) -> None:
    async with upstream(ground, {"data": [{"url": "https://up.example/1.png"}]}) as (tenancy, _):
        await tenancy.price(image=60_000_000)
        await tenancy.budget(Money(100_000_000, "USD"))
        answers = [await tenancy.ask({"prompt": "A house"}, "/v1/images/generations") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[1].json()["error"]["code"] == "budget_exceeded"


async def test_uploads_are_bounded(ground: Ground) -> None:
    async with upstream(ground, {"text": "Hi"}) as (tenancy, up):
        kind, body = write_multipart([("model", "m"), ("file", File("wav", b"audio/wav", memoryview(WAV + bytes(10 << 20))))])
        answer = await tenancy.ask(body, "/v1/audio/transcriptions", **{"content-type": kind.decode()})
        assert (answer.status_code, answer.json()["text"]) == (200, "Hi")
        assert len(up.seen[-1][2]) > 10 << 20
        await tenancy.limit(bounds=Bounds(body_bytes_max=50_000))
        kind, body = write_multipart([("model", "m"), ("file", File("wav", b"audio/wav", memoryview(WAV)))])
        answer = await tenancy.ask(body, "/v1/audio/transcriptions", **{"content-type": kind.decode()})
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_speech_is_sound_as_it_came(ground: Ground) -> None:
    sound = bytes(range(256)) * 1_000
    async with upstream(ground, sound) as (tenancy, up):
        up.content_type = b"audio/mpeg"
        await tenancy.price(character=15_000)
        answer = await tenancy.ask({"input": f"Write to {MAIL}", "voice": "alloy"}, "/v1/audio/speech")
        assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "audio/mpeg", sound)
        assert MAIL not in up.asked["input"]
        record = await tenancy.record()
        assert (record.route, record.cost_nano) == ("speech", 15_000 * len(up.asked["input"]))
        assert record.characters == len(up.asked["input"])
        blocked = await tenancy.ask({"input": f"주민번호 {RESIDENT}", "voice": "alloy"}, "/v1/audio/speech")
        assert (blocked.status_code, blocked.json()["error"]["code"]) == (400, "content_filter")
        assert (await tenancy.record(2)).characters == 0, "nobody spoke"


async def test_speech_as_events(ground: Ground) -> None:
    frames = [
        {"type": "speech.audio.delta", "audio": "QUJD", "note": CARD},
        {"type": "speech.audio.done", "usage": {"input_tokens": 2, "output_tokens": 5}},
    ]
    async with upstream(ground, b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames)) as (tenancy, up):
        up.content_type = b"text/event-stream"
        answer = await tenancy.ask({"input": "Hi", "voice": "alloy", "stream_format": "sse"}, "/v1/audio/speech")
        told = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")]
        assert told[0] == {"type": "speech.audio.delta", "audio": "QUJD"}
        assert told[1]["usage"] == {"input_tokens": 2, "output_tokens": 5, "total_tokens": 7}
        assert (await tenancy.record()).output_tokens == 5
        up.body = up.body[:60]
        cut = await tenancy.ask({"input": "Hi", "voice": "alloy", "stream_format": "sse"}, "/v1/audio/speech")
        assert "speech.audio.done" not in cut.text


async def test_what_is_no_sound_is_no_speech(ground: Ground) -> None:
    async with upstream(ground, {"error": "x"}) as (tenancy, _):
        answer = await tenancy.ask({"input": "Hi", "voice": "alloy"}, "/v1/audio/speech")
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_garbage")


@pytest.mark.parametrize("form", ["json", "verbose_json", "text", "srt", "vtt"])
async def test_transcripts_are_guarded_in_every_form(ground: Ground, form: str) -> None:
    said = f"My card is {CARD}, thank you."
    cues = f"1\n00:00:00,000 --> 00:00:01,000\nMy card is {CARD[:9]}\n\n2\n00:00:01,000 --> 00:00:02,000\n{CARD[10:]}, thank you.\n\n"
    segments = [
        {"id": 0, "start": 0, "end": 1, "text": f"My card is {CARD[:9]}", "tokens": [1]},
        {"id": 1, "start": 1, "end": 2, "text": f" {CARD[10:]}, thank you."},
    ]
    words = [{"word": word, "start": 0, "end": 1} for word in said.split()]
    bodies = {
        "json": json.dumps({"text": said}),
        "verbose_json": json.dumps({"text": said, "duration": 2.0, "segments": segments, "words": words}),
        "text": said,
        "srt": cues,
        "vtt": "WEBVTT\n\n" + cues.replace(",000", ".000"),
    }
    async with upstream(ground, bodies[form].encode()) as (tenancy, up):
        up.content_type = b"application/json" if "json" in form else b"text/plain; charset=utf-8"
        await tenancy.price(second=100_000)
        async with tenancy.client() as client:
            ask: Any = client.audio.transcriptions.create
            made = await ask(model="m", file=("kim.wav", WAV), prompt=f"Mail is {MAIL}", response_format=form)
        text = made if isinstance(made, str) else made.model_dump_json()
        for piece in (CARD, CARD[10:], CARD[:9]):
            assert piece not in text
        assert "thank you" in text
        _, content_type, body = up.seen[-1]
        assert content_type.startswith(b"multipart/form-data; boundary=")
        assert WAV in body
        assert b"kim" not in body
        assert MAIL.encode() not in body
        assert b'name="model"\r\n\r\nsmall\r\n' in body
        record = await tenancy.record()
        assert record.route == "transcriptions"
        assert 190_000 <= (record.cost_nano or 0) <= 210_000
        assert 1_900 <= record.audio_ms <= 2_100


async def test_a_streamed_transcript(ground: Ground) -> None:
    pieces = ["My card is 4111 1111", " 1111 1111, ", "thank you."]
    frames = [{"type": "transcript.text.delta", "delta": piece} for piece in pieces]
    frames.append({"type": "transcript.text.done", "text": "".join(pieces), "usage": {"type": "tokens", "input_tokens": 5, "output_tokens": 9}})  # type: ignore[dict-item]
    body = b"".join(b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames)
    async with upstream(ground, body) as (tenancy, up):
        up.content_type = b"text/event-stream"
        async with tenancy.client() as client:
            stream = await client.audio.transcriptions.create(model="m", file=("a.wav", WAV), stream=True)
            events = [event async for event in stream]
        told = "".join(event.delta for event in events if event.type == "transcript.text.delta")
        assert "1111" not in told
        assert told == events[-1].text  # type: ignore[union-attr]
        assert (await tenancy.record()).output_tokens == 9


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/audio/transcriptions", b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--b--\r\n', "file"),
        ("/v1/images/generations", b'{"model":"m","prompt":"x","stream":true}', "stream"),
        ("/v1/audio/speech", b'{"model":"m"}', "input"),
        ("/v1/moderations", b"{}", "input"),
        ("/v1/embeddings", b'{"model":"m","input":"x","encoding_format":"int8"}', "encoding_format"),
        ("/v1/messages/count_tokens", b'{"model":"m"}', "messages"),
    ],
)
async def test_what_is_wrong_is_named(ground: Ground, path: str, body: bytes, param: str) -> None:
    async with upstream(ground) as (tenancy, _):
        kind = "multipart/form-data; boundary=b" if "trans" in path else "application/json"
        answer = await tenancy.ask(body, path, **{"content-type": kind})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
        assert (await ground.http.get(path)).status_code == 405


async def test_tokens_are_counted_by_who_knows_them(ground: Ground) -> None:
    ask = {"messages": [{"role": "user", "content": f"Write to {MAIL}"}], "system": "Be kind."}
    async with upstream(ground, {"input_tokens": 42}, kind="anthropic") as (tenancy, up):
        answer = await tenancy.ask(ask, "/v1/messages/count_tokens")
        assert answer.json() == {"input_tokens": 42}
        assert "x-ondol-usage" not in answer.headers
        assert up.seen[-1][0] == "/v1/messages/count_tokens"
        assert MAIL not in up.seen[-1][2].decode()
        assert "max_tokens" not in up.asked
        record = await tenancy.record()
        assert (record.route, record.input_tokens, record.cost_nano) == ("count_tokens", 0, None)
    async with upstream(ground) as (tenancy, up):
        answer = await tenancy.ask(ask, "/v1/messages/count_tokens")
        assert answer.headers["x-ondol-usage"] == "estimated"
        assert 8 <= answer.json()["input_tokens"] <= 40
        assert not up.seen


async def test_feedback_on_an_answer(ground: Ground) -> None:
    tenancy = await ground.tenancy()
    kept: list[tuple[Caller, FeedbackEntry]] = []
    given = uuid.uuid4()

    async def keep(caller: Caller, entry: FeedbackEntry) -> uuid.UUID:
        kept.append((caller, entry))
        return given

    assert ground.gateway is not None
    async with running(Gateway(replace(ground.gateway.pipeline._door, feedback=keep))) as server:
        url = f"http://127.0.0.1:{server.port}/v1/feedback"
        answer_id = uuid.uuid4()
        for told in (f"chatcmpl-{answer_id.hex}", f"resp_{answer_id.hex}", f"msg_{answer_id.hex}", str(answer_id)):
            answer = await _post(tenancy, url, {"id": told, "thumb": "up"})
            assert (answer.status_code, answer.json()) == (200, {"object": "feedback", "id": str(given), "answer_id": str(answer_id)})
        await _post(tenancy, url, {"id": str(answer_id), "score": 0.25, "reasons": ["too-long"], "comment": f"Ask {MAIL}", "correction": "It is 3."})
        caller, entry = kept[-1]
        assert caller.tenant_id == tenancy.id
        assert (entry.opinion.score, entry.opinion.reasons, entry.opinion.corrected) == (25, ("too-long",), "It is 3.")
        assert entry.opinion.comment.startswith("Ask ") and MAIL not in entry.opinion.comment
        for wrong, param in (
            ({"id": "x", "thumb": "up"}, "id"),
            ({"id": str(answer_id), "thumb": "sideways"}, "thumb"),
            ({"id": str(answer_id), "score": 2}, "score"),
            ({"id": str(answer_id), "thumb": "up", "reasons": ["No Good!"]}, "reasons"),
            ({"id": str(answer_id), "comment": RESIDENT}, "comment"),
        ):
            answer = await _post(tenancy, url, wrong)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
        assert (await ground.http.post(url, json={"id": str(answer_id)})).status_code == 401


async def _post(tenancy: Tenancy, url: str, body: Any) -> Any:
    return await tenancy.ground.http.post(url, json=body, headers={"authorization": f"Bearer {tenancy.key}"})


async def test_an_unknown_path_is_refused(ground: Ground) -> None:
    tenancy = await ground.tenancy()
    for path in ("/v1/audio/translations", "/v1/images/edits", "/v1/files", "/v1/embeddings/"):
        answer = await tenancy.ask({}, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_assistants_answer_no_embeddings(ground: Ground) -> None:
    tenancy = await ground.tenancy()
    async with tenancy.client() as client:
        with pytest.raises(openai.NotFoundError, match=re.escape("assistant/none")):
            await client.embeddings.create(model="assistant/none", input="x")

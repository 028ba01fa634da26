"""What `transformers serve` and llama.cpp's server send, byte by byte, as `tests/upstreams` met them, and what a caller gets of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.scripted_faults import chunked, head, whole
from tests.infrastructure.gateway.ground import ASK, Ground, Tenancy, events_of

pytestmark = pytest.mark.anyio

STREAM = head(b"content-type: text/event-stream; charset=utf-8", b"transfer-encoding: chunked")
_CHUNK = b'"created":1795287608,"model":"tiny@main","object":"chat.completion.chunk","system_fingerprint":""'
TRANSFORMERS = (
    b'data: {"id":"d94c134d","choices":[{"delta":{"role":"assistant"},"index":0}],' + _CHUNK + b"}\n\n",
    b'data: {"id":"d94c134d","choices":[{"delta":{"content":" its"},"index":0}],' + _CHUNK + b"}\n\n",
    b'data: {"id":"d94c134d","choices":[{"delta":{"content":" \xef\xbf\xbdge"},"index":0}],' + _CHUNK + b"}\n\n",
    b'data: {"id":"d94c134d","choices":[{"delta":{},"index":0,"finish_reason":"length"}],' + _CHUNK
    + b',"usage":{"completion_tokens":3,"prompt_tokens":9,"total_tokens":12}}\n\n',
)  # fmt: skip
"""No ``[DONE]``, no reason where there is none, and the usage beside the reason."""
LLAMA_CPP = (
    *(
        b'data: {"id": "chatcmpl-6a3b", "model": "tiny", "created": 1795287814, "object": "chat.completion.chunk", "choices": [{"index": 0, '
        b'"delta": %b, "logprobs": null, "finish_reason": %b}]}\n\n' % (delta, reason)
        for delta, reason in ((b'{"role": "assistant"}', b"null"), (b'{"content": " \\ubb38\\uc11c"}', b"null"), (b"{}", b'"length"'))
    ),
    b"data: [DONE]\n\n",
)
"""No usage, though it was asked for."""
RESPONSE = (
    b'{"id":"resp_1","created_at":1795287608.3,"model":"tiny@main","object":"response","output":[{"id":"msg_1","content":[{"annotations":[],'
    b'"text":" its","type":"output_text"}],"role":"assistant","status":"completed","type":"message"}],"parallel_tool_calls":false,'
    b'"tool_choice":"auto","tools":[],"status":"completed","usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":0},"output_tokens":4,'
    b'"output_tokens_details":{"reasoning_tokens":0},"total_tokens":13}}'
)


async def asked(ground: Ground, says: Any, body: Any, path: str = "/v1/chat/completions", **provider: Any) -> tuple[Tenancy, Any, ScriptedModel]:
    """A fresh tenant, what it was answered, and the upstream that it asked."""
    async with ScriptedModel(says) as upstream:
        async with ground.at_once():
            tenancy = await ground.tenancy()
            await tenancy.provider(upstream.base_url, **provider)
            await tenancy.model(retries_max=0)
            await tenancy.price()
        return tenancy, await tenancy.ask({"model": "m", **body}, path), upstream


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize(("sent", "text", "usage"), [(TRANSFORMERS, " its \ufffdge", (9, 3)), (LLAMA_CPP, " 문서", None)])
async def test_a_stream_has_all_that_a_strict_reader_wants(
    ground: Ground, sent: tuple[bytes, ...], text: str, usage: tuple[int, int] | None, include_usage: bool
) -> None:
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    tenancy, answer, _ = await asked(ground, lambda _: Reply(raw=[STREAM + chunked(*sent)]), {"messages": ASK, "stream": True, **options})
    assert answer.text.endswith("data: [DONE]\n\n")
    chunks = events_of(answer.text)[:-1]
    told = chunks.pop()["usage"] if include_usage else None
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert all({"index", "delta", "finish_reason"} <= choice.keys() for choice in choices)
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["length"]
    assert "".join(choice["delta"].get("content", "") for choice in choices) == text
    record = await tenancy.record()
    assert (record.outcome, record.usage_estimated, record.output_tokens > 0) == ("answered", usage is None, True)
    assert chunks[-1]["ondol"].get("usage_estimated", False) is (usage is None)
    assert usage is None or usage == (record.input_tokens, record.output_tokens)
    assert told is None or (told["prompt_tokens"], told["completion_tokens"]) == (record.input_tokens, record.output_tokens)
    assert record.cost_nano == record.input_tokens * 1_000 + record.output_tokens * 2_000


@pytest.mark.parametrize("caller", [{}, {"stream": None}, {"stream": False}])
async def test_a_server_that_streams_responses_unless_it_is_told_not_to(ground: Ground, caller: dict[str, Any]) -> None:
    def says(body: Any) -> Reply:
        created = b'data: {"response":%b,"sequence_number":0,"type":"response.created"}\n\n' % RESPONSE
        return Reply(raw=[STREAM + chunked(created) if body.get("stream", True) else whole(RESPONSE)])

    tenancy, answer, upstream = await asked(ground, says, {"input": "hi", **caller}, "/v1/responses", speaks_responses=True)
    assert answer.status_code == 200
    assert answer.json()["output"][0]["content"][0]["text"] == " its"
    assert upstream.requests[-1].body["stream"] is False
    assert ((await tenancy.record()).input_tokens, (await tenancy.record()).output_tokens) == (9, 4)


@pytest.mark.parametrize(("told", "field"), [(None, "max_tokens"), ("max_completion_tokens", "max_completion_tokens")])
async def test_a_server_that_knows_one_name_for_the_bound_is_not_told_another(ground: Ground, told: str | None, field: str) -> None:
    """llama.cpp's Python server goes on to the end of its context when it is told ``max_completion_tokens``."""
    body = {"messages": ASK, "max_completion_tokens": 7}
    _, answer, upstream = await asked(ground, lambda _: Reply("Hi."), body, bound_field=told)
    assert answer.status_code == 200
    assert {name: value for name, value in upstream.requests[-1].body.items() if name.startswith("max_")} == {field: 7}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (b"400 Bad Request", {"detail": "Server is pinned to '/srv/models/tiny'; requested 'other'."}, "upstream_refused"),
        (b"422 Unprocessable Entity", {"detail": "Unexpected fields in the request: {'/srv/x'}"}, "upstream_refused"),
        (b"404 Not Found", {"detail": "Not Found /srv/x"}, "upstream_missing"),
        (
            b"500 Internal Server Error",
            {"error": {"message": "/srv/x", "type": "internal_server_error", "param": None, "code": None}},
            "upstream_failed",
        ),
    ],
)
async def test_an_error_in_the_servers_own_form_is_told_in_ours(ground: Ground, status: bytes, body: Any, code: str, stream: bool) -> None:
    reply = Reply(raw=[whole(json.dumps(body).encode(), status=status)])
    tenancy, answer, _ = await asked(ground, lambda _: reply, {"messages": ASK, "stream": stream})
    assert answer.json()["error"]["code"] == code
    assert answer.status_code == (400 if code == "upstream_refused" else 502)
    assert "/srv" not in answer.text
    assert (await tenancy.record()).outcome == code


async def test_an_error_in_a_stream_that_is_a_text_and_no_object(ground: Ground) -> None:
    sent = (*TRANSFORMERS[:2], b'data: {"error": "CUDA out of memory at /srv/x"}\n\n')
    tenancy, answer, _ = await asked(ground, lambda _: Reply(raw=[STREAM + chunked(*sent)]), {"messages": ASK, "stream": True})
    assert events_of(answer.text)[-1]["error"]["code"] == "upstream_failed"
    assert "/srv" not in answer.text
    assert "[DONE]" not in answer.text
    assert (await tenancy.record()).outcome == "upstream_failed"

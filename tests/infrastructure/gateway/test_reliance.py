"""What a provider would do beyond answering: nobody names what is kept there, uses its tools, or has it fetch addresses, unless that was allowed."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from ondol.core.errors import RequestError
from ondol.core.money import Money
from ondol.infrastructure.gateway.reliance import reliances
from ondol.infrastructure.gateway.shapes.chat import read_chat
from ondol.infrastructure.serving.rows import row_of
from ondol.infrastructure.serving.settings import ProviderSettings
from tests.infrastructure.gateway.ground import Ground, Tenancy
from tests.infrastructure.gateway.upstreams import PATHS, body_for, upstream

PICTURE = "https://pictures.example/a.png"
DATA = "data:image/png;base64,aGk="


def _parts(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, *parts]}], **more}


def _items(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}, *parts]}], **more}


def _blocks(*blocks: Any, **more: Any) -> dict[str, Any]:
    return _parts(*blocks, max_tokens=9, **more)


STATE: dict[str, tuple[str, dict[str, Any], str]] = {
    "a file": ("chat", _parts({"type": "file", "file": {"file_id": "file-1"}}), "messages[0].content[1].file.file_id"),
    "kept answers": ("chat", body_for("chat", store=True), "store"),
    "an earlier sound": ("chat", {"messages": [*body_for("chat")["messages"], {"role": "assistant", "content": "x", "audio": {"id": "a"}}]},
                         "messages[1].audio"),
    "a cached content": ("chat", body_for("chat", extra={"google": {"cached_content": "cachedContents/1"}}), "extra.google.cached_content"),
    "an input file": ("responses", _items({"type": "input_file", "file_id": "file-1"}), "input[0].content[1].file_id"),
    "an input image": ("responses", _items({"type": "input_image", "file_id": "file-1"}), "input[0].content[1].file_id"),
    "a hidden file": ("responses", _items({"type": "x", "inner": {"file_id": "file-1"}}), "input[0].content[1].inner.file_id"),
    "a screenshot": (
        "responses",
        {"input": [{"type": "computer_call_output", "call_id": "1", "output": {"type": "computer_screenshot", "file_id": "file-1"}}]},
        "input[0].output.file_id",
    ),
    "a document": (
        "messages", _blocks({"type": "document", "source": {"type": "file", "file_id": "file_1"}}), "messages[0].content[1].source.file_id",
    ),
    "an upload": ("messages", _blocks({"type": "container_upload", "file_id": "file_1"}), "messages[0].content[1].file_id"),
    "a container": ("messages", body_for("messages", container="container_1"), "container"),
    "a container with skills": ("messages", body_for("messages", container={"id": "container_1"}), "container"),
    "a voice": ("speech", {"input": "hi", "voice": {"id": "voice_1"}}, "voice"),
}  # fmt: skip
TOOLS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "web search": ("chat", body_for("chat", web_search_options={"search_context_size": "high"}), "web_search_options", "web_search"),
    "a plugin": ("chat", body_for("chat", plugins=[{"id": "web"}]), "plugins", "plugins"),
    "a search of responses": ("responses", body_for("responses", tools=[{"type": "web_search_preview"}]), "tools[0]", "web_search"),
    "an interpreter": (
        "responses", body_for("responses", tools=[{"type": "code_interpreter", "container": {"type": "auto"}}]), "tools[0]", "code_interpreter",
    ),
    "a computer": ("responses", body_for("responses", tools=[{"type": "computer_use_preview"}]), "tools[0]", "computer_use_preview"),
    "a dated tool": (
        "messages", body_for("messages", tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}]), "tools[0]", "web_search",
    ),
}  # fmt: skip
ADDRESSES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a picture": ("chat", _parts({"type": "image_url", "image_url": {"url": PICTURE}}), "messages[0].content[1].image_url.url"),
    "a film": ("chat", _parts({"type": "video_url", "video_url": {"url": PICTURE}}), "messages[0].content[1].video_url.url"),
    "an unknown part": ("chat", _parts({"type": "x", "image_url": PICTURE}), "messages[0].content[1].image_url"),
    "an address as data": ("chat", _parts({"type": "file", "file": {"file_data": PICTURE}}), "messages[0].content[1].file.file_data"),
    "a picture of responses": ("responses", _items({"type": "input_image", "image_url": PICTURE}), "input[0].content[1].image_url"),
    "a file of responses": ("responses", _items({"type": "input_file", "file_url": PICTURE}), "input[0].content[1].file_url"),
    "a picture of messages": (
        "messages", _blocks({"type": "image", "source": {"type": "url", "url": PICTURE}}), "messages[0].content[1].source.url",
    ),
    "a picture in a result": (
        "messages",
        _blocks({"type": "tool_result", "tool_use_id": "1", "content": [{"type": "image", "source": {"type": "url", "url": PICTURE}}]}),
        "messages[0].content[1].content[0].source.url",
    ),
    "a picture to embed": ("embeddings", {"input": "x", "messages": _parts({"type": "image_url", "image_url": {"url": PICTURE}})["messages"]},
                           "messages[0].content[1].image_url.url"),
}  # fmt: skip


async def _provided(ground: Ground, base_url: str, operation: str, **settings: Any) -> Tenancy:
    tenancy = await ground.tenancy()
    await tenancy.provider(base_url, kind="anthropic" if operation == "messages" else "openai", speaks_responses=True, **settings)
    await tenancy.model()
    return tenancy


@pytest.mark.anyio
@pytest.mark.parametrize("name", STATE)
async def test_what_a_provider_keeps_is_named_only_where_that_is_allowed(ground: Ground, name: str) -> None:
    operation, body, field = STATE[name]
    async with upstream() as up:
        tenancy = await _provided(ground, up.base_url, operation)
        answer = await tenancy.ask(body, PATHS[operation])
        assert answer.status_code == 400, answer.text
        assert field in answer.json()["error"]["message"] and "keeps_state" in answer.json()["error"]["message"]
        assert not up.requests
        await tenancy.provider(up.base_url, kind="anthropic" if operation == "messages" else "openai", speaks_responses=True, keeps_state=True)
        answer = await tenancy.ask(body, PATHS[operation])
        assert answer.status_code == 200, answer.text
        assert len(up.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("name", TOOLS)
async def test_tools_of_a_provider_are_used_only_where_they_are_named(ground: Ground, name: str) -> None:
    operation, body, field, tool = TOOLS[name]
    async with upstream() as up:
        tenancy = await _provided(ground, up.base_url, operation, hosted_tools={"other": {}})
        answer = await tenancy.ask(body, PATHS[operation])
        assert answer.status_code == 400, answer.text
        assert field in answer.json()["error"]["message"] and "hosted_tools" in answer.json()["error"]["message"]
        assert not up.requests
        await tenancy.provider(up.base_url, kind="anthropic" if operation == "messages" else "openai", speaks_responses=True, hosted_tools={tool: {}})
        assert (await tenancy.ask(body, PATHS[operation])).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("name", ADDRESSES)
async def test_addresses_are_fetched_only_where_that_is_allowed(ground: Ground, name: str) -> None:
    operation, body, field = ADDRESSES[name]
    async with upstream() as up:
        tenancy = await _provided(ground, up.base_url, operation)
        answer = await tenancy.ask(body, PATHS[operation])
        assert answer.status_code == 400, answer.text
        assert field in answer.json()["error"]["message"]
        assert not up.requests
        told = json.loads(json.dumps(body).replace(PICTURE, DATA))
        assert (await tenancy.ask(told, PATHS[operation])).status_code == 200, "data always pass"
        await tenancy.provider(up.base_url, kind="anthropic" if operation == "messages" else "openai", speaks_responses=True, fetches_urls=True)
        assert (await tenancy.ask(body, PATHS[operation])).status_code == 200
        assert PICTURE in json.dumps(up.requests[-1].body)


@pytest.mark.anyio
async def test_tools_that_name_what_is_kept_need_both(ground: Ground) -> None:
    body = body_for("responses", tools=[{"type": "file_search", "vector_store_ids": ["vs_1"]}])
    async with upstream() as up:
        tenancy = await _provided(ground, up.base_url, "responses", hosted_tools={"file_search": {}})
        answer = await tenancy.ask(body, PATHS["responses"])
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "tools[0].vector_store_ids")
        await tenancy.provider(up.base_url, speaks_responses=True, hosted_tools={"file_search": {}}, keeps_state=True)
        assert (await tenancy.ask(body, PATHS["responses"])).status_code == 200


@pytest.mark.anyio
async def test_through_a_shared_model_nobody_names_what_is_kept(ground: Ground) -> None:
    """Its provider is the operator's: what one tenant has kept there, another could name."""
    operator = ground.operator
    assert operator is not None
    async with upstream() as up:
        await operator.provider(up.base_url, "kept", keeps_state=True, fetches_urls=True)
        alias = f"shared-{uuid.uuid4().hex[:6]}"
        await operator.model("kept", alias=alias, shared=True)
        tenancy = await ground.tenancy()
        body = {**STATE["a file"][1], "model": alias}
        answer = await tenancy.ask(body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "state_not_allowed")
        assert not up.requests
        assert (await operator.ask(body)).status_code == 200
        assert (await tenancy.ask({**ADDRESSES["a picture"][1], "model": alias})).status_code == 200


@pytest.mark.anyio
async def test_a_request_goes_only_to_the_targets_that_may(ground: Ground) -> None:
    async with upstream(text="near") as near, upstream(text="far") as far:
        tenancy = await ground.tenancy()
        await tenancy.provider(near.base_url, "near")
        await tenancy.provider(far.base_url, "far", fetches_urls=True)
        await tenancy.model("near", "far")
        assert "near" in (await tenancy.ask()).text
        assert "far" in (await tenancy.ask(ADDRESSES["a picture"][1])).text
        assert len(near.requests) == 1


@pytest.mark.anyio
async def test_an_address_carries_out_nothing_that_nobody_may_send(ground: Ground) -> None:
    async with upstream() as up:
        tenancy = await _provided(ground, up.base_url, "chat", fetches_urls=True)
        picture = {"type": "image_url", "image_url": {"url": "https://evil.example/a.png?who=900101-1234568"}}
        answer = await tenancy.ask(_parts(picture))
        assert "content_filter" in answer.text
        assert not up.requests


@pytest.mark.anyio
async def test_files_that_only_the_provider_has_seen_are_reserved_in_full(ground: Ground) -> None:
    async with upstream() as up:
        tenancy = await _provided(ground, up.base_url, "responses", keeps_state=True, fetches_urls=True)
        await tenancy.price(input=10**9, output=0)
        await tenancy.budget(Money(10**8, "USD"))  # a hundred thousand tokens
        for name in ("an input file", "a file of responses"):
            body = (STATE.get(name) or ADDRESSES[name])[1]
            assert (await tenancy.ask(body, PATHS["responses"])).status_code == 429
        assert (await tenancy.ask(ADDRESSES["a picture of responses"][1], PATHS["responses"])).status_code == 200


REFUSED = [
    "http://pictures.example/a.png", "https://10.0.0.1/a", "https://127.0.0.1:8700/api", "https://[::1]/a", "https://[::ffff:10.0.0.1]/a",
    "https://169.254.169.254/latest/meta-data", "https://localhost/a", "https://metadata.google.internal/a", "https://a.localhost/",
    "https://intranet/a", "https://2130706433/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://127.1/", "https://127.0.0.1./",
    "file:///etc/passwd", "gs://b/a", "x", "https://user@pictures.example/a", "https://pictures.example\\@10.0.0.1/",
    "https://pictures.example:port/", "https://[fe80::1]/a", "//10.0.0.1/a", "https://100.64.0.1/a", "https://0.0.0.0/a",
    " https://pictures.example/a", "https:///a",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_no_address_inside_is_fetched_by_anybody(address: str) -> None:
    asked = read_chat({"model": "m", **_parts({"type": "image_url", "image_url": {"url": address}})})
    with pytest.raises(RequestError) as caught:
        reliances(asked)
    assert caught.value.code == "address_not_allowed"


ORDINARY: list[dict[str, Any]] = [
    body_for("chat", tools=[{"type": "function", "function": {"name": "f", "parameters": {"properties": {"file_id": {"type": "string"}}}}}]),
    body_for("chat", metadata={"conversation": "c-1"}, store=False),
    body_for("chat", response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"properties": {"url": {"const": PICTURE}}}}}),
    body_for("chat", audio={"voice": "alloy", "format": "wav"}),
    body_for("chat", tools=[{"type": "custom", "custom": {"name": "f"}}]),
    body_for("chat", PICTURE),
    _parts({"type": "image_url", "image_url": {"url": DATA}}),
    {"messages": [{"role": "assistant", "content": "x", "annotations": [{"type": "url_citation", "url_citation": {"url": PICTURE}}]}]},
]


@pytest.mark.parametrize("place", range(len(ORDINARY)))
def test_what_only_looks_like_it_is_no_matter(place: int) -> None:
    assert reliances(read_chat({"model": "m", **ORDINARY[place]})) == []


@pytest.mark.parametrize(
    ("base_url", "settings", "fetches"),
    [
        ("https://api.openai.com/v1", {}, True),
        ("https://x.openai.azure.com/openai/v1", {}, True),
        ("https://api.anthropic.com", {}, True),
        ("https://api.openai.com/v1", {"fetches_urls": False}, False),
        ("https://api.openai.com/v1", {"private_network": True}, False),
        ("http://api.openai.com/v1", {}, False),
        ("https://notapi.openai.com.evil.example/v1", {}, False),
        ("https://myopenrouter.ai/v1", {}, False),
        ("http://10.0.0.5:8000/v1", {"private_network": True}, False),
        ("https://models.example/v1", {}, False),
        ("https://models.example/v1", {"fetches_urls": True}, True),
    ],
)
def test_only_public_services_fetch_by_themselves(base_url: str, settings: dict[str, Any], fetches: bool) -> None:
    row = row_of(uuid.uuid4(), uuid.uuid4(), "p", "openai", base_url, "", ProviderSettings(**settings))
    assert row.fetches_urls is fetches


@pytest.mark.anyio
async def test_tools_of_a_provider_are_reserved_bounded_and_charged(ground: Ground) -> None:
    """What they bring to a model and what they cost is no part of what was asked."""
    tools = [{"type": "web_search_preview"}, {"type": "file_search"}]
    async with upstream() as up:
        hosted = {"web_search": {"calls_max": 3, "call_tokens": 10_000}, "file_search": {"calls_max": 2, "call_tokens": 1_000}}
        tenancy = await _provided(ground, up.base_url, "responses", hosted_tools=hosted)
        await tenancy.price(input=10**9, output=0)
        await tenancy.budget(Money(10**8, "USD"))  # a hundred thousand tokens
        for count in range(3):
            answer = await tenancy.ask(body_for("responses", tools=tools, max_tool_calls=99), PATHS["responses"])
            assert answer.status_code == (200 if count < 3 else 429), answer.text
            assert up.requests[-1].body["max_tool_calls"] == 5
        assert (await tenancy.ask(body_for("responses", tools=tools), PATHS["responses"])).status_code == 429
        assert answer.headers["x-ondol-cost"] == "0.032012 USD", "32,000 tokens beside the twelve that were told"
        assert (await tenancy.ask(body_for("responses", tools=[], max_output_tokens=9), PATHS["responses"])).status_code == 200


@pytest.mark.anyio
async def test_a_search_of_messages_is_bounded_where_it_is_asked_for(ground: Ground) -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 50}
    async with upstream() as up:
        tenancy = await _provided(ground, up.base_url, "messages", hosted_tools={"web_search": {"calls_max": 2}})
        assert (await tenancy.ask(body_for("messages", tools=[tool]), PATHS["messages"])).status_code == 200
        assert up.requests[-1].body["tools"] == [{**tool, "max_uses": 2}]


@pytest.mark.anyio
@pytest.mark.parametrize("operation", ["chat", "responses", "messages", "completions"])
async def test_a_dearer_tier_is_refused_unless_it_has_a_price(ground: Ground, operation: str) -> None:
    kind = "anthropic" if operation == "messages" else "openai"
    async with upstream(usage=(1_000, 0)) as up:
        tenancy = await _provided(ground, up.base_url, operation)
        await tenancy.price(input=10**9, output=0)
        for tier in ("priority", "scale", "", 5, ["priority"]):
            answer = await tenancy.ask(body_for(operation, service_tier=tier), PATHS[operation])
            assert (answer.status_code, answer.json()["error"].get("param", "service_tier")) == (400, "service_tier"), answer.text
        assert not up.requests
        for cheap in ("auto", "default", "flex", "standard_only", None):
            answer = await tenancy.ask(body_for(operation, service_tier=cheap), PATHS[operation])
            assert answer.headers["x-ondol-cost"] == "0.001 USD"
            assert up.requests[-1].body.get("service_tier") == (None if cheap == "auto" else cheap)
        await tenancy.provider(up.base_url, kind=kind, speaks_responses=True, service_tier_percents={"priority": 250})
        answer = await tenancy.ask(body_for(operation, service_tier="priority"), PATHS[operation])
        assert answer.headers["x-ondol-cost"] == "0.0025 USD"
        assert up.requests[-1].body["service_tier"] == "priority"


@pytest.mark.anyio
async def test_a_dearer_tier_is_reserved_at_its_price(ground: Ground) -> None:
    async with upstream() as up:
        tenancy = await _provided(ground, up.base_url, "chat", service_tier_percents={"priority": 250})
        await tenancy.price(input=0, output=10**9)
        await tenancy.budget(Money(2 * 10**6, "USD"))  # two thousand tokens
        assert (await tenancy.ask(body_for("chat", max_tokens=1_000, service_tier="priority"))).status_code == 429
        assert (await tenancy.ask(body_for("chat", max_tokens=1_000))).status_code == 200

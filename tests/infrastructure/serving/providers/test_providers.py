"""What goes to each family, what is known of them, and when their streams end."""

from __future__ import annotations

import logging
import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.errors import SettingsError, UpstreamError
from ondol.infrastructure.serving.http import Origin
from ondol.infrastructure.serving.providers import KINDS, SERVERS, Anthropic, OpenAI, new_providers
from ondol.infrastructure.serving.types import END_MARK, Frame, Secret
from tests.infrastructure.serving.grounds import CREDENTIAL, row

JSON = b"application/json"


def test_openai_requests() -> None:
    provider = OpenAI()
    place = row("https://API.example.com:8443/base/v1/", headers=(("OpenAI-Organization", "org-1"),))
    request = provider.request(
        "chat", b"{}", JSON, CREDENTIAL, place, b"00-aa-bb-01", [(b"x-tag", b"1"), (b"authorization", b"mine"), (b"host", b"evil")]
    )
    assert request.origin == Origin("https", "api.example.com", 8443)
    assert request.head() == (
        b"POST /base/v1/chat/completions HTTP/1.1\r\nhost: api.example.com:8443\r\naccept: */*\r\naccept-encoding: identity\r\n"
        b"openai-organization: org-1\r\ncontent-type: application/json\r\nauthorization: Bearer sk-very-secret-4711\r\n"
        b"traceparent: 00-aa-bb-01\r\nx-tag: 1\r\ncontent-length: 2\r\n\r\n"
    )
    assert provider.egress(place).origins == {request.origin}
    assert CREDENTIAL not in repr(request)
    keyless = provider.request("embeddings", b"{}", JSON, "", place)
    assert not any(name == b"authorization" for name, _ in keyless.headers)
    assert keyless.path == b"/base/v1/embeddings"


def test_anthropic_requests_with_and_without_the_version_in_the_address() -> None:
    provider = Anthropic()
    for base in ("https://a.example", "https://a.example/v1", "https://a.example/v1/"):
        request = provider.request("count_tokens", b"{}", JSON, CREDENTIAL, row(base, kind="anthropic"))
        assert request.path == b"/v1/messages/count_tokens"
        assert (b"x-api-key", CREDENTIAL.encode()) in request.headers
        assert (b"anthropic-version", b"2023-06-01") in request.headers
    with pytest.raises(UpstreamError) as caught:
        provider.request("chat", b"{}", JSON, CREDENTIAL, row("https://a.example", kind="anthropic"))
    assert caught.value.code == "upstream_unsupported"


def test_a_rotated_row_is_seen_at_once() -> None:
    provider = OpenAI()
    old = row("https://a.example/v1")
    assert provider.request("chat", b"", JSON, "", old).origin.host == "a.example"
    new = replace(old, base_url="https://b.example/v1", private_network=False)
    assert provider.request("chat", b"", JSON, "", new).origin.host == "b.example"
    assert not provider.egress(new).private_network


def test_what_is_known_of_the_kinds() -> None:
    assert set(KINDS) == {"openai", "anthropic"}
    assert set(SERVERS) == {"openai", "vllm", "sglang", "tensorrt_llm", "ollama", "llama_cpp", "transformers"}
    for kind, provider in new_providers().items():
        assert provider.family == kind
        assert provider.operations == set(provider.facts.paths)
        provider.check(row("", kind=kind))
    assert all(server.operations <= OpenAI().operations for server in SERVERS.values())
    assert OpenAI().operations & Anthropic().operations == set()


def test_the_installations_proxy_is_trusted_and_a_rows_own_goes_first() -> None:
    provider = new_providers("http://10.0.0.1:3128")["openai"]
    plain, own = row("https://a.example/v1"), row("https://a.example/v1", 2, proxy_url="http://p.example:1")
    way, own_way = provider.egress(plain).proxy, provider.egress(own).proxy
    assert way is not None and way.trusted and way.origin.host == "10.0.0.1"
    assert own_way is not None and not own_way.trusted and own_way.origin.host == "p.example"
    with pytest.raises(SettingsError):
        new_providers("nonsense")


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "https://hidden@a.example/"},
        {"proxy_url": "hidden"},
        {"credential": Secret("hidden key")},
        {"credential": Secret("hidden\n")},
        {"headers": (("x-api-key", "hidden"),)},
        {"headers": (("Transfer-Encoding", "hidden"),)},
        {"headers": (("x y", "hidden"),)},
        {"headers": (("x", "hidden\r\ny: 1"),)},
        {"headers": tuple((f"x-{number}", "hidden") for number in range(40))},
    ],
)
def test_a_row_that_cannot_be_used_is_refused_without_its_words(fields: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        OpenAI().check(replace(row("https://a.example/v1"), **fields))
    assert "hidden" not in f"{caught.value} {caught.value.hint}"


def test_a_secret_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    place = row("https://a.example/v1", headers=(("x-key", CREDENTIAL),), proxy_url=f"http://u:{CREDENTIAL}@p:1", ca_pem=CREDENTIAL)
    logging.getLogger("test").error("%s %r", place, place.credential, extra={"row": place})
    assert CREDENTIAL not in caplog.text + repr(place) + f"{place.credential}" + repr(OpenAI().egress(place))
    with pytest.raises(TypeError):
        pickle.dumps(place.credential)
    assert (Secret("a") == Secret("a"), Secret("a") == Secret("b"), Secret("a") == "a", bool(Secret(""))) == (True, False, False, False)


@pytest.mark.parametrize(
    ("operation", "stream", "good", "bad"),
    [
        ("chat", False, b"application/json", b"text/event-stream"),
        ("chat", True, b"text/event-stream", b"application/json"),
        ("chat", False, b"application/problem+json", b"text/html"),
        ("speech", False, b"audio/mpeg", b"text/html"),
        ("transcriptions", False, b"text/plain", b"text/html"),
        ("images", False, b"application/json", b"image/png"),
    ],
)
def test_content_types(operation: Any, stream: bool, good: bytes, bad: bytes) -> None:
    provider = OpenAI()
    assert provider.accepts(operation, good, stream=stream)
    assert not provider.accepts(operation, bad, stream=stream)


def ends(frames: list[Frame]) -> list[tuple[bool, bool]]:
    end = OpenAI().stream_end("chat")
    found = []
    for frame in frames:
        end.take(frame)
        found.append((end.finished, end.done))
    return found


def choice(index: int, reason: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": {}, "finish_reason": reason}


def test_a_stream_of_several_choices_is_finished_when_all_are() -> None:
    frames = [
        Frame({"choices": [choice(0), choice(1)]}),
        Frame({"choices": [choice(0, "stop")]}),
        Frame({"choices": [choice(1, "length")]}),
        Frame({"choices": [], "usage": {}}),
        Frame({}, END_MARK),
    ]
    assert ends(frames) == [(False, False), (False, False), (True, False), (True, False), (True, True)]


def test_typed_streams_end_by_their_own_events() -> None:
    assert ends([Frame({"type": "response.created"}), Frame({"type": "response.completed"})])[-1] == (True, True)
    assert ends([Frame({"type": "transcript.text.done"})]) == [(True, False)]
    for data, name in (({"type": "response.failed", "response": {"error": {"code": "server_error"}}}, ""), ({"type": "error"}, ""), ({}, "error")):
        with pytest.raises(UpstreamError):
            ends([Frame(data, name)])


FIELDS = st.sampled_from(["choices", "error", "type", "response", "delta", "index", "finish_reason", "stop_reason"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["choices", "error", "type", "response", "delta"]), JSON_VALUES, max_size=5), st.sampled_from(["", "error", "x"])
)
def test_no_event_breaks_a_follower(data: dict[str, Any], name: str) -> None:
    for provider in (OpenAI(), Anthropic()):
        end = provider.stream_end("chat")
        try:
            end.take(Frame(data, name))
        except UpstreamError as error:
            assert error.code.startswith("upstream_")

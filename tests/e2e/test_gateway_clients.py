"""The vendors' own clients against a platform that runs: text, streams, calls of tools, structured output, errors of the right kind, and retries."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.apart import python_apart
from scripts.assets import install, node_programs
from tests.e2e.conftest import Up, run, run_json
from tests.e2e.scripted_upstream import ARGUMENTS, RETRY_AFTER_S, STRUCTURED, TEXT, USAGE, Upstream, upstream_thread
from tests.infrastructure.gateway.upstreams import body_for

pytestmark = pytest.mark.timeout(900)

HERE = Path(__file__).parent
SAID = "".join(TEXT)
TENANT = ("--tenant", "clients")
MODELS = {"small": "up:small", "claude": "claude:opus", "limited": "up:limited-once", "refuses": "up:refuses", "broken": "up:broken",
          "breaks-off": "up:breaks-off"}  # fmt: skip
CREDENTIAL = "sk-upstream-0123456789"


@dataclass(frozen=True)
class Served:
    """A tenant of the running demo with models of a scripted provider."""

    up: Up
    key: str
    upstream: Upstream

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "ONDOL_URL": self.up.url, "ONDOL_API_KEY": self.key, "DO_NOT_TRACK": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}


@pytest.fixture(scope="module")
def served(demo_up: Up) -> Iterator[Served]:
    with upstream_thread() as upstream:
        folder = demo_up.folder
        declared = folder.parent / "clients.yaml"
        declared.write_text(json.dumps({"version": 1, "tenants": [_tenant(upstream.model.base_url)]}), "utf-8")
        run(folder, "apply", declared.as_posix(), UPSTREAM=CREDENTIAL)
        made: Any = run_json(folder, "key", "create", "app", *TENANT)
        yield Served(demo_up, made["key"], upstream)


def _tenant(base_url: str) -> dict[str, Any]:
    here = {"base_url": base_url, "credential_env": "UPSTREAM", "settings": {"private_network": True}}
    models = [
        {"alias": alias, "targets": [dict(zip(("provider", "name"), target.split(":"), strict=True))], "settings": {"retries_max": 0}}
        for alias, target in MODELS.items()
    ]
    return {
        "slug": "clients",
        "currency": "USD",
        "people": [{"login": "app", "kind": "service"}],
        "providers": [{"name": "up", **here}, {"name": "claude", "kind": "anthropic", **here}],
        "models": models,
    }


@pytest.fixture(scope="module")
def python_clients() -> Path:
    """The Python that has them; installed from its lock on first use."""
    return python_apart("clients")


@pytest.fixture(scope="module")
def node() -> Path:
    """Node.js, with the packages of the lock file."""
    install(HERE / "js")
    return node_programs()[0]


def python(client: str, served: Served, program: Path) -> Any:
    command = [program.as_posix(), "-I", "-W", "ignore", "clients.py", client]
    done = subprocess.run(command, cwd=HERE / "py", env=served.environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-5_000:]
    return json.loads(done.stdout.splitlines()[-1])


def javascript(client: str, served: Served, program: Path) -> Any:
    command = [program.as_posix(), "gateway.mjs", client]
    done = subprocess.run(command, cwd=HERE / "js", env=served.environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-5_000:]
    return json.loads(done.stdout.splitlines()[-1])[client]


def kinds(errors: dict[str, Any]) -> dict[str, str]:
    return {name: error["kind"] for name, error in errors.items()}


def test_openai_for_python(served: Served, python_clients: Path) -> None:
    got = python("openai", served, python_clients)
    assert got["text"] == got["streamed"] == got["response"] == got["response_streamed"] == got["after_tool"] == got["completion"] == SAID
    assert got["usage"] == got["streamed_usage"] == list(USAGE)
    assert got["arguments"] == got["other_family"] == ARGUMENTS
    assert got["argument_deltas"] > 1, "arguments came in pieces"
    assert got["structured"] == STRUCTURED
    assert (got["response_instructions"], got["response_end"]) == ("Be brief.", "response.completed")
    assert got["embedding"] == [0.5, 0.25]
    assert got["moderation"] is False
    assert got["models"] == sorted(MODELS)
    assert (got["retried"], got["retried_seconds"] >= RETRY_AFTER_S) == (SAID, True)
    assert kinds(got["errors"]) == {
        "key": "AuthenticationError",
        "model": "NotFoundError",
        "parameter": "BadRequestError",
        "upstream_refuses": "BadRequestError",
        "upstream_breaks": "InternalServerError",
        "mid_stream": "APIError",
        "mid_response": "APIError",
    }
    assert got["errors"]["mid_stream"]["code"] == got["errors"]["mid_response"]["code"] == "upstream_cut_off"
    assert CREDENTIAL not in json.dumps(got)


def test_anthropic_for_python(served: Served, python_clients: Path) -> None:
    got = python("anthropic", served, python_clients)
    for model in ("claude", "small"):
        one = got[model]
        assert one["text"] == one["streamed"] == one["after_tool"] == SAID
        assert one["usage"] == one["streamed_usage"] == list(USAGE)
        assert one["stop_reason"] == "end_turn"
        assert one["arguments"] == ARGUMENTS
        assert one["argument_deltas"] > 1
        assert one["count"] > 0
    assert (got["retried"], got["retried_seconds"] >= RETRY_AFTER_S) == (SAID, True)
    assert got["models"] == sorted(MODELS)
    found = kinds(got["errors"])
    assert found.pop("mid_stream") in {"APIStatusError", "InternalServerError", "APIError"}
    assert found == {"key": "AuthenticationError", "model": "NotFoundError", "parameter": "BadRequestError"}


def test_langchain_for_python(served: Served, python_clients: Path) -> None:
    got = python("langchain", served, python_clients)
    assert got["text"] == got["streamed"] == got["after_tool"] == SAID
    assert got["usage"] == got["streamed_usage"] == list(USAGE)
    assert got["arguments"] == ARGUMENTS
    assert got["structured"] == STRUCTURED
    assert got["embedding"] == [0.5, 0.25]
    assert got["error"]["kind"].endswith("NotFoundError") or got["error"]["status"] == 404


def test_llama_index(served: Served, python_clients: Path) -> None:
    got = python("llama_index", served, python_clients)
    assert got["text"] == got["streamed"] == got["completed"] == SAID
    assert got["arguments"] == ARGUMENTS
    assert got["error"]["kind"] == "NotFoundError"


def test_litellm_as_a_client(served: Served, python_clients: Path) -> None:
    got = python("litellm", served, python_clients)
    assert got["text"] == got["streamed"] == got["anthropic"] == SAID
    assert got["usage"] == list(USAGE)
    assert got["arguments"] == ARGUMENTS
    assert got["embedding"] == [0.5, 0.25]
    assert kinds(got["errors"]) == {"key": "AuthenticationError", "model": "NotFoundError", "upstream_refuses": "BadRequestError"}


def test_openai_for_javascript(served: Served, node: Path) -> None:
    got = javascript("openai", served, node)
    assert got["text"] == got["streamed"] == got["response"] == got["retried"] == SAID
    assert got["streamed_usage"] == list(USAGE)
    assert got["arguments"] == ARGUMENTS
    assert got["retried_seconds"] >= RETRY_AFTER_S
    assert got["mid_stream"]["code"] == "upstream_cut_off"
    assert got["unknown_model"] == {"kind": "NotFoundError", "status": 404, "code": "model_not_found"}


def test_vercels_ai_sdk(served: Served, node: Path) -> None:
    got = javascript("ai", served, node)
    assert got["text"] == got["streamed"] == got["after_tool"] == SAID
    assert got["streamed_usage"] == list(USAGE)
    assert got["arguments"] == ARGUMENTS
    assert got["mid_stream"] is True, "half a text is an error and not its end"
    assert got["unknown_model"]["status"] == 404


def test_langchain_for_javascript(served: Served, node: Path) -> None:
    got = javascript("langchain", served, node)
    assert got["text"] == got["streamed"] == got["after_tool"] == SAID
    assert got["streamed_usage"] == list(USAGE)
    assert got["arguments"] == ARGUMENTS
    assert got["unknown_model"]["status"] == 404


def test_anthropic_for_javascript(served: Served, node: Path) -> None:
    got = javascript("anthropic", served, node)
    assert got["text"] == SAID
    assert got["arguments"] == ARGUMENTS
    assert got["unknown_model"]["status"] == 404


@pytest.mark.parametrize("shape", ["chat", "messages", "responses"])
def test_curl(served: Served, shape: str) -> None:
    path = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}[shape]
    body = json.dumps({"model": "claude" if shape == "messages" else "small", **body_for(shape, stream=True)})
    header = f"x-api-key: {served.key}" if shape == "messages" else f"authorization: Bearer {served.key}"
    command = ["curl", "-sN", "--fail-with-body", "-D", "-", "-H", header, "-H", "content-type: application/json", "-d", body, served.up.url + path]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "x-request-id: " in printed
    assert "seven days." in printed
    assert {"chat": "data: [DONE]", "messages": "event: message_stop", "responses": "response.completed"}[shape] in printed


def test_the_demos_assistant_speaks_anthropics_shape_too(demo_up: Up) -> None:
    body = {"model": "assistant/help", **body_for("messages", "How long does a refund take?")}
    answer = httpx.post(demo_up.url + "/v1/messages", json=body, headers={"x-api-key": demo_up.key}, timeout=30)
    assert answer.status_code == 200
    assert "business days" in answer.json()["content"][0]["text"]


def test_what_was_asked_is_told_in_usage(served: Served) -> None:
    answer = httpx.post(served.up.url + "/v1/chat/completions", json={"model": "small", **body_for("chat")},
                        headers={"authorization": f"Bearer {served.key}"}, timeout=30)  # fmt: skip
    assert answer.status_code == 200
    assert all(request.headers.get("authorization", CREDENTIAL).endswith(CREDENTIAL) for request in served.upstream.model.requests)
    assert all(served.key not in str(request.headers) for request in served.upstream.model.requests)

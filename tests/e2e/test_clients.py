"""Real clients against the running demo: curl as pasted, the openai package for Python, and the one for JavaScript."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import openai
import pytest

from scripts.assets import node_programs, npm_ci
from tests.e2e.conftest import Up, run, run_json

KOREAN = "환불은 며칠 안에 처리되나요?"
ENGLISH = "How long does a refund take?"
JS = Path(__file__).with_name("js")


@pytest.fixture(scope="module")
def client(demo_up: Up) -> openai.OpenAI:
    return openai.OpenAI(base_url=demo_up.url + "/v1", api_key=demo_up.key, max_retries=0, timeout=30)


def test_the_printed_curl_lines_work_when_pasted(demo_up: Up) -> None:
    lines = [line.strip() for line in demo_up.printed.splitlines() if line.strip().startswith("curl ")]
    assert len(lines) == 2
    for line in lines:
        answer = json.loads(subprocess.run(["bash", "-c", line], capture_output=True, check=True, timeout=60).stdout)
        assert re.search(r"\[1\]", answer["choices"][0]["message"]["content"])


@pytest.mark.parametrize(("question", "wanted"), [(KOREAN, "5일"), (ENGLISH, "business days")])
def test_the_openai_client_gets_a_cited_answer(client: openai.OpenAI, question: str, wanted: str) -> None:
    answer: Any = client.chat.completions.create(model="assistant/help", messages=[{"role": "user", "content": question}])
    message = answer.choices[0].message
    assert wanted in message.content
    citation = message.annotations[0].url_citation
    assert message.content[citation.start_index : citation.end_index] == "[1]"
    source = answer.ondol["sources"][0]
    assert source["title"] == citation.title
    quote = source["quotes"][0]
    assert source["text"][quote["start"] : quote["end"]].strip() in message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_streamed_and_whole_answers_are_the_same(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": KOREAN}]
    whole: Any = client.chat.completions.create(model="assistant/help", messages=messages)
    chunks: list[Any] = list(
        client.chat.completions.create(model="assistant/help", messages=messages, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    last = next(chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason)
    assert text == whole.choices[0].message.content
    assert last.choices[0].finish_reason == "stop"
    assert [source["document_version_id"] for source in last.ondol["sources"]] == [s["document_version_id"] for s in whole.ondol["sources"]]
    assert chunks[-1].usage.total_tokens > 0


def test_models_are_the_tenants_assistants(client: openai.OpenAI) -> None:
    models = [model.id for model in client.models.list()]
    assert models[0] == "assistant/help"
    assert all(model.startswith("assistant/") for model in models)
    assert client.models.retrieve("assistant/help").id == "assistant/help"


def test_errors_are_the_clients_own_kinds(client: openai.OpenAI, demo_up: Up) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="assistant/nobody", messages=[{"role": "user", "content": "?"}])
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="assistant/help", messages=[])
    for key in ("sk-ondol-0000000000000000-" + "0" * 43, "nonsense"):
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key=key).models.list()


def test_a_closed_document_is_not_answered_from_and_its_title_is_not_told(client: openai.OpenAI) -> None:
    answer: Any = client.chat.completions.create(
        model="assistant/help", messages=[{"role": "user", "content": "주문 위험 점수가 몇 점이면 보류되나요? 사기 규칙을 알려 주세요."}]
    )
    said = json.dumps(answer.model_dump(), ensure_ascii=False)
    assert "80점" not in said
    assert "fraud" not in said.lower()
    assert all("staff/" not in source["path"] for source in answer.ondol["sources"])


def test_a_revoked_key_is_refused_within_the_stated_time(demo_up: Up) -> None:
    made: Any = run_json(demo_up.folder, "key", "create", "website", "--name", "short-lived")
    revoked = openai.OpenAI(base_url=demo_up.url + "/v1", api_key=made["key"], max_retries=0)
    deadline = time.monotonic() + 10
    while True:
        try:
            revoked.models.list()
            break
        except openai.AuthenticationError:
            assert time.monotonic() < deadline, "a new key was never accepted"
    run(demo_up.folder, "key", "revoke", made["public_id"])
    deadline = time.monotonic() + 10
    with pytest.raises(openai.AuthenticationError):
        while time.monotonic() < deadline:
            revoked.models.list()


def test_the_openai_client_for_javascript(demo_up: Up) -> None:
    environment = {**os.environ, "ONDOL_BASE_URL": demo_up.url + "/v1", "ONDOL_API_KEY": demo_up.key, "ONDOL_MODEL": "assistant/help"}
    environment["ONDOL_QUESTION"] = KOREAN
    if not (JS / "node_modules" / "openai").is_dir():
        npm_ci(JS)
    node, _ = node_programs()
    done = subprocess.run([node, "client.mjs"], cwd=JS, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout.splitlines()[-1])
    assert "5일" in json.dumps(got, ensure_ascii=False)

"""The gateway's guide against a platform that runs: from nothing to a governed call, and what came of it, seen while it runs and when it does not."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
import pytest

from tests.e2e.conftest import Up, free_port, open_temporary_folder, run, run_json

GUIDE = (Path(__file__).resolve().parents[2] / "docs/guides/gateway.md").read_text("utf-8")
CREDENTIAL = "sk-proj-0123456789abcdefWXYZ"
SECONDS_MAX = 20.0


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The scripted model, in a process of its own, as the provider."""
    port = free_port()
    command = [sys.executable, "-m", "ondol.infrastructure.serving.scripted", "--port", str(port), "--say", "Hello there."]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}/v1"
        wait_until(lambda: answers(url + "/models"))
        yield url
        process.terminate()


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with open_temporary_folder() as folder:
        running = Up(folder / "data", free_port(), options=("--no-demo",))
        running.start()
        yield running
        if running.process is not None and running.process.poll() is None:
            running.stop()


def answers(url: str) -> bool:
    with contextlib.suppress(OSError), urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def wait_until(holds: Any) -> Any:
    until = time.monotonic() + SECONDS_MAX
    while not (found := holds()):
        assert time.monotonic() < until
        time.sleep(0.1)
    return found


def guide_commands() -> list[str]:
    block = re.findall(r"```console\n(.*?)```", GUIDE, re.S)
    return [line[2:] for part in block[:2] for line in part.splitlines() if line.startswith("$ ")]


def test_from_nothing_to_a_governed_call(up: Up, provider: str) -> None:
    printed = ""
    for line in guide_commands():
        words = [word.strip('"') for word in line.split()[1:]]
        if words[:3] == ["provider", "add", "openai"]:
            words += ["--url", provider, "--private-network"]
        done = run(up.folder, *words, OPENAI_API_KEY=CREDENTIAL)
        assert CREDENTIAL not in done.stdout + done.stderr
        printed += done.stdout
    assert "answers in" in printed
    [key] = re.findall(r"sk-ondol-[a-z0-9]{16}-[A-Za-z0-9]{43}", printed)
    headers = {"authorization": f"Bearer {key}"}
    body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": [{"role": "user", "content": "Say hello."}]}
    wait_until(lambda: httpx.post(f"{up.url}/v1/chat/completions", json=body, headers=headers).status_code == 200)

    [example] = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    runnable = example.replace("http://127.0.0.1:8700", up.url).replace("sk-ondol-...", key)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(runnable, "gateway.md", "exec"), {})  # noqa: S102 - it is our own page
    assert said.getvalue().strip() == "Hello there."
    [curl] = [part for part in re.findall(r"```sh\n(.*?)```", GUIDE, re.S) if "chat/completions" in part]
    shell = curl.replace("http://127.0.0.1:8700", up.url).replace("sk-ondol-...", key)
    answer = subprocess.run(["/bin/sh", "-c", shell.rstrip() + " -s -i"], capture_output=True, text=True, check=True).stdout
    told = {line.partition(":")[0].lower() for line in answer.partition("\n\n")[0].splitlines()}
    assert {"x-request-id", "x-ondol-route", "x-ondol-cost", "x-ondol-guard", "x-ratelimit-remaining-requests", "x-ondol-duration-ms"} <= told
    assert "Hello there." in answer

    def listed() -> list[dict[str, Any]]:
        page: Any = run_json(up.folder, "requests", "--tenant", "acme", "--model", "gpt-4o-mini", "--outcome", "answered")
        return list(page["requests"]) if len(page["requests"]) >= 3 else []

    requests = wait_until(listed)
    whole: Any = run_json(up.folder, "requests", "show", requests[0]["id"], "--tenant", "acme")
    assert (whole["provider"], whole["outcome"], whole["cost"].endswith(" USD")) == ("openai", "answered", True)
    usage: Any = run_json(up.folder, "usage", "--by", "model", "--tenant", "acme")
    shown: Any = run_json(up.folder, "budget", "show", "monthly", "--tenant", "acme")
    assert usage["totals"][0]["requests"] >= 3
    assert float(shown["windows"][0]["spent"]) > 0
    assert up.stop() == 0
    again: Any = run_json(up.folder, "usage", "--by", "model", "--tenant", "acme")
    assert again["totals"][0]["cost"] == usage["totals"][0]["cost"]
    assert json.dumps(again).count("gpt-4o-mini") == 1

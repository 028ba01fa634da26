"""Killed at random moments while it answers: whoever has a whole answer has one record of it, and the money of the dead comes back."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from ondol.infrastructure.access.limits.bank import EXPIRY_S
from ondol.infrastructure.serving.scripted import Reply
from ondol.infrastructure.serving.types import Usage
from tests.e2e.conftest import Up, family, free_port, open_temporary_folder, run, run_json
from tests.e2e.scripted_upstream import Upstream, upstream_thread

SEED = 9
CLIENTS = 6
WORKER_KILLS = 2
AMOUNT = Decimal("0.05")
RESERVED = Decimal("0.0024")
"""The most that one large request may cost: a thousand tokens at 2 dollars a million, and its own bytes at 1. So much may stay unused."""
BACK_S = EXPIRY_S + 20
"""A lost worker is noticed after the first, and its records are settled within the rest."""
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10}
SMALL = Reply(pieces=["Returns are ", "possible within ", "seven days."], usage=Usage(21, 8), between_s=0.02)
LARGE_TOKENS = 1_000
LARGE = Reply(usage=Usage(21, 700))
TENANT = ("--tenant", "acme")


@pytest.fixture
def served() -> Iterator[tuple[Up, str, Upstream]]:
    with open_temporary_folder() as folder, upstream_thread() as upstream:
        up = Up(folder / "data", free_port(), options=("--no-demo",))
        up.start()
        declared = folder / "tenant.yaml"
        declared.write_text(json.dumps({"version": 1, "tenants": [_tenant(upstream.model.base_url)]}), "utf-8")
        run(up.folder, "apply", str(declared))
        key: Any = run_json(up.folder, "key", "create", "app", *TENANT)
        yield up, key["key"], upstream
        if up.process is not None and up.process.poll() is None:
            up.stop()


def _tenant(base_url: str) -> dict[str, Any]:
    return {
        "slug": "acme",
        "currency": "USD",
        "people": [{"login": "app", "kind": "service"}],
        "providers": [{"name": "up", "base_url": base_url, "settings": {"private_network": True}}],
        "models": [{"alias": "m", "targets": [{"provider": "up", "name": "small"}], "settings": {"retries_max": 0}}],
        "prices": [{"provider": "up", "model": "small", "currency": "USD", "input": "1", "output": "2"}],
        "budgets": [{"name": "cap", "amount": str(AMOUNT), "currency": "USD", "period": "total"}],
    }


class Clients:
    """Callers who ask again and again, whole answers and streams in turn, and remember the ids of answers that came whole."""

    def __init__(self, up: Up, key: str) -> None:
        self.whole: list[str] = []
        self.broken = 0
        self.refused = 0
        self.wrong: list[str] = []
        self.body = BODY
        self._url = f"{up.url}/v1/chat/completions"
        self._told = {"authorization": f"Bearer {key}"}
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, number: int) -> None:
        turn = number
        while not self._ended.is_set():
            turn += 1
            try:
                # A connection of its own each time, so that both workers are asked.
                answer = httpx.post(self._url, json={**self.body, "stream": bool(turn % 2)}, headers=self._told, timeout=20)
            except httpx.HTTPError:
                self.broken += 1
                self._ended.wait(0.05)
                continue
            self._count(answer, streamed=bool(turn % 2))

    def _count(self, answer: httpx.Response, *, streamed: bool) -> None:
        if answer.status_code == 429:
            self.refused += 1
            self._ended.wait(0.2)
        elif answer.status_code != 200:
            self.wrong.append(answer.text)
            self._ended.wait(0.05)
        elif not streamed or answer.text.endswith("data: [DONE]\n\n"):
            self.whole.append(answer.headers["x-request-id"])


@pytest.mark.timeout(300)
def test_kills_lose_no_record_and_no_money(served: tuple[Up, str, Upstream]) -> None:
    up, key, upstream = served
    chance = random.Random(SEED)
    upstream.model.say(lambda body: LARGE if body["max_tokens"] == LARGE_TOKENS else SMALL)
    with Clients(up, key) as clients:
        _wait(lambda: len(clients.whole) > 20, "nobody is answered")
        for _ in range(WORKER_KILLS):
            time.sleep(chance.uniform(0.2, 1.2))
            _kill([chance.choice(_workers(up))])
            _wait(lambda: len(_workers(up)) == 2, "the worker was not started again")
            _answered_again(clients)
        time.sleep(chance.uniform(0.2, 1.2))
        assert up.process is not None
        _kill([up.process.pid, *family(up.process.pid)])
        killed_at = time.monotonic()
        up.process.wait()
        up.start()
        _answered_again(clients)
        clients.body = {**BODY, "max_tokens": LARGE_TOKENS}
        _wait(lambda: _spent(up) >= AMOUNT - RESERVED, "what the dead workers held did not come back", killed_at + BACK_S - time.monotonic())
        _wait(lambda: clients.refused > 2 * CLIENTS, "the budget refuses nobody")
    assert clients.broken > 0, "no kill fell into an answer"
    assert all(told.startswith('{"error"') for told in clients.wrong), clients.wrong
    assert up.stop() == 0
    _check_records(up, clients.whole)


def _check_records(up: Up, whole: list[str]) -> None:
    """One record of each whole answer, none twice, all in the ledger, and what they cost is what the budget says."""
    records = _records(up)
    ids = [record["id"] for record in records]
    assert len(set(ids)) == len(ids)
    assert len(set(whole)) == len(whole)
    assert set(whole) <= {record["id"] for record in records if record["outcome"] == "answered"}
    told = json.loads(run(up.folder, "ledger", "verify", "--json").stdout)
    assert (told["holds"], told["records"]) == (True, len(ids))
    costs = sum((Decimal(record["cost"].split()[0]) for record in records if record["cost"]), Decimal(0))
    [window] = _windows(up)
    assert (Decimal(window["spent"]), Decimal(window["leased"])) == (costs, Decimal(0))
    assert AMOUNT - RESERVED <= costs <= AMOUNT


def _records(up: Up) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: list[str] = []
    while True:
        page: Any = run_json(up.folder, "requests", *TENANT, "--limit", "999", *after)
        found += page["requests"]
        if not page.get("next_after"):
            return found
        after = ["--after", page["next_after"]]


def _windows(up: Up) -> list[dict[str, Any]]:
    told: Any = run_json(up.folder, "budget", "show", "cap", *TENANT)
    windows: list[dict[str, Any]] = told["windows"]
    return windows


def _spent(up: Up) -> Decimal:
    return sum((Decimal(window["spent"]) for window in _windows(up)), Decimal(0))


def _workers(up: Up) -> list[int]:
    assert up.process is not None
    return [member for member in family(up.process.pid) if "serve" in _command(member)]


def _command(process_id: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process_id}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    return []


def _kill(processes: list[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _answered_again(clients: Clients) -> None:
    count = len(clients.whole)
    _wait(lambda: len(clients.whole) > count + 2 * CLIENTS, "nobody is answered again")


def _wait(true: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)

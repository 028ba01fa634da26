"""Settings that change while people ask: in force in every worker within two seconds, without a request dropped; a broken file changes nothing."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ondol.infrastructure.serving.scripted import Reply
from tests.e2e.conftest import Up, free_port, open_temporary_folder, run, run_json
from tests.e2e.scripted_upstream import Upstream, upstream_thread

ASKERS = 6
ASKED_AGAIN = 6
"""On connections of their own, so that each worker is asked."""
PATIENCE_S = 40.0
IN_FORCE_S = 2.0
SLACK_S = 3.0
"""For a machine that does other things too."""
TENANT = {
    "slug": "acme",
    "people": [{"login": "app", "kind": "service"}],
    "models": [{"alias": "m", "targets": [{"provider": "up", "name": "small"}]}],
}
LONG = Reply(pieces=["A sentence that is long enough to be let out. "] * 120, between_s=0.1)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Up, Path, str, Upstream]]:
    with open_temporary_folder() as folder, upstream_thread() as upstream:
        file = folder / "ondol.yaml"
        file.write_text("log: {level: info}\n")
        up = Up(folder / "data", free_port(), options=("--no-demo",), environment={"ONDOL_CONFIG": str(file)})
        up.start()
        provider = {"name": "up", "base_url": upstream.model.base_url, "settings": {"private_network": True}}
        declared = folder / "tenant.yaml"
        declared.write_text(json.dumps({"version": 1, "tenants": [{**TENANT, "providers": [provider]}]}), "utf-8")
        run(up.folder, "apply", str(declared))
        key: Any = run_json(up.folder, "key", "create", "app", "--tenant", "acme")
        yield up, file, key["key"], upstream
        up.stop()


class Askers:
    """Callers who ask again and again, and one who listens to a long stream."""

    def __init__(self, up: Up, key: str) -> None:
        self.answered = 0
        self.wrong: list[str] = []
        self.streamed = ""
        self._url = f"{up.url}/v1/chat/completions"
        self._told = {"authorization": f"Bearer {key}"}
        self._ended = threading.Event()
        works: list[Callable[[], None]] = [self._ask] * ASKERS
        self._threads = [threading.Thread(target=work) for work in [*works, self._listen]]

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def status(self, size: int) -> int:
        """Of a request with so many bytes of text, on a connection of its own: any worker may get it."""
        return httpx.post(self._url, json=_body("x " * (size // 2)), headers=self._told, timeout=30).status_code

    def _ask(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._ended.is_set():
                try:
                    status = client.post(self._url, json=_body("hi"), headers=self._told).status_code
                except httpx.HTTPError as error:
                    self.wrong.append(repr(error))
                    return
                self.answered += 1
                if status != 200:
                    self.wrong.append(str(status))

    def _listen(self) -> None:
        body = _body("long", stream=True)
        with contextlib.suppress(httpx.HTTPError), httpx.stream("POST", self._url, json=body, headers=self._told, timeout=30) as response:
            for text in response.iter_text():
                self.streamed += text


def test_nothing_is_dropped_while_settings_change(served: tuple[Up, Path, str, Upstream]) -> None:
    up, file, key, upstream = served
    upstream.model.say(lambda body: LONG if body.get("stream") else Reply("Hello."))
    with Askers(up, key) as askers:
        _wait(lambda: askers.answered > 20 and "A sentence" in askers.streamed, "nobody is answered")
        assert askers.status(5_000) == 200

        written_at = time.time()
        file.write_text("http: {body_bytes_max: 2000, idle_timeout_s: 40}\nlog: {level: debug}\n")
        assert _taken_up_at(up, written_at) - written_at < IN_FORCE_S + SLACK_S
        assert _all(askers, 413), "taken up is in force"

        file.write_text("http: {body_bytes_max: [\n")
        _wait(lambda: up.printed.count("changed settings cannot be used") == 3, "not told by both HTTP workers and the job worker")
        assert "is not valid YAML at line" in up.printed
        doctor = run(up.folder, "--config", str(file), "doctor", "--json", check=False)
        [finding] = json.loads(doctor.stdout)["findings"]
        assert (doctor.returncode, finding["check"], finding["state"]) == (1, "settings", "failed")
        assert _all(askers, 413), "the former settings go on"

        written_at = time.time()
        file.write_text(f"http: {{body_bytes_max: 100000, port: {free_port()}}}\ndatabase: {{pool_max: 9}}\n")
        assert _taken_up_at(up, written_at) - written_at < IN_FORCE_S + SLACK_S
        assert _all(askers, 200), "mended"
        _wait(lambda: "names=http.port, database.pool_max" in up.printed, "what needs a restart is not told")
        answered = askers.answered
        _wait(lambda: askers.answered > answered + 50 and "[DONE]" in askers.streamed, "the stream did not end")
    assert askers.wrong == []
    assert askers.streamed.count("A sentence") == 120
    assert "Traceback" not in up.printed
    assert "starting it again" not in up.printed


def test_each_part_follows(served: tuple[Up, Path, str, Upstream]) -> None:
    up, file, key, upstream = served
    upstream.model.say("Hello.")
    told = {"authorization": f"Bearer {key}"}

    def asked() -> set[int]:
        """Of how many hundreds the statuses are: a provider that cannot be reached is soon left alone."""
        return {
            httpx.post(f"{up.url}/v1/chat/completions", json=_body("hi"), headers=told, timeout=30).status_code // 100 for _ in range(ASKED_AGAIN)
        }

    def metrics() -> set[int]:
        return {httpx.get(f"{up.url}/metrics", timeout=30).status_code for _ in range(ASKED_AGAIN)}

    def cookies() -> set[str]:
        return {httpx.get(f"{up.url}/sign-in", timeout=30).headers.get("set-cookie", "").partition("=")[0] for _ in range(ASKED_AGAIN)}

    file.write_text("{}\n")
    _wait(lambda: (asked(), metrics(), cookies()) == ({2}, {200}, {"ondol_visitor"}), "not as it is by default")
    file.write_text("""
outbound: {proxy_url: "http://127.0.0.1:1"}
metrics: {open_to: 10.0.0.0/8}
http: {public_url: "https://ai.example.com"}
""")
    _wait(lambda: (asked(), metrics(), cookies()) == ({5}, {401}, {"__Host-ondol_visitor"}), "a part did not follow")
    for broken in ("model: {base_url: 'ftp://x'}", "metrics: {open_to: all}", "http: {trusted_proxies: all}", "outbound: {proxy_url: 'x'}"):
        refused = up.printed.count("changed settings cannot be used")
        file.write_text(f"{broken}\n")
        _wait(lambda before=refused: up.printed.count("changed settings cannot be used") >= before + 2, broken)  # type: ignore[misc]
        assert (metrics(), cookies()) == ({401}, {"__Host-ondol_visitor"})
    file.write_text("{}\n")
    _wait(lambda: (asked(), metrics(), cookies()) == ({2}, {200}, {"ondol_visitor"}), "not as it was")


def test_the_job_worker_begins_anew_with_other_alarms(served: tuple[Up, Path, str, Upstream]) -> None:
    up, file, _, _ = served
    file.write_text("guard: {alarms: {email_to: ops@example.com, smtp_host: localhost}}\n")
    _wait(lambda: up.printed.count("guard.alarms.email_to") == 3, "not taken up by all three")
    run(up.folder, "user", "add", "later", "--tenant", "acme", "--kind", "service")
    _wait(lambda: _unsealed(up) == 0, "nobody seals the ledger any more", 30)
    assert "starting it again" not in up.printed


def _unsealed(up: Up) -> int:
    return int(json.loads(run(up.folder, "ledger", "verify", "--json").stdout)["unsealed"])


def _all(askers: Askers, status: int) -> bool:
    return all(askers.status(5_000) == status for _ in range(ASKED_AGAIN))


def _body(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def _taken_up_at(up: Up, since: float) -> float:
    """When the last of the three processes took up what was written then, by their logs."""

    def times() -> list[float]:
        told = [datetime.fromisoformat(line.split()[0]).timestamp() for line in list(up.lines) if "settings taken up" in line]
        return [moment for moment in told if moment >= since]

    _wait(lambda: len(times()) == 3, "not taken up by both HTTP workers and the job worker")
    return max(times())


def _wait(true: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)

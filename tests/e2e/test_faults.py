"""Killed at random moments while taking documents in, the index answers afterwards as that of an undisturbed run."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Up, clean_environment, free_port, open_temporary_folder, run

SEEDS = 20
DOCUMENTS = 60
QUESTIONS = ["등대 항구", "beacon harbour", "환불 정책 30", "server backup", "도메인 이전", "page 7", "페이지 33"]
WORDS = ["등대", "항구", "환불", "정책", "서버", "도메인", "이전", "beacon", "harbour", "refund", "server", "domain", "backup", "invoice"]


@pytest.fixture(scope="module")
def running() -> Iterator[Up]:
    with open_temporary_folder() as folder:
        up = Up(folder / "data", free_port(), options=("--no-demo",))
        up.start()
        run(up.folder, "tenant", "create", "acme")
        run(up.folder, "user", "add", "reader", "--tenant", "acme", "--kind", "service")
        _write_documents(folder / "files")
        yield up
        up.stop()


def _write_documents(folder: Path) -> None:
    """Documents of which some are versions of one another, so that a kill may fall into superseding as well as adding."""
    chance = random.Random(7)
    folder.mkdir()
    for number in range(DOCUMENTS):
        words = " ".join(chance.choices(WORDS, k=80))
        head = f"---\nid: document-{number % 50}\nversion: {number // 50 + 1}\n---\n" if number % 3 else ""
        (folder / f"{number:03}.md").write_text(f"{head}# Page {number} 페이지 {number}\n\n{words}.\n\n## More\n\n{words[:200]}.\n", "utf-8")


def _python(up: Up, script: str, *arguments: str) -> subprocess.Popen[str]:
    path = Path(__file__).with_name(script)
    return subprocess.Popen(
        [sys.executable, str(path), *arguments], env=clean_environment(up.folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _answers(up: Up, base: str) -> str:
    """What the index gives for each question, without ids: paths, passages, scores; equal scores in the order of their paths."""
    process = _python(up, "search_all.py", "acme", base, "reader", *QUESTIONS)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return printed


def _ingest(up: Up, batch_documents: int, *bases: str, kill_after_s: float | None = None) -> float:
    """Take the files into bases; the seconds from `begin` to the end. With `kill_after_s` the process is killed so long after `begin`."""
    process = _python(up, "ingest_child.py", "acme", str(up.folder.parent / "files"), str(batch_documents), *bases)
    assert process.stdout is not None
    assert process.stdout.readline() == "begin\n", process.stderr.read() if process.stderr else ""
    began = time.monotonic()
    try:
        _, errors = process.communicate(timeout=kill_after_s if kill_after_s is not None else 120)
        assert process.returncode == 0, errors
    except subprocess.TimeoutExpired:
        if kill_after_s is None:
            raise
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return time.monotonic() - began


@pytest.mark.timeout(600)
def test_twenty_kills_leave_nothing_that_the_next_run_cannot_mend(running: Up) -> None:
    calm_seconds = _ingest(running, 5, "calm")
    calm = _answers(running, "calm")
    assert json.loads(calm)["found"] > 20
    chance = random.Random(20)
    bases = [f"shaken-{seed}" for seed in range(SEEDS)]
    before = _events(running)
    for base in bases:
        _ingest(running, 5, base, kill_after_s=chance.uniform(0.02, 0.9) * calm_seconds)
    halfway = _events(running) - before
    assert 0 < halfway < SEEDS * DOCUMENTS, "kills fell neither before the first nor after the last batch of every run"
    _ingest(running, 5, *bases)
    for base in chance.sample(bases, 6):
        assert _answers(running, base) == calm, base
    assert "holds" in run(running.folder, "ledger", "verify").stdout


def _events(up: Up) -> int:
    """Events of the ledger, sealed or not: one for each document that was taken in."""
    found = json.loads(run(up.folder, "ledger", "verify", "--json").stdout)
    return int(found["events"]) + int(found["unsealed"])

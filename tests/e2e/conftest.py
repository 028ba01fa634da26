"""A platform that runs as its user runs it: `ondol up` in a process of its own, with the demo tenant, once for all end-to-end tests."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

START_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 40.0


@dataclass
class Up:
    """A running `ondol up` and what it printed."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def printed(self) -> str:
        return "".join(self.lines)

    @property
    def key(self) -> str:
        return str(re.findall(r"sk-ondol-[a-z0-9]{16}-[A-Za-z0-9]{43}", self.printed)[0])

    @property
    def code(self) -> str:
        return str(re.findall(r"welcome\?code=([\w-]+)", self.printed)[0])

    def start(self, until: str = "Ctrl-C stops everything") -> float:
        """Start it and wait for a line; the seconds that took."""
        began = time.monotonic()
        self.lines = []
        self.process = subprocess.Popen(
            command("up", "--port", str(self.port), *self.options),
            env={**clean_environment(self.folder), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        while until not in self.printed:
            has_ended = self.process.poll() is not None
            if has_ended or time.monotonic() - began > START_SECONDS_MAX:
                self.stop()  # so that no later test is told of a process or a pipe that this one left
                raise AssertionError(f"ondol up {'ended' if has_ended else 'takes too long'}:\n{self.printed}")
            time.sleep(0.02)
        return time.monotonic() - began

    def stop(self) -> int:
        """Ctrl-C, and wait for its end."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(STOP_SECONDS_MAX)
        if self.reader is not None:
            self.reader.join(STOP_SECONDS_MAX)
        return status

    def _read(self) -> None:
        assert self.process is not None and self.process.stdout is not None
        with self.process.stdout as printed:
            for line in printed:
                self.lines.append(line)


def command(*arguments: str) -> list[str]:
    """The `ondol` command of this environment."""
    return [sys.executable, "-m", "ondol.cli.main", *arguments]


def clean_environment(folder: Path) -> dict[str, str]:
    """This process's environment without any of our variables or a model provider's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ONDOL_", "OPENAI_")) or name == "ONDOL_DATABASE_OS_USER"}
    return {**kept, "ONDOL_DATA_DIR": str(folder)}


def run(folder: Path, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        command(*arguments), env={**clean_environment(folder), **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def run_json(folder: Path, *arguments: str) -> object:
    """Run a command with `--json` and read what it printed."""
    return json.loads(run(folder, *arguments, "--json").stdout)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def family(process_id: int) -> list[int]:
    """A process's descendants, without itself."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parents.setdefault(int((entry / "stat").read_text().rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found: list[int] = []
    waiting = list(parents.get(process_id, []))
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += parents.get(current, [])
    return found


@contextlib.contextmanager
def open_temporary_folder() -> Iterator[Path]:
    """A temporary folder that the database's user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="ondol-e2e-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def demo_up() -> Iterator[Up]:
    """The demo, running."""
    with open_temporary_folder() as folder:
        up = Up(folder / "data", free_port())
        up.start()
        yield up
        if up.process is not None and up.process.poll() is None:
            up.stop()

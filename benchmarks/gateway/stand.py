"""Processes that a measurement starts and stops: what they run on, and what they took of the machine."""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ground.processes import family_of, free_port

START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 30.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROJECT = Path(__file__).resolve().parents[2]


class NotStarted(Exception):
    """A program that is to be measured does not run here; the message says why."""


@dataclass(frozen=True, slots=True)
class Side:
    """Something that answers chat requests.

    Attributes:
        name: in the table.
        port: on this machine.
        headers: what each request must carry.
        model: what it is asked for.
        process_ids: asks who belongs to it.
    """

    name: str
    port: int
    headers: Mapping[str, str]
    model: str
    process_ids: Callable[[], list[int]]


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    found: list[int] = []
    while len(found) < count:
        port = free_port()
        if port not in found:
            found.append(port)
    return found


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, *, stop_s: float = STOP_SECONDS_MAX
) -> Iterator[subprocess.Popen[bytes]]:
    """A program with its own process group, ended with all its children when this ends. What it says goes to `log`.

    Args:
        stop_s: how long it may take to end by itself.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            list(command), stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=PROJECT, start_new_session=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(stop_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(what: Callable[[], bool], process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    """Wait until something holds.

    Raises:
        NotStarted: when the process ends first, or it takes too long.
    """
    until = time.monotonic() + START_SECONDS_MAX
    while not what():
        if process.poll() is not None or time.monotonic() > until:
            said = log.read_text("utf-8", "replace").strip().splitlines()[-3:]
            raise NotStarted(f"{name} did not start: {' / '.join(said)}")
        time.sleep(0.02)


def answers(port: int, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether a chat request is answered 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        response.read()
        return response.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def python_module(name: str, *options: str) -> list[str]:
    """The command for a module of this project in a process of its own."""
    return [sys.executable, "-m", f"benchmarks.gateway.{name}", *options]


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.connect()
        return True
    except OSError:
        return False
    finally:
        connection.close()


def cpu_seconds(process_ids: Sequence[int]) -> float:
    """Processor time of processes so far, in user and kernel mode."""
    total = 0
    for process_id in process_ids:
        with contextlib.suppress(OSError, IndexError):
            fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_SECOND


def descriptors(process_ids: Sequence[int]) -> int:
    """Open descriptors of processes."""
    total = 0
    for process_id in process_ids:
        with contextlib.suppress(OSError):
            total += len(os.listdir(f"/proc/{process_id}/fd"))  # noqa: PTH208 - a count of names
    return total


def workers_of(process_id: int) -> list[int]:
    """The HTTP workers below an `ondol up`."""
    found = []
    for child in family_of(process_id):
        with contextlib.suppress(OSError):
            if b"\x00serve\x00" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def raise_descriptors(wanted: int) -> int:
    """Let this process and those that it starts open more files; how many they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most)

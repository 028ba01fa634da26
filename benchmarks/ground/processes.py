"""Start the platform as its user does, and weigh what runs."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

START_SECONDS_MAX = 120.0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def platform_up(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    """`ondol up` on a data folder: the process, the port, and the seconds from the command to the first `ready`."""
    port = free_port()
    environment = {**os.environ, "ONDOL_DATA_DIR": str(folder), "ONDOL_HTTP_PORT": str(port)}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "ondol.cli.main", "up", *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not is_ready(port):
            if process.poll() is not None or time.monotonic() - began > START_SECONDS_MAX:
                raise RuntimeError("the platform did not start; run `ondol up` to see why")
            time.sleep(0.01)
        yield process, port, time.monotonic() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def is_ready(port: int) -> bool:
    """Whether `/readyz` answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def family_of(process_id: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [process_id]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting += parents.get(current, [])
    return found


def weigh(process_ids: list[int]) -> tuple[float, float]:
    """Resident and proportional memory of processes, in MB. Resident counts shared pages once for each process, proportional once in all."""
    resident = proportional = 0
    for process_id in process_ids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    resident += int(line.split()[1])
                elif line.startswith("Pss:"):
                    proportional += int(line.split()[1])
    return resident * 1024 / 1e6, proportional * 1024 / 1e6

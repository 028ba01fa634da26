"""Several workers, real processes: one page for all, which no death of a worker makes smaller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ondol.infrastructure.telemetry.exposition import exposition
from ondol.infrastructure.telemetry.metrics import Registry
from ondol.infrastructure.telemetry.shared import SharedCells
from tests.infrastructure.telemetry.test_metrics import samples

WORKER = """
import sys
from pathlib import Path
from ondol.infrastructure.telemetry.metrics import Registry
from ondol.infrastructure.telemetry.shared import SharedCells
registry = Registry()
cells = SharedCells(Path(sys.argv[1]), registry)
for line in sys.stdin:
    model, count = line.split()
    for _ in range(int(count)):
        registry.add("ondol_requests_total", ("chat", model, "answered"))
    registry.put("ondol_in_flight", int(count))
    registry.put("ondol_postgres_age_seconds", int(count) / 10)
    cells.flush()
    print("done", flush=True)
cells.close()
"""


class Worker:
    """A process that counts what it is told to."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", WORKER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def count(self, model: str, times: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{model} {times}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def end(self, number: int | None = None) -> None:
        if number is not None:
            self.process.send_signal(number)
        self.process.communicate()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    started = [Worker(tmp_path / "metrics") for _ in range(3)]
    yield started
    for worker in started:
        worker.end(signal.SIGKILL if worker.process.poll() is None else None)


def requests(cells: SharedCells) -> dict[str, float]:
    found = samples(exposition(cells.sum()))
    return {dict(labels)["model"]: value for (name, labels), value in found.items() if name == "ondol_requests_total"}


def gauge(cells: SharedCells, name: str) -> float | None:
    return samples(exposition(cells.sum())).get((name, ()))


def test_workers_are_added_up_and_the_dead_keep_their_counts(workers: list[Worker], tmp_path: Path) -> None:
    mine = SharedCells(tmp_path / "metrics", Registry())
    for number, worker in enumerate(workers, 1):
        worker.count("all", 100 * number)
        worker.count(f"own-{number}", number)
    assert requests(mine) == {"all": 600, "own-1": 1, "own-2": 2, "own-3": 3}
    assert gauge(mine, "ondol_in_flight") == 6
    assert gauge(mine, "ondol_postgres_age_seconds") == 0.3

    workers[2].end(signal.SIGKILL)
    workers[1].end()
    assert requests(mine) == {"all": 600, "own-1": 1, "own-2": 2, "own-3": 3}
    assert gauge(mine, "ondol_in_flight") == 1

    # The next worker that starts folds the dead ones; nobody sees a difference.
    another = Worker(tmp_path / "metrics")
    another.count("all", 5)
    assert requests(mine) == {"all": 605, "own-1": 1, "own-2": 2, "own-3": 3}
    assert len(list((tmp_path / "metrics").glob("*.cells"))) == 3
    another.end()
    mine.close()


def test_a_crash_between_folding_and_removing_counts_nothing_twice(workers: list[Worker], tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    workers[0].count("m", 7)
    workers[0].end(signal.SIGKILL)
    (dead,) = (path for path in folder.glob("*.cells") if f"-{workers[0].process.pid}-" in path.name)
    data = dead.read_bytes()
    first = SharedCells(folder, Registry())
    assert not dead.exists()
    dead.write_bytes(data)  # as if the process that folded it had ended before it was removed
    assert requests(first) == {"m": 7}
    second = SharedCells(folder, Registry())
    assert not dead.exists()
    assert requests(second) == {"m": 7}
    first.close()
    second.close()


def test_damaged_files_count_as_none(workers: list[Worker], tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    workers[0].count("m", 7)
    (folder / "0-foreign.cells").write_bytes(b"what is this")
    (folder / "1-empty.cells").write_bytes(b"")
    (folder / "totals.json").write_bytes(b'{"version": 1, "folded"')
    mine = SharedCells(folder, Registry())
    assert requests(mine) == {"m": 7}
    assert not (folder / "0-foreign.cells").exists()
    mine.close()


def test_counters_of_another_version_begin_again(tmp_path: Path) -> None:
    old = SharedCells(tmp_path, Registry())
    old._registry.add("ondol_requests_total", ("chat", "m", "answered"), 9)
    old.close()
    SharedCells(tmp_path, Registry()).close()
    totals = msgspec.json.decode((tmp_path / "totals.json").read_bytes())
    assert totals["series"]
    totals["version"] += 1
    (tmp_path / "totals.json").write_bytes(msgspec.json.encode(totals))
    mine = SharedCells(tmp_path, Registry())
    assert requests(mine) == {}
    mine.close()


def test_an_overflowing_counter_begins_again(tmp_path: Path) -> None:
    registry = Registry()
    mine = SharedCells(tmp_path, registry)
    registry.add("ondol_cost_nano_total", ("m", "KRW"), (1 << 63) + 5)
    registry.add("ondol_cost_nano_total", ("m", "USD"), 8)
    mine.flush()
    found = samples(exposition(mine.sum()))
    assert found["ondol_cost_nano_total", (("currency", "KRW"), ("model", "m"))] == 5
    assert found["ondol_cost_nano_total", (("currency", "USD"), ("model", "m"))] == 8
    mine.close()


FULL = """
import resource, sys
from pathlib import Path
from ondol.infrastructure.telemetry.metrics import Registry
from ondol.infrastructure.telemetry.shared import SharedCells
registry = Registry()
cells = SharedCells(Path(sys.argv[1]), registry)
registry.add("ondol_requests_total", ("chat", "m", "answered"), 3)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
try:
    cells.flush()
except OSError:
    print("refused")
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
cells.close()
"""


def test_a_disk_that_takes_nothing_is_an_error_and_no_end(tmp_path: Path) -> None:
    """A mapped file would end the process here."""
    ended = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ended.stdout == "refused\n"
    mine = SharedCells(tmp_path, Registry())
    assert requests(mine) == {"m": 3}
    mine.close()


def test_files_are_private(tmp_path: Path) -> None:
    mine = SharedCells(tmp_path / "metrics", Registry())
    assert (tmp_path / "metrics").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "metrics").iterdir())
    assert os.get_inheritable(mine._descriptor) is False
    mine.close()

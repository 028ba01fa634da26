"""`ondol up` as its user meets it: start, stop, start again, and every way in which it can be killed or find its place taken."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import START_SECONDS_MAX, Up, family, free_port, open_temporary_folder, run


@pytest.fixture(scope="module")
def made() -> Iterator[Up]:
    """An installation without the demo, made once, stopped."""
    with open_temporary_folder() as folder:
        up = Up(folder / "data", free_port(), options=("--no-demo",))
        up.start()
        assert up.stop() == 0
        run(up.folder, "tenant", "create", "acme")
        yield up


@contextlib.contextmanager
def started(up: Up) -> Iterator[Up]:
    up.start()
    try:
        yield up
    finally:
        if up.process is not None and up.process.poll() is None:
            up.stop()


def answers(up: Up) -> bool:
    """Whether the platform is ready."""
    try:
        with urllib.request.urlopen(up.url + "/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_until(true: object, what: str, seconds: float = START_SECONDS_MAX) -> None:
    """Ask again and again until it is true; a limit, not a pause."""
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def command_of(process_id: int) -> str:
    """The command line of a process, its parts ended by NUL; empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process_id}/cmdline").read_bytes().decode("utf-8", "replace")
    return ""


def alive(process_id: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_ctrl_c_stops_all_of_it_and_the_next_start_resumes(made: Up) -> None:
    with started(made):
        members = family(made.process.pid) if made.process else []
        assert len(members) >= 4
        assert answers(made)
        assert made.stop() == 0
    assert "Stopped." in made.printed
    wait_until(lambda: not any(alive(member) for member in members), "a process was left behind")
    with started(made):
        assert "acme" in run(made.folder, "tenant", "list").stdout
    assert "Traceback" not in made.printed


def test_sigterm_stops_it_too(made: Up) -> None:
    with started(made):
        assert made.process is not None
        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(40) == 0


def test_a_killed_worker_is_started_again(made: Up) -> None:
    with started(made):
        assert made.process is not None
        for role in ("serve", "work"):
            victim = next(member for member in family(made.process.pid) if f"\0{role}\0" in command_of(member))
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: made.printed.count("starting it again") >= 1, "the supervisor said nothing")
            wait_until(lambda: answers(made), "it did not answer again")
            made.lines.append("")
        names = [command_of(member) for member in family(made.process.pid)]
        wait_until(lambda: sum("\0serve\0" in name for name in names) <= 2, "too many workers")


def test_a_killed_postgres_is_started_again(made: Up) -> None:
    with started(made):
        server = int((made.folder / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: "Postgres ended unexpectedly" in made.printed, "the supervisor said nothing")
        wait_until(lambda: "acme" in run(made.folder, "tenant", "list", check=False).stdout, "the tenant is gone")


def test_a_killed_supervisor_leaves_nothing_that_the_next_start_cannot_recover(made: Up) -> None:
    made.start()
    assert made.process is not None
    members = family(made.process.pid)
    made.process.kill()
    made.process.wait()
    workers = [member for member in members if "ondol.cli.main" in command_of(member)]
    wait_until(lambda: not any(alive(worker) for worker in workers), "workers outlived the supervisor")
    with started(made):
        assert answers(made)
        assert "acme" in run(made.folder, "tenant", "list").stdout


def test_everything_killed_at_once(made: Up) -> None:
    made.start()
    assert made.process is not None
    for member in [made.process.pid, *family(made.process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    made.process.wait()
    with started(made):
        assert "acme" in run(made.folder, "tenant", "list").stdout


def test_a_taken_port_is_a_sentence_and_a_hint(made: Up) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(made.folder, "up", "--no-demo", "--port", str(taken.getsockname()[1]), check=False)
    assert done.returncode == 1
    assert "is taken." in done.stderr
    assert "ONDOL_HTTP_PORT=" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_one_on_the_same_folder_is_refused(made: Up) -> None:
    with started(made):
        done = run(made.folder, "up", "--no-demo", "--port", str(free_port()), check=False)
        assert (done.returncode, "is in use by process" in done.stderr) == (1, True)
        assert answers(made)


def test_another_versions_folder_and_a_foreign_one_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "format").write_text("99\n")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "holiday.jpg").write_bytes(b"picture")
    for folder, words in ((other, "data format 99"), (foreign, "not a data folder of Ondol")):
        done = run(folder, "up", "--no-demo", "--port", "0", check=False)
        assert (done.returncode, words in done.stderr, "Hint:" in done.stderr, "Traceback" in done.stderr) == (1, True, True, False)
    assert sorted(path.name for path in foreign.iterdir()) == ["holiday.jpg"]

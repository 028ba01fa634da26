"""Runs a candidate's code and the tests of it behind walls, and tells what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from ondol.application.evaluation.sandbox.walls import WAYS, Walls, Way, missing_before_trial
from ondol.core.errors import UserError

Outcome: TypeAlias = Literal["passed", "failed", "timeout", "too_much_output"]

CODE_CHARACTERS_MAX: Final = 200_000
VERDICT_BYTES_MAX: Final = 64_000
START_SECONDS_MAX: Final = 30.0
"""Until the walls stand; the clock of the program runs from then on."""
ERROR_BYTES_MAX: Final = 4_096
_UP: Final = b"UP\n"
_BOOT: Final = """
import sys, types
name = ""
for part in "ondol.application.evaluation.sandbox".split("."):
    name = f"{name}.{part}".strip(".")
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
sys.modules[name].__path__ = [sys.argv[1]]
from ondol.application.evaluation.sandbox.inside import main
main()
"""
"""Loads what runs inside by its name, and nothing of the packages that it lies in."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What each of the two processes may take.

    Attributes:
        seconds: on the clock, for both together.
        memory_bytes: of address space, the interpreter's own included.
        disk_bytes: of its temporary folder, where there is one, and of any file in it.
        output_bytes: of what it prints.
    """

    seconds: float = 10.0
    memory_bytes: int = 512 * 1024 * 1024
    disk_bytes: int = 8 * 1024 * 1024
    output_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class Trial:
    """A program and how it is tested.

    Attributes:
        code: the candidate's, as a module.
        tests: run against those of its names that they use. Python's own names stay Python's.
        setup: run before the tests, in their process; what it defines, the candidate does not replace.
        entry_point: the name that is tested, which then is the candidate's whatever else has it; ``check(candidate)`` is called with it where the
            tests define that.
    """

    code: str
    tests: str
    setup: str = ""
    entry_point: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of it; `reason` is for people, and partly in the candidate's own words."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Order:
    role: Literal["candidate", "tests", "trial"]
    descriptors: tuple[int, ...]
    code: str = ""
    setup: str = ""
    entry_point: str = ""


@dataclass(slots=True)
class _Seen:
    """What a process printed: how much, and the beginning of its errors."""

    printed: int = 0
    errors: bytes = b""

    @property
    def is_up(self) -> bool:
        """Whether its walls stood before it ran anything: it says so first."""
        return self.errors.startswith(_UP)


def build_walls(python: Path | None = None, ways: Sequence[Way] = WAYS) -> Walls:
    """The first way that holds when it is tried.

    Raises:
        UserError: when none does; it says what is missing for each. Nothing is run without walls.
    """
    reasons = []
    for way in ways:
        walls = Walls(way, python or Path(sys.executable))
        missing = missing_before_trial(way) or _what_a_trial_shows(walls)
        if not missing:
            return walls
        reasons.append(f"{way}: {missing}")
    raise UserError(
        f"Code cannot be isolated on this machine, so it is not run ({'; '.join(reasons)}).",
        "Run it on Linux as root, or where user namespaces are allowed (sysctl user.max_user_namespaces; a container with CAP_SYS_ADMIN).",
    )


@lru_cache(maxsize=1)
def walls_here() -> Walls:
    """As `build_walls`, tried once in a process."""
    return build_walls()


async def run_trial(walls: Walls, trial: Trial, limits: Limits, seed: int = 0) -> Ran:
    """As `run_trial_now`, in a thread; as many at once as the machine has processors."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), run_trial_now, walls, trial, limits, seed)


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """Kept for good: the kernel ends a sandboxed process together with the thread that started it."""
    return ThreadPoolExecutor(os.cpu_count() or 1, "sandbox")


def run_trial_now(walls: Walls, trial: Trial, limits: Limits, seed: int = 0) -> Ran:
    """Run the candidate and its tests, each in a process of its own, and end both.

    Raises:
        UserError: when the walls, which held when they were tried, cannot be built now.
    """
    if len(trial.code) > CODE_CHARACTERS_MAX:
        return Ran("failed", f"The program has more than {CODE_CHARACTERS_MAX:,} characters.")
    with contextlib.ExitStack() as stack:
        (asked_out, asked_in), (told_out, told_in), (verdict_out, verdict_in) = (_pipe(stack) for _ in range(3))
        orders = (
            _Order("candidate", (asked_out.fileno(), told_in.fileno()), trial.code),
            _Order("tests", (asked_in.fileno(), told_out.fileno(), verdict_in.fileno()), trial.tests, trial.setup, trial.entry_point),
        )
        started = [stack.enter_context(_started(walls, order, limits, seed)) for order in orders]
        for end in (asked_out, asked_in, told_out, told_in, verdict_in):
            end.close()
        verdict, stopped, seen = _watch(started, verdict_out, limits)
    if stopped == "too_much_output":
        return Ran(stopped, _REASONS[stopped])
    if not all(one.is_up for one in seen):
        raise UserError(
            f"The sandbox could not be built: {_what_failed(seen)}.", "Try again; if it stays so, this machine is short of memory or of processes."
        )
    return Ran(stopped, _REASONS[stopped]) if stopped else _read(verdict)


def _what_a_trial_shows(walls: Walls) -> str:
    """What is wrong with these walls; empty where they hold."""
    limits = Limits()
    with contextlib.ExitStack() as stack:
        told_out, told_in = _pipe(stack)
        process = stack.enter_context(_started(walls, _Order("trial", (told_in.fileno(),)), limits, 0))
        told_in.close()
        said, stopped, seen = _watch([process], told_out, limits)
    if not seen[0].is_up:
        return _what_failed(seen)
    try:
        done = json.loads(said)["done"]
    except (ValueError, KeyError):
        return f"the trial ended without a word ({stopped or 'it was killed'})"
    return f"from within one can {', '.join(done)}" if done else ""


def _what_failed(seen: Sequence[_Seen]) -> str:
    told = next(one.errors for one in seen if not one.is_up).decode(errors="replace").strip()
    return told.removeprefix("WALLS ")[:200] or "the process ended before its walls stood"


_REASONS: Final[Mapping[Outcome, str]] = {
    "timeout": "The program did not end in time.",
    "too_much_output": "The program printed more than it may.",
}


def _read(verdict: bytes) -> Ran:
    """What the tests' process said. Its candidate has no part in it: the pipe is not within its reach."""
    try:
        said = json.loads(verdict)
    except ValueError:
        return Ran("failed", "The tests did not come to an end: they ran out of memory or of processor time.")
    if said["passed"]:
        return Ran("passed")
    name, text = said["raised"]
    return Ran("failed", f"{name}: {text}" if text else str(name))


def _pipe(stack: contextlib.ExitStack) -> tuple[io.FileIO, io.FileIO]:
    out, into = os.pipe()
    return stack.enter_context(io.FileIO(out, "rb")), stack.enter_context(io.FileIO(into, "wb"))


@contextlib.contextmanager
def _started(walls: Walls, order: _Order, limits: Limits, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that builds its walls and does what it is told; it and its folder are gone afterwards."""
    told: dict[str, Any] = {
        **asdict(order),
        "way": walls.way,
        "user": walls.user(),
        "filter": walls.filter().hex(),
        "seed": seed,
        "limits": {"cpu_s": math.ceil(limits.seconds) + 1, "memory_bytes": limits.memory_bytes, "disk_bytes": limits.disk_bytes},
    }
    with tempfile.TemporaryDirectory(prefix="ondol-sandbox-") as folder:
        Path(folder).chmod(0o555 if walls.way == "own_user" else 0o755)
        with subprocess.Popen(
            [walls.python, "-s", "-S", "-P", "-B", "-c", _BOOT, Path(__file__).parent],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=order.descriptors,
            env={"PYTHONHASHSEED": str(seed % 2**32), "PYTHONUTF8": "1"},
            cwd="/",
            start_new_session=True,
        ) as process:
            try:
                assert process.stdin is not None  # noqa: S101 - it was asked for
                with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                    pipe.write(json.dumps({**told, "folder": folder}).encode())
                yield process
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _watch(processes: Sequence[subprocess.Popen[bytes]], said: io.FileIO, limits: Limits) -> tuple[bytes, Outcome | None, list[_Seen]]:
    """Read what they say until the verdict's pipe is closed, time is up, or one prints too much: the verdict, and why it was not waited for."""
    seen = [_Seen() for _ in processes]
    verdict = bytearray()
    began, deadline = False, time.monotonic() + START_SECONDS_MAX
    with selectors.DefaultSelector() as selector:
        selector.register(said, selectors.EVENT_READ)
        for process, one in zip(processes, seen, strict=True):
            selector.register(process.stdout or said, selectors.EVENT_READ, (one, False))
            selector.register(process.stderr or said, selectors.EVENT_READ, (one, True))
        while True:
            if not began and all(one.is_up for one in seen):
                began, deadline = True, time.monotonic() + limits.seconds
            ready = selector.select(max(deadline - time.monotonic(), 0))
            if not ready and time.monotonic() >= deadline:
                return bytes(verdict), "timeout", seen
            for key, _ in ready:
                piece = os.read(key.fd, 65_536)
                if key.data is None:
                    verdict += piece
                    if not piece or len(verdict) > VERDICT_BYTES_MAX:
                        _drain_errors(selector, seen)
                        return bytes(verdict), None, seen
                elif not piece:
                    selector.unregister(key.fileobj)
                elif not _took(key.data, piece, limits.output_bytes):
                    return bytes(verdict), "too_much_output", seen


def _drain_errors(selector: selectors.BaseSelector, seen: Sequence[_Seen]) -> None:
    """Take what was said before the verdict and not read yet."""
    for key, _ in selector.select(0):
        if key.data is not None:
            _took(key.data, os.read(key.fd, 65_536), ERROR_BYTES_MAX)


def _took(source: tuple[_Seen, bool], piece: bytes, most: int) -> bool:
    """Whether what was printed is still within bounds. A source is a process, and whether it is its errors."""
    seen, is_error = source
    if is_error and len(seen.errors) < ERROR_BYTES_MAX:
        seen.errors += piece[: ERROR_BYTES_MAX - len(seen.errors)]
    seen.printed += len(piece)
    return seen.printed <= most

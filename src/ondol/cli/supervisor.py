"""`ondol up`: one process that starts the others, keeps them running and stops them.

The children are started first and import their heavy parts while Postgres starts; a line on their lifeline pipe tells them to begin. The pipe's
end tells them that the supervisor is gone, however it went, and they stop.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ondol.core.config import HttpSettings
from ondol.core.errors import UserError

RESTART_DELAY_S = 1.0
RESTARTS_IN_WINDOW_MAX = 5
RESTART_WINDOW_S = 60.0
STOP_SECONDS_MAX = 20.0
POLL_SECONDS = 0.2
CHILD_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "1000000"}
"""glibc keeps freed memory in an arena for each thread: with these a worker that has built an index gives it back."""


@dataclass
class Child:
    """One child process and how to start it again."""

    name: str
    arguments: Sequence[str]
    pass_fds: Sequence[int] = ()
    process: subprocess.Popen[bytes] | None = None
    lifeline: int = -1
    tells_ready: bool = False
    ready: int = -1
    started_at: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it; it waits for `begin`."""
        read_end, write_end = os.pipe()
        command = [sys.executable, "-m", "ondol.cli.main", *self.arguments, "--lifeline-fd", str(read_end)]
        inherited = [read_end, *self.pass_fds]
        if self.tells_ready:
            self.close_ready()
            self.ready, ready_end = os.pipe()
            command += ["--ready-fd", str(ready_end)]
            inherited.append(ready_end)
        self.process = subprocess.Popen(command, pass_fds=inherited, start_new_session=True, env={**CHILD_ENVIRONMENT, **os.environ})
        for end in inherited:
            if end not in self.pass_fds:
                os.close(end)
        self.lifeline = write_end
        self.started_at = [*self.started_at[-RESTARTS_IN_WINDOW_MAX:], time.monotonic()]

    def begin(self) -> None:
        """Tell it that the stores are ready."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self.lifeline, b"begin\n")

    def ended(self) -> bool:
        """Whether it has ended on its own."""
        return self.process is not None and self.process.poll() is not None

    def ends_too_often(self) -> bool:
        """Whether starting it again has not helped."""
        recent = [moment for moment in self.started_at if moment > time.monotonic() - RESTART_WINDOW_S]
        return len(recent) > RESTARTS_IN_WINDOW_MAX

    def close_ready(self) -> None:
        """Listen no more for the word that it can answer."""
        if self.ready >= 0:
            os.close(self.ready)
            self.ready = -1

    def close_lifeline(self) -> None:
        """Let it stop by itself."""
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1


def listen(settings: HttpSettings) -> socket.socket:
    """The listening socket that the HTTP workers share.

    Raises:
        UserError: when the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        if error.errno in (98, 48):
            raise UserError(
                f"Port {settings.port} on {settings.host} is taken.", f"Stop what uses it, or choose another: ONDOL_HTTP_PORT={settings.port + 1}."
            ) from error
        raise UserError(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.", "Check http.host and http.port.") from error
    listener.listen(1024)
    listener.set_inheritable(True)
    return listener


class Stopped(Exception):
    """SIGINT or SIGTERM arrived."""


@contextlib.contextmanager
def stop_signals() -> Iterator[None]:
    """Inside, the first SIGINT or SIGTERM raises `Stopped`; further ones are ignored so that stopping is not cut short."""

    def on_signal(number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped(signal.Signals(number).name)

    before = [signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def wait_until_ready(children: Sequence[Child], seconds_max: float) -> None:
    """Wait until every child that tells it can answer.

    Raises:
        UserError: when one ends first, or it takes too long.
    """
    deadline = time.monotonic() + seconds_max
    waiting = {child.ready: child for child in children if child.tells_ready}
    while waiting:
        readable, _, _ = select.select(list(waiting), [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise UserError(f"The platform was not ready within {seconds_max:.0f} s.", "Look at the messages above and at `ondol doctor`.")
        for descriptor in readable:
            child = waiting.pop(descriptor)
            if os.read(descriptor, 16) == b"":
                raise UserError(f"The {child.name} ended while starting.", "Its messages above say why.")
            child.close_ready()


def watch(children: Sequence[Child], stores_alive: Callable[[], bool], restart_stores: Callable[[], None], say: Callable[[str], None]) -> None:
    """Keep the children and the stores running until `Stopped` is raised.

    Raises:
        UserError: when a child ends again and again.
    """
    while True:
        time.sleep(POLL_SECONDS)
        if not stores_alive():
            say("Postgres ended unexpectedly; starting it again")
            restart_stores()
        for child in children:
            if not child.ended():
                continue
            if child.ends_too_often():
                raise UserError(f"The {child.name} ends again and again.", "Its last messages above say why.")
            code = child.process.returncode if child.process else 0
            say(f"The {child.name} ended ({code}); starting it again")
            child.close_lifeline()
            time.sleep(RESTART_DELAY_S)
            child.start()
            child.begin()


def stop_all(children: Sequence[Child], seconds_max: float = STOP_SECONDS_MAX) -> None:
    """Ask all children to finish what they are doing and stop; after `seconds_max` end them."""
    for child in children:
        child.close_lifeline()
    deadline = time.monotonic() + seconds_max
    for child in children:
        if child.process is None:
            continue
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                child.process.kill()
            child.process.wait()

"""Which walls this machine can build for code that nobody trusts. They are tried, not guessed: a trial process builds them and then tries to get out.

Two ways, the first that holds is taken. Beneath both lie the filter of system calls, limits on processor time, memory, files and output, no
environment, and closed descriptors.

- `namespaces`: of its own are the network (nothing in it), processes, and the whole file system (one small empty one in memory). Root becomes
  another user besides; an ordinary user enters a user namespace.
- `own_user`: root without the right to mount, as in most containers: another user, an empty folder as root that cannot be written, and no system call
  that opens a file.
"""

from __future__ import annotations

import os
import platform
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from ondol.application.evaluation.sandbox.system_calls import MACHINES, filter_program

Way: TypeAlias = Literal["namespaces", "own_user"]
WAYS: Final[tuple[Way, ...]] = get_args(Way)

USERS_FROM, USERS_COUNT = 61_200, 4_000
"""User ids that nobody has by custom; each process gets one of its own by chance."""


@dataclass(frozen=True, slots=True)
class Walls:
    """What is built around a process.

    Attributes:
        python: the interpreter that runs inside.
    """

    way: Way
    python: Path

    def user(self) -> int | None:
        """The user id that a process becomes; None in a user namespace."""
        return USERS_FROM + secrets.randbelow(USERS_COUNT) if os.geteuid() == 0 else None

    def filter(self) -> bytes:
        """The system calls that it may make."""
        return filter_program(platform.machine(), with_files=self.way == "namespaces")


def missing_before_trial(way: Way) -> str:
    """Why this way cannot be gone here, as far as that is known without trying; empty where it may."""
    if sys.platform != "linux":
        return "isolation is built from what Linux has"
    if platform.machine() not in MACHINES:
        return f"the system calls of {platform.machine()} are not known here"
    if way == "own_user" and os.geteuid() != 0:
        return "only root becomes another user"
    return ""

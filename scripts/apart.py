"""Environments apart from ours, for programs that are heavy or that we only measure: each is installed from its lock on first use, below `build/`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
INSTALL_SECONDS_MAX = 600


def python_apart(name: str) -> Path:
    """The Python of `build/NAME`, which has what `requirements/NAME.lock` lists; installs it when the lock has changed.

    Raises:
        FileNotFoundError: when there is no such lock.
        subprocess.CalledProcessError: when it cannot be installed, such as without a network.
        subprocess.TimeoutExpired: when that takes longer than `INSTALL_SECONDS_MAX`.
    """
    lock = PROJECT / "requirements" / f"{name}.lock"
    place = PROJECT / "build" / name
    python = place / "bin" / "python"
    stamp = place / "lock"
    wanted = lock.read_text("utf-8")
    if python.exists() and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return python
    uv = Path(sys.executable).with_name("uv").as_posix()
    print(f"installing build/{name}, once", file=sys.stderr)
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, place.as_posix()])
    _run([uv, "pip", "sync", "--quiet", "--python", python.as_posix(), "--require-hashes", "--no-build", lock.as_posix()])
    stamp.write_text(wanted, "utf-8")
    return python


def _run(command: list[str]) -> None:
    subprocess.run(command, cwd=PROJECT, check=True, timeout=INSTALL_SECONDS_MAX)

"""The environment in which peers run beside us: installed from its lock on first use, apart from ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
LOCK = PROJECT / "requirements" / "peers.lock"
PLACE = PROJECT / "build" / "peers"
INSTALL_SECONDS_MAX = 600


def peers_python() -> Path:
    """The Python that has the peers; installs them when the lock has changed.

    Raises:
        subprocess.CalledProcessError: when they cannot be installed, such as without a network.
    """
    python = PLACE / "bin" / "python"
    stamp = PLACE / "lock"
    wanted = LOCK.read_text("utf-8")
    if python.exists() and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return python
    uv = Path(sys.executable).with_name("uv").as_posix()
    print("installing the peers, once", file=sys.stderr)
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, PLACE.as_posix()])
    _run([uv, "pip", "sync", "--quiet", "--python", python.as_posix(), "--require-hashes", "--no-build", LOCK.as_posix()])
    stamp.write_text(wanted, "utf-8")
    return python


def _run(command: list[str]) -> None:
    subprocess.run(command, cwd=PROJECT, check=True, timeout=INSTALL_SECONDS_MAX)

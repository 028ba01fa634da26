"""The environment in which peers run beside us: installed from its lock on first use, apart from ours."""

from __future__ import annotations

from pathlib import Path

from scripts.apart import python_apart


def peers_python() -> Path:
    """The Python that has the peers; installs them when the lock has changed.

    Raises:
        subprocess.CalledProcessError: when they cannot be installed, such as without a network.
    """
    return python_apart("peers")

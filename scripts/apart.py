"""Environments apart from ours, for programs that are heavy or that we only measure: each is installed from its lock on first use, below `build/`.

python -m scripts.apart NAME    installs one, and says what is missing where that fails
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

PROJECT = Path(__file__).resolve().parent.parent
INSTALL_SECONDS_MAX = 600
BUILD_SECONDS_MAX = 3_600
"""For one that is built from source, or whose wheels take gigabytes."""
BUILT = {"llama_cpp": "-DLLAVA_BUILD=OFF -DGGML_NATIVE=OFF"}
"""What is published as source alone, which needs a compiler, with CMake's options for it: nothing for pictures, and no instructions that only the
processor here has. What builds it is held by the same lock."""


def python_apart(name: str) -> Path:
    """The Python of `build/NAME`, which has what `requirements/NAME.lock` lists; installs it when the lock has changed.

    What `requirements/NAME.unlocked` names, if there is one, comes after it: from the same index or from the folders of wheels that pip knows.

    Raises:
        FileNotFoundError: when there is no such lock.
        subprocess.CalledProcessError: when it cannot be installed, such as without a network.
        subprocess.TimeoutExpired: when that takes longer than `INSTALL_SECONDS_MAX`, or `BUILD_SECONDS_MAX` for what is built or not locked.
    """
    lock = PROJECT / "requirements" / f"{name}.lock"
    unlocked = lock.with_suffix(".unlocked")
    wanted = _wanted(name)
    python = installed_apart(name)
    if python is not None:
        return python
    place = PROJECT / "build" / name
    python = place / "bin" / "python"
    uv = Path(sys.executable).with_name("uv").as_posix()
    print(f"installing build/{name}, once", file=sys.stderr)
    _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, place.as_posix()], INSTALL_SECONDS_MAX)
    target = ["--quiet", "--python", python.as_posix()]
    if name in BUILT:
        made = ["--build-constraints", lock.as_posix(), lock.as_posix()]
        _run([uv, "pip", "sync", *target, "--require-hashes", *made], BUILD_SECONDS_MAX, {"CMAKE_ARGS": BUILT[name]})
    else:
        _run([uv, "pip", "sync", *target, "--require-hashes", "--no-build", lock.as_posix()], INSTALL_SECONDS_MAX)
    if unlocked.exists():
        _run([uv, "pip", "install", *target, "--no-build", "--constraints", lock.as_posix(), "-r", unlocked.as_posix()], BUILD_SECONDS_MAX)
    (place / "lock").write_text(wanted, "utf-8")
    return python


def installed_apart(name: str) -> Path | None:
    """The Python of `build/NAME` where it is installed and its lock has not changed since.

    Raises:
        FileNotFoundError: when there is no such lock.
    """
    python = PROJECT / "build" / name / "bin" / "python"
    stamp = PROJECT / "build" / name / "lock"
    return python if python.exists() and stamp.exists() and stamp.read_text("utf-8") == _wanted(name) else None


def _wanted(name: str) -> str:
    lock = PROJECT / "requirements" / f"{name}.lock"
    unlocked = lock.with_suffix(".unlocked")
    return lock.read_text("utf-8") + (unlocked.read_text("utf-8") if unlocked.exists() else "")


def _run(command: list[str], seconds_max: int, more: Mapping[str, str] = MappingProxyType({})) -> None:
    """`more` stands in the environment where that says nothing else; so does, for uv, where pip looks for wheels: by spaces there, by commas here."""
    folders = os.environ.get("PIP_FIND_LINKS", "").split()
    environment = {**({"UV_FIND_LINKS": ",".join(folders)} if folders else {}), **more, **os.environ}
    subprocess.run(command, cwd=PROJECT, check=True, timeout=seconds_max, env=environment)


def main(arguments: list[str]) -> int:
    """Run as a program. Returns the exit status."""
    for name in arguments:
        try:
            python_apart(name)
        except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"build/{name} could not be installed: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

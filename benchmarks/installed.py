"""Programs that we only measure, installed from their locks into the user's cache folder on first use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scripts.apart import INSTALL_SECONDS_MAX, PROJECT
from scripts.assets import AssetError, install


class NotInstalled(Exception):
    """A program cannot be installed, such as without a network; the message says why."""


def cache_folder() -> Path:
    """Where such programs are installed: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ondol" / "benchmarks"


def installed_npm(source: Path) -> Path:
    """The folder that the packages of `source` are installed in, from its lock file; installs them when that has changed.

    Raises:
        NotInstalled: when they cannot be.
    """
    folder = cache_folder() / source.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(source / name, folder / name)
    try:
        install(folder)
    except (AssetError, ValueError) as error:
        raise NotInstalled(f"{source.name} cannot be installed: {error}") from None
    return folder


def installed_python(name: str) -> Path:
    """The folder of the environment that has what `requirements/NAME.lock` lists; installs it when that has changed.

    Raises:
        NotInstalled: when it cannot be.
    """
    folder = cache_folder() / name
    lock = PROJECT / "requirements" / f"{name}.lock"
    stamp, wanted = folder / "lock", lock.read_text("utf-8") + sys.version
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return folder
    uv = Path(sys.executable).with_name("uv").as_posix()
    python = (folder / "bin" / "python").as_posix()
    print(f"installing {name} into the cache folder, once", file=sys.stderr)
    try:
        for command in (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder.as_posix()],
            [uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", "--no-build", lock.as_posix()],
        ):
            subprocess.run(command, cwd=PROJECT, check=True, timeout=INSTALL_SECONDS_MAX)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstalled(f"{name} cannot be installed: {error}") from None
    stamp.write_text(wanted, "utf-8")
    return folder

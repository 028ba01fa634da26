"""Check the lock files of `requirements/`: each version has a wheel for every platform and every Python that `requirements/pythons` names.

Run by `make lock`. It asks the package index, as configured for uv; nothing is installed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
LOCKS = ("bootstrap", "default", "build", "dev")
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin")
SECONDS_MAX = 300


def pinned(text: str) -> list[str]:
    """The requirement lines of a lock file (`name==version ; marker`), without hashes and comments."""
    return [line.removesuffix("\\").strip() for line in text.splitlines() if re.match(r"[A-Za-z0-9][^=]*==", line)]


def lacking_wheels(requirements: str, platform: str, python: str) -> str:
    """What uv says about versions that have no wheel there; empty when all have one."""
    uv = Path(sys.executable).with_name("uv").as_posix()
    options = f"--quiet --no-header --no-deps --only-binary :all: --python-platform {platform} --python-version {python}".split()
    command = [uv, "pip", "compile", *options, "-"]
    done = subprocess.run(command, cwd=PROJECT, input=requirements, capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
    return "" if done.returncode == 0 else done.stderr.strip()


def main() -> int:
    """Run as a program. Returns the exit status."""
    lines = [line for name in LOCKS for line in pinned((PROJECT / "requirements" / f"{name}.lock").read_text("utf-8"))]
    failures = 0
    pythons = (PROJECT / "requirements" / "pythons").read_text("utf-8").split()
    for platform in PLATFORMS:
        for python in pythons:
            complaint = lacking_wheels("\n".join(lines), platform, python)
            if complaint:
                failures += 1
                print(f"{platform}, Python {python}:\n{complaint}", file=sys.stderr)
    print(f"{len(lines)} versions on {len(PLATFORMS)} platforms and {len(pythons)} Pythons: {failures} combinations lack a wheel")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

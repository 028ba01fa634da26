"""The search for a Python to set up with: which it takes, and what it says when there is none. The Pythons here are stand-ins on their own path."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OLDEST, *_, NEWEST = (ROOT / "requirements" / "pythons").read_text("utf-8").split()


def put(folder: Path, name: str, version: str, *, has_venv: bool = True) -> None:
    """A program that answers the script's three questions as a Python of this version would."""
    program = folder / name
    program.write_text(
        "#!/bin/sh\n"
        f"case $1 in -V) echo Python {version}.9; exit 0 ;; esac\n"
        f"case $2 in *ensurepip*) exit {0 if has_venv else 1} ;; esac\n"
        f'shift 2; for wanted in "$@"; do [ "$wanted" = {version} ] && exit 0; done; exit 1\n'
    )
    program.chmod(0o755)


def find(folder: Path, asked: str = "") -> subprocess.CompletedProcess[str]:
    """Run the script with nothing on its path but these programs and the few that it needs."""
    for tool in ("cat", "sed"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return subprocess.run(
        ["/bin/sh", "scripts/find_python.sh", asked], cwd=ROOT, env={"PATH": str(folder)}, capture_output=True, text=True, check=False
    )


def test_python3_is_taken_when_it_will_do(tmp_path: Path) -> None:
    put(tmp_path, "python3", OLDEST)
    put(tmp_path, f"python{NEWEST}", NEWEST)
    assert find(tmp_path).stdout == "python3\n"


@pytest.mark.parametrize("version", ["3.9", "3.99"])
def test_another_one_is_taken_when_python3_will_not_do(tmp_path: Path, version: str) -> None:
    put(tmp_path, "python3", version)
    put(tmp_path, f"python{NEWEST}", NEWEST)
    assert find(tmp_path).stdout == f"python{NEWEST}\n"


def test_an_incomplete_one_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "python3", OLDEST, has_venv=False)
    put(tmp_path, f"python{NEWEST}", NEWEST)
    assert find(tmp_path).stdout == f"python{NEWEST}\n"


def test_a_missing_venv_is_explained(tmp_path: Path) -> None:
    put(tmp_path, "python3", OLDEST, has_venv=False)
    done = find(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "apt install python3-venv" in done.stderr


def test_an_old_python_is_explained(tmp_path: Path) -> None:
    put(tmp_path, "python3", "3.9")
    done = find(tmp_path)
    assert done.returncode == 1
    assert "python3 here is 3.9.9" in done.stderr
    assert OLDEST in done.stderr


def test_no_python_is_explained(tmp_path: Path) -> None:
    done = find(tmp_path)
    assert done.returncode == 1
    assert "python3 here is not there" in done.stderr


def test_the_one_asked_for_is_taken_or_refused(tmp_path: Path) -> None:
    put(tmp_path, "python3", OLDEST)
    put(tmp_path, "mine", NEWEST)
    put(tmp_path, "old", "3.9")
    assert find(tmp_path, "mine").stdout == "mine\n"
    (tmp_path / "cat").unlink()
    (tmp_path / "sed").unlink()
    done = find(tmp_path, "old")
    assert done.returncode == 1
    assert "old is not a Python that Ondol runs on" in done.stderr

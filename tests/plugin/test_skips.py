"""The plugin is tried on real runs of pytest in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin.skips import ExpectedSkip, unexpected

ROOT = Path(__file__).resolve().parent.parent.parent
SKIPPING = """
import pytest

def test_that_skips():
    pytest.skip("no browser here")

@pytest.mark.xfail(strict=True)
def test_that_is_known_to_fail():
    assert False

def test_that_passes():
    pass
"""
SKIPPING_ITSELF = 'import pytest\npytest.skip("not on this system", allow_module_level=True)\n'


def run_pytest(folder: Path, ci: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A run of its own with the plugin, in this folder, with CI set so."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = os.environ | {"CI": ci, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.plugin.skips", "-p", "no:cacheprovider", *options],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("ci", "options", "status"), [("true", [], 1), ("true", ["-n", "1"], 1), ("", [], 0)])
def test_a_skip_that_nobody_expects_fails_in_ci_only(tmp_path: Path, ci: str, options: list[str], status: int) -> None:
    (tmp_path / "test_sample.py").write_text(SKIPPING)
    done = run_pytest(tmp_path, ci, *options)
    assert done.returncode == status, done.stdout
    assert ("UNEXPECTED SKIP test_sample.py::test_that_skips: Skipped: no browser here" in done.stdout) == (status == 1)
    assert "UNEXPECTED SKIP test_sample.py::test_that_is_known_to_fail" not in done.stdout


def test_a_file_that_skips_itself_counts(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(SKIPPING_ITSELF)
    (tmp_path / "test_other.py").write_text("def test_that_passes():\n    pass\n")
    done = run_pytest(tmp_path, "true")
    assert done.returncode == 1, done.stdout
    assert "UNEXPECTED SKIP test_sample.py: Skipped: not on this system" in done.stdout


def test_listed_skips_are_expected() -> None:
    skips = {"tests/e2e/test_page.py::test_it[ko]": "no browser", "tests/core/test_ids.py::test_ids": "slow"}
    rows = [ExpectedSkip("tests/e2e/test_page.py::*", "a sentence")]
    assert unexpected(skips, rows) == {"tests/core/test_ids.py::test_ids": "slow"}

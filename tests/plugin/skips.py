"""A pytest plugin: in CI a skip that nobody expects fails the run.

`tests/expected_skips.toml` lists the skips that are right, each with its reason. With CI=true in the environment every other skip, of a test or of a
whole file, turns the exit status to failure and is printed. Elsewhere skips only count.
"""

from __future__ import annotations

import fnmatch
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

EXPECTED = Path(__file__).resolve().parent.parent / "expected_skips.toml"


@dataclass(frozen=True, slots=True)
class ExpectedSkip:
    """A skip that is right. `test` is a pattern of node ids, `why` a sentence for readers."""

    test: str
    why: str


def read_expected(path: Path) -> list[ExpectedSkip]:
    """The rows of `expected_skips.toml`."""
    return [ExpectedSkip(**row) for row in tomllib.loads(path.read_text("utf-8")).get("skip", [])]


def unexpected(skips: Mapping[str, str], expected: list[ExpectedSkip]) -> dict[str, str]:
    """Those skips, reason by node id, that no row expects."""
    return {test: reason for test, reason in skips.items() if not any(fnmatch.fnmatchcase(test, row.test) for row in expected)}


class SkipWatch:
    """Collects the skips of a run and judges them at its end."""

    def __init__(self, expected: list[ExpectedSkip]) -> None:
        self._expected = expected
        self._skips: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a skipped test; an expected failure is none."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._skips[report.nodeid] = _reason(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that skipped itself."""
        if report.skipped:
            self._skips[report.nodeid] = _reason(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail a run that would have passed."""
        if exitstatus == pytest.ExitCode.OK and unexpected(self._skips, self._expected):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which skips nobody expects."""
        for test, reason in sorted(unexpected(self._skips, self._expected).items()):
            terminalreporter.write_line(f"UNEXPECTED SKIP {test}: {reason}", red=True)
        if unexpected(self._skips, self._expected):
            terminalreporter.write_line("In CI nothing may be skipped unless tests/expected_skips.toml says why.", red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Watch in CI only, and in the process that reports (not in the workers of pytest-xdist)."""
    if os.environ.get("CI") == "true" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipWatch(read_expected(EXPECTED)), "ondol-skips")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)

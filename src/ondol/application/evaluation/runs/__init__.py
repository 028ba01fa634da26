"""Runs: suites that are carried out, their results, and what these came to."""

from __future__ import annotations

from ondol.application.evaluation.runs.measure import Measuring, measured, measured_by_slice
from ondol.application.evaluation.runs.progress import Progress
from ondol.application.evaluation.runs.run import Ended, Running, Spend, carry_out, metric_of
from ondol.application.evaluation.runs.store import (
    add_run,
    cases_of_run,
    delete_run,
    digests_of,
    end_run,
    folded_digest,
    get_run,
    list_runs,
    list_suites,
    results_of,
    suite_of,
)
from ondol.application.evaluation.runs.types import EXIT_STATUS, Kept, Metric, Outcome, Run, RunDigests

__all__ = [
    "EXIT_STATUS",
    "Ended",
    "Kept",
    "Measuring",
    "Metric",
    "Outcome",
    "Progress",
    "Run",
    "RunDigests",
    "Running",
    "Spend",
    "add_run",
    "carry_out",
    "cases_of_run",
    "delete_run",
    "digests_of",
    "end_run",
    "folded_digest",
    "get_run",
    "list_runs",
    "list_suites",
    "measured",
    "measured_by_slice",
    "metric_of",
    "results_of",
    "suite_of",
]

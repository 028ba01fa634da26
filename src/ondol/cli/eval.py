"""`ondol eval`: suites and runs. Gates, golden sets, reviews and red teams have files of their own, `eval_*.py`."""

from __future__ import annotations

from pathlib import Path

import click

for _verb in (golden, verify, verdicts, export_verdict):
    command.add_command(_verb)

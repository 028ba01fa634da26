"""`ondol eval`: suites and runs. Gates, golden sets, reviews and red teams have files of their own, `eval_*.py`."""

from __future__ import annotations

from pathlib import Path

import click

from ondol.cli.eval_export import export
from ondol.cli.eval_gate import compare, gate
from ondol.cli.eval_golden_production import golden
from ondol.cli.eval_import import import_group
from ondol.cli.eval_judge import judge
from ondol.cli.eval_nightly import nightly
from ondol.cli.eval_red_team import red_team
from ondol.cli.eval_report import report
from ondol.cli.eval_review import review
from ondol.cli.eval_run import delete, list_all, run, show, watch
from ondol.cli.eval_verdict import export_verdict, verdicts, verify
from ondol.cli.guard_policies import json_option
from ondol.cli.output import print_json, print_table, say
from ondol.core.errors import UserError


@click.group("eval")
def command() -> None:
    """Evaluate models, prompts, searches, assistants and guards with suites of cases."""


suite_argument = click.argument("suite", type=click.Path(path_type=Path, dir_okay=False))


@command.command("check")
@suite_argument
@json_option
def check(suite: Path, as_json: bool) -> None:
    """Read SUITE (YAML, or Python with a function `suite()`) with all its cases, and say what it is, without asking anything.

    Exit status: 0 when it can be run, 1 when not; every row that cannot be read is told with its number.
    """
    from ondol.application.evaluation.loaders import LOADERS
    from ondol.application.evaluation.suites import GoldenCases, read_suite, suite_digest, survey
    from ondol.application.evaluation.suites.fields import did_you_mean

    read = read_suite(suite)
    for number, scorer in enumerate(read.scorers):
        if scorer.type not in LOADERS:
            raise UserError(f"scorers[{number}].type is {scorer.type!r}, which is no scorer.", did_you_mean(scorer.type, LOADERS))
    if isinstance(read.cases, GoldenCases):
        say(f"{read.card.name} can be read; its cases are the golden set {read.cases.name}@{read.cases.version}, which `ondol eval run` reads.")
        return
    found = survey(read.cases, read.slices)
    digest = suite_digest(read, found).hex()
    told = {
        "name": read.card.name,
        "target": f"{read.target.kind} {read.target.name}",
        "cases": found.count,
        "repeats": read.repeats,
        "digest": digest,
    }
    if as_json:
        print_json({**told, "scorers": [scorer.name for scorer in read.scorers], "cases_digest": found.digest.hex()})
    else:
        print_table([{**told, "digest": digest[:12]}], "")


_VERBS = (
    run,
    list_all,
    show,
    watch,
    delete,
    compare,
    gate,
    export,
    report,
    import_group,
    golden,
    review,
    verify,
    verdicts,
    export_verdict,
    nightly,
    judge,
    red_team,
)

for _verb in _VERBS:
    command.add_command(_verb)

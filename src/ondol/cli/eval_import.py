"""`ondol eval import`."""

from __future__ import annotations

from pathlib import Path

import click

from ondol.cli.output import say
from ondol.core.errors import UserError


@click.group("import")
def import_group() -> None:
    """Write what other tools evaluate with as a suite."""


@import_group.command("promptfoo")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-o", "--out", "out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where to write the suite.")
@click.option(
    "--target", required=True, metavar="KIND=NAME", help="What the suite asks, such as route=small: promptfoo's providers are not taken over."
)
def promptfoo(file: Path, out: Path, target: str) -> None:
    """Write promptfoo's YAML in FILE as a suite. Assertions that run code are refused, with their line; what is left out is told."""
    from ondol.application.evaluation.suites import parse_suite
    from ondol.application.evaluation.suites.promptfoo import import_promptfoo, suite_yaml

    kind, equals, name = target.partition("=")
    if not equals:
        raise UserError(f"{target!r} names no target.", "For example: --target route=small")
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give promptfoo's YAML, in UTF-8.") from error
    made = import_promptfoo(text, name=file.stem, target={kind: name})
    written = suite_yaml(made.suite)
    parse_suite(written)
    out.write_text(written, "utf-8")
    for note in made.notes:
        say(note)
    say(f"{out}: {len(made.suite['cases']):,} cases. Fill in the card, and say in `success` what is enough.")

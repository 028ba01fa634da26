"""What commands print: plain lines, tables, JSON where a program reads it, progress where a person waits."""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import click

PROGRESS_SECONDS = 0.1
PLAIN_PROGRESS_SECONDS = 5.0


def say(text: str = "") -> None:
    """A line for people, on standard output, at once."""
    click.echo(text)
    sys.stdout.flush()


def print_json(value: object) -> None:
    """One JSON value for programs."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def print_table(rows: Sequence[Mapping[str, object]], empty: str) -> None:
    """Rows under their names, aligned also where characters are two columns wide."""
    if not rows:
        say(empty)
        return
    names = list(rows[0])
    cells = [[_cell(row[name]) for name in names] for row in rows]
    widths = [max(_width(names[column]), *(_width(line[column]) for line in cells)) for column in range(len(names))]
    say("  ".join(_pad(name.replace("_", " "), width) for name, width in zip(names, widths, strict=True)).rstrip())
    for line in cells:
        say("  ".join(_pad(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_page(name: str, rows: Sequence[Mapping[str, object]], *, next_after: object | None, as_json: bool, empty: str) -> None:
    """One page of a list: for programs an object with the rows and `next`, for people a table and, where it goes on, how.

    Args:
        name: what the rows are, such as "keys".
        next_after: what to give as `--after` for the next page; None on the last one.
    """
    if as_json:
        print_json({name: rows, "next": next_after})
        return
    print_table(rows, empty)
    if next_after is not None:
        say(f"\nThere are more {name}: add --after {next_after}")


class Progress:
    """A count that moves: redrawn in place on a terminal, a plain line now and then without one.

    Args:
        what: what is counted, such as "documents".
    """

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._shown_at = float("-inf")
        self._started = time.monotonic()
        self._open = False

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is."""
        now = time.monotonic()
        interval = PROGRESS_SECONDS if self._terminal else PLAIN_PROGRESS_SECONDS
        if self._quiet or (now - self._shown_at < interval and done < total):
            return
        if not self._terminal and now - self._started < PLAIN_PROGRESS_SECONDS:
            return
        self._shown_at = now
        text = f"  {done:,} of {total:,} {self._what}"
        if self._terminal:
            filled = int(24 * done / total) if total else 24
            click.echo(f"\r\x1b[2K  {'█' * filled}{'░' * (24 - filled)} {text.strip()}", nl=False, err=True)
            self._open = True
        else:
            click.echo(text, err=True)

    def done(self) -> None:
        """Clear the moving line."""
        if self._open:
            click.echo("\r\x1b[2K", nl=False, err=True)
            self._open = False


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset | set | tuple):
        return sorted(value) if isinstance(value, frozenset | set) else list(value)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, frozenset | set | tuple | list):
        return ", ".join(map(str, sorted(value))) or "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))

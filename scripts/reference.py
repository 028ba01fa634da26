"""Write the generated pages of `docs/reference`: settings, commands, errors and metrics, from the code that defines them.

python scripts/reference.py            write the pages
python scripts/reference.py --check    only say which pages are not what the code says
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

import ondol
from ondol.cli.config import reference_page
from ondol.cli.main import cli
from ondol.core import errors
from ondol.infrastructure.telemetry.catalogue import reference_table
from ondol.infrastructure.telemetry.genai import ATTRIBUTES, SEMCONV_VERSION

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
GENERATED = "<!-- Written by `make docs` from the code; change it there. -->\n\n"


def settings_page() -> str:
    """Every setting, as `ondol config reference --markdown` prints them."""
    return GENERATED + reference_page().rstrip() + "\n"


def commands_page() -> str:
    """Every command with its arguments and options."""
    root = click.Context(cli, info_name="ondol")
    sections = ["# Commands", "Options before the command hold for every command.", *_command_sections(cli, root, 2)]
    return GENERATED + "\n\n".join(sections) + "\n"


def errors_page() -> str:
    """The tree of errors, then the code and HTTP status of each that a caller of the API can get."""
    _import_everything()
    tree = inspect.cleandoc(errors.__doc__ or "").split("\n\n")[1]
    lines = [f"| `{kind.code}` | {kind.status} | {_first_sentence(kind)} |" for kind in _request_errors(errors.RequestError)]
    table = "\n".join(["| code | status | meaning |", "|---|---|---|", *sorted(set(lines))])
    opening = "Every answer of the API that is no success has one shape: a message, a type, a code, and the offending field if there is one."
    return GENERATED + "\n\n".join(["# Errors", opening, table, "## The tree in the code", f"```text\n{inspect.cleandoc(tree)}\n```"]) + "\n"


def metrics_page() -> str:
    """Every metric of `/metrics`, then what stands on the spans."""
    rows = [f"| {row.span} | `{row.name}` | `{row.field}` | {'`telemetry.identities`' if row.identity else 'always'} |" for row in ATTRIBUTES]
    table = "\n".join(["| span | attribute | from | told with |", "|---|---|---|---|", *rows])
    opening = "What `/metrics` tells, summed over all workers of a machine. How to read it: [monitoring](../guides/monitoring.md)."
    spans = f"By version {SEMCONV_VERSION} of OpenTelemetry's semantic conventions, from one table in the code."
    return GENERATED + "\n\n".join(["# Metrics", opening, reference_table(), "## Attributes of spans", spans, table]) + "\n"


def pages() -> dict[str, str]:
    """Text of each generated page by its file name."""
    return {"commands.md": commands_page(), "errors.md": errors_page(), "metrics.md": metrics_page(), "settings.md": settings_page()}


def stale_pages(folder: Path) -> list[str]:
    """Names of the pages in a folder that are missing or differ from what the code says."""
    return [name for name, text in pages().items() if not (folder / name).is_file() or (folder / name).read_text("utf-8") != text]


def main(arguments: Sequence[str]) -> int:
    """Run as a program. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the generated pages of the documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is not what the code says")
    options = parser.parse_args(arguments)
    stale = stale_pages(REFERENCE)
    if options.check:
        for name in stale:
            print(f"docs/reference/{name} is not what the code says: run `make docs`.", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        REFERENCE.mkdir(parents=True, exist_ok=True)
        (REFERENCE / name).write_text(pages()[name], "utf-8")
    return 0


def _import_everything() -> None:
    """Rooms may add errors of their own below those of core: all of them must be known."""
    for module in pkgutil.walk_packages(ondol.__path__, "ondol."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _command_sections(group: click.Group, context: click.Context, depth: int) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        yield f"{'#' * depth} {inner.command_path}"
        yield inspect.cleandoc(command.help or command.short_help or "")
        usage = " ".join([inner.command_path, *command.collect_usage_pieces(inner)])
        yield f"```console\n$ {usage}\n```"
        rows = [record for parameter in command.get_params(inner) if (record := parameter.get_help_record(inner)) and "--help" not in record[0]]
        if rows:
            yield "\n".join(["| option | meaning |", "|---|---|", *(f"| `{_cell(left)}` | {_cell(right)} |" for left, right in rows)])
        if isinstance(command, click.Group):
            yield from _command_sections(command, inner, depth + 1)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _request_errors(kind: type[errors.RequestError]) -> Iterator[type[errors.RequestError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _request_errors(child)


def _first_sentence(kind: type) -> str:
    return _cell((kind.__doc__ or "").strip().split("\n\n")[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The `ondol` command."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ondol import __version__
from ondol.core.config import Settings, load_settings, settings_path
from ondol.core.errors import OndolError

if TYPE_CHECKING:
    from ondol.wiring.live_settings import LiveSettings

COMMANDS = {
    "up": "Start everything, print where it is, stop it on Ctrl-C.",
    "serve": "Run HTTP workers only (Postgres and jobs elsewhere).",
    "work": "Run a job worker only.",
    "ask": "Ask an assistant a question.",
    "access-request": "List, grant and refuse requests for access to documents.",
    "answer": "Show what an answer rests on, and check it against the ledger.",
    "thread": "List, show, rename, export and delete what people and assistants have said to each other.",
    "ingest": "Take a folder of documents into a knowledge base.",
    "document": "Add, replace, move, restrict, delete, list and download single documents.",
    "index": "Build, compare and choose the versions of a knowledge base's index.",
    "prompt": "Keep, show and compare the prompts that assistants are given.",
    "release": "Make, compare and choose what an assistant serves.",
    "assistant": "List assistants, and say what each requires before a release goes live.",
    "apply": "Apply a YAML file of tenants, people, assistants, providers, models and rules; or export it.",
    "config": "Show settings, where they come from, and their reference.",
    "tenant": "Create and list tenants, and say which one runs this installation.",
    "user": "Add, invite, change and list people.",
    "key": "Create, list and revoke API keys.",
    "widget": "Put an assistant on a customer's site: make, change, list and revoke widgets.",
    "bot": "Put an assistant into a chat such as Slack: make, change, show and revoke bots, say who is who.",
    "provider": "Add, test, rotate and list the providers that answer models.",
    "model": "Add, show and list the models that keys may call.",
    "price": "Add, list and remove what providers' models cost.",
    "limit": "Set, change, list and remove limits of requests and tokens.",
    "budget": "Make, change and list budgets, see what is spent, pay into prepaid ones.",
    "usage": "Show what was used and what it cost.",
    "requests": "Show the log of requests.",
    "gateway": "Show and change how the gateway treats a tenant.",
    "eval": "Evaluate models, prompts, searches, assistants and guards.",
    "guard": "Check texts and tool calls; manage the guard's policies, canaries, incidents and approvals.",
    "erase": "Erase a document or a person from every store, with a signed receipt.",
    "erasure": "List, show and verify erasures.",
    "ledger": "Verify the ledger and walk where things came from.",
    "db": "Migrate, back up, restore and sweep the database.",
    "doctor": "Check this installation and say how to mend what is wrong.",
}


ENVIRONMENT_PREFIX = "ONDOL"

HIDDEN_COMMANDS = frozenset({"demo"})
"""Called by other commands."""


class LazyGroup(click.Group):
    """Commands are imported when they are called, so that `ondol --help` and short commands start at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN_COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"ondol.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": ENVIRONMENT_PREFIX, "max_content_width": 110}
)
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Settings file; otherwise ./ondol.yaml if it exists.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder of the embedded stores; otherwise ./.ondol.")
@click.version_option(__version__, prog_name="ondol")
@click.pass_context
def cli(context: click.Context, config: Path | None, data_dir: Path | None) -> None:
    """Ondol: build, run and answer for AI applications on one self-hosted platform.

    Every option is also an environment variable: ONDOL_<COMMAND>_<OPTION>; every setting too: ONDOL_HTTP_PORT is http.port.
    """
    context.obj = (config, data_dir)


def settings_of(context: click.Context, **options: object) -> Settings:
    """The settings of this call; `options` are by setting name with `__` for `.`."""
    config, data_dir = context.find_root().obj
    chosen = {name.replace("__", "."): value for name, value in options.items()}
    return load_settings(config, options={"data_dir": data_dir, **chosen}, other_variables=option_variables(os.environ))


def live_settings_of(context: click.Context, **options: object) -> LiveSettings:
    """The same for a process that runs on while its settings file may change."""
    from ondol.wiring.live_settings import LiveSettings

    config, _ = context.find_root().obj
    return LiveSettings(lambda: settings_of(context, **options), settings_path(config).absolute())


def option_variables(environment: Iterable[str]) -> set[str]:
    """Those of some variables that stand for an option of a command. Only commands that one of them could mean are imported."""
    found: set[str] = set()
    for variable in environment:
        for name in (*COMMANDS, *HIDDEN_COMMANDS):
            if variable.startswith(_variable(ENVIRONMENT_PREFIX, name) + "_"):
                root = click.Context(cli, info_name="ondol")
                command = cli.get_command(root, name)
                found |= {variable} & set(_variables_of(command, _variable(ENVIRONMENT_PREFIX, name)) if command else ())
    return found


def _variables_of(command: click.Command, prefix: str) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name:
            yield _variable(prefix, parameter.name)
    for name, below in command.commands.items() if isinstance(command, click.Group) else ():
        yield from _variables_of(below, _variable(prefix, name))


def _variable(prefix: str, name: str) -> str:
    return f"{prefix}_{name}".upper().replace("-", "_")


@contextlib.contextmanager
def friendly_errors() -> Iterator[None]:
    """The one boundary of all commands: what a person can mend is a sentence and a hint, never a traceback."""
    try:
        yield
    except OndolError as error:
        _complain(error.message, error.hint)
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EMFILE):
            raise
        hint = (
            "Free some space and try again; nothing is lost." if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Check its owner and permissions."
        )
        _complain(f"{error.filename or 'The system'}: {error.strerror}.", hint)
        raise SystemExit(1) from None


def _complain(message: str, hint: str) -> None:
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {message}", err=True)
    if hint:
        click.echo(f"{click.style('Hint:', bold=True)}  {hint}", err=True)


def main() -> None:
    """Entry point of the `ondol` script."""
    try:
        with friendly_errors():
            cli(prog_name="ondol", standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

"""`ondol guard`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ondol.cli.guard_incidents import incidents
from ondol.cli.guard_policies import canary, dry_run, policy, read_policy
from ondol.cli.guard_texts import protected_corpus, texts
from ondol.cli.guard_tools import approvals, tool
from ondol.cli.output import say
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.infrastructure.guard.conversation import Guards
    from ondol.infrastructure.guard.policy import Policy

LINE_CHARACTERS_MAX = 20_000_000
_COLOURS = {"block": "red", "escalate": "red", "answer": "magenta", "restrict": "yellow", "allow": "green", "observe": "blue"}


@click.group("guard")
def command() -> None:
    """Check texts and tool calls, and manage the guard's policies, canaries, incidents and approvals."""


command.add_command(policy)
command.add_command(dry_run)
command.add_command(incidents)
command.add_command(canary)
command.add_command(tool)
command.add_command(approvals)
command.add_command(texts)


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--stage", type=click.Choice(["input", "model", "tool", "output"]), default="input", show_default=True, help="Where the texts stand.")
@click.option("--policy", "policy_file", type=click.Path(path_type=Path, dir_okay=False), help="A policy's YAML; the built-in one when absent.")
@click.option(
    "--protected",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A text that must not be repeated, with --stage output; a policy without a rule on `overlap` blocks it. May be given again.",
)
@click.option("--lines/--whole", default=None, help="One text per line, or all as one; lines for -, the whole for a FILE.")
@click.option("--jsonl", is_flag=True, help="Each line is a JSON string, or an object with `text`.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON verdict per text.")
def check(file: Path, stage: str, policy_file: Path | None, protected: tuple[Path, ...], lines: bool | None, jsonl: bool, as_json: bool) -> None:
    """Look at FILE (- reads standard input) by a policy. Needs no platform and no data folder."""
    from ondol.infrastructure.guard.defaults import default_policy
    from ondol.infrastructure.guard.trial import guards_of, try_text

    policy_read = read_policy(policy_file) if policy_file else default_policy()
    guards = _guards_with(policy_read, stage, protected) if protected else guards_of(policy_read)
    by_line = jsonl or (str(file) == "-" if lines is None else lines)
    for number, text in enumerate(_texts(file, by_line=by_line, jsonl=jsonl), 1):
        tried = try_text(guards, stage, text)  # type: ignore[arg-type]  # click has checked it
        plain = tried.plain()
        if as_json:
            say(json.dumps(plain, ensure_ascii=False))
            continue
        where = f"{number}  " if by_line else ""
        told = f"{plain['decision']}" + (f" (would {plain['would']})" if plain["would"] != plain["decision"] else "")
        say(f"{where}{_styled(told, plain['decision'], bold=True)}  {_marked(text, plain['findings'])}")
        for finding in plain["findings"]:
            action = finding["action"] or "-"
            span = f"{finding['start']}-{finding['end']}"
            words = f"{finding['rule']}  {finding['entity']}".strip()
            say(f"    {_styled(action.ljust(8), action)} {words}  {span}  {finding['confidence']:.2f}  {finding['reason']}")
        if plain["failed"]:
            say(click.style(f"    failed: {', '.join(plain['failed'])}", fg="red"))


@command.command("bench", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Run the guard's benchmark with its own ARGUMENTS, such as --quick --json. Needs a checkout of the source."""
    import ondol

    checkout = next(
        (place for place in (Path.cwd(), Path(ondol.__file__).resolve().parents[2]) if (place / "benchmarks/guard/__main__.py").is_file()), None
    )
    if checkout is None:
        raise UserError("The benchmarks come with the source, not with the package.", "Run it in a checkout: python -m benchmarks.guard")
    done = subprocess.run([sys.executable, "-m", "benchmarks.guard", *arguments], cwd=checkout, check=False)
    raise SystemExit(done.returncode)


def _guards_with(policy_read: Policy, stage: str, protected: tuple[Path, ...]) -> Guards:
    import msgspec

    from ondol.infrastructure.guard.conversation import prepare_guards
    from ondol.infrastructure.guard.policy import Rule
    from ondol.infrastructure.guard.registry import Resources, checks_for

    rules = policy_read.stages.get(stage, [])  # type: ignore[call-overload]  # click has checked it
    if not any(rule.find.startswith("overlap") for rule in rules):
        stages: dict[str, list[Rule]] = {**policy_read.stages, stage: [*rules, Rule("overlap", "block")]}  # type: ignore[dict-item]
        policy_read = msgspec.structs.replace(policy_read, stages=stages)
    return prepare_guards([policy_read], checks_for([policy_read], Resources(corpus=protected_corpus(protected))))


def _texts(file: Path, *, by_line: bool, jsonl: bool) -> Iterator[str]:
    try:
        with click.open_file(str(file), encoding="utf-8", errors="surrogateescape") as opened:
            if not by_line:
                yield opened.read()
                return
            while line := opened.readline(LINE_CHARACTERS_MAX):
                text = line.removesuffix("\n").removesuffix("\r")
                yield _from_json(text) if jsonl else text
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.", "Give a text file, or - for standard input.") from error


def _from_json(line: str) -> str:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise UserError(f"A line is not JSON: {error}.", 'Give a string, or an object with "text", in each line.') from error
    text = value.get("text") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise UserError("A line holds no text.", 'Give a string, or an object with "text", in each line.')
    return text


def _styled(text: str, kind: str, *, bold: bool = False) -> str:
    return click.style(text, fg=_COLOURS.get(kind, "cyan"), bold=bold)


def _marked(text: str, findings: list[dict[str, object]]) -> str:
    """The text with what was found in reverse, on one line."""
    pieces: list[str] = []
    position = 0
    for finding in findings:
        start, end = int(str(finding["start"])), int(str(finding["end"]))
        if start < position or finding["action"] is None:
            continue
        pieces += (text[position:start], click.style(text[start:end], reverse=True))
        position = end
    return " ".join("".join((*pieces, text[position:])).split("\n"))
